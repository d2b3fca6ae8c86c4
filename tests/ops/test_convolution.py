import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import convolution

# kernel, stride, padding, output padding: those of the published networks.
SETTINGS = [(4, 2, 1, 0), (3, 2, 1, 1), (3, 1, 0, 0), (4, 2, 0, 0), (3, 2, 0, 0)]
SETTINGS += [(2, 1, 0, 0), (2, 2, 0, 0), (5, 3, 1, 0)]
settings = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _scattered(x, kernel, stride, padding, output_padding):
    """By the definition: each pixel of x adds its multiple of the kernel."""
    batch, height, width, _ = x.shape
    size, _, _, features = kernel.shape
    room = 2 * padding + size + stride + output_padding
    whole = np.zeros((batch, height * stride + room, width * stride + room, features))
    for row in range(height):
        for column in range(width):
            values = np.einsum("bc,klcd->bkld", x[:, row, column], kernel)
            top, left = row * stride, column * stride
            whole[:, top : top + size, left : left + size] += values
    sides = [
        (side - 1) * stride - 2 * padding + size + output_padding
        for side in (height, width)
    ]
    return whole[:, padding : padding + sides[0], padding : padding + sides[1]]


@settings
def test_a_transposed_convolution_scatters_its_kernel(setting):
    size, *rest = setting
    x, kernel = _noise(2, 4, 5, 3), _noise(size, size, 3, 2, seed=1)
    result = convolution.transposed(jnp.asarray(x), jnp.asarray(kernel), *rest)
    expected = _scattered(x, kernel, *rest)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-5)


@settings
def test_its_gradients_are_those_of_the_definition(setting):
    size, *rest = setting
    x, kernel = jnp.asarray(_noise(1, 3, 4, 2)), jnp.asarray(_noise(size, size, 2, 3))
    result, transpose = jax.vjp(
        lambda x, kernel: convolution.transposed(x, kernel, *rest), x, kernel
    )
    cotangent = jnp.asarray(_noise(*result.shape, seed=2))
    by_x, by_kernel = transpose(cotangent)
    # It is linear in each of the two: <gradient, direction> = <cotangent, result>.
    for gradient, direction, moved in (
        (by_x, _noise(*x.shape, seed=3), lambda d: _scattered(d, kernel, *rest)),
        (by_kernel, _noise(*kernel.shape, seed=4), lambda d: _scattered(x, d, *rest)),
    ):
        expected = float(np.vdot(cotangent, moved(direction)))
        assert float(np.vdot(gradient, direction)) == pytest.approx(expected, rel=1e-4)


def test_a_gradient_of_a_gradient_exists():
    x, kernel = jnp.asarray(_noise(1, 3, 3, 1)), jnp.asarray(_noise(4, 4, 1, 1))

    def penalty(kernel):
        value = lambda x: jnp.tanh(convolution.transposed(x, kernel, 2, 1)).sum()
        return jnp.square(jax.grad(value)(x)).sum()

    step = 1e-2 * jnp.asarray(_noise(*kernel.shape, seed=5))
    slope = jnp.vdot(jax.grad(penalty)(kernel), step)
    difference = penalty(kernel + step / 2) - penalty(kernel - step / 2)
    assert float(slope) == pytest.approx(float(difference), rel=1e-2)


def test_a_mapped_transposed_convolution_is_a_loop_of_it():
    x, kernel = jnp.asarray(_noise(3, 1, 4, 4, 2)), jnp.asarray(_noise(4, 4, 2, 2))
    one = lambda x: convolution.transposed(x, kernel, 2, 1)
    together = jax.vmap(one)(x)
    np.testing.assert_allclose(together, [one(row) for row in x], atol=1e-5)


if importlib.util.find_spec("torch"):  # never among what [dev] installs

    @settings
    def test_a_weight_of_pytorch_is_moved_and_not_flipped(setting):
        import torch

        size, stride, padding, output_padding = setting
        x, weight = _noise(2, 5, 6, 3), _noise(3, 2, size, size, seed=1)
        expected = torch.nn.functional.conv_transpose2d(
            torch.from_numpy(x).permute(0, 3, 1, 2),
            torch.from_numpy(weight),
            stride=stride,
            padding=padding,
            output_padding=output_padding,
        )
        kernel = jnp.asarray(weight.transpose(2, 3, 0, 1))
        result = convolution.transposed(
            jnp.asarray(x), kernel, stride, padding, output_padding
        )
        np.testing.assert_allclose(
            result, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
        )
