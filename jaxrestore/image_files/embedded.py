"""What an image file holds beside its pixels: EXIF, XMP, a profile, a resolution.

Read once, upright, and put into files of other formats as far as these have a place.
"""

import io
import re
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL import ExifTags, Image, PngImagePlugin

# What EXIF shares with TIFF's description of the pixels themselves, and thumbnails.
_OF_PIXELS = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 513, 514}
_OF_PIXELS |= {529, 530, 531}
# What, of all tags of a TIFF file, says something of the picture; and the directories.
_OF_PICTURES = {270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 316, 33432}
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_IPTC, _PHOTOSHOP, _XMP = 33723, 0x0404, 700
_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[2-8]")
_MOST_IN_JPEG = 65_500  # bytes of a segment, less what stands before


class Metadata(NamedTuple):
    """EXIF and XMP whose orientation is 1, an ICC profile, and dots per inch.

    `others` names what is told to be there and is kept in no file.
    """

    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None
    others: tuple[str, ...] = ()


def of(image: Image.Image, profile: bytes) -> Metadata:
    """Returns what stands in an opened file of which this profile is kept, or none.

    EXIF that cannot be read is among the others.
    """
    info = image.info
    others = ["IPTC"] if _has_iptc(image) else []
    text = {*getattr(image, "text", ())} - {"XML:com.adobe.xmp"}
    if info.get("comment") or any(not t.startswith("Raw profile") for t in text):
        others.append("text")
    if image.format == "MPO":
        others.append("a preview or gain map")
    try:
        exif = _exif(image)
    except Exception:  # as Pillow's readers raise on damaged files
        exif, others = b"", [*others, "EXIF"]
    xmp = info.get("xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return Metadata(
        exif,
        _ORIENTATION.sub(rb"\g<1>1", xmp),
        profile,
        _dpi(info.get("dpi")),
        tuple(others),
    )


def orientation(image: Image.Image) -> int:
    """Returns EXIF's number, 1 to 8, of how an opened file lies; 1 if it says none."""
    try:
        found = int(image.getexif().get(274, 1))
    except Exception:  # as Pillow's readers raise on damaged files
        return 1
    return found if 1 <= found <= 8 else 1


def upright(values: Shaped[np.ndarray, "h w c"], orientation: int) -> np.ndarray:
    """Returns an image whose rows lie as EXIF's number says, from the top.

    >>> upright(np.array([[[1], [2]]]), 6)[..., 0].tolist()
    [[1], [2]]
    """
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def options(metadata: Metadata, kind: str, width: int, height: int) -> dict[str, Any]:
    """Returns what Pillow's writer of a format takes to keep it beside an image.

    Left out is what `left_behind` names.
    """
    found: dict[str, Any] = {}
    lost = left_behind(metadata, kind)
    if metadata.profile and "a colour profile" not in lost:
        found["icc_profile"] = metadata.profile
    if metadata.dpi and kind in ("PNG", "JPEG", "TIFF", "BMP"):
        found["dpi"] = metadata.dpi
    exif = Image.Exif()
    if metadata.exif and "EXIF" not in lost:
        exif.load(metadata.exif)
        _resize(exif, width, height)
    if metadata.dpi and kind in ("WEBP", "AVIF"):
        exif[296], exif[282], exif[283] = 2, *metadata.dpi
    if metadata.xmp and "XMP" not in lost:
        if kind == "PNG":
            found["pnginfo"] = chunks = PngImagePlugin.PngInfo()
            chunks.add_itxt(
                "XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace")
            )
        elif kind == "TIFF":
            exif[_XMP] = metadata.xmp
        else:
            found["xmp"] = metadata.xmp
    if len(exif):
        found["exif"] = exif.tobytes()
    return found


def left_behind(metadata: Metadata, kind: str) -> list[str]:
    """Returns what of it a file of a format, as Pillow calls it, has no place for."""
    lost = []
    for what, held in (("EXIF", metadata.exif), ("XMP", metadata.xmp)):
        large = kind == "JPEG" and len(held) > _MOST_IN_JPEG
        lost += [what] if held and (kind == "BMP" or large) else []
    if metadata.profile and kind == "BMP":
        lost.append("a colour profile")
    return [*lost, *metadata.others]


def png_chunks(metadata: Metadata, width: int, height: int) -> bytes:
    """Returns the chunks of a PNG file that hold it, as Pillow writes them."""
    file = io.BytesIO()
    beside = options(metadata, "PNG", width, height)
    Image.new("L", (1, 1)).save(file, "PNG", **beside)
    data, found, place = file.getvalue(), b"", 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] not in (b"IHDR", b"IDAT", b"IEND"):
            found += data[place:end]
        place = end
    return found


def tiff_tags(metadata: Metadata, width: int, height: int) -> dict[int, Any]:
    """Returns the tags of a TIFF file that hold it, directories as mappings."""
    beside = options(metadata, "TIFF", width, height)
    exif = Image.Exif()
    exif.load(beside.get("exif", b""))
    tags = {tag: _value(exif, tag) for tag in exif}
    if "icc_profile" in beside:
        tags[34675] = beside["icc_profile"]
    if "dpi" in beside:
        tags[296], tags[282], tags[283] = 2, *beside["dpi"]
    return tags


def _exif(image: Image.Image) -> bytes:
    found = image.getexif()
    tiff = image.format == "TIFF"
    kept = Image.Exif()
    told = _OF_PICTURES | {*_DIRECTORIES} if tiff else {*found} - _OF_PIXELS
    for tag in told & {*found}:
        value = _value(found, tag)
        if value not in ({}, None):
            kept[tag] = value
    if 274 in kept:
        kept[274] = 1
    says_more = {*kept} - {274, *((282, 283, 296) if tiff else ())}
    return kept.tobytes() if says_more else b""


def _value(exif: Any, tag: int) -> Any:
    """A tag's value, of a directory all its tags; a maker's notes stay bytes."""
    if tag not in _DIRECTORIES:
        return exif[tag]
    values = dict(exif.get_ifd(tag))
    if ExifTags.IFD.Interop in values:
        values[ExifTags.IFD.Interop] = dict(exif.get_ifd(ExifTags.IFD.Interop))
    return values


def _resize(exif: Image.Exif, width: int, height: int) -> None:
    """Makes EXIF say the size of what is written, where it says one."""
    if ExifTags.IFD.Exif not in exif:
        return
    within = _value(exif, ExifTags.IFD.Exif)
    within |= {
        tag: side for tag, side in ((40962, width), (40963, height)) if tag in within
    }
    exif[ExifTags.IFD.Exif] = within


def _has_iptc(image: Image.Image) -> bool:
    blocks = image.info.get("photoshop") or {}
    return _PHOTOSHOP in blocks or _IPTC in getattr(image, "tag_v2", {})


def _dpi(dpi: Any) -> tuple[float, float] | None:
    """Dots per inch; a TIFF file that states none has one of 1, by Pillow."""
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    sensible = 0 < across < 1e5 and 0 < down < 1e5
    return (across, down) if sensible and (across, down) != (1, 1) else None
