"""The only door to image files.

An image is uint8[h, w, channels], sRGB, upright, rows from the top. What a file holds
decides how it is read; its name does not. No file is resized, and nothing is guessed:
what cannot be brought to 8-bit sRGB faithfully is refused with an `ImageError`.
16-bit colour is the exception Pillow makes: it hands over the upper 8 bits; and a
colour profile that cannot be used is ours: it is left out, with a notice.
"""

import functools
import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from jaxrestore import errors, files

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_WRITERS = {
    ".bmp": ("BMP", {}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    # exact: keep the colours under alpha 0, which lossless WebP drops otherwise.
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
}

# decode() has a limit of its own and an error for it, and says what it cannot read.
# Pillow would print beside it; silencing that call by call is not safe among threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")


class ImageError(errors.UserError):
    """An image that cannot be read, or not faithfully."""

    exit_code = 3


def decode(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the image in a file, or in the bytes of one; alpha is dropped.

    Raises `ImageError` saying which file, what is wrong and what to do, and gives an
    `errors.Notice`, once a file, of an ICC profile that had to be left out. Above
    178,956,970 pixels Pillow refuses too, whatever `max_pixels` is.
    """
    image = decode_with_alpha(source, max_pixels=max_pixels)
    return np.ascontiguousarray(image[..., :3])


def decode_with_alpha(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Returns `decode`'s image, with alpha as channel 4 if and only if the file has it.

    Alpha is straight, not premultiplied: the colours are those of the file.
    """
    name = f"the {len(source)} bytes" if isinstance(source, bytes) else str(source)
    try:
        with (
            _open(source) as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            _check_header(image, max_pixels)
            image.load()
            return np.array(_upright_srgb(image, name))
    except MemoryError:
        raise
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: this is no {', '.join(FORMATS)} image, or its first bytes are "
            "damaged; convert it to PNG or remove it."
        ) from error
    # Pillow's readers raise SyntaxError, RuntimeError, ValueError, struct.error, ... on
    # damaged files, besides OSError: for a caller each of them means the same.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise ImageError(
            f"{name}: it cannot be decoded ({why}); replace or remove it."
        ) from error


def decode_as_stored(path: Path) -> UInt8[np.ndarray, "h w c"]:
    """Returns a file's image with 1 (grey), 3 or 4 (alpha) channels, as it has them."""
    image = decode_with_alpha(path)
    return image[..., :1] if image.shape[2] == 3 and is_grey(path) else image


def is_grey(file: Path | str) -> bool:
    """Returns whether an image file holds grey values; equal R, G and B are colour.

    `decode` brings both to three channels, of which a grey file's are equal. Only the
    header is read, of a file that `decode` can read.
    """
    with Image.open(file, formats=FORMATS) as image:
        return image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")


def encode(image: UInt8[np.ndarray, "h w c"], path: Path | str) -> None:
    """Writes 1 (grey), 3 or 4 (alpha) channels in the format of the path's suffix.

    The file appears whole or not at all. Raises what `encoded` and `files.write_all`
    raise, and `errors.UserError` when the folder is missing.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise errors.UserError(f"{path}: its folder does not exist; create it first.")
    files.write_bytes(path, encoded(image, path.suffix, name=str(path)))


def encoded(
    image: UInt8[np.ndarray, "h w c"], suffix: str, *, name: str = "image"
) -> bytes:
    """Returns the bytes of a file of 1, 3 or 4 channels in the format of `suffix`.

    JPEG has quality 95 and full-size colour (4:4:4); every other format is lossless.
    Raises `errors.UserError`, which calls the image `name`, when the suffix is unknown
    or its format keeps no alpha.
    """
    if suffix.lower() not in _WRITERS:
        raise errors.UserError(
            f"{name}: there is no image format for the suffix {suffix!r}; "
            f"use one of {', '.join(_WRITERS)}."
        )
    kind, options = _WRITERS[suffix.lower()]
    picture = _picture(image)
    if picture.mode == "RGBA" and kind in ("JPEG", "BMP"):
        raise errors.UserError(f"{name}: {kind} keeps no alpha; write .png or .webp.")
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def resized(
    image: UInt8[np.ndarray, "h w 3"], *, width: int = 256, height: int = 256
) -> UInt8[np.ndarray, "hh ww 3"]:
    """Returns the image at another size, by Pillow's bicubic interpolation.

    Cubic convolution with a = -0.5, widened where it shrinks so that nothing aliases;
    rounded and clipped to 8 bits.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE
    Transactions on Acoustics, Speech, and Signal Processing 1981,
    https://doi.org/10.1109/TASSP.1981.1163711.
    """
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(_picture(image).resize((width, height), Image.Resampling.BICUBIC))


def _open(source: Path | str | bytes) -> io.BytesIO | io.BufferedReader:
    """Returns a readable file; refuses what is none, as opening a FIFO would block."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not Path(source).exists():
        raise ImageError("there is no such file; check the path.")
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise ImageError("this is not a regular file; give an image file.")
    return open(source, "rb")


def _check_header(image: Image.Image, max_pixels: int) -> None:
    """Refuses by size and by frame count, before any pixel is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{width}x{height} is more than max_pixels={max_pixels:,}; "
            "make it smaller, or raise the limit if you trust the file."
        )
    frames = getattr(image, "n_frames", 1)
    # MPO is a photograph whose further frames are previews or gain maps.
    if frames > 1 and image.format != "MPO":
        raise ImageError(
            f"it holds {frames} frames, expected one; save one as a file of its own."
        )


def _upright_srgb(image: Image.Image, name: str) -> Image.Image:
    """Returns the image in mode RGB, or RGBA if it has alpha."""
    # Read first: turning to other modes loses the profile.
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bit(np.asarray(image)))
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode != "CMYK":
        # By way of RGBA, since a palette with alpha warns on its way to RGB.
        image = image.convert("RGBA" if alpha else "RGB").convert("RGB")
    image = _to_srgb(image, profile, name)
    if alpha:
        image.putalpha(alpha)
    return image


def _eight_bit(values: np.ndarray) -> UInt8[np.ndarray, "h w"]:
    """Returns grey values scaled to 8 bit: integers from 16 bit, floats from [0, 1]."""
    top = 1.0 if values.dtype.kind == "f" else 65535.0
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):  # so written, it refuses NaN too
        raise ImageError(
            f"its values run from {low:g} to {high:g}, expected 0 to {top:g}; "
            "scale them, or save it with 8 or 16 bits."
        )
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """Returns RGB; of a profile that does not fit it gives notice, and does without."""
    if not profile:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        _give_notice(
            f"{name}: its ICC profile is broken or of another colour model and was "
            "left out, so its colours may be off; convert it to sRGB to be sure."
        )
        return image.convert("RGB")
    assert converted is not None  # as it is when converting in place
    return converted


# Once a file: training reads each again and again, and any change of the filters of
# `warnings` makes Python repeat what it has shown.
@functools.lru_cache(maxsize=1_000_000)
def _give_notice(sentence: str) -> None:
    warnings.warn(sentence, errors.Notice, stacklevel=2)


def _picture(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(
            "an image to write is uint8[h, w, 1 | 3 | 4], "
            f"got {image.dtype}{list(image.shape)}; clip, round and cast it first"
        )
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
