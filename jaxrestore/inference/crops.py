"""Where a picture with holes is cropped, and how far each crop is scaled down.

Plans are values and nothing here looks at a colour, so that whatever fills the holes
may do it in any way.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from jaxrestore import errors

Window = tuple[slice, slice]  # rows and columns


class Crop(NamedTuple):
    """What is cut out of a picture, and what of its holes is filled by it.

    The window is brought to `shape`, which is its own or smaller; `own` is True in the
    window where the result is taken.
    """

    window: Window
    shape: tuple[int, int]
    own: Bool[np.ndarray, "h w"]


def plan(hole: Bool[np.ndarray, "h w"], *, side: int, margin: int) -> Iterator[Crop]:
    """Yields crops that fill every hole once.

    Holes fewer than `margin` px apart are one region. A crop is `side` px square where
    the picture has room, and has a region in its middle with `margin` px around. Where
    a region is too large for that its window is larger and scaled down to `side`, and
    the margin with it. A long one is cut up instead as soon as its parts can be filled
    at more than twice the resolution, and what is no wider than `margin`, as scratches
    are, is never scaled. Wide holes come first, and each crop then takes for known what
    those before it have filled.

    Raises `ConfigError` where margins on both ends leave nothing of a crop.
    """
    if 2 * margin >= side:
        raise errors.ConfigError(
            f"crops of {side} px with a margin of 2 x {margin} px leave nothing for a "
            "hole; take a larger `side` or a smaller `margin`"
        )
    for box, region in _regions(hole, margin):
        factor, core = _scale(region, hole.shape, side, margin)
        for part in _parts(box, core):
            own = region[_within(part[0], box[0]), _within(part[1], box[1])]
            if own.any():
                yield _crop(part, own, hole.shape, factor, side)


def _regions(hole, margin) -> Iterator[tuple[Window, Bool[np.ndarray, "_ _"]]]:
    """Yields each region's box, and where it is hole in this box; wide ones first."""
    if not hole.any():
        return
    # Pictures are larger than their holes. A pixel around, so that what is known shows.
    (box,) = ndimage.find_objects(hole.astype(np.uint8))
    top, left = (max(0, span.start - 1) for span in box)
    inside = hole[top : box[0].stop + 1, left : box[1].stop + 1]
    wide = _wide(inside, margin)
    for holes in (wide, inside & ~wide):
        # The largest of a square: holes fewer than `margin` px apart then touch.
        near = ndimage.maximum_filter(holes, size=max(1, margin), mode="constant")
        labels: Any = ndimage.label(near, structure=np.ones((3, 3)))
        labels = np.where(holes, labels[0], 0)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            place = _moved(rows, top), _moved(columns, left)
            yield place, labels[rows, columns] == number


def _wide(hole, margin) -> Bool[np.ndarray, "h w"]:
    """Where a disc of `margin` px fits into the hole, and a little around."""
    depths: Any = ndimage.distance_transform_edt(hole)
    deep = depths > margin / 2
    if not deep.any():
        return deep
    around: Any = ndimage.distance_transform_edt(~deep)
    # Corners of a box are 1.41 times as far, and belong to it.
    return hole & (around <= 0.75 * margin)


def _scale(region, shape, side, margin) -> tuple[float, int]:
    """Returns how far crops are scaled down, and how many px of a region one fills."""
    room = side - 2 * margin
    # Where the window is the whole picture it needs no margin.
    needed = (
        min(n / room, whole / side)
        for n, whole in zip(region.shape, shape, strict=True)
    )
    at_once = max(1.0, *needed)
    # Distances from what is known; beyond the box all is.
    depths: Any = ndimage.distance_transform_edt(np.pad(region, 1))
    widest = min(max(region.shape), math.ceil(2 * depths.max()))
    in_parts = max(1.0, widest / room)
    if at_once == 1 or (widest > margin and at_once <= 2 * in_parts):
        return at_once, max(region.shape)
    return in_parts, math.floor(in_parts * room)


def _parts(box: Window, core: int) -> Iterator[Window]:
    """Yields a box in equal parts of no more than `core` px a side."""
    rows, columns = (_cut(span, core) for span in box)
    yield from itertools.product(rows, columns)


def _cut(span: slice, core: int) -> list[slice]:
    count = math.ceil((span.stop - span.start) / core)
    ends = np.linspace(span.start, span.stop, count + 1).round().astype(int).tolist()
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _crop(part: Window, own, shape, factor: float, side: int) -> Crop:
    length = math.ceil(side * factor)
    rows, columns = (
        _around(span, length, whole) for span, whole in zip(part, shape, strict=True)
    )
    placed = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    placed[_within(part[0], rows), _within(part[1], columns)] = own
    height, width = (_scaled(n, factor, side) for n in placed.shape)
    return Crop((rows, columns), (height, width), placed)


def _within(part: slice, whole: slice) -> slice:
    return _moved(part, -whole.start)


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _around(part: slice, length: int, whole: int) -> slice:
    """A span of `length` px with `part` in its middle, moved into the picture."""
    start = (part.start + part.stop - length) // 2
    start = max(0, min(start, whole - length))
    return slice(start, min(start + length, whole))


def _scaled(length: int, factor: float, side: int) -> int:
    """The side at which a window is filled; a network needs some pixels to work on."""
    return max(min(side, round(length / factor)), min(length, side // 8))
