import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import doubled

methods = pytest.mark.parametrize("method", doubled.METHODS)


convolve = jax.jit(doubled.convolve, static_argnums=2)


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _enlarged(x, method):
    """By the definition: each pixel of twice the sides from its nearest two an axis."""
    for axis in (1, 2):
        side = x.shape[axis]
        centre = (np.arange(2 * side) + 0.5) / 2 - 0.5
        near = np.floor(centre + 0.5).astype(int)
        other = np.where(centre > near, near + 1, near - 1).clip(0, side - 1)
        share = 0.25 if method == "bilinear" else 0
        x = (1 - share) * x.take(near, axis) + share * x.take(other, axis)
    return x


def _convolved(x, kernel):
    """By the definition, the edge repeated around."""
    framed = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = x.shape[1:3]
    return sum(
        framed[:, k : k + height, m : m + width] @ kernel[k, m]
        for k in range(3)
        for m in range(3)
    )


def test_one_pixel_is_times_the_sum_of_the_weights():
    kernel = jnp.arange(9.0).reshape(3, 3, 1, 1)
    x = jnp.full((1, 1, 1, 1), 2.0)
    for method in doubled.METHODS:
        result = convolve(x, kernel, method)
        np.testing.assert_allclose(result, np.full((1, 2, 2, 1), 72.0))


@methods
@pytest.mark.parametrize("side", [(5, 4), (1, 3), (2, 1)])
def test_it_is_the_convolution_of_the_enlarged_map(method, side):
    x, kernel = _noise(2, *side, 3), _noise(3, 3, 3, 4, seed=1)
    expected = _convolved(_enlarged(x, method), kernel)
    result = convolve(jnp.asarray(x), jnp.asarray(kernel), method)
    np.testing.assert_allclose(result, expected, atol=1e-5)


@methods
@pytest.mark.parametrize("side", [(4, 3), (1, 3), (2, 1)])
def test_its_gradients_are_those_of_the_convolution(method, side):
    x, kernel = _noise(1, *side, 2), _noise(3, 3, 2, 2, seed=1)
    cotangent = _noise(1, 2 * side[0], 2 * side[1], 2, seed=2)

    def inner(x, kernel):
        return (doubled.convolve(x, kernel, method) * cotangent).sum()

    gradient = jax.jit(jax.grad(inner, argnums=(0, 1)))
    by_x, by_kernel = gradient(jnp.asarray(x), jnp.asarray(kernel))
    # Linear in either: the derivative along an array is the value there.
    for found, pair in (
        (by_x, (_noise(*x.shape, seed=3), kernel)),
        (by_kernel, (x, _noise(*kernel.shape, seed=4))),
    ):
        along = pair[0] if found is by_x else pair[1]
        value = (_convolved(_enlarged(pair[0], method), pair[1]) * cotangent).sum()
        np.testing.assert_allclose((np.asarray(found) * along).sum(), value, 1e-4)


@methods
def test_the_mean_square_is_that_of_the_enlarged_map(method):
    x = _noise(2, 5, 3, 2)
    enlarged = _enlarged(x, method)
    np.testing.assert_allclose(
        jax.jit(doubled.mean_square, static_argnums=1)(jnp.asarray(x), method),
        np.square(enlarged).mean((1, 2), keepdims=True),
        rtol=1e-5,
    )
    np.testing.assert_allclose(enlarged.mean((1, 2)), x.mean((1, 2)), atol=1e-6)
    along = _noise(*x.shape, seed=1)
    total = lambda x: doubled.mean_square(x, method).sum()
    slope = jnp.vdot(jax.grad(total)(jnp.asarray(x)), along)
    twice = 2 * (enlarged * _enlarged(along, method)).mean((1, 2)).sum()
    np.testing.assert_allclose(slope, twice, rtol=1e-4)


@pytest.mark.parametrize(("method", "size"), [("area", 3), ("nearest", 5)])
def test_another_method_or_kernel_is_refused_by_name(method, size):
    with pytest.raises(ValueError, match=f"'{method}' for a kernel of \\({size}"):
        doubled.convolve(jnp.zeros((1, 2, 2, 1)), jnp.zeros((size, size, 1, 1)), method)
