"""Separable filters on images [..., h, w, c].

A filter is a sum of shifted copies, for on CPUs a depthwise convolution is slow. Width
and channels are one axis inside, since the innermost loop should be long. The gradient
has a rule of its own, for the adjoint of a shift would be a padding: one for each
weight.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Weights = tuple[float, ...]


def gaussian_window(size: int, deviation: float) -> np.ndarray:
    """Returns `size` Gaussian weights of standard deviation `deviation` px, sum 1."""
    position = np.arange(size) - (size - 1) / 2
    weight = np.exp(-0.5 * (position / deviation) ** 2)
    return weight / weight.sum()


def separable_valid(
    images: Float[Array, "*b h w c"], rows: np.ndarray, columns: np.ndarray
) -> Float[Array, "*b hh ww c"]:
    """Returns `images` correlated with `rows` down and `columns` across, no padding.

    The sides shrink by `len(rows) - 1` and `len(columns) - 1`. Reverse-mode
    derivatives of any order; no forward mode.
    """
    *batch, height, width, channels = images.shape
    flat = images.reshape(*batch, height, width * channels)
    filtered = valid(flat, tuple(rows.tolist()), tuple(columns.tolist()), channels)
    return filtered.reshape(*filtered.shape[:-1], -1, channels)


# A lambda: pyright finds no type in what a partial custom_vjp returns.
@lambda function: jax.custom_vjp(function, nondiff_argnums=(1, 2, 3))
def valid(
    images: Float[Array, "*b h wc"], rows: Weights, columns: Weights, channels: int
) -> Float[Array, "*b hh wwc"]:
    """Returns what `separable_valid` does, for images whose last axis is (w, c)."""
    down = _shifted_sum(images, rows, axis=-2, step=1)
    # Filters in a row would be merged into one of len(rows) * len(columns) weights.
    down = jax.lax.optimization_barrier(down)
    return _shifted_sum(down, columns, axis=-1, step=channels)


def adjoint(
    images: Float[Array, "*b hh wwc"], rows: Weights, columns: Weights, channels: int
) -> Float[Array, "*b h wc"]:
    """Returns the transpose of `valid` at `images`: a filter too, of padded images."""
    # Down as a product with a banded matrix, which no compiler merges with what made
    # the images: a loop that also asks for each pixel whether it is padding is slow.
    height = images.shape[-2] + len(rows) - 1
    band = np.zeros((images.shape[-2], height), np.float32)
    for row in range(len(band)):
        band[row, row : row + len(rows)] = rows
    bands = jnp.broadcast_to(band.T, (*images.shape[:-2], *band.T.shape))
    down = jnp.matmul(bands, images, precision=jax.lax.Precision.HIGHEST)
    right = channels * (len(columns) - 1)
    down = jnp.pad(down, [(0, 0)] * (images.ndim - 1) + [(right, right)])
    return _shifted_sum(down, columns[::-1], axis=-1, step=channels)


def _valid_forward(images, rows, columns, channels):
    return valid(images, rows, columns, channels), None


def _valid_backward(rows, columns, channels, _, cotangent):
    return (adjoint(cotangent, rows, columns, channels),)


valid.defvjp(_valid_forward, _valid_backward)


def _shifted_sum(images, weights, *, axis, step):
    length = images.shape[axis] - step * (len(weights) - 1)

    def shifted(k):
        return jax.lax.slice_in_dim(images, k * step, k * step + length, axis=axis)

    half = len(weights) // 2
    if weights == weights[::-1]:  # equal weights share their product
        pairs = [
            (weights[k], shifted(k) + shifted(-1 - k + len(weights)))
            for k in range(half)
        ]
        middle = [(weights[half], shifted(half))] if len(weights) % 2 else []
        terms = pairs + middle
    else:
        terms = [(weight, shifted(k)) for k, weight in enumerate(weights)]
    return functools.reduce(jnp.add, (weight * term for weight, term in terms))


def halve(images: Float[Array, "*b h w c"]) -> Float[Array, "*b hh ww c"]:
    """Returns the means of 2x2 blocks; an odd side is first continued by its edge.

    Repeating the edge pixel keeps means at the border means of real pixels; zeros
    there (the padding of pytorch-msssim) would darken them.
    """
    height, width = images.shape[-3:-1]
    if height % 2 or width % 2:
        pad = [(0, 0)] * (images.ndim - 3) + [(0, height % 2), (0, width % 2), (0, 0)]
        images = jnp.pad(images, pad, mode="edge")
    return _halve(images)


@jax.custom_vjp
def _halve(images):
    *batch, height, width, channels = images.shape
    blocks = (*batch, height // 2, 2, width // 2, 2, channels)
    return images.reshape(blocks).mean((-4, -2))


def _halve_backward(_, cotangent):
    # Repeating pixels of three channels is a loop of three steps, which whatever uses
    # the result would share. A product with few columns at a time repeats them too.
    *batch, height, width, channels = cotangent.shape
    block = math.gcd(width, 32)
    columns = np.arange(2 * block * channels)
    sources = columns // (2 * channels) * channels + columns % channels
    repeat = np.zeros((block * channels, len(columns)), np.float32)
    repeat[sources, columns] = 1 / 4
    blocks = cotangent.reshape(*batch, height, width // block, block * channels)
    wide = jnp.matmul(blocks, repeat, precision=jax.lax.Precision.HIGHEST)
    wide = wide.reshape(*batch, height, 1, 2 * width * channels)
    tall = jnp.broadcast_to(wide, (*batch, height, 2, wide.shape[-1]))
    return (tall.reshape(*batch, 2 * height, 2 * width, channels),)


_halve.defvjp(lambda images: (_halve(images), None), _halve_backward)
