"""The 3x3 convolution by Winograd's products: 16 for four pixels, where it has 36.

For the gradient of a convolution by its kernel XLA's CPU compiler takes three to seven
times as long as for the convolution (`python -m benchmarks.convolution_gradients`).
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import products

# Of four pixels, of three weights, and of four products: sums for two pixels of the
# result, by Lavin and Gray's F(2x2, 3x3).
_OF_PIXELS = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
_OF_WEIGHTS = ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1))
_OF_PRODUCTS = ((1, 1, 1, 0), (0, 1, -1, -1))


def fits(x: Float[Array, "b h w c"]) -> bool:
    """Returns whether `convolve` takes a map of these sides: they are even."""
    return x.shape[1] % 2 == x.shape[2] % 2 == 0


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]
) -> Float[Array, "b h w d"]:
    """Returns the convolution of `x`, zeros around; in float32 to some 1e-6 of it.

    Raises `ValueError` for odd sides.

    Source: Lavin, Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.

    >>> winograd.convolve(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 1)))[0, :, :, 0]
    Array([[ 8., 12., 12.,  8.],
           [12., 18., 18., 12.],
           [12., 18., 18., 12.],
           [ 8., 12., 12.,  8.]], dtype=float32)
    """
    weights = _both(_OF_WEIGHTS, kernel)
    made = [
        [pixels @ by for pixels, by in zip(*rows, strict=True)]
        for rows in zip(_of_pixels(x), weights, strict=True)
    ]
    phases = _both(_OF_PRODUCTS, made)
    rows = [jnp.stack(row, 3) for row in phases]
    return jnp.stack(rows, 2).reshape(*x.shape[:3], -1)


def by_kernel(
    x: Float[Array, "b h w c"], cotangent: Float[Array, "b h w d"]
) -> Float[Array, "3 3 c d"]:
    """Returns the gradient of `convolve` by its kernel; raises as that."""
    _check(cotangent)
    phases = [[cotangent[:, i::2, j::2] for j in range(2)] for i in range(2)]
    found = [
        [products.by_weights(pixels, one) for pixels, one in zip(*rows, strict=True)]
        for rows in zip(
            _of_pixels(x), _both(_turned(_OF_PRODUCTS), phases), strict=True
        )
    ]
    rows = _both(_turned(_OF_WEIGHTS), found)
    return jnp.stack([jnp.stack(row) for row in rows])


def _of_pixels(x):
    """4 x 4 maps of half the sides: sums of what each 2 x 2 pixels see."""
    _check(x)
    framed = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    seen = [
        [framed[:, i : i + height : 2, j : j + width : 2] for j in range(4)]
        for i in range(4)
    ]
    return _both(_OF_PIXELS, seen)


def _both(table: Sequence[Sequence[float | int]], grid: Any) -> Any:
    """The sums of `table` along both axes of a grid."""
    columns = [_sums(table, [row[j] for row in grid]) for j in range(len(grid[0]))]
    return [_sums(table, row) for row in zip(*columns, strict=True)]


def _sums(table, parts):
    return [
        sum(weight * part for weight, part in zip(row, parts, strict=True) if weight)
        for row in table
    ]


def _turned(table):
    return [*zip(*table, strict=True)]


def _check(x):
    if not fits(x):
        raise ValueError(
            f"Winograd's products take maps of even sides, and this one is "
            f"{x.shape[1]}x{x.shape[2]}; pad it, or take another convolution"
        )
