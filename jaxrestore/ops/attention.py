"""Contextual attention: what fills a hole is made of patches from around it.

Patches are compared at half the sides of the map. A comparison of two patches is a sum
of comparisons of their places, both moved alike; so is the fusion of a comparison with
its neighbours, and so are the weights with which overlapping patches reach a pixel: all
three are `_moved`. They are made for one square of queries at a time, in the gradient
too, so that memory grows with the map and not with its square.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore.ops import patches

# Scores are multiplied before the softmax: no device may round their factors.
_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)

_LOWEST = -1e9
# Places around a square of queries: one for patches that are compared, one for their
# fusion, one for those that overlap.
_HALO = 3


def contextual(
    features: Float[Array, "b h w c"],
    mask: Float[Array, "b h w 1"],
    *,
    sharpness: float = 10.0,
    side: int = 16,
) -> tuple[Float[Array, "b h w c"], Float[Array, "b hh ww 2"]]:
    """Returns the map made anew of its patches without a hole, and where each looks.

    The 3x3 neighbourhood of each place of the halved map is compared with those that no
    hole touches (`mask` is above 0 in a hole): products with the latter at length 1,
    zeros around the map. A score is the sum of nine comparisons, of the two places and
    of their neighbours, moved alike within the map. The softmax of `sharpness` times
    the scores weighs patches of 4x4 of the map, which are laid around every second
    place of it; a pixel is the weighted mean of those that reach it. An image without a
    patch free of holes gives zeros.

    The second result is the offset to the patch of greatest weight, rows and columns
    on the halved map, whose sides are rounded up; it has no gradient. `side` x `side`
    queries are compared at a time: greater squares take more memory and less time.
    Both results are float32.

    Differences: each image has a mask of its own; scores in holes are lowered before
    the softmax, where the released code sets them to 0 and so leaves them a share;
    what overlaps is counted, where it divides by 4 also at the border, which darkens
    it; a place of the halved map is a hole if any of its four is; and no place has its
    neighbour at the far end of the next row.

    Source: Yu et al., "Generative image inpainting with contextual attention", CVPR
    2018.
    """
    height, width = features.shape[1:3]
    odd = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    whole = jnp.pad(features.astype(jnp.float32), odd, mode="edge")
    pixels = patches.space_to_depth(whole, 2)
    holes = patches.space_to_depth(jnp.pad(mask, odd), 2).max(-1, keepdims=True) > 0
    halved = whole[:, ::2, ::2]
    squares = _around(jnp.square(halved).sum(-1, keepdims=True))
    known = _Known(
        places=halved,
        scales=jax.lax.rsqrt(jnp.maximum(squares, 1e-8))[..., 0],
        valid=_around(holes.astype(jnp.float32))[..., 0] == 0,
        pixels=pixels.reshape(*pixels.shape[:3], 4, -1),
    )
    side = min(side, max(halved.shape[1:3]))
    compare = functools.partial(_compared, known, sharpness=sharpness)
    made = jax.lax.map(jax.checkpoint(compare), _queries(halved, side))
    blocks, offsets = (_joined(parts, halved.shape[1:3]) for parts in made)
    return patches.depth_to_space(blocks, 2)[:, :height, :width], offsets


class _Known(NamedTuple):
    """What queries are compared with, and what they are answered with."""

    places: Any  # [b, h, w, c], the halved map
    scales: Any  # [b, h, w], what brings its patches to length 1
    valid: Any  # [b, h, w], whether no hole touches them
    pixels: Any  # [b, h, w, 4, c], the map in blocks of 2x2


def _compared(known, square, *, sharpness):
    """The blocks of a square of queries [b, n, n, 4 c], and their offsets."""
    around, rows, columns = square
    height, width = known.valid.shape[1:]
    inside = _within(rows, height)[:, None] & _within(columns, width)
    inside = inside[..., None, None]
    scores = _einsum("bijc,bhwc->bijhw", around, known.places)
    scores = _over_nine(scores) * known.scales[:, None, None]
    scores = _over_nine(jnp.where(inside[1:-1, 1:-1], scores, 0))
    valid = known.valid[:, None, None]
    weights = jax.nn.softmax(jnp.where(valid, sharpness * scores, _LOWEST), (-2, -1))
    weights = jnp.where(inside[2:-2, 2:-2] & valid, weights, 0)
    own = weights[:, 1:-1, 1:-1]
    best = own.reshape(*own.shape[:3], -1).argmax(-1)
    down = best // width - rows[_HALO:-_HALO, None]
    right = best % width - columns[_HALO:-_HALO]
    somewhere = known.valid.any((1, 2))[:, None, None, None]
    offsets = jnp.where(somewhere, jnp.stack([down, right], -1), 0)
    return _overlaid(weights, known.pixels), offsets.astype(jnp.float32)


def _overlaid(weights, pixels):
    """Blocks of which each pixel is the mean of the patches that reach it.

    A patch of 4x4 is the block of its place and a pixel more on each side: the upper
    rows of a block are reached from the place above it too, the lower ones from below.
    """
    blocks = []
    for vertical in (-1, 1):
        down = _moved(weights, (0, vertical), queries=1, places=3)
        for horizontal in (-1, 1):
            each = _moved(down, (0, horizontal), queries=2, places=4)
            phase = len(blocks)
            sums = _einsum("bijhw,bhwc->bijc", each, pixels[..., phase, :])
            # A place reaches its own block with all its weight: 1, or 0 without any.
            blocks.append(sums / jnp.maximum(each.sum((-2, -1)), 1)[..., None])
    return jnp.concatenate(blocks, -1)


def _over_nine(scores):
    down = _moved(scores, (-1, 0, 1), queries=1, places=3)
    return _moved(down, (-1, 0, 1), queries=2, places=4)


def _moved(scores: Float[Array, "b i j h w"], steps, *, queries, places):
    """The sum over `steps` that a query and a place take alike, along these axes.

    Places beyond the map count nothing; queries lose one at each end.
    """
    count, length = scores.shape[queries] - 2, scores.shape[places]
    beyond = [(0, 0)] * scores.ndim
    beyond[places] = (1, 1)
    padded, parts = jnp.pad(scores, beyond), []
    for first in (1 + step for step in steps):
        part = jax.lax.slice_in_dim(padded, first, first + count, axis=queries)
        parts.append(jax.lax.slice_in_dim(part, first, first + length, axis=places))
    return functools.reduce(jnp.add, parts)


def _within(indices, length):
    return (indices >= 0) & (indices < length)


def _queries(halved, side):
    """Squares of queries with `_HALO` around, zeros outside; their rows and columns."""
    starts = [np.arange(0, length, side) for length in halved.shape[1:3]]
    reached = np.arange(-_HALO, side + _HALO)
    rows, columns = (start[:, None] + reached for start in starts)
    beyond = [
        (_HALO, len(start) * side - length + _HALO)
        for start, length in zip(starts, halved.shape[1:3], strict=True)
    ]
    padded = jnp.pad(halved, ((0, 0), *beyond, (0, 0)))
    squares = padded[:, rows + _HALO][:, :, :, columns + _HALO]
    squares = squares.transpose(1, 3, 0, 2, 4, 5)
    squares = squares.reshape(-1, *squares.shape[2:])
    which = np.indices((len(rows), len(columns))).reshape(2, -1)
    return squares, rows[which[0]], columns[which[1]]


def _joined(parts, sides):
    """[n, b, i, j, d], squares row by row, as one map of these sides."""
    side = parts.shape[2]
    down, across = (-(-length // side) for length in sides)
    grid = parts.reshape(down, across, *parts.shape[1:]).transpose(2, 0, 3, 1, 4, 5)
    whole = grid.reshape(parts.shape[1], down * side, across * side, -1)
    return whole[:, : sides[0], : sides[1]]


def _around(x):
    """The sum over 3x3, zeros around the map."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down = (padded[:, row : row + x.shape[1]] for row in range(3))
    down = functools.reduce(jnp.add, down)
    across = (down[:, :, column : column + x.shape[2]] for column in range(3))
    return functools.reduce(jnp.add, across)
