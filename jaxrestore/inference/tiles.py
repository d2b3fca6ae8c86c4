"""A large image as tiles: where it is cut, and how what comes of them is joined.

`plan` and its likes decide, `cut` takes a tile out of the image, and `join` puts the
restored ones together. Plans are values and nothing here calls a network, so that a
caller may restore the tiles of an image in any way, those of several images in one
batch too.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxrestore import errors

SIDES = (128, 256, 512, 768)  # px
WHOLE = 1024  # px
# px: a cut further away changes no pixel by a quarter of a level of 255, of what the
# networks that ship make of photographs (`python -m benchmarks.tile_overlaps`).
OVERLAP = 64


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

    What is kept of them covers the image once. All are squares of `tile` px a side,
    rounded up to `multiple`, which is what the network divides sides by, so that one
    program serves all images; where an image is smaller, `cut` mirrors it. Tiles
    begin at multiples of it, as they do inside the whole image, and of a longer side
    the last ones end where that ends, rounded up to `multiple`. Each pixel is kept of a
    tile that continues `overlap` px beyond it, or ends where the image does.

    Raises `ConfigError` where `overlap` px on both ends leave nothing of a tile.
    """
    sides = [_spans(side, tile, overlap, multiple) for side in (height, width)]
    return tuple(Tile(*spans) for spans in itertools.product(*sides))


def for_network(
    height: int, width: int, *, multiple: int, reach: int | None
) -> list[tuple[Tile, ...]]:
    """Returns plans of an image for a network that sees `reach` px to each side.

    The first one has tiles of one of `SIDES` and the fewest pixels of these: four
    programs serve images of any size, and a small one does not pay for a large tile.
    The others have smaller tiles, for a device on which memory is short. Tiles have the
    `overlap` of the network. To one that sees further than `WHOLE` px, or nobody knows
    how far, or uses statistics of the image, the whole is one tile up to `WHOLE` px
    squared.
    """
    options = {"overlap": overlap(reach), "multiple": multiple}
    least = min(max(height, width), smallest(reach, multiple))
    sides = [side for side in SIDES if side >= least] or [least]
    plans = [plan(height, width, tile=side, **options) for side in sides]
    if reach is not None and reach <= WHOLE:
        best = min(plans, key=_pixels)
        return [best, *reversed(plans[: plans.index(best)])]
    if height * width <= WHOLE**2:
        first = _whole(height, width, multiple)
    else:
        first = plan(height, width, tile=WHOLE, **options)
    size = _largest(first)
    return [first, *(other for other in plans[::-1] if _largest(other) < size)]


def overlap(reach: int | None) -> int:
    """Returns by how many px tiles overlap: by the reach, and `OVERLAP` at most."""
    return OVERLAP if reach is None else min(OVERLAP, reach)


def smallest(reach: int | None, multiple: int) -> int:
    """Returns the side of the smallest tiles that more than one make an image of."""
    return 2 * (overlap(reach) + multiple)


def _whole(height, width, multiple):
    sides = (math.ceil(side / multiple) * multiple for side in (height, width))
    return (Tile(*map(Span, (0, 0), sides, (0, 0), (height, width))),)


def cut(
    image: Shaped[np.ndarray, "hh ww c"],
    tile: Tile,
    *,
    multiple: int = 1,
    continues: str = "reflect",
) -> Shaped[np.ndarray, "h w c"]:
    """Returns a tile of an image, a view; mirrored where it reaches beyond the image.

    As `ops.patches.pad_to_multiple`, of values of any type: 8 bits stay 8 bits. Where
    no more is missing than the network would add, up to `multiple`, it is added as
    the network does it, which is `networks.continues`.
    """
    rows, columns = tile
    part = image[rows.start : rows.stop, columns.start : columns.stop]
    wanted = (rows.stop - rows.start, columns.stop - columns.start)
    for axis, side in enumerate(wanted):
        missing = side - part.shape[axis]
        mode = continues if missing < multiple else "reflect"
        # A single row or column has nothing to mirror.
        mode = "edge" if mode == "reflect" and part.shape[axis] == 1 else mode
        lengths = [(0, missing if axis == other else 0) for other in range(3)]
        part = np.pad(part, lengths, mode) if missing else part  # type: ignore
    return part


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


def _largest(tiles: Sequence[Tile]) -> int:
    return math.prod(span.stop - span.start for span in tiles[0])


def _pixels(tiles: Sequence[Tile]) -> int:
    return sum(math.prod(span.stop - span.start for span in tile) for tile in tiles)


def _spans(side: int, tile: int, overlap: int, multiple: int) -> list[Span]:
    """The tiles along a side, of which one is kept from where another is cut."""
    length = math.ceil(tile / multiple) * multiple
    if side <= length:
        return [Span(0, length, 0, side)]
    whole = math.ceil(side / multiple) * multiple
    fresh = (length - 2 * overlap) // multiple * multiple
    if fresh < 1:
        raise errors.ConfigError(
            f"tiles of {length} px overlap by 2 x {overlap} px, which leaves nothing; "
            "take a larger `tile`"
        )
    count = 1 + math.ceil((whole - length) / fresh)
    starts = [min(index * fresh, whole - length) for index in range(count)]
    seams = [start + overlap for start in starts[1:]]
    stops = [start + length for start in starts]
    return list(map(Span, starts, stops, [0, *seams], [*seams, side]))
