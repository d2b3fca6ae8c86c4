"""Pixel shuffle: pixels exchange places with near neighbours, and nothing else changes.

The sites of an image are visited one after another; an active site exchanges its pixel
with one drawn from the window around it. Which pixels move depends on the draws alone,
so the exchanges act on an index map and one gather moves the colours: the result is a
permutation of the input, to the bit.
"""

import functools
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxrestore.ops import draws, ranges

Order = Annotated[str, ranges.Words(("raster", "colour"))]


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    rate: draws.Share = 0.4,
    radius: ranges.Count = 2,
    order: Order = "raster",
) -> Float[Array, "h w c"]:
    """Returns `image` with pixels exchanged inside windows of side `2 * radius + 1`.

    Each site is active with probability `rate`, a number or a range (low, high) that
    each image draws its own from (blind); its partner is uniform over the window
    clipped to the image (the site itself included). Low distortion is 0.15, high 0.40.
    `order` is `"raster"`, row by row as the sequential definition has it, or
    `"colour"`, which visits the residue classes of the window one after another: fewer
    dependent steps, symmetric displacements, a slightly different distribution.

    Source: the 5x5 shuffle of the project page anushl9o5.github.io, `image_res_gan`;
    the page gives no rates, and the schedule by wavefronts is ours.

    >>> image = jnp.arange(5.0).reshape(1, 5, 1)
    >>> pixel_shuffle.degrade(jax.random.key(0), image, rate=1.0)[0, :, 0]
    Array([1., 3., 4., 0., 2.], dtype=float32)
    """
    ranges.check(degrade, locals())
    height, width, channels = image.shape
    moved = index_map(key, height, width, rate=rate, radius=radius, order=order)
    return image.reshape(-1, channels)[moved].reshape(image.shape)


def index_map(
    key: PRNGKeyArray,
    height: int,
    width: int,
    *,
    rate: draws.Share = 0.4,
    radius: ranges.Count = 2,
    order: Order = "raster",
) -> Int[Array, " n"]:
    """Returns the permutation: pixel `i` of the result is pixel `index_map[i]`.

    Raises `ValueError` for an `order` other than `"raster"` and `"colour"`.
    """
    ranges.check(index_map, locals())
    draw_key, order_key = jax.random.split(key)
    # Beside the split, not part of it: a fixed rate gives the same with or without.
    rate = draws.number(jax.random.fold_in(key, 2), rate)
    partner = partners(draw_key, height, width, rate=rate, radius=radius)
    if order == "raster":
        groups = jnp.asarray(_wavefronts(height, width, radius))
    else:
        groups = jnp.asarray(_colours(height, width, radius))
        groups = jax.random.permutation(order_key, groups)
    # Groups are padded with the index of one extra site, which is its own partner.
    extra = jnp.array([height * width], partner.dtype)
    return _exchange(groups, jnp.concatenate([partner, extra]))[:-1]


def partners(
    key: PRNGKeyArray,
    height: int,
    width: int,
    *,
    rate: float | Float[Array, ""],
    radius: int,
) -> Int[Array, " n"]:
    """Returns for each site, in raster order, the site that it exchanges with.

    An inactive site is its own partner.
    """
    corners, rows, columns = _windows(height, width, radius)
    draw = jax.random.uniform(key, (height, width))
    # One draw serves three times: below `rate` the site is active, and a uniform
    # number known to lie below `rate` is, divided by it, uniform again; so is what is
    # left of its product with the number of rows after the whole part is taken off.
    # Tables of whole size and floats, not broadcasts and integers: quicker on CPUs.
    active = draw < rate
    scaled = draw * (1 / jnp.maximum(jnp.float32(rate), 1e-9)) * rows
    down = jnp.minimum(jnp.floor(scaled), rows - 1)  # min: rounding may reach 1
    across = jnp.minimum(jnp.floor((scaled - down) * columns), columns - 1)
    steps = (down * width + across).astype(jnp.int32)
    sites = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return jnp.where(active, corners + steps, sites).reshape(-1)


@functools.lru_cache(maxsize=64)
def _windows(
    height: int, width: int, radius: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each site its window: first pixel (int32), rows, columns."""
    shape = (height, width)
    top, rows = _side(height, radius)
    left, columns = _side(width, radius)
    corners = (top[:, None] * width + left).astype(np.int32)
    return (
        corners,
        np.broadcast_to(rows[:, None], shape).astype(np.float32),
        np.broadcast_to(columns, shape).astype(np.float32),
    )


def _side(size: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    position = np.arange(size)
    first = np.maximum(position - radius, 0)
    return first, np.minimum(position + radius, size - 1) - first + 1


def _exchange(groups, partner):
    # Sites of a group have disjoint windows, so their exchanges commute. Padding and
    # inactive sites write one value twice to one place, which changes nothing.
    inside = "promise_in_bounds"  # they are; checks cost time

    def exchange_group(moved, sites):
        others = partner.at[sites].get(mode=inside)
        values = moved.at[jnp.concatenate([others, sites])].get(mode=inside)
        places = jnp.concatenate([sites, others])
        return moved.at[places].set(values, mode=inside), None

    identity = jnp.arange(partner.shape[0], dtype=partner.dtype)
    moved, _ = jax.lax.scan(exchange_group, identity, groups, unroll=4)
    return moved


@functools.lru_cache(maxsize=64)
def _wavefronts(height: int, width: int, radius: int) -> np.ndarray:
    """Returns groups whose sequence has the same effect as raster order.

    With k = 2 * radius + 1, site (r, c) runs at time c + k * r. Sites of one time are
    at least k columns apart; of two sites that can touch one pixel, the one that comes
    first in raster order has the smaller time: d rows further down is at least
    k * d - 2 * radius >= 1 later.
    """
    window = 2 * radius + 1
    time = np.arange(width)[None, :] + window * np.arange(height)[:, None]
    return _grouped(time.reshape(-1))


@functools.lru_cache(maxsize=64)
def _colours(height: int, width: int, radius: int) -> np.ndarray:
    """Returns the residue classes: inside one, windows tile the plane."""
    window = 2 * radius + 1
    row = np.arange(height)[:, None] % window
    column = np.arange(width)[None, :] % window
    return _grouped((row * window + column).reshape(-1))


def _grouped(group: np.ndarray) -> np.ndarray:
    """Returns int32 [groups, longest]: each group's sites, padded with len(group)."""
    sites = np.argsort(group, kind="stable").astype(np.int32)
    _, label, counts = np.unique(group, return_inverse=True, return_counts=True)
    table = np.full((len(counts), counts.max()), len(group), np.int32)
    starts = np.cumsum(counts) - counts
    table[label[sites], np.arange(len(group)) - np.repeat(starts, counts)] = sites
    return table
