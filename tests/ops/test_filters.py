import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from jaxrestore.ops import filters


def _images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_a_window_of_one_weighs_one_and_of_three_follows_the_bell():
    np.testing.assert_array_equal(filters.gaussian_window(1, 1.5), [1.0])
    bell = np.exp(-0.5 * np.array([1.0, 0.0, 1.0]) / 0.8**2)
    window = filters.gaussian_window(3, 0.8)
    np.testing.assert_allclose(window, bell / bell.sum(), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 7, 11])
def test_a_window_sums_to_one_and_is_symmetric(size):
    window = filters.gaussian_window(size, 1.5)
    assert len(window) == size
    assert window.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(window, window[::-1], rtol=1e-12)


def test_a_window_equals_the_impulse_response_of_scipy():
    impulse = np.zeros(21)
    impulse[10] = 1
    expected = scipy.ndimage.gaussian_filter(impulse, 1.5, radius=5)[5:16]
    window = filters.gaussian_window(11, 1.5)
    np.testing.assert_allclose(window, expected, rtol=1e-10)


@pytest.mark.parametrize("side", [(11, 11), (13, 32), (21, 17)])
def test_separable_valid_equals_scipys_correlation(side):
    images = _images(2, *side, 3)
    # Lopsided, so that a transposed or a flipped kernel is seen.
    rows, columns = np.array([1.0, 2.0, -4.0]), np.array([0.5, 0.0, 1.0, 3.0, 0.25])
    kernel = np.outer(rows, columns)
    result = np.asarray(filters.separable_valid(jnp.asarray(images), rows, columns))
    assert result.shape == (2, side[0] - 2, side[1] - 4, 3)
    for image, filtered in zip(images, result, strict=True):
        for channel in range(3):
            expected = scipy.signal.correlate2d(image[..., channel], kernel, "valid")
            np.testing.assert_allclose(filtered[..., channel], expected, atol=1e-5)


def test_separable_valid_takes_any_number_of_leading_axes():
    images = jnp.asarray(_images(2, 3, 12, 14, 1))
    window = filters.gaussian_window(5, 1.0)
    together = filters.separable_valid(images, window, window)
    alone = filters.separable_valid(images[1, 2], window, window)
    np.testing.assert_allclose(together[1, 2], alone, atol=1e-6)


def test_a_blurred_constant_stays_that_constant():
    window = filters.gaussian_window(11, 1.5)
    images = jnp.full((1, 15, 16, 2), 0.7)
    blurred = filters.separable_valid(images, window, window)
    np.testing.assert_allclose(blurred, np.full((1, 5, 6, 2), 0.7), rtol=1e-6)


def test_the_gradient_of_a_filter_is_its_transpose():
    window = filters.gaussian_window(3, 1.0)
    images = jnp.asarray(_images(1, 5, 6, 1))
    outputs = jnp.asarray(_images(1, 3, 4, 1, seed=1))
    filtered, transpose = jax.vjp(
        lambda images: filters.separable_valid(images, window, window), images
    )
    forward = float((filtered * outputs).sum())
    backward = float((images * transpose(outputs)[0]).sum())
    assert forward == pytest.approx(backward, rel=1e-5)


def test_halve_takes_means_of_blocks():
    images = jnp.arange(8.0).reshape(1, 2, 4, 1)
    np.testing.assert_array_equal(filters.halve(images).ravel(), [2.5, 4.5])


def test_halve_of_an_odd_side_repeats_its_edge():
    images = jnp.array([1.0, 3.0, 7.0]).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(filters.halve(images).ravel(), [2.0, 7.0])


@pytest.mark.parametrize("side", [(8, 6), (7, 6), (8, 5), (9, 13), (1, 1)])
def test_halve_equals_block_means_of_the_padded_array(side):
    images = _images(2, *side, 3)
    pad = ((0, 0), (0, side[0] % 2), (0, side[1] % 2), (0, 0))
    padded = np.pad(images, pad, mode="symmetric")
    expected = np.mean([padded[:, r::2, c::2] for r in (0, 1) for c in (0, 1)], 0)
    np.testing.assert_allclose(filters.halve(jnp.asarray(images)), expected, rtol=1e-6)


def test_halve_keeps_the_mean_of_an_even_image():
    images = jnp.asarray(_images(3, 12, 10, 2))
    halves = filters.halve(images)
    np.testing.assert_allclose(halves.mean((1, 2)), images.mean((1, 2)), rtol=1e-5)
