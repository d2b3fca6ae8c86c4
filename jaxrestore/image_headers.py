"""What PNG and TIFF files say of their values, of which Pillow hands over the values.

Which value is white, which colour is transparent, what light a value stands for, which
page is the picture: that is written in chunks and tags. Here they are read, and what
cannot be brought to 8-bit sRGB by them is given its reason.
"""

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, TiffImagePlugin

# How far a gamma may be from 1/2.2, and a primary from sRGB's, to be taken for sRGB:
# png.h of libpng, PNG_GAMMA_THRESHOLD; between the rounding of writers and Adobe RGB.
_GAMMA_TOLERANCE = 0.05
_PRIMARY_TOLERANCE = 0.005
_SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_SRGB_CICP = bytes([1, 13, 0, 1])

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"MM*\0", b"II+\0")
# Pillow 13 takes its first bytes for those of a smaller TIFF file.
_BIG_ENDIAN_BIG_TIFF = "it is a BigTIFF file in big-endian order, which is not read; "
_BIG_ENDIAN_BIG_TIFF += "save it in little-endian order, or as TIFF"
_SAMPLES = {1: "unsigned integers", 2: "signed integers", 3: "floats"}
_MODELS = {2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELAB", 9: "ICC L*a*b*"}
_MODELS |= {0: "grey, 0 is white", 1: "grey", 10: "ITU L*a*b*", 32803: "raw sensor"}


class Header(NamedTuple):
    """What a file says of its values; by default 8 bits a sample of sRGB.

    `refusal` is why they cannot be brought to sRGB; `kind` says in words what the file
    is, for one that Pillow cannot read either.
    """

    refusal: str = ""
    kind: str = ""
    format: str = ""  # PNG or TIFF
    bits: int = 8  # a sample
    white_is_zero: bool = False  # where Pillow does not turn it by itself
    grey: bool = False  # grey values, with alpha or without
    key: tuple[int, ...] | None = None  # the value, of `bits`, that is transparent
    gamma: float | None = None  # a value is light to the power of it
    page: int = 0  # of a TIFF file
    frames: int = 1  # of a TIFF file: its pages, but for smaller versions of others
    native: bool = False  # floats that libtiff has to hand over in its own order
    planes: bool = False  # 16-bit colours of which each has a part of the file


def read(file: io.BytesIO | io.BufferedReader, frame: int = 0) -> Header:
    """Returns what is written ahead of the pixels; the file is left at its start.

    Of a TIFF file of several `frames` that is what this one's tags say, or the first's.

    A file of another format has the header of 8-bit sRGB. So has a damaged one: who
    reads its pixels will find out.
    """
    start = file.read(8)
    try:
        if start == b"\x89PNG\r\n\x1a\n":
            return _of_png(_chunks(file))
        if start[:4] == b"MM\0+":
            return Header(refusal=_BIG_ENDIAN_BIG_TIFF)
        if start[:4] in _TIFF_MAGIC:
            order = "big-endian" if start[:1] == b"M" else "little-endian"
            return _of_tiff(_pages(file), order, frame)
    except (struct.error, SyntaxError, TypeError, ValueError, LookupError, OSError):
        pass
    finally:
        file.seek(0)
    return Header()


def format_and_size(
    path: Path, formats: tuple[str, ...]
) -> tuple[str, tuple[int, int]]:
    """Returns which of the `formats` a file is in, and its width and height in px.

    Pillow's names; no pixel is decoded. "" and (0, 0) where that cannot be told, as of
    a pipe, which nobody may ever write to.
    """
    if not path.is_file():
        return "", (0, 0)
    try:
        with open(path, "rb") as file:
            page = read(file).page
            with Image.open(file, formats=formats) as image:
                image.seek(page)
                return image.format or "", image.size
    except Exception:  # Pillow's readers raise all kinds; who decodes will say which
        return "", (0, 0)


def _chunks(file: io.BytesIO | io.BufferedReader) -> dict[bytes, bytes]:
    """The PNG chunks before the pixels that say something of their values."""
    chunks: dict[bytes, bytes] = {}
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        size, name = int.from_bytes(head[:4]), head[4:]
        if name in (b"IHDR", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP"):
            chunks[name] = file.read(size)
            size = 0
        elif name == b"iCCP":
            chunks[name] = b""  # Pillow reads it
        file.seek(size + 4, io.SEEK_CUR)
    return chunks


def _of_png(chunks: Mapping[bytes, bytes]) -> Header:
    """Source: Portable Network Graphics (PNG) Specification, third edition, 2025,
    https://www.w3.org/TR/png-3/: of its colour chunks a profile precedes sRGB, which
    precedes gAMA and cHRM. cICP precedes all, but whoever does not know its meaning
    shall take the others.
    """
    bits, kind = chunks[b"IHDR"][8:10]
    grey = kind in (0, 4)
    header = Header(format="PNG", bits=bits, grey=grey)
    key, count = chunks.get(b"tRNS", b""), {0: 1, 2: 3}.get(kind, 0)
    if count and len(key) >= 2 * count:
        values = struct.unpack(f">{count}H", key[: 2 * count])
        header = header._replace(key=tuple(value & (2**bits - 1) for value in values))
    if b"iCCP" in chunks:
        return header
    if b"cICP" in chunks:
        other = chunks[b"cICP"] != _SRGB_CICP
        return header._replace(refusal=_refused("cICP", other))
    if b"sRGB" in chunks:
        return header
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4]) / 100_000
    if gamma and abs(gamma * 2.2 - 1) > _GAMMA_TOLERANCE:
        header = header._replace(gamma=gamma)
    other = not grey and _far_from_srgb(chunks.get(b"cHRM", b""))
    return header._replace(refusal=_refused("cHRM", other))


def _refused(chunk: str, other: bool) -> str:
    says = f"its {chunk} chunk says that its colours are not those of sRGB"
    return f"{says}; convert it to sRGB" if other else ""


def _far_from_srgb(chunk: bytes) -> bool:
    if len(chunk) < 32:
        return False
    found = (value / 100_000 for value in struct.unpack(">8I", chunk[:32]))
    pairs = zip(found, _SRGB_PRIMARIES, strict=True)
    return any(abs(a - b) > _PRIMARY_TOLERANCE for a, b in pairs)


def _pages(file: io.BytesIO | io.BufferedReader) -> list[Mapping[int, Any]]:
    """The tags of each page of a TIFF file."""
    file.seek(0)
    start = file.read(8)
    start += file.read(8) if start[2:4] == b"+\0" else b""  # BigTIFF
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    where, pages = tags.next, {}
    while where and where not in pages:
        file.seek(where)
        tags = TiffImagePlugin.ImageFileDirectory_v2(start)
        tags.load(file)
        pages[where], where = dict(tags), tags.next
    return [*pages.values()]


def _of_tiff(pages: list[Mapping[int, Any]], order: str, frame: int) -> Header:
    """Source: TIFF, revision 6.0, 1992; NewSubfileType says what a page is: a smaller
    version of another has bit 0.
    """
    pictures = [i for i, tags in enumerate(pages) if not tags.get(254, 0) & 1] or [0]
    page = pictures[frame if 0 <= frame < len(pictures) else 0]
    tags, frames = pages[page], len(pictures)
    if not {273, 324} & {*tags}:  # it says of no strip or tile where it is
        return Header(page=page, frames=frames)
    bits, model = max(tags.get(258, (1,))), tags.get(262, 0)
    samples, count = {*tags.get(339, (1,))}, tags.get(277, 1)
    fractional, plain = samples == {3}, tags.get(259, 1) == 1
    values = " and ".join(_SAMPLES.get(sample, "unknown values") for sample in samples)
    if not fractional and (2 in samples or bits > 16):
        return Header(
            frames=frames,
            refusal=f"its values are {values} of {bits} bits, and nothing says which "
            "is black and which white; save it with 8 or 16 bits, unsigned",
        )
    colours = _MODELS.get(model, f"colour model {model}")
    return Header(
        format="TIFF",
        kind=f"{colours}, {count} to a pixel, {values} of {bits} bits, {order}",
        bits=bits,
        grey=model in (0, 1),
        white_is_zero=model == 0 and (bits == 16 or fractional),
        page=page,
        frames=frames,
        # Pillow 13 turns compressed floats of big-endian files, which libtiff has
        # turned already; of planes it takes 8 bits.
        native=fractional and not plain,
        planes=bits == 16 and _in_planes(tags),
    )


def _in_planes(tags: Mapping[int, Any]) -> bool:
    return tags.get(284, 1) == 2 and tags.get(277, 1) > 1
