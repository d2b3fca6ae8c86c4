"""Pixelation: an image made of large square blocks of one colour."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import draws, ranges, resize

_METHODS = {"linear": "bilinear", "cubic": "bicubic"}

Block = Annotated[draws.Number, ranges.Range(1, None, "px")]


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    block: Block = 4.0,
    side: draws.WholeNumber = 0,
    sides: ranges.Counts = (),
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

    Raises `ValueError` for blocks below a pixel, more blocks than pixels, and `side`
    together with `sides`. A traced number cannot be looked at: it is clipped.

    Source: the data of the project github.com/PieterBijl/Group28 (pix2pix on pixelated
    photographs), made with Pillow: `resize` with BILINEAR, then NEAREST.

    >>> image = jnp.arange(16.0).reshape(4, 4, 1) / 15
    >>> degraded = pixelate.degrade(jax.random.key(0), image, side=2)
    >>> degraded.shape, jnp.unique(degraded).size  # two blocks along each side
    ((4, 4, 1), 4)
    """
    ranges.check(degrade, locals())
    small, rows, columns = _shrunk(key, image, block, side, sides)
    height, width = image.shape[:2]
    return small[_nearest(height, rows)[:, None], _nearest(width, columns)]


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
    small, rows, columns = _shrunk(key, image, block, side, sides)
    height, width = image.shape[:2]
    return resize.resize_extent(
        small,
        resize.Extent(rows, columns),
        resize.Extent(height, width),
        (height, width),
        method=resize.METHODS.index(_METHODS[method]),
        antialias=False,
    )


def _shrunk(key, image, block, side, sides):
    """The image shrunk into a corner of its canvas, and the blocks down and across."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    count = jnp.clip(_count(key, shorter, block, side, sides), 1, shorter)
    # The longer side gets round(count * longer / shorter) blocks.
    rows = (2 * count * height + shorter) // (2 * shorter)
    columns = (2 * count * width + shorter) // (2 * shorter)
    scale = jnp.stack([rows / height, columns / width]).astype(jnp.float32)
    small = jax.image.scale_and_translate(
        image, image.shape, (0, 1), scale, jnp.zeros(2), "linear", antialias=True
    )
    return small, rows, columns


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


def _nearest(pixels, blocks):
    """Returns for each pixel its block: floor((i + 1/2) * blocks / pixels)."""
    return (2 * np.arange(pixels) + 1) * blocks // (2 * pixels)
