"""What a JPEG file says for certain about the picture that was compressed.

A file keeps each coefficient of the cosine transform to a step of its own, so the
original's lay within half a step. Steps stand in the file.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

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
    change = np.asarray(restored, np.float32) - decoded
    if change.shape[2] == 3:
        change = change @ _YCBCR.T.astype(np.float32)
    planes = [
        change[..., index] + _correction(change[..., index], component)
        for index, component in enumerate(components)
    ]
    change = np.stack(planes, -1)
    if change.shape[2] == 3:
        change = change @ np.linalg.inv(_YCBCR).T.astype(np.float32)
    return decoded + change


def _correction(change, component):
    """What has to be added to the change of a plane so that it stays in its cells."""
    height, width = change.shape
    rows, columns = component.rows, component.columns
    padding = [(0, -height % (8 * rows)), (0, -width % (8 * columns))]
    padded = np.pad(change, padding, mode="edge")
    shape = (padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    low = padded.reshape(shape).mean((1, 3))
    blocks = low.reshape(low.shape[0] // 8, 8, low.shape[1] // 8, 8)
    matrix = _cosines()
    found = np.einsum("ui,aibj,vj->aubv", matrix, blocks, matrix, optimize=True)
    steps = component.steps.astype(np.float32)[None, :, None, :]
    # What was lost has a variance of steps^2 / 12 at most. A change of more is wrong in
    # the rest, and is believed in proportion, as a Wiener filter does.
    surprise = np.square(found) * 12 / steps**2
    belief = 1.0
    for axes in ((0, 2), (1, 3)):  # of each frequency, of each block
        belief = belief / np.maximum(
            1, (belief**2 * surprise).mean(axes, keepdims=True)
        )
    # A step of 1 is how any file of 8 bits rounds: nothing was lost that it can hold.
    half = np.where(steps > 1, steps / 2, 0)
    excess = np.clip(belief * found, -half, half) - found
    back = np.einsum("ui,aubv,vj->aibj", matrix, excess, matrix, optimize=True)
    wide = back.reshape(low.shape).repeat(rows, 0).repeat(columns, 1)
    return wide[:height, :width]


@functools.cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of 8 values."""
    frequency, place = np.mgrid[:8, :8]
    matrix = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)
