import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import layers, pix2pix_unet, vae

TINY: dict[str, Any] = {"filters": 4, "downs": 5, "latent": 6}
SIDE = 32


def _maps(model, side, *, train=False):
    """The shape of each layer's map without its batch axis, and the parameters."""
    image = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), image)
    apply = functools.partial(
        model.apply, train=train, capture_intermediates=True, mutable=True
    )
    rngs = {"dropout": jax.random.key(0)}
    _, moved = jax.eval_shape(functools.partial(apply, rngs=rngs), variables, image)
    named = {
        name: found["__call__"][0].shape[1:]
        for name, found in moved["intermediates"].items()
        if name != "__call__"
    }
    return named, variables["params"]


def _count(params, *parts):
    """The parameters of the layers whose names begin with one of `parts`."""
    chosen = [layer for name, layer in params.items() if name.startswith(parts)]
    return sum(leaf.size for leaf in jax.tree.leaves(chosen))


@functools.cache
def _tiny(skips=True):
    """The variables of a small network, and its jitted apply."""
    model = vae.Generator(**TINY, skips=skips)
    init = jax.jit(functools.partial(model.init, train=False))
    variables = init(jax.random.key(0), untrained.noise(1, SIDE, SIDE, 3))
    apply = lambda variables, image, rngs: model.apply(
        variables, image, train=False, rngs=rngs
    )
    return variables, jax.jit(apply)


def _with(variables, layer, change):
    """The variables with another kernel and bias of a layer."""
    params = variables["params"]
    return {**variables, "params": {**params, layer: {**params[layer], **change}}}


def _posterior(seed):
    return {"posterior": jax.random.key(seed)}


def test_the_vae_has_the_parameters_of_its_parts():
    _, params = _maps(vae.Generator(), 256)
    assert _count(params, "down") == 19_538_816
    assert _count(params, "mean", "log_variance") == 65_664
    assert _count(params, "projection") == 33_280
    assert _count(params, "up") == 34_876_291
    assert _count(params, "") == 54_514_051
    _, half = _maps(vae.Generator(filters=32), 256)
    assert _count(half, "") == 13_658_371


WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)


@pytest.mark.parametrize(
    ("model", "joined"),
    [
        (vae.Generator(), True),
        (vae.Generator(skips=False), False),
        (pix2pix_unet.Generator(inner_norm=True), True),
    ],
    ids=["vae", "without_skips", "pix2pix_unet"],
)
@pytest.mark.parametrize("train", [False, True])
def test_every_map_from_256_px_to_one_and_back_has_its_shape(model, joined, train):
    maps, params = _maps(model, 256, train=train)
    for level, width in enumerate(WIDTHS):
        side = 256 // 2 ** (level + 1)
        assert maps[f"down{level}"] == (side, side, width)
        wider = 3 if level == 0 else WIDTHS[level - 1]
        assert maps[f"up{level}"] == (2 * side, 2 * side, wider)
        # What a layer on the way up takes: the map below it, joined by its equal.
        taken = params[f"up{level}"]["conv"]["kernel"].shape[-1]
        assert taken == width * (2 if joined and level < 7 else 1)
    if isinstance(model, vae.Generator):
        assert maps["mean"] == maps["log_variance"] == (1, 1, 64)
        assert maps["projection"] == (1, 1, 512)


def test_the_u_net_with_an_inner_norm_has_two_numbers_more_for_each_feature():
    _, params = _maps(pix2pix_unet.Generator(inner_norm=True), 256)
    assert _count(params, "") == 54_414_979
    assert params["down7_norm"]["batch"]["scale"].shape == (512,)


def test_the_image_is_in_range_and_the_latent_a_map_of_larger_images():
    variables, apply = _tiny()
    restored, aux = apply(variables, untrained.noise(2, SIDE, SIDE, 3), {})
    assert set(aux) == {"latent"}
    assert float(restored.min()) > 0 and float(restored.max()) < 1
    wide = jax.ShapeDtypeStruct((2, SIDE, 2 * SIDE, 3), jnp.float32)
    restored, aux = jax.eval_shape(apply, variables, wide, {})
    assert aux["latent"].shape == (2, 1, 2, 2 * TINY["latent"])
    assert restored.shape == wide.shape


def test_log_variances_stay_within_ten():
    variables, apply = _tiny()
    for bias, expected in ((1e3, 10), (-1e3, -10)):
        shifted = {"bias": jnp.full(TINY["latent"], bias)}
        changed = _with(variables, "log_variance", shifted)
        _, aux = apply(changed, untrained.noise(2, SIDE, SIDE, 3), {})
        np.testing.assert_array_equal(aux["latent"][..., TINY["latent"] :], expected)


def test_a_key_gives_one_sample_and_other_keys_give_others():
    variables, apply = _tiny()
    image = untrained.noise(2, SIDE, SIDE, 3)
    first, _ = apply(variables, image, _posterior(1))
    again, _ = apply(variables, image, _posterior(1))
    other, _ = apply(variables, image, _posterior(2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any((1, 2, 3)).all()
    assert (first != apply(variables, image, {})[0]).any((1, 2, 3)).all()


def test_without_a_key_the_mean_is_decoded():
    # It is the sample of a posterior without spread: of e^-5, the least there is.
    variables, apply = _tiny()
    image = untrained.noise(2, SIDE, SIDE, 3)
    mean, _ = apply(variables, image, {})
    wide, _ = apply(variables, image, _posterior(1))
    bias = {"bias": jnp.full(TINY["latent"], -1e3)}
    narrow = _with(variables, "log_variance", bias)
    close, _ = apply(narrow, image, _posterior(1))
    assert float(jnp.abs(close - mean).max()) < 0.05 * float(jnp.abs(wide - mean).max())


def test_samples_of_the_latent_have_the_posteriors_mean_and_deviation():
    model = vae.Generator(**TINY)
    mean = jnp.full((4000, 1, 1, 1), 2.0)
    spread = jnp.full((4000, 1, 1, 1), 2 * np.log(0.5))
    drawn = np.asarray(
        model.apply({}, mean, spread, method=vae.Generator._drawn, rngs=_posterior(0))
    )
    # Standard errors of 4000 draws: 0.5 / sqrt(4000) = 0.008, and 0.7 of that.
    assert drawn.mean() == pytest.approx(2, abs=0.03)
    assert drawn.std() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("rngs", [{}, _posterior(3)], ids=["mean", "sample"])
def test_an_image_is_restored_alike_in_any_company(rngs):
    variables, apply = _tiny()
    image = untrained.noise(2, SIDE, SIDE, 3)
    together, _ = apply(variables, image, rngs)
    beside_another, _ = apply(variables, image.at[1].set(0.5), rngs)
    np.testing.assert_allclose(beside_another[0], together[0], atol=1e-6)
    alone, _ = apply(variables, image[:1], rngs)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)


@pytest.mark.slow
def test_without_skips_the_latent_alone_makes_the_image():
    outputs = {}
    for skips in (True, False):
        variables, apply = _tiny(skips)
        kernel = variables["params"]["projection"]["kernel"]
        blind = _with(variables, "projection", {"kernel": jnp.zeros_like(kernel)})
        outputs[skips], _ = apply(blind, untrained.noise(2, SIDE, SIDE, 3), {})
    assert float(jnp.abs(outputs[True][0] - outputs[True][1]).max()) > 1e-3
    np.testing.assert_array_equal(outputs[False][0], outputs[False][1])


@pytest.mark.parametrize(
    "model",
    [
        vae.Generator(**TINY),
        pix2pix_unet.Generator(filters=4, downs=5, inner_norm=True, dropout=0.0),
    ],
    ids=["vae", "pix2pix_unet"],
)
def test_training_on_one_image_that_ends_as_one_pixel_is_refused(model):
    train = functools.partial(model.init, train=True)
    shape = lambda *size: jax.ShapeDtypeStruct((*size, 3), jnp.float32)
    with pytest.raises(ValueError, match=r"one image of 1x1 px.*two images"):
        jax.eval_shape(train, jax.random.key(0), shape(1, SIDE, SIDE))
    # Two images, or a larger one, have statistics.
    jax.eval_shape(train, jax.random.key(0), shape(2, SIDE, SIDE))
    jax.eval_shape(train, jax.random.key(0), shape(1, SIDE, 2 * SIDE))


def test_one_value_has_no_batch_statistics_but_may_be_evaluated():
    norm = layers.Norm("batch")
    one = untrained.noise(1, 1, 1, 2)
    variables = norm.init(jax.random.key(0), one, train=False)
    assert np.isfinite(np.asarray(norm.apply(variables, one, train=False))).all()
    with pytest.raises(ValueError, match="no statistics"):
        norm.apply(variables, one, train=True, mutable=["batch_stats"])


@pytest.mark.parametrize("network", [vae, pix2pix_unet])
def test_a_network_without_a_layer_down_is_refused(network):
    image = jax.ShapeDtypeStruct((2, SIDE, SIDE, 3), jnp.float32)
    start = functools.partial(network.Generator(downs=0).init, train=False)
    with pytest.raises(ValueError, match="downs is 0"):
        jax.eval_shape(start, jax.random.key(0), image)
