"""A large image as tiles: where it is cut, and how what comes of them is joined.

`plan` decides, `cut` takes a tile out of the `padded` image, `join` puts the restored
ones together. Plans are values and nothing here calls a network, so that a caller may
restore the tiles of an image in any way, those of several images in one batch too.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxrestore import errors


class Span(NamedTuple):
    """Along a side: `start` to `stop` is cut, `first` to `end` of it is kept, in px."""

    start: int
    stop: int
    first: int
    end: int


class Tile(NamedTuple):
    """What is cut of an image's rows and columns, and what is kept of the result."""

    rows: Span
    columns: Span


def plan(
    height: int, width: int, *, tile: int, overlap: int, multiple: int
) -> tuple[Tile, ...]:
    """Returns the tiles of an image of `height` x `width` px, row by row.

    What is kept of them covers the image once. One of no more than `tile` x `tile`
    pixels is a single tile. Of others all tiles are of one shape, so that one program
    serves them, `tile` px a side rounded up to `multiple`, which is what the network
    divides sides by. They begin at multiples of it, as they do inside the whole image,
    and their last ones end where the `padded` image does. Each pixel is kept of a tile
    that continues `overlap` px beyond it, or ends where the image does.

    Raises `ConfigError` where `overlap` px on both ends leave nothing of a tile.
    """
    if height * width <= tile**2:
        sides = [[Span(0, side, 0, side)] for side in (height, width)]
    else:
        sides = [_spans(side, tile, overlap, multiple) for side in (height, width)]
    return tuple(Tile(*spans) for spans in itertools.product(*sides))


def padded(
    image: Shaped[np.ndarray, "h w c"], multiple: int
) -> Shaped[np.ndarray, "hh ww c"]:
    """Returns the image mirrored below and to the right, to multiples of `multiple`.

    As `ops.patches.pad_to_multiple`, of values of any type: 8 bits stay 8 bits.
    """
    below, right = (-side % multiple for side in image.shape[:2])
    mode = "reflect" if below < image.shape[0] and right < image.shape[1] else "edge"
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode)


def cut(
    image: Shaped[np.ndarray, "hh ww c"], tile: Tile
) -> Shaped[np.ndarray, "h w c"]:
    """Returns a tile of a `padded` image, a view."""
    rows, columns = tile
    return image[rows.start : rows.stop, columns.start : columns.stop]


def join(
    tiles: Sequence[Tile],
    restored: Iterable[Shaped[np.ndarray, "_ _ d"]],
    *,
    scale: int,
) -> Shaped[np.ndarray, "hh ww d"]:
    """Returns the image of a `plan` from its restored tiles, in the plan's order.

    Each is `scale` times as large as what was cut, and so is the result, of the size
    that was planned. Tiles are taken one by one and not kept.
    """
    height, width = (span.end * scale for span in tiles[-1])
    parts = iter(restored)
    first = next(parts)
    image = np.empty((height, width, first.shape[2]), first.dtype)
    for tile, part in zip(tiles, itertools.chain([first], parts), strict=True):
        place = tuple(slice(span.first * scale, span.end * scale) for span in tile)
        kept = tuple(
            slice((span.first - span.start) * scale, (span.end - span.start) * scale)
            for span in tile
        )
        image[place] = part[kept]
    return image


def _spans(side: int, tile: int, overlap: int, multiple: int) -> list[Span]:
    """The tiles along a side, of which one is kept from where another is cut."""
    whole = math.ceil(side / multiple) * multiple
    length = min(whole, math.ceil(tile / multiple) * multiple)
    fresh = (length - 2 * overlap) // multiple * multiple
    if length < whole and fresh < 1:
        raise errors.ConfigError(
            f"tiles of {length} px overlap by 2 x {overlap} px, which leaves nothing; "
            "take a larger `tile` or a smaller `overlap`"
        )
    count = 1 if length == whole else 1 + math.ceil((whole - length) / fresh)
    starts = [min(index * fresh, whole - length) for index in range(count)]
    seams = [start + overlap for start in starts[1:]]
    stops = [start + length for start in starts]
    return list(map(Span, starts, stops, [0, *seams], [*seams, side]))
