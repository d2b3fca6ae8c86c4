"""Strokes: distance fields of paths, coverage of pixels, and marks over a picture.

Points are (row, column) in pixels; the centre of the first pixel is (0, 0).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxrestore.ops import draws


class Sheet(NamedTuple):
    """What lies over a picture: `picture * clear + light` is what one sees."""

    light: Float[Array, "h w"]
    clear: Float[Array, "h w"]


class Ink(NamedTuple):
    """Grey value and opacity of a mark, both in [0, 1]."""

    intensity: draws.Number
    opacity: draws.Number


def clear_sheet(height: int, width: int) -> Sheet:
    """Returns the sheet that hides nothing."""
    return Sheet(jnp.zeros((height, width)), jnp.ones((height, width)))


def paint(
    key: PRNGKeyArray,
    sheet: Sheet,
    ink: Ink,
    cover: Callable[..., Float[Array, "h w"]],
    *,
    count: draws.Number,
    probability: float | Float[Array, ""] = 1.0,
) -> Sheet:
    """Returns `sheet` with, at `probability`, `count` more marks, one over the other.

    `cover(key)` returns the share of each pixel under one mark; every mark has a draw
    of `ink` of its own. `count` is not traced. A loop, so that only one mark at a time
    takes memory.
    """
    chance_key, count_key, marks_key = jax.random.split(key, 3)
    number = draws.integer(count_key, count)
    number = number * jax.random.bernoulli(chance_key, probability)

    def add(sheet, mark):
        index, key = mark
        shape_key, intensity_key, opacity_key = jax.random.split(key, 3)
        opacity = jnp.where(index < number, draws.number(opacity_key, ink.opacity), 0)
        alpha = opacity * cover(shape_key)
        light = alpha * draws.number(intensity_key, ink.intensity)
        return Sheet(sheet.light * (1 - alpha) + light, sheet.clear * (1 - alpha)), None

    limit = int(draws.highest(count))
    marks = jnp.arange(limit), jax.random.split(marks_key, limit)
    return jax.lax.scan(add, sheet, marks)[0]


def distance_to_segment(
    start: Float[Array, "2"], end: Float[Array, "2"], height: int, width: int
) -> Float[Array, "h w"]:
    """Returns each pixel centre's distance in px from the segment `start` to `end`.

    A segment of no length is a point.
    """
    return jnp.sqrt(_squared_distance(start, end, height, width))


def distance_to_path(
    path: Float[Array, "n 2"], height: int, width: int
) -> Float[Array, "h w"]:
    """Returns each pixel centre's distance in px from the path through the vertices.

    `path` holds one vertex or more. The segments are unrolled, so that one pass over
    the pixels serves them all and no field [h, w, segments] is ever stored.
    """
    ends = path[1:] if len(path) > 1 else path
    squared = [
        _squared_distance(start, end, height, width)
        for start, end in zip(path, ends, strict=False)
    ]
    return jnp.sqrt(functools.reduce(jnp.minimum, squared))


def shortened(path: Float[Array, "n 2"], count: Int[Array, ""]) -> Float[Array, "n 2"]:
    """Returns `path` with all vertices after the first `count` drawn onto the last.

    Its segments of no length add nothing to a distance: a path of `count` vertices in
    an array of fixed size. `count` is 1 or more.
    """
    return path[jnp.minimum(jnp.arange(len(path)), count - 1)]


def coverage(
    distance: Float[Array, "h w"], radius: Float[Array, ""]
) -> Float[Array, "h w"]:
    """Returns the share of each pixel, in [0, 1], inside a stroke of `2 * radius` px.

    It is the length of [distance - 1/2, distance + 1/2] inside [-radius, radius]: exact
    for straight strokes along rows or columns, also for those thinner than a pixel; in
    other directions the pixel counts as turned along with the stroke.
    """
    far = jnp.minimum(distance + 0.5, radius)
    near = jnp.minimum(0.5 - distance, radius)
    return jnp.maximum(far + near, 0)


def _squared_distance(start, end, height, width):
    down = jnp.arange(height, dtype=jnp.float32)[:, None] - start[0]
    across = jnp.arange(width, dtype=jnp.float32) - start[1]
    along = end - start
    # The floor only guards the division: a point's position along itself is 0.
    length = jnp.maximum(jnp.square(along).sum(), 1e-12)
    share = jnp.clip((down * along[0] + across * along[1]) / length, 0, 1)
    return jnp.square(down - share * along[0]) + jnp.square(across - share * along[1])
