"""Convolution and its transpose, in the form that is quick for their sizes.

Where weights far outnumber what they act on, as in the depth of a U-Net, a
convolution is a product of matrices: compilers would rearrange megabytes of weights for
a handful of pixels. So is a strided first layer, of an image's few channels. Elsewhere
it is the compiler's own, but for the transpose, which compilers write as a convolution
of an image with zeros between its pixels: here each pixel of the result meets only the
weights that reach it. A dilated convolution is made of ordinary ones.

A kernel is [k, k, c, d] for the convolution of c channels to d: `W.transpose(2, 3, 1,
0)` of PyTorch's weight, for `Conv2d` and for `ConvTranspose2d`.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import patches, products, sides, winograd

# Images, and pairs of them: compilers leave most of a processor idle. The strided first
# layers of pix2pix and its discriminator take 1 to 3 ms as products, and 3 to 5 as they
# were (2 images of 256 px, two CPU cores); of stride one they are slower as products.
_FEW_CHANNELS = 6

# On CPUs: the gradient by a kernel of so many channels is quicker by Winograd's form,
# and so are convolutions of maps of so few pixels. Of other kernels and strides the
# gradient by a kernel of so many features is quicker as products.
_MANY_CHANNELS = 64
_FEW_PIXELS = 2**13
_MANY_FEATURES = 128

# A dilated convolution is one of images of a phase each; where these are smaller, there
# are too many of them (`python -m benchmarks.dilated_convolution`).
_LEAST_PHASE = 4


def strided(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c d"],
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "b hh ww d"]:
    """Returns the convolution of `x`, sides `(h + 2 p - k) // s + 1`; zeros around.

    Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning",
    arXiv 2016.
    """
    if sides.are_unknown(x):  # so that no form can be chosen
        return _convolve(x, kernel, stride, padding, 1)
    size, _, channels, features = kernel.shape
    if min(x.shape[1:3]) + 2 * padding < size:
        raise ValueError(
            f"a convolution of {size}x{size} does not fit an image of "
            f"{x.shape[1]}x{x.shape[2]} with {padding} px around; pass a larger image"
        )
    if _small(x.size // stride**2, kernel):
        return _by_windows(x, kernel, stride, padding)
    if stride == 1 and 4 * size**2 * features <= channels:
        return _summed_taps(_framed(x, padding), kernel)
    return _convolve(x, kernel, stride, padding, 1)


def dilated(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c d"],
    dilation: int,
    *,
    by_phases: bool | None = None,
) -> Float[Array, "b h w d"]:
    """Returns the convolution of `x` by every `dilation`-th pixel; zeros around.

    `k` is odd, and the sides stay. With `by_phases` it is an ordinary convolution of
    images made of every `dilation`-th pixel, down and across; None takes the form that
    is quick. Derivatives in reverse mode only, of any order.

    Source: Yu, Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", ICLR
    2016; by phases as TensorFlow's `tf.nn.with_space_to_batch`.
    """
    if sides.are_unknown(x):
        return _convolve(x, kernel, 1, len(kernel) // 2 * dilation, dilation)
    half, longest = len(kernel) // 2, max(x.shape[1:3])
    reach = min(half, (longest - 1) // dilation)  # further taps meet zeros alone
    taps = slice(half - reach, half + reach + 1)
    kernel = kernel[taps, taps]
    if by_phases is None:
        by_phases = min(x.shape[1:3]) >= _LEAST_PHASE * dilation
    if by_phases:
        return _on_phases(lambda x: _convolve(x, kernel, 1, reach, 1), x, dilation)
    return _convolve(x, kernel, 1, reach * dilation, dilation)


def _on_phases(apply, x, period):
    """Applies to what every `period`-th row and column make, as to an image each."""
    batch, height, width, _ = x.shape
    below, right = -height % period, -width % period
    whole = jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
    rows, columns = (side // period for side in whole.shape[1:3])
    phases = whole.reshape(batch, rows, period, columns, period, -1)
    phases = phases.transpose(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, x.shape[-1])
    made = apply(phases).reshape(batch, period, period, rows, columns, -1)
    made = made.transpose(0, 3, 1, 4, 2, 5).reshape(*whole.shape[:3], -1)
    return made[:, :height, :width]


def transposed(
    x: Float[Array, "b h w d"],
    kernel: Float[Array, "k k c d"],
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> Float[Array, "b hh ww c"]:
    """Returns the transpose of `strided` at `x`, sides `(h - 1) s - 2 p + k + o`.

    `output_padding` picks among the sides that `strided` brings to `h`. Derivatives of
    any order, of both functions, in reverse mode only.

    Source: as of `strided`; the form by phases is the sub-pixel convolution of Shi et
    al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 2016.
    """
    size = kernel.shape[0]
    height, width = (
        (side - 1) * stride - 2 * padding + size + output_padding
        for side in x.shape[1:3]
    )
    if sides.are_unknown(x):
        return _by_phases(x, kernel, stride, padding, (height, width))
    if min(height, width) < 1:
        raise ValueError(
            f"a transposed convolution of {size}x{size} leaves {height}x{width} of an "
            f"image of {x.shape[1]}x{x.shape[2]}; lower its padding, {padding}"
        )
    if not _small(x.size, kernel):
        return _by_phases(x, kernel, stride, padding, (height, width))
    # Room for the frame, and for the rows that output_padding adds.
    frame = [side + 2 * padding for side in (height, width)]
    shape = (len(x), *frame, kernel.shape[2])
    spread = jax.linear_transpose(
        lambda image: _windows(image, size, stride)[:, : x.shape[1], : x.shape[2]],
        jax.ShapeDtypeStruct(shape, x.dtype),
    )
    weights = kernel.reshape(-1, kernel.shape[-1])
    made = products.of_few_rows_transposed(x.reshape(-1, x.shape[-1]), weights)
    (whole,) = spread(made.reshape(*x.shape[:3], *kernel.shape[:3]))
    return whole[:, padding : padding + height, padding : padding + width]


def _small(numbers, kernel):
    # Eight: try others with `python -m benchmarks.train_step pix2pix`.
    return kernel.size >= 8 * numbers


def _by_windows(x, kernel, stride, padding):
    windows = _windows(_framed(x, padding), len(kernel), stride)
    weights = kernel.reshape(-1, kernel.shape[-1])
    product = products.of_few_rows(windows.reshape(-1, len(weights)), weights)
    return product.reshape(*windows.shape[:3], -1)


def _windows(x, size, stride):
    """[b, hh, ww, k, k, c]: the window of every pixel of the result."""
    rows, columns = ((side - size) // stride + 1 for side in x.shape[1:3])

    grid = [
        [_every(x, row, column, rows, columns, stride) for column in range(size)]
        for row in range(size)
    ]
    return jnp.stack([jnp.stack(row, 3) for row in grid], 3)


def _every(x, row, column, rows, columns, stride):
    """So many rows and columns from these on, `stride` apart."""
    last = row + (rows - 1) * stride + 1, column + (columns - 1) * stride + 1
    return x[:, row : last[0] : stride, column : last[1] : stride]


def _summed_taps(x, kernel):
    """Few features of many channels: multiply first, then add what was shifted."""
    size = kernel.shape[0]
    taps = jnp.einsum("bhwc,klcd->bhwkld", x, kernel)
    rows, columns = (side - size + 1 for side in x.shape[1:3])
    shifted = (
        taps[:, k : k + rows, m : m + columns, k, m]
        for k in range(size)
        for m in range(size)
    )
    return functools.reduce(jnp.add, shifted)


# Lambdas, here and below: pyright finds no type in what a partial custom_vjp returns.
@lambda function: jax.custom_vjp(function, nondiff_argnums=(2, 3, 4))
def _by_phases(x, kernel, stride, padding, sides):
    size, _, features, _ = kernel.shape
    reach = -(-size // stride)  # pixels of x that meet in one of the result, a side
    room = reach * stride - size
    # Row stride * m + phase of the framed result is the sum over j of x[m - j] and the
    # weights at phase + stride * j.
    weights = jnp.pad(kernel, ((0, room), (0, room), (0, 0), (0, 0)))
    weights = weights.reshape(reach, stride, reach, stride, *kernel.shape[2:])
    weights = weights[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    weights = weights.reshape(reach, reach, -1, stride * stride * features)
    whole = _convolve(x, weights, 1, reach - 1, 1)
    whole = patches.depth_to_space(whole, stride)
    ends = [padding + side for side in sides]
    beyond = [
        max(end - made, 0) for end, made in zip(ends, whole.shape[1:], strict=False)
    ]
    if any(beyond):  # rows that no window reaches
        whole = jnp.pad(whole, ((0, 0), (0, beyond[0]), (0, beyond[1]), (0, 0)))
    return whole[:, padding : ends[0], padding : ends[1]]


def _forward(x, kernel, stride, padding, sides):
    return _by_phases(x, kernel, stride, padding, sides), (x, kernel)


def _backward(stride, padding, sides, residuals, cotangent):
    # Both gradients are the strided convolution's: its value, and its weights'.
    x, kernel = residuals
    rows, columns = x.shape[1:3]  # output_padding can make one more
    by_x = _convolve(cotangent, kernel, stride, padding, 1)[:, :rows, :columns]
    return by_x, _by_kernel(cotangent, x, stride, padding, len(kernel))


_by_phases.defvjp(_forward, _backward)


def _framed(x, padding):
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


# Both gradients of a convolution are written with the batch first and the features
# last: inside loops and conditions XLA's CPU compiler takes other orders of the axes to
# a kernel tens of times slower (a discriminator that moves every third step).


@lambda function: jax.custom_vjp(function, nondiff_argnums=(2, 3, 4))
def _convolve(x, kernel, stride, padding, dilation):
    pads = ((padding, padding), (padding, padding))
    if sides.are_unknown(x):
        return _plain(x, kernel, stride, pads, dilation)
    if stride > 1 and x.shape[-1] <= _FEW_CHANNELS:
        return _by_windows(x, kernel, stride, padding)
    plain = lambda x, kernel: _plain(x, kernel, stride, pads, dilation)
    few = x.size <= _FEW_PIXELS * x.shape[-1]
    if few and _takes_winograd(x, kernel.shape, stride, padding, dilation):
        return jax.lax.platform_dependent(
            x, kernel, cpu=winograd.convolve, default=plain
        )
    return plain(x, kernel)


def _convolve_backward(stride, padding, dilation, residuals, cotangent):
    x, kernel = residuals
    if stride > 1:
        by_x = _by_phases(cotangent, kernel, stride, padding, x.shape[1:3])
    else:
        turned = kernel[::-1, ::-1].swapaxes(2, 3)
        room = dilation * (len(kernel) - 1) - padding
        by_x = _convolve(cotangent, turned, 1, room, dilation)
    return by_x, _by_kernel(x, cotangent, stride, padding, len(kernel), dilation)


_convolve.defvjp(
    lambda x, kernel, *options: (_convolve(x, kernel, *options), (x, kernel)),
    _convolve_backward,
)


def _by_kernel(x, cotangent, stride, padding, size, dilation=1):
    """The gradient of a convolution of `x` by its kernel, [k, k, c, d]."""
    options = {"stride": stride, "padding": padding, "size": size}
    shape = size, size, x.shape[-1], cotangent.shape[-1]
    plain = functools.partial(_by_kernel_plain, **options, dilation=dilation)
    if _takes_winograd(x, shape, stride, padding, dilation):
        on_cpu = winograd.by_kernel
    elif dilation == 1 and padding >= 0 and shape[-1] >= _MANY_FEATURES:
        on_cpu = functools.partial(_by_kernel_rows, **options)
    else:
        return plain(x, cotangent)
    return jax.lax.platform_dependent(x, cotangent, cpu=on_cpu, default=plain)


def _takes_winograd(x, shape, stride, padding, dilation):
    is_its = (shape[0], stride, padding, dilation) == (3, 1, 1, 1)
    many = min(shape[2:]) >= _MANY_CHANNELS
    return is_its and many and winograd.fits(x) and x.dtype == jnp.float32


def _by_kernel_rows(x, cotangent, stride, padding, size):
    """Row by row of the kernel, as a product with what its pixels see."""
    x = _framed(x, padding)
    rows, columns, features = cotangent.shape[1:]
    flat = cotangent.reshape(-1, features)
    found = []
    for row in range(size):
        seen = [_every(x, row, column, rows, columns, stride) for column in range(size)]
        seen = jnp.concatenate(seen, -1).reshape(len(flat), -1)
        # The barrier: with the sides exchanged it takes twice as long.
        found.append(jax.lax.optimization_barrier(flat.T @ seen))
    found = jnp.stack(found).reshape(size, features, size, -1)
    return found.transpose(0, 2, 3, 1)


def _by_kernel_plain(x, cotangent, stride, padding, size, dilation=1):
    reach = dilation * (size - 1) + 1
    pads = [
        (padding, reach + (made - 1) * stride - side - padding)
        for side, made in zip(x.shape[1:3], cotangent.shape[1:3], strict=True)
    ]
    windows = cotangent.transpose(1, 2, 0, 3)
    found = _plain(x.transpose(3, 1, 2, 0), windows, dilation, pads, stride)
    return found.transpose(1, 2, 0, 3)


def _plain(x, kernel, stride, pads, dilation=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
