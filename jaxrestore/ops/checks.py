"""What functions of images refuse, in one sentence: other types, layouts and ranges.

Types and shapes are looked at everywhere. Values are looked at outside of `jax.jit`
only, and not inside of `values_as_they_are`: traced ones cannot be, and looking waits
for the device.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxrestore import errors


class TooSmall(ValueError):
    """An image that has too few pixels for what is asked of it; another may do."""


_LOOKS = contextvars.ContextVar("looks", default=True)


@contextlib.contextmanager
def values_as_they_are() -> Iterator[None]:
    """Inside, values of images are not looked at: for those who know that they fit.

    >>> levels = jnp.full((1, 4, 4, 3), 255.0)
    >>> with checks.values_as_they_are():
    ...     checks.judged(levels).max()
    Array(255., dtype=float32)
    """
    token = _LOOKS.set(False)
    try:
        yield
    finally:
        _LOOKS.reset(token)


def pair(
    a: Any, b: Any, weight: Any = None
) -> tuple[Float[Array, "b h w c"], Float[Array, "b h w c"]]:
    """Returns both images in float32, or float64 where one comes in it.

    `a` is what is judged and may leave [0, 1], as a restorer or noise does: it is
    refused if its mean is above 2, or if it spans [-1, 1] from exactly -1. `b` is a
    picture, and refused if a value is outside [-0.5, 1.5]. Values that are not finite
    are let through, and so is a batch without images.

    Raises `ValueError` for these, for images that are not floats [b, h, w, c] of one
    shape, and for a `weight` that is not [b, h, w, 1] or somewhere negative.
    """
    for image in (a, b):
        _check_kind(image)
    if a.shape != b.shape:
        raise ValueError(
            f"two images [b, h, w, c] of one shape are compared, got {a.shape} and "
            f"{b.shape}"
        )
    _check_judged(a)
    _check_picture(b)
    _check_weight(weight, a.shape)
    wide = jnp.promote_types(jnp.promote_types(a.dtype, b.dtype), jnp.float32)
    return a.astype(wide), b.astype(wide)


def judged(a: Any, weight: Any = None) -> Float[Array, "b h w c"]:
    """Returns the image that `pair` has first, where there is no other."""
    _check_kind(a)
    _check_judged(a)
    _check_weight(weight, a.shape)
    return a.astype(jnp.promote_types(a.dtype, jnp.float32))


def picture(image: Any) -> None:
    """Raises `ConfigError` for what is no picture, uint8 [h, w, c] of 1 to 4 channels.

    Nothing is guessed: floats and 16 bits would become black and white.
    """
    if image.dtype != np.uint8:
        raise errors.ConfigError(
            f"an image is {image.dtype}, but must be uint8, 0 to 255; from floats in "
            "[0, 1] take np.round(255 * image).astype(np.uint8), from 16 bits "
            "np.round(image / 257).astype(np.uint8)"
        )
    _check_layout(image)


def any_picture(image: Any) -> None:
    """Raises `ConfigError` as `picture` does, but lets 16 bits and floats through too.

    Floats, 0 is black and 1 is white, are refused where one is outside [-0.5, 1.5], or
    not finite.
    """
    is_float = jnp.issubdtype(image.dtype, jnp.floating)
    if image.dtype not in (np.uint8, np.uint16) and not is_float:
        raise errors.ConfigError(
            f"an image is {image.dtype}, but must be uint8, 0 to 255, uint16, or "
            "floats in [0, 1]; cast it to the one that its values are of"
        )
    _check_layout(image)
    if not is_float:
        return
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise errors.ConfigError("an image has values that are not finite; mend them")
    if low < -0.5 or high > 1.5:
        raise errors.ConfigError(
            f"an image's floats are from {low:.4g} to {high:.4g}, but 0 is black and 1 "
            "is white; divide by 255, or 65535, if that is white"
        )


def _check_layout(image):
    if image.ndim == 3 and not image.size:
        raise errors.ConfigError(f"an image has no pixels: its shape is {image.shape}")
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise errors.ConfigError(
            f"an image has the shape {image.shape}, but must be [h, w, c] with 1 to 4 "
            "channels; a grey one is image[..., None]"
        )


def _check_kind(image):
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(
            f"images are {image.dtype}, but must be floats in [0, 1]; divide 8 bits by "
            "255"
        )
    if image.ndim != 4:
        raise ValueError(
            f"images are [b, h, w, c], got the shape {image.shape}; add the axis of "
            "the batch, or of the channels"
        )
    channels, *sides = image.shape[1:]
    if channels <= 4 < min(sides):
        raise ValueError(
            f"images are [b, h, w, c], and {image.shape} looks like [b, c, h, w]; take "
            "jnp.moveaxis(images, 1, -1)"
        )


def _check_judged(a):
    if not _looks_at(a):
        return
    low, high = _ends(a)
    is_centred = low == -1 and high <= 1
    if is_centred or (high > 2 and float(np.mean(_looked_at(a))) > 2):
        raise ValueError(_told("the images to judge", low, high))


def _check_picture(b):
    if not _looks_at(b):
        return
    low, high = _ends(b)
    if low < -0.5 or high > 1.5:
        raise ValueError(_told("the images to compare with", low, high))


def _check_weight(weight, shape):
    if weight is None:
        return
    if weight.shape != (*shape[:3], 1):
        raise ValueError(
            f"a weight is [b, h, w, 1], here {(*shape[:3], 1)}, got {weight.shape}; "
            "give one number a pixel"
        )
    if _looks_at(weight) and np.min(_looked_at(weight)) < 0:
        raise ValueError("a weight is negative; 0 is the least")


def _looks_at(x):
    seen = _LOOKS.get() and not isinstance(x, Tracer) and x.size
    return bool(seen) and getattr(x, "is_fully_addressable", True)


def _looked_at(x):
    # On the host: while a program is traced, jax would not compute it now.
    values = np.asarray(x)
    return values if values.dtype.kind == "f" else values.astype(np.float32)


def _ends(image):
    """The least and the greatest value; 0 and 1 if they are not finite."""
    values = _looked_at(image)
    ends = float(values.min()), float(values.max())
    return ends if np.isfinite(ends).all() else (0.0, 1.0)


def _told(which, low, high):
    remedy = "divide by 255 if 255 is white"
    if high <= 2:
        remedy = "if -1 is black, take (images + 1) / 2"
    return (
        f"{which} are from {low:.4g} to {high:.4g}, but 0 is black and 1 is white; "
        f"{remedy}, or see jaxrestore.ops.checks.values_as_they_are"
    )
