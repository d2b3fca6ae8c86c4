"""Means of windows around every pixel, with the same bits in a tile as in the whole."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def local_mean(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b hh ww c"]:
    """Returns the mean of the `window` x `window` px around each, in the type of `x`.

    An even window reaches a pixel further down and to the right. Where it would leave
    the map, the nearest one inside counts. With a window of 0 or one that covers the
    map it is [b, 1, 1, c], the mean of all. The sums are float32, and those of a
    window the same wherever the map begins, so that tiles have the bits of the whole.

    Source: Chu et al., "Improving Image Restoration by Revisiting Global Information
    Aggregation", ECCV 2022.
    """
    values = x.astype(jnp.float32)
    if not window or window >= max(x.shape[1:3]):
        return values.mean((1, 2), keepdims=True).astype(x.dtype)
    for axis in (1, 2):
        values = _running_mean(values, min(window, x.shape[axis]), axis)
    return values.astype(x.dtype)


def _running_mean(values, window, axis):
    inside = values.shape[axis] - window + 1
    pads = [(0, 0)] * values.ndim
    pads[axis] = ((window - 1) // 2, window // 2)
    return jnp.pad(_running_sum(values, window, axis, inside) / window, pads, "edge")


def _running_sum(values, window, axis, count):
    """The sums of the `window` values from each on, the first `count` of them."""
    # Sums of twice as many are two sums of as many; the bits of `window` choose.
    total, done, width = None, 0, 1
    while True:
        if window & width:
            part = jax.lax.slice_in_dim(values, done, done + count, axis=axis)
            total, done = part if total is None else total + part, done + width
        if done == window:
            return total
        last = values.shape[axis] - width
        first = jax.lax.slice_in_dim(values, 0, last, axis=axis)
        values = first + jax.lax.slice_in_dim(values, width, None, axis=axis)
        width *= 2
