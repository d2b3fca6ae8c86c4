"""An image file opened, checked by its header, and read: pixels and what is beside.

`images` says of which file an error is; here they say what is wrong and what to do.
"""

import io
import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from jaxrestore import errors, image_headers, tables
from jaxrestore.image_files import embedded, srgb

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")

# There is a limit of pixels and an error for it, and what cannot be read is said.
# Pillow would print beside it; silencing that call by call is not safe among threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

File = io.BytesIO | io.BufferedReader


class Picture(NamedTuple):
    """An image [h, w, c], what its file holds beside, and how many bits a value."""

    values: Any
    metadata: embedded.Metadata
    bits: int


def opened(source: Path | str | bytes) -> File:
    """Returns a readable file; refuses what is none, as opening a FIFO would block."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not Path(source).exists():
        raise errors.ImageError("there is no such file; check the path.")
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise errors.ImageError("this is not a regular file; give an image file.")
    return open(source, "rb")


class SeveralFrames(errors.ImageError):
    """A file holds several pictures, and nobody has said which one is meant."""


class TooManyPixels(errors.ImageError):
    """A file holds, or says that it holds, more pixels than are read."""


def picture(
    file: File,
    name: str,
    *,
    max_pixels: int,
    keep_profiles: Sequence[str],
    frame: int | None,
) -> Picture:
    """Returns what `images.read` does; raises as Pillow's readers do besides."""
    header = image_headers.read(file, frame or 0)
    if header.refusal:
        raise errors.ImageError(header.refusal)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and max_pixels > 2 * limit:  # beyond it Pillow refuses
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooManyPixels(
            f"its header tells of more px than `max_pixels`, {max_pixels:,}; make it "
            "smaller, or raise the limit if you trust the file"
        ) from error
    except UnidentifiedImageError as error:
        raise errors.ImageError(
            f"it is a TIFF file of a kind that is not read ({header.kind}); save it "
            "with 8 bits, or as PNG"
            if header.kind
            else f"this is no {', '.join(FORMATS)} image, or its first bytes are "
            "damaged; convert it to PNG or remove it"
        ) from error
    with image:
        if image.format == "TIFF":  # of other files each frame has one size
            image.seek(header.page)
        _check(image, max_pixels)
        header = _sought(image, header, frame)
        options = {"keep_profiles": keep_profiles}
        values, profile = srgb.read(file, image, header, name, **options)
        if image.format != "TIFF":  # of which Pillow has done it
            values = embedded.upright(values, embedded.orientation(image))
        values = np.require(values, requirements=["C", "W"])
        return Picture(values, embedded.of(image, profile), header.bits)


def beside(
    path: Path, *, keep_profiles: Sequence[str], frame: int | None
) -> tuple[embedded.Metadata, int, bool]:
    """Returns the metadata and bits that `picture` finds in a file that it can read.

    And whether it leaves 8 of the bits, since colours are converted by a profile that
    has tables. One that they are converted by is among the others; one of no use has a
    notice of its own.
    """
    with open(path, "rb") as file:
        header = image_headers.read(file, frame or 0)
        with Image.open(file, formats=FORMATS) as image:
            header = _sought(image, header, frame)
            profile, converted, rounded = srgb.kept_profile(
                image, header, keep_profiles
            )
            found = embedded.of(image, profile)
            if converted:
                found = found._replace(others=(*found.others, "a colour profile"))
            return found, header.bits, rounded


def _check(image: Image.Image, max_pixels: int) -> None:
    """Refuses by size, before any pixel is decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixels(
            f"{width}x{height} is more than `max_pixels`, {max_pixels:,}; make it "
            "smaller, or raise the limit if you trust the file"
        )


def _sought(
    image: Image.Image, header: image_headers.Header, frame: int | None
) -> image_headers.Header:
    """Goes to a frame, which is the only one if not given; its page joins the header.

    MPO is a photograph whose further frames are previews or gain maps.
    """
    count = header.frames
    animated = image.format not in ("MPO", "TIFF")
    if animated and getattr(image, "is_animated", False):
        count = image.n_frames  # type: ignore
    if frame is None and count > 1:
        raise SeveralFrames(
            f"it holds {count} frames, expected one; save one as a file of its own"
        )
    if not 0 <= (frame or 0) < count:
        raise errors.ImageError(
            f"`frame` is {frame}, and it holds {tables.counted(count, 'frame')}, the "
            "first of which is 0"
        )
    if animated:
        header = header._replace(page=frame or 0)
    if image.format == "PNG" and header.page and header.bits > 8:
        raise errors.ImageError(
            f"of an animated PNG file of {header.bits} bits the first frame alone is "
            "read; save the other as a file of its own"
        )
    image.seek(header.page)
    return header
