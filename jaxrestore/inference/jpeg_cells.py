"""What a JPEG file says for certain about the picture that was compressed.

A file keeps each coefficient of the cosine transform to a step of its own, so the
original's lay within half a step. Steps stand in the file.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxrestore.ops import levels

# JFIF: Y, Cb, Cr of R, G, B, without the offset of 128, for differences have none.
_YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ]
)


class Component(NamedTuple):
    """One plane of a file: its quantisation `steps`, vertical frequency first.

    `rows` and `columns` are how many pixels of the picture share one of the plane, 2
    and 2 for the chroma of 4:2:0.
    """

    steps: Int[np.ndarray, "8 8"]
    rows: int = 1
    columns: int = 1


def confined(
    restored: Float[np.ndarray, "h w c"],
    decoded: Shaped[np.ndarray, "h w c"],
    components: Sequence[Component],
) -> Float[np.ndarray, "h w c"]:
    """Returns `restored`, moved to the nearest picture that the file allows.

    Levels from 0 to 255, not rounded; one channel is grey, three are RGB stored as
    YCbCr. Whatever the original was, the result is no further from it than `restored`,
    but for the rounding of `decoded`, for chroma that was enlarged between its own
    pixels, and for blocks that end outside the picture. The blocks begin at the first
    pixel: turn and cut pictures later.

    Source: projection onto quantisation constraints, Zakhor, "Iterative procedures for
    reduction of blocking effects in transform image coding", 1992.
    """
    bands = [band for _, band in confined_bands(restored, decoded, components)]
    return np.concatenate(bands)


def confined_bands(
    restored: Shaped[np.ndarray, "h w c"],
    decoded: Shaped[np.ndarray, "h w c"],
    components: Sequence[Component],
) -> Iterator[tuple[slice, Float[np.ndarray, "_ w c"]]]:
    """Yields what `confined` returns in bands of rows, each with where it lies.

    What was yielded may be written into `restored`.
    """
    multiple = 8 * max(component.rows for component in components)
    bands = [*levels.bands(decoded.shape, multiple)]
    surprises = [0.0] * len(components)
    for rows in bands:
        planes = _planes(restored[rows], decoded[rows])
        for index, component in enumerate(components):
            found = _coefficients(planes[..., index], component)
            # Of each frequency, summed over blocks.
            power = _surprise(found, component).sum((0, 2), keepdims=True)
            surprises[index] = surprises[index] + power
    for rows in bands:
        planes = _planes(restored[rows], decoded[rows])
        for index, component in enumerate(components):
            blocks = _blocks(component, decoded.shape)
            belief = 1 / np.maximum(1, surprises[index] / blocks)
            plane = planes[..., index]
            plane += _correction(plane, component, belief)
        if planes.shape[2] == 3:
            planes = planes @ np.linalg.inv(_YCBCR).T.astype(np.float32)
        yield rows, decoded[rows] + planes


def _planes(restored, decoded):
    """The change as the planes of the file hold it."""
    change = np.asarray(restored, np.float32) - decoded
    return change @ _YCBCR.T.astype(np.float32) if change.shape[2] == 3 else change


def _blocks(component, shape):
    """How many blocks of 8 x 8 the plane of a picture has."""
    sides = zip(shape[:2], (component.rows, component.columns), strict=True)
    return math.prod(-(-side // (8 * shared)) for side, shared in sides)


def _coefficients(change, component):
    """The cosine transform of a plane's blocks, [blocks down, u, blocks right, v]."""
    height, width = change.shape
    rows, columns = component.rows, component.columns
    padding = [(0, -height % (8 * rows)), (0, -width % (8 * columns))]
    padded = np.pad(change, padding, mode="edge")
    shape = (padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    low = padded.reshape(shape).mean((1, 3))
    blocks = low.reshape(low.shape[0] // 8, 8, low.shape[1] // 8, 8)
    matrix = _cosines()
    return np.einsum("ui,aibj,vj->aubv", matrix, blocks, matrix, optimize=True)


def _surprise(found, component):
    """The power of coefficients, as a share of what may be lost by rounding them."""
    return np.square(found) * 12 / _steps(component) ** 2


def _steps(component):
    return component.steps.astype(np.float32)[None, :, None, :]


def _correction(change, component, belief):
    """What has to be added to the change of a plane so that it stays in its cells.

    What was lost has a variance of steps^2 / 12 at most. A change of more is wrong in
    the rest, and is believed in proportion, as a Wiener filter does: by `belief` of
    each frequency of the whole plane, and as much of each block.
    """
    found, steps = _coefficients(change, component), _steps(component)
    surprise = belief**2 * _surprise(found, component)
    belief = belief / np.maximum(1, surprise.mean((1, 3), keepdims=True))
    # A step of 1 is how any file of 8 bits rounds: nothing was lost that it can hold.
    half = np.where(steps > 1, steps / 2, 0)
    excess = np.clip(belief * found, -half, half) - found
    matrix = _cosines()
    back = np.einsum("ui,aubv,vj->aibj", matrix, excess, matrix, optimize=True)
    low = back.reshape(8 * back.shape[0], 8 * back.shape[2])
    wide = low.repeat(component.rows, 0).repeat(component.columns, 1)
    return wide[: change.shape[0], : change.shape[1]]


@functools.cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of 8 values."""
    frequency, place = np.mgrid[:8, :8]
    matrix = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)
