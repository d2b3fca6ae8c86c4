"""What children do with files of strangers: read uploads and masks, write results.

Files are read and written by `images`, as on the command line; here are the limits of
the web app, which are looked at in a file's header before a pixel is decoded. Called by
`children.Children.call`; all raise `Refusal` or `errors.UserError`.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxrestore import errors, files, image_headers, images
from jaxrestore.image_files import formats, srgb
from jaxrestore.inference import masks
from jaxrestore.serving import cells
from jaxrestore.serving.refusals import Refusal

_PROFILES = ("L", "RGB")  # the modes whose own colours are kept, as PNG and TIFF can
LOSSLESS_PIXELS = 2**20  # of a preview; larger ones are JPEG


class Limits(NamedTuple):
    """What an upload may be, in px; `Settings` has them."""

    max_pixels: int
    max_side: int
    min_side: int
    max_aspect: float | int


class Decoded(NamedTuple):
    """What an upload is, as `values.Image` has it."""

    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    format: str
    cells: bool = False


def decode(
    source: Path, values: Path, profile: Path, limits: Limits, said: Path | None = None
) -> Decoded:
    """Writes an upload as an array [h, w, c] of 8 or 16 bits, and its profile if any.

    Of what a file holds beside its pixels, only an ICC profile other than sRGB's stays,
    with the values that it belongs to, and as `said` what a JPEG file tells of its
    original: see `cells`.
    """
    kind, (width, height) = image_headers.format_and_size(source, images.FORMATS)
    if not kind and not images.is_image(source):
        raise Refusal(
            415,
            "no_image",
            "This is no picture",
            f"The upload is no {', '.join(images.FORMATS[:-1])} or "
            f"{images.FORMATS[-1]} file, whatever its name says; save the picture as "
            "PNG or JPEG.",
        )
    if kind:
        _check_size(width, height, limits)
    picture = _read(source, limits.max_pixels)
    height, width, channels = picture.values.shape
    _check_size(width, height, limits)
    files.write_bytes(values, _npy(picture.values))
    if picture.metadata.profile:
        files.write_bytes(profile, picture.metadata.profile)
    told = said is not None and cells.write(source, picture.values, said)
    bits = 16 if picture.values.dtype == np.uint16 else 8
    return Decoded(width, height, channels, bits, channels in (2, 4), kind, told)


def decode_mask(source: Path, values: Path, width: int, height: int) -> float:
    """Writes where a picture is missing, [h, w], and returns how much of it is.

    White is missing, at 128 and more. Refused is what has another size than the
    picture, and what leaves out all of it, or nothing.
    """
    kind, size = image_headers.format_and_size(source, images.FORMATS)
    if not kind:
        raise Refusal(
            415,
            "no_image",
            "The mask is no picture",
            "The mask is no image file; save it as PNG, white where the picture is "
            "missing.",
        )
    if sorted(size) != sorted((width, height)):
        raise _unlike("x".join(map(str, size)), width, height)
    try:
        luma = masks.read(source, max_pixels=width * height)
        if luma.shape != (height, width):
            raise _unlike(f"{luma.shape[1]}x{luma.shape[0]}", width, height)
        hole = masks.hole(luma, height, width)
    except images.TooManyPixels as error:
        raise _unlike("more", width, height) from error
    except errors.ImageError as error:
        raise _unfit(error, source, "The mask cannot be used") from error
    if not hole.any():
        raise Refusal(
            422,
            "empty_mask",
            "Nothing is masked",
            "The mask is black all over, so that nothing would be filled; paint white "
            "what is missing.",
        )
    files.write_bytes(values, _npy(hole))
    return float(hole.mean())


def encode(
    values: Path,
    profile: Path,
    destination: Path,
    quality: int | None,
    bits: int | None,
    kept: bool = True,
) -> bytes:
    """Writes a result in the format of the destination's suffix, and returns nothing.

    Returns its file where the disk has no room for that, or it is not to be `kept`.
    With the profile that its upload had; where the format has no place for that, in
    sRGB, with 8 bits. `quality` and `bits` are those of `images.Writing`.
    """
    array = np.load(values, allow_pickle=False)
    name = str(destination)
    try:
        writing = images.Writing(quality=quality, bits=bits)
        found = formats.check(writing, destination.suffix, name="the result")
        array, metadata = _in_profile(array, profile, found.profiles)
        array = srgb.of_bits(array, bits, deep=found.deep)
        options = {"quality": quality, "metadata": metadata}
        made = images.encoded(array, destination.suffix, name=name, **options)
    except errors.UserError as error:
        raise _unfit(error, destination, "The result cannot be had so") from error
    return _written(destination, made, kept)


def preview(
    values: Path, profile: Path, destination: Path, side: int, kept: bool = True
) -> bytes:
    """Writes an array as browsers show it, and returns nothing, or its file.

    That is as of `encode`. In sRGB, 8 bits, at most `side` px a side; PNG up to a
    megapixel and with alpha, and larger ones JPEG.
    """
    array = np.load(values, allow_pickle=False, mmap_mode="r")
    height, width, channels = array.shape
    share = min(side / max(height, width), 1)
    size = {
        "width": max(round(width * share), 1),
        "height": max(round(height * share), 1),
    }
    small = images.resized(srgb.eight_bit(np.asarray(array)), **size)
    shown, _ = _in_profile(small, profile, ())
    lossless = channels in (2, 4) or shown.shape[0] * shown.shape[1] <= LOSSLESS_PIXELS
    made = images.encoded(shown, ".png" if lossless else ".jpg")
    return _written(destination, made, kept)


def _written(destination: Path, content: bytes, kept: bool) -> bytes:
    """Nothing, once a file is written; its content where it is not."""
    if kept:
        try:
            files.write_bytes(destination, content)
            return b""
        except errors.DiskError:
            if not destination.parent.is_dir():  # deleted meanwhile
                raise
    return content


def _check_size(width: int, height: int, limits: Limits) -> None:
    longer, shorter = max(width, height), min(width, height)
    said = f"The picture has {width} x {height} px"
    if width * height > limits.max_pixels:
        megapixels = f"{limits.max_pixels / 1e6:g} megapixels"
        detail = f"{said}, and {megapixels} are the most; make it smaller."
        raise _large("too_many_pixels", detail, limits.max_pixels)
    if longer > limits.max_side:
        detail = (
            f"{said}, and {limits.max_side} px a side are the most; make it smaller."
        )
        raise _large("too_long_side", detail, limits.max_side)
    if shorter < limits.min_side:
        detail = f"{said}, and {limits.min_side} px a side are the least."
        raise Refusal(
            422, "too_small", "The picture is too small", detail, limits.min_side
        )
    if longer > limits.max_aspect * shorter:
        raise Refusal(
            422,
            "too_narrow",
            "The picture is too narrow",
            f"{said}; a side may be {limits.max_aspect:g} times as long as the other "
            "at most, so cut it into parts.",
            limits.max_aspect,
        )


def _large(code: str, detail: str, limit: float | int) -> Refusal:
    return Refusal(413, code, "The picture is too large", detail, limit)


def _read(source: Path, max_pixels: int) -> images.Picture:
    try:
        return images.read(source, max_pixels=max_pixels, keep_profiles=_PROFILES)
    except images.TooManyPixels as error:  # of a header that Pillow itself refuses
        detail = f"Its header tells of more than {max_pixels / 1e6:g} megapixels, "
        detail += "which are the most; make it smaller."
        raise _large("too_many_pixels", detail, max_pixels) from error
    except errors.ImageError as error:
        raise _unfit(error, source, "The picture cannot be read") from error


def _unfit(error: errors.UserError, path: Path, title: str) -> Refusal:
    """The sentence of an error, without the place on our disk that it names.

    What it calls `bit_depth`, as the command line does, is `bits` to whoever asks.
    """
    said = str(error).replace(f"{path}: ", "").replace("`bit_depth`", "`bits`").strip()
    said = f"{said[:1].upper()}{said[1:]}"
    return Refusal(422, "unfit", title, said if said.endswith(".") else f"{said}.")


def _unlike(found: str, width: int, height: int) -> Refusal:
    return Refusal(
        422,
        "other_size",
        "The mask has another size",
        f"The mask has {found} px, and the picture {width}x{height}; a mask has a "
        "pixel for each of the picture's.",
    )


def _in_profile(
    array: Shaped[np.ndarray, "h w c"], profile: Path, kept: tuple[str, ...]
) -> tuple[Shaped[np.ndarray, "h w c"], images.Metadata]:
    """An array as it is, with its profile, or in sRGB where that is not `kept`."""
    if not profile.exists():
        return array, images.Metadata()
    metadata = images.Metadata(profile=profile.read_bytes())
    if ("L" if array.shape[2] < 3 else "RGB") in kept:
        return array, metadata
    # Brought to sRGB as any file with this profile is.
    png = images.encoded(srgb.eight_bit(array), ".png", metadata=metadata)
    most = array.shape[0] * array.shape[1]
    return images.read(png, max_pixels=most).values, images.Metadata()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
