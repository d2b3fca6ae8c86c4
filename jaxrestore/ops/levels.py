"""The values of an image by its type: 8 bits, 16 bits, or floats in [0, 1]."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8, UInt16

Image = (
    UInt8[np.ndarray, "h w c"]
    | UInt16[np.ndarray, "h w c"]
    | Float[np.ndarray, "h w c"]
)

_BAND = 2**20  # px


def bands(shape: Sequence[int], multiple: int = 1) -> Iterator[slice]:
    """Yields the rows of an image, some 2^20 px at a time, whole multiples of rows.

    >>> [*bands((5, 2**19, 3))]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    count = max(_BAND // shape[1] // multiple, 1) * multiple
    for top in range(0, shape[0], count):
        yield slice(top, top + count)


def white(dtype: Any) -> int:
    """Returns the greatest value of an image: 255, 65535, or of floats 1.

    >>> white(np.uint8), white(np.uint16), white(np.float32)
    (255, 65535, 1)
    """
    return np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1


def floats(image: np.ndarray) -> Float32[np.ndarray, "..."]:
    """Returns the image in [0, 1], float32.

    >>> print(floats(np.array([0, 51, 255], np.uint8)))
    [0.  0.2 1. ]
    """
    return image.astype(np.float32) / np.float32(white(image.dtype))


def of_floats(image: Float[np.ndarray, "..."], dtype: Any) -> np.ndarray:
    """Returns an image in [0, 1], clipped to that, with values of a type.

    >>> of_floats(np.array([-0.1, 0.2, 2.0]), np.uint8).tolist()
    [0, 51, 255]
    """
    return rounded(np.clip(image, 0, 1) * white(dtype), dtype)


def rounded(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Returns values of a type's range in it; whole ones of integers.

    >>> rounded(np.array([0.6, 7.2]), np.uint8).tolist()
    [1, 7]
    """
    whole = np.issubdtype(dtype, np.integer)
    return (np.rint(values) if whole else values).astype(dtype)
