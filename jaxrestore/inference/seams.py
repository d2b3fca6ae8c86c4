"""What fills a hole brought to its surroundings: tones and detail meet at the border.

The difference between known and restored colours along the border is continued into
the hole as smoothly as can be, as a membrane fixed there would hang, and added.
"""

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from jaxrestore.ops import membranes

_AROUND = 8  # px of a standard deviation, where steps across a border are averaged
_EDGE = 64 / 255  # of a step is taken for an edge that crosses the border


def composite(
    restored: Float32[np.ndarray, "h w c"],
    known: Float32[np.ndarray, "h w c"],
    missing: Bool[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w c"]:
    """Returns `known` with what is `missing` from `restored`."""
    return np.where(missing[..., None], restored, known)


def without_step(
    restored: Float32[np.ndarray, "h w c"],
    known: Float32[np.ndarray, "h w c"],
    missing: Bool[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w c"]:
    """Returns their `composite`, where what is restored has the tone of what is known.

    What both differ by across the border, less the slope on either side, is averaged
    over the neighbourhood, 8 px, so that of edges and texture that cross the border
    nothing remains, and its `membrane` is added. The average is Huber's, in which edges
    count for 64 of 255 levels and no more. A hole that was filled with the original
    itself changes by some two levels; of one with a cast of colour as much remains
    (`python -m benchmarks.hole_borders`).

    Source: Huber, "Robust estimation of a location parameter", 1964, for the average.
    """
    joined = composite(restored, known, missing)
    steps, pairs = _steps(joined, missing)
    if not steps.any():
        return joined
    weight = _blurred(pairs)
    tone = np.zeros_like(steps)
    for _ in range(3):
        kept = np.clip(steps - tone, -_EDGE, _EDGE)
        tone += _blurred(pairs * kept) / np.maximum(weight, 1e-6)
    between = membranes.membrane(tone, pairs[..., 0] > 0, missing)
    return composite(joined + between, joined, missing)


def _steps(joined, missing):
    """How much known pixels differ from restored neighbours, and how many these are.

    Each in the mean of its neighbours, less what they differ from those behind them.
    """
    shape = missing.shape
    colors = np.pad(joined, ((2, 2), (2, 2), (0, 0)), "edge")
    hole = np.pad(missing, 2)
    total, pairs = np.zeros_like(joined), np.zeros((*shape, 1), np.float32)
    for toward in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        at = lambda x, by, toward=toward: _moved(x, by, toward, shape)
        before, here, beside, beyond = (at(colors, by) for by in (-1, 0, 1, 2))
        outside, inside = ~at(hole, -1), at(hole, 2)
        slope = (before - here) * outside[..., None] + (beside - beyond) * inside[
            ..., None
        ]
        slope /= np.maximum(outside.astype(np.float32) + inside, 1)[..., None]
        pair = (~missing & at(hole, 1))[..., None]
        total += pair * (here - beside - slope)
        pairs += pair
    return total / np.maximum(pairs, 1), pairs


def _moved(padded, by, toward, shape):
    """A part of this shape of what is padded by 2 px, so many px in a direction."""
    top, left = (2 + by * step for step in toward)
    return padded[top : top + shape[0], left : left + shape[1]]


def _blurred(values):
    return ndimage.gaussian_filter(values, (_AROUND, _AROUND, 0), truncate=2)


def matched(
    restored: Float32[np.ndarray, "h w c"],
    known: Float32[np.ndarray, "h w c"],
    missing: Bool[np.ndarray, "h w"],
    own: Bool[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w c"]:
    """Returns `restored` with the colours of `known` along the border of `own`.

    `own` is the part of what is `missing` that is asked for; what comes back elsewhere
    is of no meaning. Where both agree along the border nothing changes: this is for
    what was enlarged, and has no fine detail.

    Source: Perez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003: the
    seamless clone is the source and a harmonic correction.
    """
    inside = _box(own)
    here = own[inside]
    ring = _beside(here) & ~missing[inside]
    difference = np.where(ring[..., None], known[inside] - restored[inside], 0)
    if not difference.any():
        return restored
    result = restored.copy()
    result[inside] += membranes.membrane(difference.astype(np.float32), ring, here)
    return result


def _box(region):
    """The rows and columns that a region is in, and one more on each side."""
    rows, columns = np.nonzero(region.any(1))[0], np.nonzero(region.any(0))[0]
    return tuple(
        slice(max(0, int(found[0]) - 1), int(found[-1]) + 2)
        for found in (rows, columns)
    )


def _beside(region):
    """Which pixels have a neighbour in the region."""
    return membranes.neighbours(region[..., None].astype(np.uint8))[..., 0] > 0
