"""Holes: parts of an image are missing, and a channel more says where.

The result is the image with its holes filled by a constant, and as last channel the
mask, 1 in the hole: an RGBA picture asks for inpainting.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8

from jaxrestore import images
from jaxrestore.ops import draws, ranges, strokes

Vertices = Annotated[draws.Number, ranges.Range(1, whole=True)]

KINDS = ("box", "strokes", "both", "masks")

# Masks are constants of the compiled program: 1024 of 256 x 256 px.
_MOST_BYTES = 2**26


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    kinds: Annotated[Mapping[str, float], ranges.Words(KINDS)] = {"both": 1.0},
    box: draws.Share = (0.375, 0.5),
    count: draws.WholeNumber = (1, 3),
    vertices: Vertices = (4, 11),
    width: draws.NotNegative = (12.0, 40.0),
    masks: str = "",
    fill: draws.Share = 0.5,
) -> Float[Array, "h w cc"]:
    """Returns `image` with a hole of value `fill`, and the mask as one channel more.

    One of `kinds` is drawn in proportion to its weight: `"box"`, a rectangle whose
    sides are shares of the image's, two draws of `box`; `"strokes"`, `count` strokes of
    a brush of `width` px where the shorter side is 256 (in proportion elsewhere) that
    zigzags `vertices` times; `"both"`, these together; `"masks"`, one of the files in
    the folder `masks`, where white is hole, brought to the image's size by its nearest
    pixels and mirrored at random. `count` and `vertices` are not traced. `fill` is
    mid-grey, 0 for a network on [-1, 1]; outside of the hole no bit changes.

    Differences: a box may touch every border, strokes are mirrored as the released
    code means to do (it drops the result), rows and columns are not confused, and each
    image has a hole of its own.

    Source: Yu et al., "Generative image inpainting with contextual attention", CVPR
    2018 (box: 128 of 256 px, each side less by up to 32) and "Free-form image
    inpainting with gated convolution", ICCV 2019 (strokes, both); numbers of the code
    at https://github.com/JiahuiYu/generative_inpainting.

    >>> key, image = jax.random.key(0), jnp.ones((8, 8, 3))
    >>> degraded = holes.degrade(key, image, kinds={"box": 1.0}, box=0.5)
    >>> degraded.shape, int(degraded[..., 3].sum())  # a hole of 4 x 4 px
    ((8, 8, 4), 16)
    """
    degraded, _ = damage(
        key,
        image,
        kinds=kinds,
        box=box,
        count=count,
        vertices=vertices,
        width=width,
        masks=masks,
        fill=fill,
    )
    return degraded


def damage(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    kinds: Annotated[Mapping[str, float], ranges.Words(KINDS)] = {"both": 1.0},
    box: draws.Share = (0.375, 0.5),
    count: draws.WholeNumber = (1, 3),
    vertices: Vertices = (4, 11),
    width: draws.NotNegative = (12.0, 40.0),
    masks: str = "",
    fill: draws.Share = 0.5,
) -> tuple[Float[Array, "h w cc"], Float[Array, "h w 1"]]:
    """Returns what `degrade` does, and its last channel, the mask.

    Raises `ValueError` for an unknown kind, for weights below 0 or none above it, and
    for a folder without masks or with too many.
    """
    ranges.check(damage, locals())
    _check(kinds, masks)
    shape = image.shape[:2]
    kind_key, box_key, strokes_key, mask_key, fill_key = jax.random.split(key, 5)
    made = {}
    if {"box", "both"} & set(kinds):
        made["box"] = _box(box_key, shape, box)
    if {"strokes", "both"} & set(kinds):
        made["strokes"] = _strokes(strokes_key, shape, count, vertices, width)
    if "both" in kinds:
        made["both"] = made["box"] | made["strokes"]
    if "masks" in kinds:
        made["masks"] = _from_folder(mask_key, shape, masks)
    chosen = draws.choice(kind_key, kinds)
    hole = jnp.stack([made[kind] for kind in kinds])[chosen][..., None]
    mask = hole.astype(jnp.float32)
    filled = jnp.where(hole, draws.number(fill_key, fill), image)
    return jnp.concatenate([filled, mask], -1), mask


def _check(kinds, masks):
    if "masks" in kinds and not masks:
        raise ValueError(
            "holes of kind 'masks' need the option masks: a folder of them"
        )


def _box(key, shape, share) -> Bool[Array, "h w"]:
    height_key, width_key, place_key = jax.random.split(key, 3)
    lengths = jnp.stack([draws.number(k, share) for k in (height_key, width_key)])
    lengths = jnp.clip(jnp.round(lengths * jnp.array(shape)), 1, jnp.array(shape))
    room = jnp.array(shape) - lengths + 1
    first = jnp.floor(jax.random.uniform(place_key, (2,)) * room)
    first = jnp.minimum(first, room - 1)  # rounding may reach room
    (top, left), (bottom, right) = first, first + lengths
    rows, columns = jnp.arange(shape[0]), jnp.arange(shape[1])
    inside = (rows >= top) & (rows < bottom)
    return inside[:, None] & (columns >= left) & (columns < right)


def _strokes(key, shape, count, vertices, width) -> Bool[Array, "h w"]:
    limit = int(draws.highest(count))
    scale = min(shape) / 256
    count_key, flip_key, strokes_key = jax.random.split(key, 3)
    number = draws.integer(count_key, count)

    def add(hole, stroke):
        index, key = stroke
        path_key, width_key = jax.random.split(key)
        path = _zigzag(path_key, shape, vertices)
        distance = strokes.distance_to_path(path, *shape)
        # Below half a pixel a slanting line would fall apart.
        radius = jnp.maximum(scale * draws.number(width_key, width) / 2, 0.5)
        return hole | ((distance <= radius) & (index < number)), None

    empty = jnp.zeros(shape, bool)
    marks = jnp.arange(limit), jax.random.split(strokes_key, limit)
    hole, _ = jax.lax.scan(add, empty, marks)
    return _mirrored(flip_key, hole)


def _zigzag(key, shape, vertices) -> Float[Array, "n 2"]:
    """A path that leans right, its segments down and up by turns about 72 degrees.

    Segments are normal around an eighth of the diagonal; every vertex is drawn into
    the image before the next one is placed.
    """
    keys = jax.random.split(key, 6)
    limit = int(draws.highest(vertices))
    border = jnp.array(shape, jnp.float32) - 1
    typical = float(np.hypot(*shape)) / 8
    lengths = typical * (1 + 0.5 * jax.random.normal(keys[0], (limit,)))
    lengths = jnp.clip(lengths, 0, 2 * typical)
    mean, spread = 2 * jnp.pi / 5, 2 * jnp.pi / 15
    low = mean - spread * jax.random.uniform(keys[1])
    high = mean + spread * jax.random.uniform(keys[2])
    angles = jax.random.uniform(keys[3], (limit,), jnp.float32, low, high)
    angles = jnp.where(jnp.arange(limit) % 2 == 0, -angles, angles)
    moves = lengths[:, None] * jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1)

    def walk(place, move):
        place = jnp.clip(place + move, 0, border)
        return place, place

    start = jax.random.uniform(keys[4], (2,)) * border
    _, path = jax.lax.scan(walk, start, moves)
    path = jnp.concatenate([start[None], path])
    return strokes.shortened(path, draws.integer(keys[5], vertices) + 1)


def _from_folder(key, shape, folder) -> Bool[Array, "h w"]:
    choice_key, flip_key = jax.random.split(key)
    known = jnp.asarray(_mask_files(folder, *shape))
    hole = known[jax.random.randint(choice_key, (), 0, len(known))] > 127
    return _mirrored(flip_key, hole)


@functools.lru_cache(maxsize=8)
def _mask_files(folder: str, height: int, width: int) -> UInt8[np.ndarray, "n h w"]:
    """Returns the folder's masks; read when a program is traced, and then kept."""
    files = sorted(Path(folder).glob("*")) if Path(folder).is_dir() else []
    files = [file for file in files if file.suffix.lower() in images.SUFFIXES]
    if not files:
        raise ValueError(
            f"{folder} holds no masks; give a folder of images whose holes are white"
        )
    most = _MOST_BYTES // (height * width)
    if len(files) > most:
        raise ValueError(
            f"{folder} holds {len(files)} masks, and at most {most} of "
            f"{height}x{width} px fit in a compiled program; take fewer"
        )
    return np.stack([_nearest(images.decode(file), height, width) for file in files])


def _nearest(mask, height, width) -> UInt8[np.ndarray, "h w"]:
    rows = (np.arange(height) + 0.5) * mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * mask.shape[1] / width
    return mask[rows.astype(int)[:, None], columns.astype(int), 0]


def _mirrored(key, hole):
    upright, across = jax.random.bernoulli(key, shape=(2,))
    hole = jnp.where(upright, hole[::-1], hole)
    return jnp.where(across, hole[:, ::-1], hole)
