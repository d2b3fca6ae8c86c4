"""Pictures of any kind as arrays, and what became of them as that kind again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from PIL import Image, ImageOps

from jaxrestore import errors, images
from jaxrestore.inference import plans

# What a Pillow image says of its colours and size, beside its pixels.
_KEPT = ("icc_profile", "dpi")

Back = Callable[[list[np.ndarray]], Any]


class Opened(NamedTuple):
    """Arrays [h, w, c] of 8 bits, 16 bits or floats, and `back` from such ones."""

    arrays: list[np.ndarray]
    back: Back


def opened(image: Any, frame: int | None = None) -> Opened:
    """Returns the arrays of a picture, or of several, and the way back.

    | `image` | comes back as |
    |---|---|
    | a path | NumPy array [h, w, c]: the file's channels, in sRGB, 16 bits if deep |
    | Pillow's image | Pillow's, upright, with its profile: L, LA, RGB, RGBA or I;16 |
    | NumPy or JAX array [h, w], [h, w, c] or [b, h, w, c] | the same, of its type |
    | list or tuple of any | list of each |

    Of a path to several pictures the `frame` is taken, counted from 0.

    Raises `ConfigError` for another kind, and for Pillow's modes that have no colours
    of sRGB, and `ImageError` for a file that cannot be read.

    Arrays of the other byte order come back in it. A deep file whose colours are
    brought to sRGB by a profile that has tables has 8 bits.
    """
    if isinstance(image, (list, tuple)):
        return _several([opened(one, frame) for one in image])
    if isinstance(image, (str, Path)):
        return Opened([_read(image, frame)], lambda arrays: arrays[0])
    if frame is not None:
        raise errors.ConfigError(
            "`frame` is of a file with several pictures; leave it out, or give a path"
        )
    if isinstance(image, Tracer):
        raise errors.ConfigError(
            "an image is traced by jax.jit or jax.vmap, in which pictures of any size "
            "cannot be cut up; call this outside, or take the network's own `apply`"
        )
    if isinstance(image, jax.Array):
        host = np.asarray(image)
        if host.dtype == jnp.bfloat16:
            host = host.astype(np.float32)
        arrays, back = _of_array(host)
        return Opened(arrays, lambda made: jnp.asarray(back(made), image.dtype))
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    raise errors.ConfigError(
        f"an image is {type(image).__name__}, but must be a path, Pillow's image, a "
        "NumPy or JAX array [h, w], [h, w, c] or [b, h, w, c], or a list of these"
    )


def _read(path: Path | str, frame: int | None) -> np.ndarray:
    try:
        return images.read(path, frame=frame).values
    except images.SeveralFrames as error:
        raise plans.with_frame(error) from error


def _of_array(array: np.ndarray) -> Opened:
    if array.dtype.byteorder == ">":
        native, back = _of_array(array.astype(array.dtype.newbyteorder("=")))
        return Opened(native, lambda made: back(made).astype(array.dtype))
    if array.ndim == 2:
        return Opened([array[..., None]], lambda arrays: arrays[0][..., 0])
    if array.ndim == 3:
        return Opened([array], lambda arrays: arrays[0])
    if array.ndim == 4:
        return Opened([*array], lambda arrays: np.stack(arrays) if arrays else array)
    raise errors.ConfigError(
        f"an image has the shape {array.shape}, but must be [h, w], [h, w, c] or "
        "[b, h, w, c]"
    )


def _of_pillow(image: Image.Image) -> Opened:
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as error:  # as Pillow's readers raise
        raise errors.ImageError(
            f"a Pillow image cannot be decoded ({error}); replace its file"
        ) from error
    # First of all: turning to other modes loses what says how it lies.
    image = ImageOps.exif_transpose(image)
    info = {name: image.info[name] for name in _KEPT if name in image.info}
    grey, clear = image.mode in ("1", "L", "LA", "La"), image.has_transparency_data
    if image.mode.startswith("I;16"):
        # Pillow's own bytes may be in the other order; NumPy knows by the mode.
        array = np.asarray(image).astype(np.uint16)[..., None]
    elif grey or image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX"):
        mode = ("LA" if clear else "L") if grey else "RGBA" if clear else "RGB"
        array = np.asarray(image.convert(mode))
        array = array[..., None] if array.ndim == 2 else array
    else:
        raise errors.ConfigError(
            f"a Pillow image has the mode {image.mode}, whose values are no grey or "
            'RGB of 8 bits; give image.convert("RGB"), or an array of 16 bits or floats'
        )

    def back(arrays):
        values = arrays[0]
        made = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
        made.info |= info
        return made

    return Opened([array], back)


def _several(all_of_them: Sequence[Opened]) -> Opened:
    def back(arrays):
        rest = iter(arrays)
        return [one.back([next(rest) for _ in one.arrays]) for one in all_of_them]

    return Opened([array for one in all_of_them for array in one.arrays], back)
