"""The pixel shuffle as a data loader has it: a loop over the pixels, on one core."""

import functools
from collections.abc import Callable

import numpy as np


@functools.cache
def compiled(rate: float, radius: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns `images -> shuffled` on [b, h, w, c], with new draws at each call.

    Pixels are visited row by row; an active one changes places with one drawn from the
    window around it, as in `jaxrestore.degradations.pixel_shuffle`. Needs Numba.
    """
    import numba

    @numba.njit
    def shuffle(images, rng):
        moved = images.copy()
        count, height, width, channels = moved.shape
        for index in range(count):
            for row in range(height):
                top, bottom = max(row - radius, 0), min(row + radius, height - 1)
                for column in range(width):
                    if rng.random() >= rate:
                        continue
                    left = max(column - radius, 0)
                    right = min(column + radius, width - 1)
                    other_row = rng.integers(top, bottom + 1)
                    other_column = rng.integers(left, right + 1)
                    for c in range(channels):
                        kept = moved[index, row, column, c]
                        taken = moved[index, other_row, other_column, c]
                        moved[index, row, column, c] = taken
                        moved[index, other_row, other_column, c] = kept
        return moved

    rng = np.random.default_rng(0)
    return lambda images: shuffle(images, rng)
