import jax.numpy as jnp
import numpy as np

from jaxrestore.ops import averages

VALUES = jnp.asarray(np.random.default_rng(0).random((2, 5, 7, 3), np.float32))


def test_a_plain_mean_is_an_image_s_own():
    expected = VALUES.mean((1, 2, 3))
    np.testing.assert_allclose(averages.image_mean(VALUES), expected, rtol=1e-6)


def test_weights_count_pixels_and_their_size_does_not():
    weight = np.random.default_rng(1).random((2, 5, 7, 1), np.float32)
    pixels, shares = np.reshape(VALUES, (2, -1, 3)), weight.reshape(2, -1)
    expected = [
        np.average(image.mean(-1), weights=share)
        for image, share in zip(pixels, shares, strict=True)
    ]
    for size in (1, 1000):
        found = averages.image_mean(VALUES, jnp.asarray(size * weight))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_image_that_nothing_weighs_has_mean_zero():
    weight = jnp.zeros((2, 5, 7, 1)).at[0].set(1)
    found = averages.image_mean(VALUES, weight)
    np.testing.assert_allclose(found, [float(VALUES[0].mean()), 0], rtol=1e-6)


def test_sums_of_narrow_numbers_are_wide():
    # In bfloat16 ones cease to add up at 256.
    ones = jnp.ones((1, 64, 64, 1), jnp.bfloat16)
    found = averages.image_mean(ones, ones)
    assert found.dtype == jnp.float32 and found[0] == 1
