"""What colours images have: three, or the grey of them."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxrestore.data import mapped

COLORS = ("rgb", "gray")
_WEIGHTS = np.array([299, 587, 114])  # thousandths


def gray(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 1"]:
    """Returns the full-range luma, rounded to 8 bits; equal channels stay as they are.

    What `protocols.gray8` scores, and MATLAB's rgb2gray.

    Source: ITU-R BT.601.
    """
    levels = (image @ _WEIGHTS + 500) // 1000
    return levels[..., None].astype(np.uint8)


def applied(source: Any, colors: str) -> Any:
    """Returns the source with images of `colors`: itself for `"rgb"`."""
    if colors == "rgb":
        return source
    return mapped.Mapped(source, gray, label=colors, channels=1)
