"""Measures by hand; comparisons of whole runs: test_comparison.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.comparing import images


def test_levels_are_those_of_a_file():
    values = np.array([-1, 0, 0.2, 0.499, 1, 1.7], np.float32)
    assert images.eight_bit(values).tolist() == [0, 0, 51, 127, 255, 255]
    assert images.eight_bit(values).dtype == np.uint8


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(errors.TrainingError, match="not finite"):
        images.eight_bit(np.full((1, 2, 2, 3), value, np.float32))


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("mse", [0.5, 1.5]), ("psnr", [-0.5, -1.5]), ("sharpness", [0.5, 0.5])],
)
def test_the_least_loss_is_the_best_of_every_measure(measure, expected):
    np.testing.assert_allclose(images.loss(measure, np.array([0.5, 1.5])), expected)


def test_errors_in_the_damage_and_elsewhere_are_means_over_their_pixels():
    levels = np.random.default_rng(0).integers(0, 200, (2, 16, 16, 3))
    target = jnp.asarray(levels / 255, jnp.float32)
    damage = jnp.zeros((2, 16, 16, 1)).at[0, :4].set(1)
    restored = target + jnp.where(damage > 0, 51, 17) / 255
    found = jax.jit(images.scores)(restored, target, damage)
    np.testing.assert_allclose(found["mse_damaged"], [1 / 25, np.nan], rtol=1e-4)
    np.testing.assert_allclose(found["mse_intact"], [1 / 225, 1 / 225], rtol=1e-4)
    mse = np.array([0.25 / 25 + 0.75 / 225, 1 / 225])
    np.testing.assert_allclose(found["mse"], mse, rtol=1e-4)
    np.testing.assert_allclose(found["psnr"], -10 * np.log10(mse), rtol=1e-4)


def test_every_measure_is_perfect_for_the_target_itself():
    target = jnp.asarray(np.random.default_rng(0).random((1, 16, 16, 3), np.float32))
    found = jax.jit(images.scores)(target, target)
    assert found.keys() == images.MEASURES.keys() - {"mse_damaged", "mse_intact"}
    best = {"ssim": 1.0, "ssim_skimage": 1.0, "psnr": np.inf, "sharpness": 1.0}
    for name, values in found.items():
        assert float(values[0]) == pytest.approx(best.get(name, 0.0), abs=1e-5), name
