import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import untrained

from jaxrestore.models import unet_discriminator, vgg_discriminator
from jaxrestore.ops import resize


def _noise(*shape, seed=0):
    values = np.random.default_rng(seed).random(shape, np.float32) - 0.5
    return jnp.asarray(values)


def _shapes(model, height, width):
    """The shapes of the variables and of the logits of two images."""
    image = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), image, image)
    apply = functools.partial(model.apply, train=False)
    return variables, jax.eval_shape(apply, variables, image, image).shape


def _variables(model, image):
    """Variables of numbers around 0, quicker made than by the network's own start."""
    shapes, _ = _shapes(model, *image.shape[1:3])
    leaves, structure = jax.tree.flatten(shapes)
    values = [0.6 * _noise(*leaf.shape, seed=n) for n, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, values)


def _conv(maps, layer, stride=1):
    """[h, w, c] under a convolution of 3x3 or, of stride 2, of 4x4, in a loop."""
    kernel = np.asarray(layer["conv"]["kernel"], np.float64)
    padded = np.pad(np.asarray(maps, np.float64), ((1, 1), (1, 1), (0, 0)))
    made = [
        sum(
            scipy.signal.correlate2d(padded[..., c], kernel[..., c, out], "valid")
            for c in range(kernel.shape[2])
        )
        for out in range(kernel.shape[3])
    ]
    bias = np.asarray(layer["conv"].get("bias", 0))
    return np.stack(made, -1)[::stride, ::stride] + bias


def _leaky(maps):
    return np.where(maps > 0, maps, 0.2 * maps)


@pytest.mark.parametrize(
    ("model", "side", "count"),
    [
        (vgg_discriminator.Discriminator(), 128, 14_499_401),
        (vgg_discriminator.Discriminator(side=256), 256, 21_055_049),
        (unet_discriminator.Discriminator(), 64, 4_376_897),
        (unet_discriminator.Discriminator(spectral_norm=False), 64, 4_376_897),
    ],
)
def test_a_discriminator_has_the_stated_number_of_parameters(model, side, count):
    assert untrained.count(_shapes(model, side, side)[0]) == count


def test_the_vgg_like_one_gives_one_logit_an_image_and_keeps_statistics():
    model = vgg_discriminator.Discriminator(filters=4, side=32)
    variables, logits = _shapes(model, 32, 32)
    assert logits == (2, 1, 1, 1)
    assert set(variables) == {"params", "batch_stats"}
    # Three pairs of convolutions; the very first is not normalised.
    expected = {"down0_norm"} | {
        f"{n}{i}_norm" for n in ("conv", "down") for i in (1, 2)
    }
    assert set(variables["batch_stats"]) == expected
    assert variables["params"]["hidden"]["kernel"].shape == (4 * 4 * 16, 100)
    assert (model.conditional, model.one_number, model.norm) == (False, True, "batch")
    plain = vgg_discriminator.Discriminator(filters=4, side=32, norm="none")
    assert set(_shapes(plain, 32, 32)[0]) == {"params"}


def test_the_u_net_gives_one_logit_a_pixel():
    model = unet_discriminator.Discriminator(filters=4)
    variables, logits = _shapes(model, 32, 24)
    assert logits == (2, 32, 24, 1)
    held = {f"{n}{i}" for n in ("down", "up") for i in range(4)} - {"down0", "up3"}
    assert set(variables["batch_stats"]) == held | {"high0", "high1"}
    assert (model.conditional, model.one_number, model.norm) == (False, False, "none")
    plain = unet_discriminator.Discriminator(filters=4, spectral_norm=False)
    assert set(_shapes(plain, 32, 24)[0]) == {"params"}


def test_the_vgg_like_one_equals_a_loop_over_its_layers():
    model = vgg_discriminator.Discriminator(filters=2, side=16, hidden=3, norm="none")
    image = _noise(1, 16, 16, 3)
    variables = _variables(model, image)
    params, h = variables["params"], image[0]
    for pair in (0, 1):
        h = _leaky(_conv(h, params[f"conv{pair}"]))
        h = _leaky(_conv(h, params[f"down{pair}"], stride=2))
    assert h.shape == (4, 4, 4)
    dense = lambda x, layer: x @ layer["kernel"] + layer["bias"]
    expected = dense(_leaky(dense(h.ravel(), params["hidden"])), params["logits"])
    logits = jax.jit(functools.partial(model.apply, train=False))(
        variables, image, image
    )
    np.testing.assert_allclose(logits.ravel(), expected, atol=1e-5)


@pytest.mark.slow
def test_the_u_net_equals_a_loop_over_its_layers():
    model = unet_discriminator.Discriminator(filters=2, spectral_norm=False)
    image = _noise(1, 8, 16, 3)
    variables = _variables(model, image)
    layers = variables["params"]
    maps = [_leaky(_conv(image[0], layers["first"]))]
    for level in (1, 2, 3):
        maps.append(_leaky(_conv(maps[-1], layers[f"down{level}"], stride=2)))
    h = maps.pop()
    for level in (2, 1, 0):
        rows, columns = (2 * side for side in h.shape[:2])
        h = resize.resize(jnp.asarray(h), rows, columns, method="bilinear")
        h = _leaky(_conv(h, layers[f"up{level}"])) + maps[level]
    for name in ("high0", "high1"):
        h = _leaky(_conv(h, layers[name]))
    logits = jax.jit(functools.partial(model.apply, train=False))(
        variables, image, image
    )
    np.testing.assert_allclose(logits[0], _conv(h, layers["logits"]), atol=1e-5)


def test_doubling_puts_two_pixels_between_two():
    pair = jnp.array([0.0, 4.0]).reshape(1, 2, 1, 1)
    doubled = unet_discriminator._doubled(pair, 1)
    np.testing.assert_array_equal(doubled.ravel(), [0, 1, 3, 4])


@pytest.mark.slow
def test_the_singular_values_of_the_u_net_come_to_one_in_training():
    model = unet_discriminator.Discriminator(filters=4)
    image = _noise(1, 8, 8, 3)
    variables = _variables(model, image)
    train = functools.partial(model.apply, train=True, mutable=["batch_stats"])
    step = jax.jit(lambda state: state | train(state, image, image)[1])
    for _ in range(20):
        variables = step(variables)
    for name, stats in variables["batch_stats"].items():
        kernel = variables["params"][name]["conv"]["kernel"]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        largest = np.linalg.svd(matrix, compute_uv=False)[0]
        # The estimate comes to the largest one from below.
        held = largest / stats["norm"]["conv/kernel/sigma"]
        assert 1 - 1e-5 < held < 1.1


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (vgg_discriminator.Discriminator(), (64, 64), "128x128, got 64x64"),
        (vgg_discriminator.Discriminator(), (128, 64), "128x128, got 128x64"),
        (vgg_discriminator.Discriminator(side=96), (96, 96), "4 times a power of 2"),
        (vgg_discriminator.Discriminator(side=4), (4, 4), "4 times a power of 2"),
        (unet_discriminator.Discriminator(), (32, 12), "divide by 8, got 32x12"),
    ],
)
def test_images_of_other_sides_are_refused_in_words(model, shape, message):
    with pytest.raises(ValueError, match=message):
        _shapes(model, *shape)
