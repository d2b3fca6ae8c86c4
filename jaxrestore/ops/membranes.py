"""Membranes: what hangs between fixed values as smoothly as can be.

They fill a hole with the tones around it, and carry a difference along its border into
it. NumPy arrays come back as NumPy arrays, of any size without a compilation; under
`jax.jit` all of it is traced.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxrestore.ops import sides

_SWEEPS = 16  # of each level
_MOST_LEVELS = 15  # of sides that are not known: up to 32,768 px


def membrane(
    values: Float[Array | np.ndarray, "*b h w c"],
    fixed: Bool[Array | np.ndarray, "*b h w"],
    free: Bool[Array | np.ndarray, "*b h w"],
) -> Float[Array | np.ndarray, "*b h w c"]:
    """Returns the values where they are `fixed`, and between them a membrane; float32.

    Where it is `free` each pixel is the mean of its neighbours that are either, so that
    nothing passes the greatest or the least value of the border. 0 elsewhere, and where
    nothing is fixed. Solved from coarse to fine, each level starting from the one
    before, by a fixed number of Jacobi's iterations, so that it is nearly the membrane
    and never rougher.

    Source: the steady state of the heat equation; the pyramid is that of Gortler et
    al., "The lumigraph", SIGGRAPH 1996 (pull and push), with sweeps on each level.

    >>> values = np.zeros((1, 5, 1), np.float32)
    >>> values[0, -1] = 4
    >>> free = np.array([[False, True, True, True, False]])
    >>> membrane(values, ~free, free)[0, :, 0].round(1).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    return _solved(values, fixed, free, _MOST_LEVELS)


def _solved(values, fixed, free, levels):
    xp = jnp if isinstance(values, jax.Array) else np
    values = xp.where(fixed[..., None], values, 0).astype(xp.float32)
    free = free & ~fixed
    if xp is np and not free.any():
        return values
    height, width = values.shape[-3:-1]
    # A level more than there are changes nothing: it is of one pixel again.
    coarser = levels if sides.are_unknown(values) else max(height, width) > 1
    if coarser:
        start = _solved(*_coarser(values, fixed, free), levels - 1)
        start = start.repeat(2, -3).repeat(2, -2)[..., :height, :width, :]
        values = xp.where(fixed[..., None], values, start)
    return _relaxed(values, fixed, free, xp)


def neighbours(
    values: Num[Array | np.ndarray, "*b h w c"],
) -> Num[Array | np.ndarray, "*b h w c"]:
    """Returns the sum of the four neighbours of each pixel, 0 beyond the border.

    >>> neighbours(np.ones((2, 3, 1)))[..., 0].tolist()
    [[2.0, 3.0, 2.0], [2.0, 3.0, 2.0]]
    """
    padded = _padded(values, (1, 1), (1, 1))
    rows = padded[..., :-2, 1:-1, :] + padded[..., 2:, 1:-1, :]
    return rows + padded[..., 1:-1, :-2, :] + padded[..., 1:-1, 2:, :]


def _relaxed(values, fixed, free, xp):
    joined = (fixed | free)[..., None]
    count = xp.maximum(neighbours(joined.astype(xp.float32)), 1)
    # Undamped, a chessboard of errors would only change its sign.
    share = xp.where(free[..., None], 0.8 / count, 0).astype(xp.float32)
    old = xp.where(free[..., None], 0.2, 0).astype(xp.float32)
    held = xp.where(fixed[..., None], values, 0)
    values = xp.where(joined, values, 0)
    sweep = lambda _, values: old * values + share * neighbours(values) + held
    if xp is jnp:
        return jax.lax.fori_loop(0, _SWEEPS, sweep, values)
    for index in range(_SWEEPS):
        values = sweep(index, values)
    return values


def _coarser(values, fixed, free):
    """A quarter of the pixels: of four, those that are fixed in the mean."""
    weight = _summed(fixed[..., None])
    means = _summed(values) / weight.clip(1)
    return means, weight[..., 0] > 0, _summed(free[..., None])[..., 0] > 0


def _summed(values):
    """The sum of each square of 2 x 2, float32."""
    *batch, height, width, channels = values.shape
    rows, columns = -(-height // 2), -(-width // 2)
    room = (0, 2 * rows - height), (0, 2 * columns - width)
    even = _padded(values.astype(np.float32), *room)
    squares = even.reshape(*batch, rows, 2, columns, 2, channels)
    rows = squares[..., 0, :, :, :] + squares[..., 1, :, :, :]
    return rows[..., 0, :] + rows[..., 1, :]


def _padded(values, rows, columns):
    xp = jnp if isinstance(values, jax.Array) else np
    return xp.pad(values, [(0, 0)] * (values.ndim - 3) + [rows, columns, (0, 0)])
