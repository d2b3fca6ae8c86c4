"""Whole images brought to a size before they are cropped, as pix2pix does.

Source: the option `preprocess` of the reference code of Isola et al., "Image-to-image
translation with conditional adversarial networks", CVPR 2017,
https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, images, naming
from jaxrestore.data import mapped

SQUARE = "resize_and_crop"
WIDTH = ("scale_width", "scale_width_and_crop")
PREPROCESS = ("crop", "none", SQUARE, *WIDTH)


def applied(source: Any, preprocess: str, side: int) -> Any:
    """Returns the source as `preprocess` says, itself for those that only crop."""
    if preprocess in ("crop", "none"):
        return source
    change = functools.partial(resize, preprocess=preprocess, side=side)
    label = f"{preprocess!r}, {side}"
    return mapped.Mapped(source, change, label=label, channels=source.channels)


def resize(
    image: UInt8[np.ndarray, "h w c"], preprocess: str, side: int
) -> UInt8[np.ndarray, "hh ww c"]:
    """Returns an image of 3 channels, or a pair of 6, resized by bicubic interpolation.

    `resize_and_crop` makes it `side` x `side`; `scale_width` and `scale_width_and_crop`
    give it that width and keep its proportions. The reference never makes it lower than
    the crop; here what is too low is mirrored outwards when it is cropped.
    """
    height = side
    if preprocess in WIDTH:
        height = max(1, round(image.shape[0] * side / image.shape[1]))
    pictures = np.split(image, image.shape[2] // 3, axis=2)
    return np.concatenate(
        [images.resized(picture, width=side, height=height) for picture in pictures], 2
    )


def check(preprocess: str, load_size: int, crop: int) -> None:
    """Raises `ConfigError` for an unknown name, and when crops are larger than images.

    `load_size` is what images are resized to before `crop` x `crop` pixels are cut out.
    """
    if preprocess not in PREPROCESS:
        raise errors.ConfigError(
            f"config.data.preprocess is {preprocess!r}: "
            f"{naming.nearest(preprocess, PREPROCESS)}"
        )
    if preprocess not in ("crop", "none") and load_size < crop:
        raise errors.ConfigError(
            f"config.data.load_size is {load_size}, below the crop of {crop} that is "
            f"cut out of it; with {preprocess} it is {crop} at least"
        )
