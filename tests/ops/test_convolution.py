import functools
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
forms = pytest.mark.parametrize("form", ["matrices", "phases"])
# One program a case, where each operation would be compiled by itself.
transposed = jax.jit(convolution.transposed, static_argnums=(2, 3, 4))
strided = jax.jit(convolution.strided, static_argnums=(2, 3))


@functools.partial(jax.jit, static_argnums=0)
def _pulled(apply, x, kernel, cotangent):
    """The gradients of <cotangent, apply(x, kernel)> by x and by the kernel."""
    return jax.vjp(apply, x, kernel)[1](cotangent)


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _scattered(x, kernel, stride, padding, output_padding):
    """By the definition: each pixel of x adds its multiple of the kernel."""
    batch, height, width, _ = x.shape
    size, _, features, _ = kernel.shape
    room = 2 * padding + size + stride + output_padding
    whole = np.zeros((batch, height * stride + room, width * stride + room, features))
    for row in range(height):
        for column in range(width):
            values = np.einsum("bd,klcd->bklc", x[:, row, column], kernel)
            top, left = row * stride, column * stride
            whole[:, top : top + size, left : left + size] += values
    sides = [
        (side - 1) * stride - 2 * padding + size + output_padding
        for side in (height, width)
    ]
    return whole[:, padding : padding + sides[0], padding : padding + sides[1]]


def _case(setting, form):
    """An image and a kernel for which `form` is the one that is taken."""
    size = setting[0]
    if form == "phases":
        x, kernel = _noise(2, 7, 8, 3), _noise(size, size, 2, 3, seed=1)
    else:
        x, kernel = _noise(1, 2, 3, 7), _noise(size, size, 24, 7, seed=1)
    assert (kernel.size >= 8 * x.size) == (form == "matrices")
    return jnp.asarray(x), jnp.asarray(kernel)


@settings
@forms
def test_a_transposed_convolution_scatters_its_kernel(setting, form):
    x, kernel = _case(setting, form)
    result = transposed(x, kernel, *setting[1:])
    expected = _scattered(np.asarray(x), kernel, *setting[1:])
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-5)


@settings
@forms
def test_its_gradients_are_those_of_the_definition(setting, form):
    x, kernel = _case(setting, form)
    rest = setting[1:]
    apply = lambda x, kernel: convolution.transposed(x, kernel, *rest)
    shape = jax.eval_shape(apply, x, kernel).shape
    cotangent = jnp.asarray(_noise(*shape, seed=2))
    by_x, by_kernel = _pulled(apply, x, kernel, cotangent)
    # It is linear in each of the two: <gradient, direction> = <cotangent, result>.
    for gradient, direction, moved in (
        (by_x, _noise(*x.shape, seed=3), lambda d: _scattered(d, kernel, *rest)),
        (by_kernel, _noise(*kernel.shape, seed=4), lambda d: _scattered(x, d, *rest)),
    ):
        expected = float(np.vdot(cotangent, moved(direction)))
        result = float(np.vdot(gradient, direction))
        assert result == pytest.approx(expected, rel=1e-4, abs=1e-3)


@settings
@forms
def test_a_convolution_is_what_it_is_the_transpose_of(setting, form):
    y, kernel = _case(setting, form)
    stride, padding = setting[1:3]
    back = transposed(y, kernel, *setting[1:])
    image = _noise(*back.shape, seed=2)
    result = strided(jnp.asarray(image), kernel, stride, padding)
    assert result.shape == y.shape
    expected = float(np.vdot(image, back))
    assert float(np.vdot(result, y)) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize(
    ("shape", "features"),
    [
        ((1, 6, 5, 9), 32),
        ((2, 21, 22, 2), 5),
        ((2, 21, 22, 8), 5),
        ((2, 21, 22, 70), 1),
        ((4, 21, 22, 8), 160),
        ((2, 22, 20, 64), 64),
    ],
    ids=["by products", "few channels", "plain", "by taps", "features", "winograd"],
)
@pytest.mark.parametrize("setting", [(4, 2, 1), (4, 2, 0), (3, 1, 1)], ids=str)
def test_a_convolution_equals_the_compilers_with_its_gradients(
    setting, shape, features
):
    size, stride, padding = setting
    x = jnp.asarray(_noise(*shape))
    kernel = jnp.asarray(_noise(size, size, shape[-1], features, seed=1))

    def theirs(x, kernel):
        pad = ((padding, padding), (padding, padding))
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), pad, dimension_numbers=layout
        )

    ours = lambda x, kernel: convolution.strided(x, kernel, stride, padding)
    expected = jax.jit(theirs)(x, kernel)
    np.testing.assert_allclose(jax.jit(ours)(x, kernel), expected, atol=1e-4)
    gradients = (_pulled(apply, x, kernel, expected) for apply in (ours, theirs))
    for gradient, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-2)


def _gapped(x, kernel, dilation):
    """By the definition: a sum over the taps, of what lies so far away."""
    size = len(kernel)
    border = dilation * (size // 2)
    framed = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    made = np.zeros((*x.shape[:3], kernel.shape[3]))
    for k, m in np.ndindex(size, size):
        down, right = k * dilation, m * dilation
        part = framed[:, down : down + x.shape[1], right : right + x.shape[2]]
        made += part @ kernel[k, m]
    return made


# The last two have gaps wider than the map, across or both ways.
GAPS = [((2, 9, 11, 3), 2, 3), ((1, 8, 8, 2), 3, 5), ((1, 4, 9, 2), 5, 3)]
GAPS += [((2, 5, 4, 3), 16, 3)]
gaps = pytest.mark.parametrize(("shape", "dilation", "size"), GAPS, ids=str)
dilated_forms = pytest.mark.parametrize("by_phases", [False, True, None])


@gaps
@dilated_forms
def test_a_dilated_convolution_equals_its_definition_with_its_gradients(
    shape, dilation, size, by_phases
):
    x, kernel = _noise(*shape), _noise(size, size, shape[-1], 4, seed=1)
    apply = lambda x, kernel: convolution.dilated(
        x, kernel, dilation, by_phases=by_phases
    )
    result = jax.jit(apply)(x, kernel)
    np.testing.assert_allclose(result, _gapped(x, kernel, dilation), atol=1e-4)
    cotangent = _noise(*result.shape, seed=2)
    by_x, by_kernel = _pulled(apply, x, kernel, cotangent)
    # It is linear in each of the two: <gradient, direction> = <cotangent, result>.
    for gradient, direction, moved in (
        (by_x, _noise(*shape, seed=3), lambda d: _gapped(d, kernel, dilation)),
        (by_kernel, _noise(*kernel.shape, seed=4), lambda d: _gapped(x, d, dilation)),
    ):
        expected = float(np.vdot(cotangent, moved(direction)))
        found = float(np.vdot(gradient, direction))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_a_dilated_convolution_of_one_pixel_takes_the_middle_of_its_kernel():
    x, kernel = jnp.full((1, 1, 1, 1), 2.0), jnp.arange(9.0).reshape(3, 3, 1, 1)
    assert float(convolution.dilated(x, kernel, 2).ravel()[0]) == 8.0


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="4x4 does not fit an image of 1x9 with 1 px"):
        convolution.strided(jnp.zeros((1, 1, 9, 2)), jnp.zeros((4, 4, 2, 2)), 2, 1)
    with pytest.raises(ValueError, match="leaves 0x2 of an image of 1x2"):
        convolution.transposed(jnp.zeros((1, 1, 2, 2)), jnp.zeros((2, 2, 2, 2)), 2, 1)


@pytest.mark.parametrize(
    ("size", "apply"),
    [
        (4, lambda x, kernel: convolution.transposed(x, kernel, 2, 1)),
        (3, lambda x, kernel: convolution.dilated(x, kernel, 2, by_phases=False)),
    ],
    ids=["transposed", "dilated"],
)
def test_a_gradient_of_a_gradient_exists(size, apply):
    x, kernel = jnp.asarray(_noise(1, 3, 3, 1)), jnp.asarray(_noise(size, size, 1, 1))

    @jax.jit
    def penalty(kernel):
        value = lambda x: jnp.tanh(apply(x, kernel)).sum()
        return jnp.square(jax.grad(value)(x)).sum()

    step = 1e-2 * jnp.asarray(_noise(*kernel.shape, seed=5))
    slope = jnp.vdot(jax.jit(jax.grad(penalty))(kernel), step)
    difference = penalty(kernel + step / 2) - penalty(kernel - step / 2)
    assert float(slope) == pytest.approx(float(difference), rel=1e-2)


def test_on_a_cpu_many_channels_are_convolved_in_the_form_of_winograd():
    # Products where a convolution would be; maps of odd sides have the convolution.
    x, kernel = jnp.zeros((1, 16, 16, 64)), jnp.zeros((3, 3, 64, 64))

    def lowered(x):
        value = lambda kernel: jnp.tanh(convolution.strided(x, kernel, 1, 1)).sum()
        return jax.jit(jax.grad(value)).lower(kernel).as_text()

    assert "dot_general" in lowered(x) and "convolution" not in lowered(x)
    odd = lowered(x[:, :15])
    assert "dot_general" not in odd and "convolution" in odd


def test_a_gradient_of_a_gradient_exists_in_the_form_of_winograd():
    x, kernel = jnp.asarray(_noise(1, 10, 10, 64)), _noise(3, 3, 64, 64, seed=1)
    kernel = jnp.asarray(kernel) / 24

    @jax.jit
    def penalty(kernel):
        value = lambda x: jnp.tanh(convolution.strided(x, kernel, 1, 1)).sum()
        return jnp.square(jax.grad(value)(x)).sum()

    step = 1e-2 / 24 * jnp.asarray(_noise(*kernel.shape, seed=5))
    slope = jnp.vdot(jax.jit(jax.grad(penalty))(kernel), step)
    difference = penalty(kernel + step / 2) - penalty(kernel - step / 2)
    assert float(slope) == pytest.approx(float(difference), rel=1e-2)


def test_a_padded_convolution_of_1x1_to_many_features_has_second_derivatives():
    x, kernel = jnp.asarray(_noise(1, 6, 6, 4)), jnp.asarray(_noise(1, 1, 4, 160))
    value = lambda x, kernel: jnp.tanh(convolution.strided(x, kernel, 1, 1)).sum()
    penalty = lambda kernel: jnp.square(jax.grad(value)(x, kernel)).sum()
    assert jnp.isfinite(jax.jit(jax.grad(penalty))(kernel)).all()


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
        kernel = jnp.asarray(weight.transpose(2, 3, 1, 0))
        result = convolution.transposed(
            jnp.asarray(x), kernel, stride, padding, output_padding
        )
        np.testing.assert_allclose(
            result, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5
        )
