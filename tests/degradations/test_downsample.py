import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import downsample
from jaxrestore.ops import resize


def _image(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def _degrade(image, **options):
    return downsample.degrade(jax.random.key(0), image, **options)


def test_area_is_the_mean_of_blocks():
    image = _image(8, 12, 3)
    blocks = np.asarray(image).reshape(2, 4, 3, 4, 3).mean((1, 3))
    np.testing.assert_allclose(_degrade(image, method="area"), blocks, atol=1e-6)


def test_bicubic_by_four_weighs_as_keys_kernel_does():
    # A white line crosses the middle of the image, at column 16; the kernel is
    # stretched by 4, and the centre of output column j stands at 4 j + 1.5.
    image = jnp.zeros((32, 32, 1)).at[:, 16].set(1)
    x = np.abs(np.arange(8) * 4 + 1.5 - 16) / 4
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    # The 16 taps of a row sum to 4, as the integral of the kernel does.
    expected = np.where(x <= 1, near, np.where(x <= 2, far, 0)) / 4
    degraded = _degrade(image, scale=4)
    assert degraded.shape == (8, 8, 1)
    np.testing.assert_allclose(degraded[3, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("method", resize.METHODS)
def test_a_size_that_does_not_divide_is_rounded_up(method):
    image = _image(17, 23, 3)
    degraded = _degrade(image, scale=4, method=method)
    assert degraded.shape == (5, 6, 3)
    # What does not reach over the border is as in the whole image's part that divides.
    inside = _degrade(image[:16, :20], scale=4, method=method)
    np.testing.assert_allclose(degraded[:2, :3], inside[:2, :3], atol=1e-6)


def test_the_result_is_neither_clipped_nor_rounded():
    edge = jnp.zeros((16, 16, 1)).at[:, 8:].set(1)
    degraded = np.asarray(_degrade(edge, scale=2))
    assert degraded.min() < -0.01 and degraded.max() > 1.01
    assert (degraded * 255 % 1 > 0.01).any()


def test_scale_one_changes_nothing_and_the_key_is_not_used():
    image = _image(9, 7, 2)
    np.testing.assert_array_equal(_degrade(image, scale=1), image)
    other = downsample.degrade(jax.random.key(1), image)
    np.testing.assert_array_equal(_degrade(image), other)


def test_enlarging_and_unknown_methods_are_refused():
    with pytest.raises(ValueError, match=r"scale is 0\.5, but .* takes 1 or more"):
        _degrade(_image(8, 8, 1), scale=0.5)
    with pytest.raises(ValueError, match="takes bicubic, bilinear, area"):
        _degrade(_image(8, 8, 1), method="lanczos")
