"""The only door to image files.

An image is uint8[h, w, channels], sRGB, upright, rows from the top. What a file holds
decides how it is read; its name does not. No file is resized, and nothing is guessed:
what cannot be brought to 8-bit sRGB faithfully is refused with an `ImageError`, as is
CMYK without a colour profile: only that knows its inks. 16-bit colour is the exception
Pillow makes: it hands over the upper 8 bits; and a profile of RGB or grey that is of no
use is ours: it is left out, with a notice.
"""

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, UnidentifiedImageError

from jaxrestore import errors, files, image_headers, srgb

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png")
SUFFIXES += (".tif", ".tiff", ".webp")

_WRITERS = {
    ".avif": ("AVIF", {"quality": 95, "subsampling": "4:4:4"}),
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


ImageError = errors.ImageError


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
    name = f"the {len(source)} bytes" if isinstance(source, bytes) else str(source)
    try:
        with _open(source) as file:
            return _decoded(file, name, max_pixels)
    except MemoryError:
        raise
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    # Pillow's readers raise SyntaxError, RuntimeError, ValueError, struct.error, ... on
    # damaged files, besides OSError: for a caller each of them means the same.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise ImageError(
            f"{name}: it cannot be decoded ({why}); replace or remove it"
        ) from error


def decode_as_stored(
    path: Path, *, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Returns a file's image with its own channels: 1 (grey), 2 (and alpha), 3 or 4."""
    image = decode_with_alpha(path, max_pixels=max_pixels)
    return np.delete(image, (1, 2), 2) if is_grey(path) else image


def is_grey(file: Path | str) -> bool:
    """Returns whether an image file holds grey values; equal R, G and B are colour.

    `decode` brings both to three channels, of which a grey file's are equal. Only the
    header is read, of a file that `decode` can read.
    """
    with open(file, "rb") as opened:
        header = image_headers.read(opened)
        with Image.open(opened, formats=FORMATS) as image:
            image.seek(header.page)
            grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode[0] == "I"
            return grey or header.grey


def is_image(file: Path | str) -> bool:
    """Returns whether a file begins as one of the `FORMATS` does, whatever its name."""
    try:
        with _open(file) as opened, Image.open(opened, formats=FORMATS):
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


def left_behind(file: Path | str) -> list[str]:
    """Returns what a file that `decode` can read holds beside its 8-bit sRGB pixels.

    Of "16 bits" (or 12, 32), "EXIF", "a colour profile" and "a resolution", in dpi.
    """
    with open(file, "rb") as opened:
        bits = image_headers.read(opened).bits
        with Image.open(opened, formats=FORMATS) as image:
            has = {
                f"{bits} bits": bits > 8,
                "EXIF": "exif" in image.info,
                "a colour profile": bool(image.info.get("icc_profile")),
                # Pillow gives a TIFF file that states none one of 1 dpi.
                "a resolution": image.info.get("dpi", (1, 1)) != (1, 1),
            }
    return [what for what, there in has.items() if there]


def encode(image: UInt8[np.ndarray, "h w c"], path: Path | str) -> None:
    """Writes grey, colours, or either with alpha in the format of the path's suffix.

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
    """Returns the bytes of a file of 1 to 4 channels in the format of `suffix`.

    They are L, LA, RGB or RGBA; WebP and AVIF hold grey as colour. JPEG and AVIF have
    quality 95 and full-size colour (4:4:4); every other format is lossless.
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
    if picture.mode in ("LA", "RGBA") and kind in ("JPEG", "BMP"):
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


def _decoded(
    file: io.BytesIO | io.BufferedReader, name: str, max_pixels: int
) -> np.ndarray:
    header = image_headers.read(file)
    if header.refusal:
        raise ImageError(header.refusal)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and max_pixels > 2 * limit:  # beyond it Pillow refuses
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"it is a TIFF file of a kind that is not read ({header.kind}); save it "
            "with 8 bits, or as PNG"
            if header.kind
            else f"this is no {', '.join(FORMATS)} image, or its first bytes are "
            "damaged; convert it to PNG or remove it"
        ) from error
    with image:
        image.seek(header.page)
        _check_header(image, max_pixels)
        if header.native:
            _take_natively(image)
        image.load()
        return np.array(srgb.upright(image, header, name))


def _check_header(image: Image.Image, max_pixels: int) -> None:
    """Refuses by size and by frame count, before any pixel is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{width}x{height} is more than `max_pixels`, {max_pixels:,}; make it "
            "smaller, or raise the limit if you trust the file"
        )
    # MPO is a photograph whose further frames are previews or gain maps; the pages of
    # TIFF are counted by `image_headers`.
    if image.format not in ("MPO", "TIFF") and getattr(image, "is_animated", False):
        raise ImageError(image_headers.frames(image.n_frames))  # type: ignore


def _take_natively(image: Image.Image) -> None:
    """Lets libtiff decode, and hand over values in the machine's own byte order."""
    rawmode = "F;32NF" if image.mode == "F" else f"{image.mode};16N"
    place = image.tag_v2.offset  # type: ignore
    tile = ImageFile._Tile("libtiff", (0, 0, *image.size), 0, (rawmode, False, place))
    image.tile, image.use_load_libtiff = [tile], True  # type: ignore


def _picture(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or not 1 <= image.shape[2] <= 4:
        raise ValueError(
            "an image to write is uint8[h, w, 1 | 2 | 3 | 4], "
            f"got {image.dtype}{list(image.shape)}; clip, round and cast it first"
        )
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
