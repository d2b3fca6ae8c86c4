"""What files hold as values of 8 or 16 bits in colours that can be told.

Nothing is guessed: what cannot be brought there faithfully is refused with an
`errors.ImageError`.
"""

import functools
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image, ImageCms

from jaxrestore import errors
from jaxrestore.image_files import deep
from jaxrestore.image_headers import Header

GREY_MODES = ("1", "L", "LA", "La", "F")


def read(
    file: io.BytesIO | io.BufferedReader,
    image: Image.Image,
    header: Header,
    name: str,
    *,
    keep_profiles: Sequence[str] = (),
) -> tuple[Shaped[np.ndarray, "h w c"], bytes]:
    """Returns the values of an opened file, of TIFF upright, and their profile.

    They are grey (1), grey and alpha (2), colour (3), or colour and alpha (4), of 16
    bits where the file has more than 8 and they can be had, in sRGB: without a profile.
    Those of a mode in `keep_profiles`, L or RGB, are the file's own, with its profile.

    Raises `ImageError` where the values are not faithfully colours. Gives an
    `errors.Notice`, once for each `name`, of a profile that had to be left out, and of
    16-bit values that are all so low that the image comes out nearly black.
    """
    values = deep.read(file, header)
    if values is None:
        image.load()
        colors, alpha = _apart(image, header)
    else:
        values = _with_key(values, header)
        count = values.shape[2] - (values.shape[2] in (2, 4))
        colors, alpha = values[..., :count], values[..., count:]
        if header.bits == 16 and not header.white_is_zero:
            _notice_darkness(colors, name)
    colors, profile = _in_colors(
        colors, image.info.get("icc_profile") or b"", header, name, keep_profiles
    )
    if colors.dtype != alpha.dtype:
        alpha = eight_bit(alpha)
    return np.concatenate([colors, alpha], -1) if alpha.size else colors, profile


def kept_profile(
    image: Image.Image, header: Header, keep_profiles: Sequence[str]
) -> tuple[bytes, bool]:
    """Returns the profile that `read` would return, and whether it would convert by it.

    That is done in 8 bits. No pixel is read.
    """
    profile = image.info.get("icc_profile") or b""
    grey = header.grey or image.mode in GREY_MODES or image.mode[0] == "I"
    mode = "CMYK" if image.mode == "CMYK" else "L" if grey else "RGB"
    transform = _to_srgb(profile, mode) if profile else None
    kept = transform is not None and mode in keep_profiles
    return profile if kept else b"", transform is not None and not kept


def eight_bit(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Returns values of 8 or 16 bits in 8, rounded."""
    if values.dtype == np.uint8:
        return values
    return (values // 257 + (values % 257 > 128)).astype(np.uint8)


def sixteen_bit(values: np.ndarray) -> UInt16[np.ndarray, "..."]:
    """Returns values of 8 or 16 bits in 16."""
    return values if values.dtype == np.uint16 else values * np.uint16(257)


def of_bits(values: np.ndarray, bits: int | None, *, deep: bool) -> np.ndarray:
    """Returns values of 8 or 16 bits as a file is written with them.

    `bits` are 8 or 16, None: as many as there are; a format that is not `deep` has 8.

    >>> srgb.of_bits(np.array([0, 65535], np.uint16), None, deep=False).tolist()
    [0, 255]
    """
    if bits == 8 or not deep:
        return eight_bit(values)
    return sixteen_bit(values) if bits == 16 else values


def _with_key(values: np.ndarray, header: Header) -> np.ndarray:
    """The values, with alpha 0 where they are those that the file calls transparent."""
    if header.key is None or values.shape[2] != len(header.key):
        return values
    scale = 65535 // (2**header.bits - 1)
    clear = (values == scale * np.array(header.key)).all(-1, keepdims=True)
    return np.concatenate([values, np.where(clear, 0, 65535).astype(np.uint16)], -1)


def _apart(image: Image.Image, header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Returns grey, RGB or inks [h, w, 1 | 3 | 4] and alpha [h, w, 0 | 1], 8 bits."""
    if header.key is not None and len(header.key) == 1:
        # Pillow scales the values of few bits to 8, but not the transparent one.
        image.info["transparency"] = header.key[0] * (255 // (2**header.bits - 1))
    if image.mode == "La":
        image = image.convert("LA")
    alpha = np.zeros((image.height, image.width, 0), np.uint8)
    transparent = image.has_transparency_data
    if transparent:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))[..., None]
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))[..., None], alpha
    if image.mode != "CMYK":
        # By way of RGBA, since a palette with alpha warns on its way to RGB.
        image = image.convert("RGBA" if transparent else "RGB").convert("RGB")
    return np.asarray(image), alpha


def _in_colors(
    colors: np.ndarray,
    profile: bytes,
    header: Header,
    name: str,
    keep_profiles: Sequence[str],
) -> tuple[np.ndarray, bytes]:
    """Grey or RGB, in sRGB or with the profile; of one of no use it gives notice."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[colors.shape[2]]
    transform = _to_srgb(profile, mode) if profile else None
    if transform is not None:
        if mode in keep_profiles:
            return colors, profile
        return _transformed(transform, eight_bit(colors), mode), b""
    if mode == "CMYK":
        raise errors.ImageError(
            "it is CMYK, and no colour profile that can be used says what its inks "
            "look like; convert it to RGB where it comes from"
        )
    if profile:
        _give_notice(
            f"{name}: its ICC profile is broken or of another colour model and was "
            "left out, so its colours may be off; convert it to sRGB to be sure."
        )
    return _curve(header.gamma, colors.dtype)[colors] if header.gamma else colors, b""


def _to_srgb(profile: bytes, mode: str) -> Any:
    """Returns what brings values of a mode to sRGB, or None if a profile does not."""
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _transformed(transform: Any, values: np.ndarray, mode: str) -> np.ndarray:
    flat = values[..., 0] if mode == "L" else values
    picture = Image.frombytes(mode, flat.shape[1::-1], np.ascontiguousarray(flat))
    made = np.asarray(ImageCms.applyTransform(picture, transform))
    return made[..., :1] if mode == "L" else made


def _curve(gamma: float, dtype: Any) -> np.ndarray:
    """Returns for each value that is light to the power of `gamma` sRGB's."""
    white = np.iinfo(dtype).max
    light = (np.arange(white + 1) / white) ** (1 / gamma)
    low, high = 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    return np.rint(white * np.where(light <= 0.0031308, low, high)).astype(dtype)


def _notice_darkness(colors: np.ndarray, name: str) -> None:
    """Tells of 10 or 12 bits in 16, which no file says: white would be 4 or 16 of 255.

    A photograph of the night that is told too loses nothing. White of 14 bits, 64 of
    255, is told where the brightest value is exactly that: clipped light.
    """
    top = int(colors.max())
    if top < 4096 or top == 16383:
        _give_notice(
            f"{name}: its 16-bit values do not pass {top} of 65535, so it is read as a "
            "dark image; if its white has fewer bits, such as the 12 of a camera, "
            "multiply its values so that white is 65535."
        )


# Once a file: training reads each again and again, and any change of the filters of
# `warnings` makes Python repeat what it has shown.
@functools.lru_cache(maxsize=1_000_000)
def _give_notice(sentence: str) -> None:
    warnings.warn(sentence, errors.Notice, stacklevel=2)
