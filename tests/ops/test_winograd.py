import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import winograd


def _noise(*shape, seed=0):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(noise, jnp.float32)


def _plain(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize("sides", [(8, 6), (2, 2), (4, 10)])
def test_it_is_the_convolution_and_its_gradient(sides):
    x, kernel = _noise(2, *sides, 5), _noise(3, 3, 5, 4, seed=1)
    expected, pull = jax.vjp(_plain, x, kernel)
    found = jax.jit(winograd.convolve)(x, kernel)
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(abs(expected).max()))
    cotangent = _noise(*expected.shape, seed=2)
    by_kernel = jax.jit(winograd.by_kernel)(x, cotangent)
    expected = pull(cotangent)[1]
    np.testing.assert_allclose(
        by_kernel, expected, atol=1e-5 * float(abs(expected).max())
    )


def test_odd_sides_are_refused():
    x = jnp.zeros((1, 5, 4, 2))
    assert not winograd.fits(x)
    with pytest.raises(ValueError, match="even sides, and this one is 5x4"):
        winograd.convolve(x, jnp.zeros((3, 3, 2, 2)))
    with pytest.raises(ValueError, match="even sides"):
        winograd.by_kernel(x, x)
