"""Transposed convolution that is quick on CPUs, forward and backward.

Compilers write the transpose of a strided convolution as a convolution of an image with
zeros between its pixels, and the weights' gradient of that as something slower still.
Here each pixel of the result meets only the weights that reach it, and both gradients
are those of the strided convolution (`benchmarks/transposed_convolution.py`).
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import patches

_LAYOUT = ("NHWC", "HWIO", "NHWC")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def transposed(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c d"],
    stride: int,
    padding: int,
    output_padding: int = 0,
) -> Float[Array, "b hh ww d"]:
    """Returns the transposed convolution of `x`, sides `(h - 1) s - 2 p + k + o`.

    It is the transpose of the convolution with this kernel, its two channel axes
    exchanged, `stride` and `padding`: a weight `W` [c, d, k, k] of PyTorch's
    `ConvTranspose2d` is `W.transpose(2, 3, 0, 1)` here, not flipped. Reverse-mode
    derivatives only, of any order.

    Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning",
    arXiv 2016; the form by phases is the sub-pixel convolution of Shi et al., "Is the
    deconvolution layer the same as a convolutional layer?", arXiv 2016.
    """
    size, _, _, features = kernel.shape
    reach = -(-size // stride)  # pixels of x that meet in one of the result, a side
    room = reach * stride - size
    # Row R = stride * m + phase of the result, before padding is cut off, is the sum
    # over j of x[m - j] and the weights at phase + stride * j.
    weights = jnp.pad(kernel, ((0, room), (0, room), (0, 0), (0, 0)))
    weights = weights.reshape(reach, stride, reach, stride, *kernel.shape[2:])
    weights = weights[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    weights = weights.reshape(reach, reach, -1, stride * stride * features)
    whole = _convolve(x, weights, 1, reach - 1)
    whole = patches.depth_to_space(whole, stride)
    height, width = (
        (side - 1) * stride - 2 * padding + size + output_padding
        for side in x.shape[1:3]
    )
    return whole[:, padding : padding + height, padding : padding + width]


def _forward(x, kernel, stride, padding, output_padding):
    return transposed(x, kernel, stride, padding, output_padding), (x, kernel)


def _backward(stride, padding, output_padding, residuals, cotangent):
    x, kernel = residuals
    exchanged = jnp.swapaxes(kernel, 2, 3)
    gradient = _convolve(cotangent, exchanged, stride, padding)
    # Rows that only output_padding made reach no further pixel of x.
    gradient = gradient[:, : x.shape[1], : x.shape[2]]
    (by_kernel,) = jax.linear_transpose(
        lambda kernel: _convolve(cotangent, kernel, stride, padding)[
            :, : x.shape[1], : x.shape[2]
        ],
        exchanged,
    )(x)
    return gradient, jnp.swapaxes(by_kernel, 2, 3)


transposed.defvjp(_forward, _backward)


def _convolve(x, kernel, stride, padding):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=_LAYOUT,
    )
