"""Pixelation: an image made of large square blocks of one colour."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import draws, ranges, resize

_METHODS = {"linear": "bilinear", "cubic": "bicubic"}
_GRID = 32  # px, of the largest blocks that may begin outside of the image

Block = Annotated[draws.Number, ranges.Range(1, None, "px")]


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    block: Block = 4.0,
    side: draws.WholeNumber = 0,
    sides: ranges.Counts = (),
    random_grid: Annotated[
        bool | float | int, ranges.Range(0, 1, "how probable it is")
    ] = False,
) -> Float[Array, "h w c"]:
    """Returns `image` shrunk bilinearly with antialiasing and enlarged by repetition.

    How coarse it gets is said in one of three ways; the other two keep their default.

    - `block`: the side of a block in pixels (a number or a range, 1 or more; larger
      than the image means one block);
    - `side`: the number of blocks along the shorter side (a pair is a range of whole
      numbers, both ends included);
    - `sides`: numbers of blocks to choose from, with equal chance.

    In the source, a photograph of 256 px gets `side=64` or, varied, `side=(48, 128)`,
    which its text says, or `sides=(85, 128)`, which its code does. Blocks are as high
    as wide up to rounding; where they do not divide a side, they differ by a pixel (one
    whose centre lies between two blocks goes to the right or lower one, as in Pillow).
    Nothing is rounded to 8 bit.

    `random_grid`: whether, or how probably, the first blocks begin somewhere above and
    left of the image, as in a crop of a pixelated picture; what lies there is the edge,
    continued.

    Raises `ValueError` for blocks below a pixel, more blocks than pixels, blocks above
    32 px on a random grid, and `side` together with `sides`. A traced number cannot be
    looked at: it is clipped.

    Source: the data of the project github.com/PieterBijl/Group28 (pix2pix on pixelated
    photographs), made with Pillow: `resize` with BILINEAR, then NEAREST.

    >>> image = jnp.arange(16.0).reshape(4, 4, 1) / 15
    >>> degraded = pixelate.degrade(jax.random.key(0), image, side=2)
    >>> degraded.shape, jnp.unique(degraded).size  # two blocks along each side
    ((4, 4, 1), 4)
    """
    ranges.check(degrade, locals())
    rows, columns = _blocks(key, image, block, side, sides)
    height, width = image.shape[:2]
    scale = _scale(image, rows, columns)
    if not random_grid:
        small = _shrunk(image, scale)
        return small[_nearest(height, rows)[:, None], _nearest(width, columns)]
    _check_grid(min(height, width), block, side, sides)
    down, right = _before(key, 1 / scale, random_grid)
    small = _shrunk(_moved(image, down, right), scale)
    return small[_nearest(height, rows, down)[:, None], _nearest(width, columns, right)]


def interpolated(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    block: Block = 4.0,
    side: draws.WholeNumber = 0,
    sides: ranges.Counts = (),
    method: str = "cubic",
) -> Float[Array, "h w c"]:
    """Returns what can be made of the pixelated image without learning anything.

    It is enlarged smoothly from its blocks, whose number is known and which are
    mirrored at the borders; `method` is `"linear"` or `"cubic"`. With the key and the
    options of `degrade` it is that image's. A restoration worth its name is better.

    Raises what `degrade` does, and `ValueError` for another method.
    """
    ranges.check(interpolated, locals())
    if method not in _METHODS:
        raise ValueError(f"method is {method!r}; it must be {' or '.join(_METHODS)}")
    rows, columns = _blocks(key, image, block, side, sides)
    small = _shrunk(image, _scale(image, rows, columns))
    height, width = image.shape[:2]
    return resize.resize_extent(
        small,
        resize.Extent(rows, columns),
        resize.Extent(height, width),
        (height, width),
        method=resize.METHODS.index(_METHODS[method]),
        antialias=False,
    )


def _blocks(key, image, block, side, sides):
    """How many blocks there are down and across."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    count = jnp.clip(_count(key, shorter, block, side, sides), 1, shorter)
    # The longer side gets round(count * longer / shorter) blocks.
    rows = (2 * count * height + shorter) // (2 * shorter)
    columns = (2 * count * width + shorter) // (2 * shorter)
    return rows, columns


def _before(key, sides, probability):
    """How many pixels of the first blocks, of these sides, lie outside of the image."""
    grid_key, whether_key = jax.random.split(jax.random.fold_in(key, 1))
    places = jax.random.uniform(grid_key, (2,))
    moved = jax.random.bernoulli(whether_key, float(probability))
    return (moved * jnp.floor(places * sides)).astype(jnp.int32)


def _moved(image, down, right):
    """The image moved, on a canvas that goes on by half a block and more."""
    room = _GRID + _GRID // 2
    height, width, channels = image.shape
    wide = jnp.pad(image, ((room, room), (room, room), (0, 0)), mode="edge")
    canvas = (height + room, width + room, channels)
    return jax.lax.dynamic_slice(wide, (room - down, room - right, 0), canvas)


def _scale(image, rows, columns):
    height, width = image.shape[:2]
    return jnp.stack([rows / height, columns / width]).astype(jnp.float32)


def _shrunk(image, scale):
    """The image shrunk into a corner of its canvas, a pixel a block."""
    return jax.image.scale_and_translate(
        image, image.shape, (0, 1), scale, jnp.zeros(2), "linear", antialias=True
    )


def _count(key, shorter, block, side, sides):
    """Returns the number of blocks along the shorter side."""
    counted = not (isinstance(side, int | float) and side == 0)
    if counted and sides:
        raise ValueError(f"side is {side} and sides is {tuple(sides)}; give only one")
    if sides:
        _check("sides", sides, shorter)
        return jax.random.choice(key, jnp.asarray(sides, jnp.int32))
    if counted:
        _check("side", side, shorter)
        return draws.integer(key, side)
    return jnp.round(shorter / draws.number(key, block)).astype(jnp.int32)


def _check(name, counts, shorter):
    if isinstance(counts, jax.Array):  # traced, perhaps: it has no value to look at
        return
    if np.min(counts) < 1 or np.max(counts) > shorter:
        raise ValueError(
            f"{name} is {counts}, on an image whose shorter side is {shorter} px; "
            f"give numbers of blocks from 1 to {shorter}"
        )


def _check_grid(shorter, block, side, sides):
    """Refuses blocks that are larger than there is room for beside the image."""
    counts = sides or side
    given = counts or block
    if isinstance(given, jax.Array):  # as in `_check`
        return
    largest = shorter / np.min(given) if counts else np.max(given)
    if largest > _GRID:
        raise ValueError(
            f"random_grid takes blocks of {_GRID} px at most, and the largest would be "
            f"of {largest:g} px; give smaller ones, or leave random_grid out"
        )


def _nearest(pixels, blocks, before=0):
    """Returns for each pixel its block: floor((i + before + 1/2) * blocks / pixels)."""
    return (2 * (np.arange(pixels) + before) + 1) * blocks // (2 * pixels)
