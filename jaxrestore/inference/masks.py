"""What a mask says: which pixels of a picture are missing. White is hole."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from jaxrestore import errors, images
from jaxrestore.ops import hidden_colors, levels

# Where the hole stands in a picture's own alpha: where it is transparent, as an eraser
# leaves it, or where it is opaque, as `pairs` writes the mask of `holes`.
WORDS = ("alpha", "opaque")

_MOST = 0.6  # of a picture: the field's tables end here, and masks are rarely larger


def hole(
    mask: Shaped[np.ndarray, "_ _"], height: int, width: int, *, name: str = "the mask"
) -> Bool[np.ndarray, "h w"]:
    """Returns where a picture of `height` x `width` px is missing.

    `mask` is True there, or in 8 bits 128 or more. Of 8 bits an `errors.Notice` says
    how many are neither 0 nor 255, and where more than 60 % are hole: such a mask may
    be meant the other way round. It is called by `name` in what is said.

    Raises `ConfigError` for a mask of another type, and `ImageError` for one of another
    size than the picture, or that leaves nothing of it.
    """
    if mask.dtype not in (np.bool_, np.uint8):
        raise errors.ConfigError(
            f"{name} is {mask.dtype}, but must be bool or uint8, where 255 is hole"
        )
    if mask.shape != (height, width):
        rows, columns = mask.shape
        raise errors.ImageError(
            f"{name} is {columns}x{rows} px, and the picture {width}x{height}; a mask "
            "has a pixel for each of the picture's, so make it anew at that size"
        )
    found = mask if mask.dtype == np.bool_ else mask >= 128
    if found.all():
        raise errors.ImageError(
            f"{name} is white all over, so that nothing of the picture is known; white "
            "is hole, and what is to be kept must be black"
        )
    if mask.dtype == np.uint8:
        _notice_grey(mask, name)
        _notice_much(found, name)
    return found


def read(
    path: Path, *, max_pixels: int = images.MAX_PIXELS
) -> UInt8[np.ndarray, "h w"]:
    """Returns a mask's file in 8 bits: its luma, black where it is transparent.

    Raises `ImageError` for what cannot be read, or has more than `max_pixels`.
    """
    return luma(images.decode_with_alpha(path, max_pixels=max_pixels))


def luma(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w"]:
    """Returns the luma of a picture of 1 to 4 channels, black where it is transparent.

    >>> luma(np.array([[[255, 255, 255, 0], [255, 255, 255, 255]]], np.uint8)).tolist()
    [[0, 255]]
    """
    count = image.shape[2] - hidden_colors.has_alpha(image)
    weights = np.array([0.299, 0.587, 0.114] if count == 3 else [1.0], np.float32)
    found = image[..., :count].astype(np.float32) @ weights
    seen = image[..., -1] / np.float32(255) if count < image.shape[2] else 1
    return np.rint(found * seen).astype(np.uint8)


def of_alpha(
    image: levels.Image, word: str
) -> tuple[Shaped[np.ndarray, "h w d"], UInt8[np.ndarray, "h w"]]:
    """Returns the opaque picture, and the mask that stands in its alpha, in 8 bits.

    `word` is one of `WORDS`. Raises `ImageError` for a picture without alpha.
    """
    if not hidden_colors.has_alpha(image):
        raise errors.ImageError(
            "it has no alpha, in which its hole was to stand; give a file as `mask`"
        )
    alpha = levels.of_floats(levels.floats(image[..., -1]), np.uint8)
    return image[..., :-1], alpha if word == "opaque" else 255 - alpha


def with_hole(
    image: Any,
    mask: Path | str | None,
    source: Path,
    *,
    max_pixels: int = images.MAX_PIXELS,
) -> tuple[Any, Bool[np.ndarray, "h w"] | None]:
    """Returns the image of a file as it is restored, and where it is missing, or None.

    `mask` is a file, or a word of `WORDS`: the image is then opaque. Raises as `hole`.
    """
    if mask is None:
        return image, None
    if isinstance(mask, str):
        image, values = of_alpha(image, mask)
        name = f"the mask in the alpha of {source.name}"
    else:
        values, name = read(mask, max_pixels=max_pixels), str(mask)
    return image, hole(values, *image.shape[:2], name=name)


def _notice_grey(mask: np.ndarray, name: str) -> None:
    grey = np.count_nonzero((mask > 0) & (mask < 255))
    if grey:
        _give_notice(
            f"{name} has {grey:,} px that are neither black nor white; those of 128 "
            "and more are hole"
        )


def _notice_much(found: np.ndarray, name: str) -> None:
    share = found.mean()
    if share > _MOST:
        _give_notice(
            f"{name} is hole in {100 * share:.0f} % of the picture; white is what is "
            "missing, so invert it if it is meant the other way round"
        )


def _give_notice(sentence: str) -> None:
    warnings.warn(sentence, errors.Notice, stacklevel=4)
