"""Colours that nobody sees: what stands under alpha 0, and what stands in a hole."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxrestore.ops import levels


def has_alpha(image: levels.Image) -> bool:
    """Returns whether the last of 1 to 4 channels is alpha: it is of 2 and of 4."""
    return image.shape[2] in (2, 4)


def replaced(
    image: levels.Image,
    hole: Bool[np.ndarray, "h w"] | None = None,
) -> levels.Image:
    """Returns the image with the nearest colours that are seen under alpha 0.

    Black where none is. What lies in the `hole` is not seen either. An image in which
    nothing is under alpha 0 is returned itself.
    """
    if not has_alpha(image):
        return image
    hidden = image[..., -1] == 0
    if not hidden.any():
        return image
    filled = image.copy()
    unseen = hidden if hole is None else hidden | hole
    if unseen.all():
        filled[...] = 0
        return filled
    # Imported here: most pictures are opaque.
    from scipy import ndimage

    nearest: Any = ndimage.distance_transform_edt(
        unseen, return_distances=False, return_indices=True
    )
    rows, columns = (index[hidden] for index in nearest)
    filled[hidden, :-1] = image[rows, columns, :-1]
    return filled
