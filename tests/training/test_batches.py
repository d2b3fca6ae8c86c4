import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import holes
from jaxrestore.training import batches

KEY = jax.random.key(0)
WEIGHT = {"damaged": 6.0, "intact": 1.0}
BYTES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)


psnr_terms = jax.jit(batches.psnr_terms)


def _made(images, **options):
    options = {"degradation": {"name": "noise", "level": 0.1}, **options}
    make = functools.partial(batches.make, augment="none", **options)
    return jax.jit(make)(KEY, jnp.asarray(images))


def test_the_target_is_the_bytes_as_fractions():
    batch = _made(BYTES)
    assert batch.keys() == {"target", "degraded", "key"}
    np.testing.assert_allclose(batch["target"], BYTES / 255, rtol=1e-6)
    assert batch["degraded"].dtype == jnp.float32
    assert (batch["degraded"] != batch["target"]).any()


def test_pairs_are_six_channels_the_targets_first():
    batch = _made(np.concatenate([BYTES, 255 - BYTES], -1), degradation=None)
    np.testing.assert_allclose(batch["target"], BYTES / 255, rtol=1e-6)
    np.testing.assert_allclose(batch["degraded"], 1 - BYTES / 255, atol=1e-6)


def test_a_batch_knows_what_was_damaged_where_the_degradation_does(monkeypatch):
    calls = []
    known = holes.damage
    counted = lambda *given, **options: (calls.append(1), known(*given, **options))[1]
    monkeypatch.setattr(holes, "damage", counted)
    recipe = {"name": "holes", "kinds": {"box": 1.0}, "box": 0.5}
    batch = _made(BYTES, degradation=recipe)
    assert batch.keys() == {"target", "degraded", "damage", "key"}
    np.testing.assert_array_equal(batch["damage"], batch["degraded"][..., 3:])
    np.testing.assert_array_equal(batch["damage"].sum((1, 2, 3)), 4)
    weighed = _made(BYTES, degradation=recipe | {"weight": WEIGHT})
    np.testing.assert_array_equal(weighed["weight"], 1 + 5 * batch["damage"])
    assert len(calls) == 2  # once a program, for all that it tells


def test_an_image_is_degraded_alike_in_any_company():
    together, alone = _made(BYTES), _made(BYTES[:1])
    np.testing.assert_allclose(together["degraded"][:1], alone["degraded"], atol=1e-6)


def test_the_scores_of_a_step_are_those_by_hand():
    # Off by 0.1 is 20 dB; off by 0.5 is 20 * log10(2) dB.
    target = jnp.full((2, 4, 4, 3), 0.5)
    batch = {"target": target, "degraded": jnp.zeros((2, 4, 4, 4))}
    terms = psnr_terms(batch, target + 0.1)
    assert float(terms["train/psnr"]) == pytest.approx(20, abs=1e-4)
    gain = 20 - 20 * np.log10(2)
    assert float(terms["train/psnr_gain"]) == pytest.approx(gain, abs=1e-4)


def test_what_is_restored_beyond_white_is_scored_as_white():
    white = jnp.ones((1, 4, 4, 3))
    batch = {"target": white, "degraded": 0.9 * white}
    far, near = (psnr_terms(batch, x * white) for x in (7.0, 1.0))
    assert far == near


def test_an_input_of_another_size_has_no_gain():
    batch = {"target": jnp.zeros((1, 8, 8, 3)), "degraded": jnp.zeros((1, 4, 4, 3))}
    assert psnr_terms(batch, batch["target"] + 0.1).keys() == {"train/psnr"}
