import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import untrained

from jaxrestore.models import layers


def _init(layer, x, **options):
    return jax.jit(functools.partial(layer.init, **options))(jax.random.key(0), x)


def _apply(layer, variables, x, **options):
    return jax.jit(functools.partial(layer.apply, **options))(variables, x)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, None), (3, 2, 1), (4, 2, 1), (1, 1, None)]
)
def test_a_convolution_pads_alike_on_all_sides(kernel, stride, padding):
    image = untrained.noise(1, 9, 11, 2)
    layer = layers.Conv(3, kernel=kernel, stride=stride, padding=padding)
    variables = _init(layer, image)
    result = np.asarray(_apply(layer, variables, image))
    weights = np.asarray(variables["params"]["conv"]["kernel"], np.float64)
    sides = kernel // 2 if padding is None else padding
    padded = np.pad(image[0], ((sides, sides), (sides, sides), (0, 0)))
    for out in range(3):
        channels = [
            scipy.signal.correlate2d(padded[..., c], weights[..., c, out], "valid")
            for c in range(2)
        ]
        expected = np.add(*channels)[::stride, ::stride]
        np.testing.assert_allclose(result[0, ..., out], expected, atol=1e-5)


# [before, after] of an even and of an odd side, by TensorFlow's rule.
@pytest.mark.parametrize(
    ("kernel", "stride", "even", "odd"),
    [(3, 1, (1, 1), (1, 1)), (3, 2, (0, 1), (1, 1)), (5, 2, (1, 2), (2, 2))],
)
def test_padding_called_same_is_that_of_tensorflow(kernel, stride, even, odd):
    image = untrained.noise(1, 8, 9, 2)
    layer = layers.Conv(3, kernel=kernel, stride=stride, padding="same")
    variables = _init(layer, image)
    result = np.asarray(_apply(layer, variables, image))
    plain = layers.Conv(3, kernel=kernel, stride=stride, padding=0)
    framed = jnp.pad(image, ((0, 0), even, odd, (0, 0)))
    expected = np.asarray(_apply(plain, variables, framed))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    theirs = jax.lax.conv_general_dilated(
        image,
        jnp.asarray(variables["params"]["conv"]["kernel"]),
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(result, theirs, atol=1e-5)


def test_a_dilated_layer_keeps_the_sides_and_sees_every_other_pixel():
    image = jnp.zeros((1, 9, 9, 1)).at[0, 4, 4].set(1)
    layer = layers.Conv(1, dilation=2, padding="same")
    variables = _init(layer, image)
    result = np.asarray(_apply(layer, variables, image))
    assert result.shape == image.shape
    assert {tuple(at) for at in np.argwhere(result[0, ..., 0])} == {
        (row, column) for row in (2, 4, 6) for column in (2, 4, 6)
    }


def test_a_block_adds_three_tenths_of_its_branch():
    x = untrained.noise(1, 6, 7, 4) - 0.5
    variables = _init(layers.Block(), x)
    conv = layers.Conv(4)
    first, second = ({"params": variables["params"][n]} for n in ("conv1", "conv2"))
    inner = jnp.maximum(jnp.asarray(_apply(conv, first, x)), 0)
    branch = np.asarray(_apply(conv, second, inner))
    result = np.asarray(_apply(layers.Block(), variables, x))
    np.testing.assert_allclose(result, x + 0.3 * branch, rtol=1e-5, atol=1e-6)


def test_instance_normalisation_of_two_pixels_equals_hand_computed_numbers():
    x = jnp.array([[0.0, 2.0], [7.0, 7.0]]).reshape(2, 1, 2, 1)
    norm = layers.Norm("instance")
    assert _init(norm, x, train=True) == {}
    result = np.asarray(_apply(norm, {}, x, train=True))
    one = 1 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(result.reshape(2, 2), [[-one, one], [0, 0]], rtol=1e-6)


def test_batch_normalisation_moves_its_statistics_by_a_tenth():
    x = 3 * untrained.noise(4, 5, 6, 2) + 1
    norm = layers.Norm("batch")
    variables = _init(norm, x, train=False)
    result, moved = _apply(norm, variables, x, train=True, mutable=["batch_stats"])
    mean, variance = (np.asarray(f(x, (0, 1, 2))) for f in (np.mean, np.var))
    stats = {n: np.asarray(x) for n, x in moved["batch_stats"]["batch"].items()}
    np.testing.assert_allclose(stats["mean"], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * variance, rtol=1e-5)
    scale = np.asarray(variables["params"]["batch"]["scale"])
    expected = (np.asarray(x) - mean) / np.sqrt(variance + 1e-5) * scale
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    # Evaluation uses the moved statistics and leaves them.
    evaluated = np.asarray(_apply(norm, {**variables, **moved}, x, train=False))
    expected = (np.asarray(x) - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * scale
    np.testing.assert_allclose(evaluated, expected, rtol=1e-4, atol=1e-5)


def test_no_normalisation_returns_its_input():
    x = untrained.noise(1, 3, 3, 2)
    np.testing.assert_array_equal(layers.Norm("none").apply({}, x, train=True), x)


def test_an_unknown_normalisation_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'batchnorm'.*none, instance or batch"):
        layers.Norm("batchnorm").init(
            jax.random.key(0), untrained.noise(1, 2, 2, 1), train=True
        )


def test_a_spectrally_normalised_convolution_divides_by_sigma():
    image = untrained.noise(1, 8, 8, 3)
    normalised, plain = layers.Conv(4, spectral_norm=True), layers.Conv(4)
    variables = _init(normalised, image)
    train = functools.partial(normalised.apply, train=True, mutable=["batch_stats"])
    train = jax.jit(train)
    for _ in range(30):
        variables = {**variables, **train(variables, image)[1]}
    kernel = np.asarray(variables["params"]["conv"]["kernel"])
    largest = np.linalg.svd(kernel.reshape(-1, 4))[1].max()
    bias = variables["params"]["conv"]["bias"]
    params = {"conv": {"kernel": jnp.asarray(kernel / largest), "bias": bias}}
    expected = np.asarray(_apply(plain, {"params": params}, image))
    result = np.asarray(_apply(normalised, variables, image, train=False))
    np.testing.assert_allclose(result, expected, rtol=1e-2, atol=1e-3)
