"""Grids of blocks that begin somewhere outside of an image, as in a crop of a larger one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


def elsewhere(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    blocky: Callable[[Any], Any],
    *,
    room: int,
    probability: float | int,
) -> Float[Array, "h w c"]:
    """Returns what `blocky` makes of the image, as if this lay within a larger one.

    With this `probability`, 0 to 1, the image is moved down and right by 0 to `room`
    px before, and back afterwards; beyond the border is the edge, continued. `blocky`
    is called once, with an image that is `room` px larger.

    >>> line = jnp.arange(4.0)[None, :, None]
    >>> pairs = lambda x: x[:, ::2].repeat(2, 1)[:, : x.shape[1]]
    >>> made = [
    ...     grids.elsewhere(key, line, pairs, room=1, probability=1)[0, :, 0]
    ...     for key in jax.random.split(jax.random.key(0), 9)
    ... ]
    >>> sorted({tuple(one.tolist()) for one in made})
    [(0.0, 0.0, 2.0, 2.0), (0.0, 1.0, 1.0, 3.0)]
    """
    down, right = jax.random.randint(key, (2,), 0, room + 1)
    if probability < 1:
        moves = jax.random.bernoulli(jax.random.fold_in(key, 1), probability)
        down, right = moves * down, moves * right
    height, width, channels = image.shape
    wide = jnp.pad(image, ((room, room), (room, room), (0, 0)), mode="edge")
    canvas = (height + room, width + room, channels)
    moved = jax.lax.dynamic_slice(wide, (room - down, room - right, 0), canvas)
    return jax.lax.dynamic_slice(blocky(moved), (down, right, 0), image.shape)
