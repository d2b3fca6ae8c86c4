"""The only door to image files.

An image is uint8[h, w, channels], or uint16 where `read` finds more than 8 bits, sRGB,
upright, rows from the top. What a file holds decides how it is read; its name does not.
No file is resized, and nothing is guessed: what cannot be brought to sRGB faithfully is
refused with an `ImageError`, as is CMYK without a colour profile: only that knows its
inks. The exception: a profile of RGB or grey that is of no use is left out, with a
notice.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from jaxrestore import errors, files, image_headers
from jaxrestore.image_files import deep, embedded, formats, reading, srgb

MAX_PIXELS = 100_000_000
FORMATS = reading.FORMATS
SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png")
SUFFIXES += (".tif", ".tiff", ".webp")

ImageError = errors.ImageError
SeveralFrames = reading.SeveralFrames
TooManyPixels = reading.TooManyPixels
Writing = formats.Writing
Metadata = embedded.Metadata
Picture = reading.Picture


def decode(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the image in a file, or in the bytes of one; alpha is dropped.

    Raises `ImageError` saying which file, what is wrong and what to do, and gives an
    `errors.Notice`, once a file, of an ICC profile that had to be left out, and of
    16-bit values that are all so low that they may have been meant for fewer bits.
    A `max_pixels` beyond what Pillow opens raises Pillow's own limit, of the process.
    """
    image = decode_with_alpha(source, max_pixels=max_pixels)
    return np.ascontiguousarray(image[..., :3])


def decode_with_alpha(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Returns `decode`'s image, with alpha as channel 4 if and only if the file has it.

    Alpha is straight, not premultiplied: the colours are those of the file.
    """
    image = decode_as_stored(source, max_pixels=max_pixels)
    grey = {1: [0, 0, 0], 2: [0, 0, 0, 1]}
    return image if image.shape[2] > 2 else image[..., grey[image.shape[2]]]


def decode_as_stored(
    source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Returns a file's image with its own channels: 1 (grey), 2 (and alpha), 3 or 4."""
    return srgb.eight_bit(read(source, max_pixels=max_pixels).values)


def read(
    source: Path | str | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    keep_profiles: Sequence[str] = (),
    frame: int | None = None,
) -> Picture:
    """Returns `decode_as_stored`'s image with 16 bits if its file has more than 8.

    Values are kept to the bit, and of the modes in `keep_profiles`, L or RGB, so are
    those that another profile than sRGB's belongs to; see `srgb.read`. Else the profile
    of the metadata is empty. Of a file of several pictures the `frame` is read, counted
    from 0. Raises as `decode`, `SeveralFrames` where none is given, and
    `TooManyPixels`; each is an `ImageError`.

    >>> read(encoded(np.full((4, 6, 3), 40_000, np.uint16), ".png")).values[0, 0, 0]
    np.uint16(40000)
    """
    name = f"the {len(source)} bytes" if isinstance(source, bytes) else str(source)
    try:
        with reading.opened(source) as file:
            options = {"max_pixels": max_pixels, "keep_profiles": keep_profiles}
            return reading.picture(file, name, frame=frame, **options)
    except MemoryError:
        raise
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error
    # Pillow's readers raise SyntaxError, RuntimeError, ValueError, struct.error, ... on
    # damaged files, besides OSError: for a caller each of them means the same.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise ImageError(
            f"{name}: it cannot be decoded ({why}); replace or remove it"
        ) from error


def is_grey(file: Path | str) -> bool:
    """Returns whether an image file holds grey values; equal R, G and B are colour.

    `decode` brings both to three channels, of which a grey file's are equal. Only the
    header is read, of a file that `decode` can read.
    """
    with open(file, "rb") as opened:
        header = image_headers.read(opened)
        with Image.open(opened, formats=FORMATS) as image:
            image.seek(header.page)
            grey = image.mode in srgb.GREY_MODES or image.mode[0] == "I"
            return grey or header.grey


def is_image(file: Path | str) -> bool:
    """Returns whether a file begins as one of the `FORMATS` does, whatever its name."""
    try:
        with reading.opened(file) as opened, Image.open(opened, formats=FORMATS):
            return True
    except (ImageError, OSError):
        return False
    except Exception:  # it has begun as one, but is damaged
        return True


def jpeg_planes(
    file: Path | str, decoded: UInt8[np.ndarray, "h w c"]
) -> list[tuple[np.ndarray, int, int]] | None:
    """Returns of each plane of a JPEG file its steps [8, 8], and what shares a pixel.

    These are rows and columns of the picture: 2 and 2 for the chroma of 4:2:0. Another
    kind of file has none. None where its planes are not those of the `decoded` picture:
    a turned one, one of other colours than sRGB, files of inks or of RGB.
    """
    with open(file, "rb") as opened, Image.open(opened, formats=FORMATS) as image:
        if image.format not in ("JPEG", "MPO"):
            return []
        rgb = image.info.get("adobe_transform") == 0 and image.mode == "RGB"
        layers, tables = image.layer, image.quantization  # pyright: ignore
        if rgb or not np.array_equal(np.atleast_3d(np.asarray(image)), decoded):
            return None
    columns, rows = (max(layer[axis] for layer in layers) for axis in (1, 2))
    if any(columns % layer[1] or rows % layer[2] for layer in layers):
        return None
    return [
        (np.array(tables[table]).reshape(8, 8), rows // down, columns // across)
        for _, across, down, table in layers
    ]


def left_behind(
    file: Path | str,
    suffix: str,
    *,
    writing: Writing | None = None,
    in_8_bits: bool = False,
    frame: int | None = None,
) -> list[str]:
    """Returns what a file that `read` can read holds, and one of `suffix` would not.

    Of "16 bits" (or 12, 32), "EXIF", "XMP", "a colour profile" and what else is never
    kept: "IPTC", "text", "a preview or gain map". What is left out by the `writing` is
    not told; `in_8_bits`: all that is computed has no more.
    """
    asked = writing or Writing()
    found = formats.of_suffix(suffix)
    keep = found.profiles if asked.metadata else ()
    metadata, bits, rounded = reading.beside(
        Path(file), keep_profiles=keep, frame=frame
    )
    most = 16 if found.deep and not (in_8_bits or rounded) else 8
    lost = [f"{bits} bits"] if bits > most and asked.bits is None else []
    if asked.metadata:
        lost += embedded.left_behind(metadata, found.kind)
    return lost


def encode(
    image: Shaped[np.ndarray, "h w c"],
    path: Path | str,
    *,
    quality: int | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Writes grey, colours, or either with alpha in the format of the path's suffix.

    The file appears whole or not at all. Raises what `encoded` and `files.write_all`
    raise, and `errors.UserError` when the folder is missing.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise errors.UserError(f"{path}: its folder does not exist; create it first.")
    options = {"quality": quality, "metadata": metadata}
    files.write_bytes(path, encoded(image, path.suffix, name=str(path), **options))


def encoded(
    image: Shaped[np.ndarray, "h w c"],
    suffix: str,
    *,
    name: str = "image",
    quality: int | None = None,
    metadata: Metadata | None = None,
) -> bytes:
    """Returns the bytes of a file of 1 to 4 channels in the format of `suffix`.

    They are L, LA, RGB or RGBA; WebP and AVIF hold grey as colour. Values have 8 bits,
    or 16 in PNG and TIFF. JPEG and AVIF have `quality`, 1 to 100, 95 if not given, and
    full-size colour (4:4:4); WebP loses nothing unless it is given; the others never
    do. Of the `metadata` is written what the format has a place for.
    Raises `errors.UserError`, which calls the image `name`, when the suffix is unknown
    or its format does not hold such an image, and as `formats.check`.
    """
    bits = 16 if image.dtype == np.uint16 else None
    writing = Writing(quality=quality, bits=bits)
    found = formats.check(writing, suffix, name=name)
    why = formats.refusal(found, image.shape) if image.ndim == 3 else ""
    if why:
        raise errors.UserError(f"{name}: {why}.")
    picture = None if bits else _picture(image)
    beside = metadata or Metadata()
    width, height = image.shape[1::-1]
    if picture is None and found.kind == "PNG":
        return deep.png(image, embedded.png_chunks(beside, width, height))
    if picture is None:
        return deep.tiff(image, embedded.tiff_tags(beside, width, height))
    file = io.BytesIO()
    options = embedded.options(beside, found.kind, width, height)
    picture.save(file, format=found.kind, **found.options(quality), **options)
    return file.getvalue()


def resized(
    image: UInt8[np.ndarray, "h w c"], *, width: int = 256, height: int = 256
) -> UInt8[np.ndarray, "hh ww c"]:
    """Returns the image at another size, by Pillow's bicubic interpolation.

    Cubic convolution with a = -0.5, widened where it shrinks so that nothing aliases;
    rounded and clipped to 8 bits. Of an image with alpha, 2 or 4 channels, colours have
    the weight of their alpha.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE
    Transactions on Acoustics, Speech, and Signal Processing 1981,
    https://doi.org/10.1109/TASSP.1981.1163711.
    """
    if image.shape[:2] == (height, width):
        return image
    made = _picture(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(made).reshape(height, width, -1)


def _picture(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or not 1 <= image.shape[2] <= 4:
        raise ValueError(
            "an image to write is uint8[h, w, 1 | 2 | 3 | 4], "
            f"got {image.dtype}{list(image.shape)}; clip, round and cast it first"
        )
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
