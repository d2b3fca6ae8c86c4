"""Files of more than 8 bits a value, PNG and TIFF, with all that 16 bits hold.

Pillow hands over the upper 8 bits of 16-bit colour and writes none. Whoever asks twice,
in one byte order and in the other, has both halves.
"""

import io
import struct
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt16
from PIL import Image, ImageFile, TiffImagePlugin

from jaxrestore import errors
from jaxrestore.image_files import embedded
from jaxrestore.image_headers import Header

_PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour types, by the count of channels
_DEFLATED_OR_PLAIN = (1, 8, 32946)  # TIFF's compressions
_ROWS = 256  # that are looked at together
_ABOVE = 2  # the filter of a row that holds the difference to the one above

# Grey and alpha of 16 bits, which Pillow does not open, are as many bytes as RGBA.
for _order, _name in ((b"II", "L"), (b"MM", "B")):
    _grey_and_alpha = (_order, 1, (1,), 1, (16, 16), (2,))
    TiffImagePlugin.OPEN_INFO.setdefault(_grey_and_alpha, ("RGBA", f"LA;16{_name}"))


def read(
    file: io.BytesIO | io.BufferedReader, header: Header
) -> UInt16[np.ndarray, "h w c"] | None:
    """Returns the values of a file as they are stored, 0 to 65535; of TIFF upright.

    They are grey (1), grey and alpha (2), colour (3), or colour and alpha (4); fewer
    bits than 16 and floats are brought to 16. None for a file of 8 bits, one of inks,
    and one of planes that are neither plain nor deflated: Pillow reads these in 8 bits.
    Raises `ImageError` for floats outside [0, 1], and as Pillow's readers do.
    """
    if header.bits <= 8:
        return None
    with _opened(file, header) as image:
        if image.mode[0] in "IF":
            if header.native:
                _take_by_libtiff(image, "F;32NF")
            return _scaled(np.asarray(image), header)
        if header.planes:
            return _of_planes(file, image, header)
        raw, separator, _ = _raw_mode(image).partition(";")
        if not separator or image.mode not in ("RGB", "RGBA"):
            return None
    if raw == "LA":
        halves = _bytes(file, header, "RGBA")
        upper, lower = halves[..., ::2], halves[..., 1::2]
        if header.format == "TIFF" and sys.byteorder == "little":
            upper, lower = lower, upper
    else:
        # libtiff hands over the machine's order, and PNG has the upper byte first.
        big = header.format == "PNG" or sys.byteorder == "big"
        stored = raw.replace("a", "A")  # not yet divided by alpha
        upper = _bytes(file, header, f"{stored};16{'B' if big else 'L'}")
        lower = _bytes(file, header, f"{stored};16{'L' if big else 'B'}")
    values = upper.astype(np.uint16) << 8
    values |= lower
    return _divided(values) if raw.endswith("a") else values


def png(image: UInt16[np.ndarray, "h w c"], chunks: bytes) -> bytes:
    """Returns a PNG file of 1 to 4 channels, with other chunks ahead of its pixels.

    Source: Portable Network Graphics (PNG) Specification, third edition, 2025,
    https://www.w3.org/TR/png-3/.
    """
    height, width, channels = image.shape
    compressor, data = zlib.compressobj(), []
    above = np.zeros((1, 2 * width * channels), np.uint8)
    for y in range(0, height, _ROWS):
        part = image[y : y + _ROWS].astype(">u2").view(np.uint8)
        part = np.concatenate([above, part.reshape(len(part), -1)])
        differences = np.diff(part, axis=0)
        filtered = np.pad(differences, ((0, 0), (1, 0)), constant_values=_ABOVE)
        data.append(compressor.compress(filtered.tobytes()))
        above = part[-1:]
    head = struct.pack(">2I5B", width, height, 16, _PNG_KINDS[channels], 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + chunks
    pixels = _chunk(b"IDAT", b"".join([*data, compressor.flush()]))
    return start + pixels + _chunk(b"IEND")


def tiff(image: UInt16[np.ndarray, "h w c"], tags: Mapping[int, Any]) -> bytes:
    """Returns a TIFF file of 1 to 4 channels, deflated, with other tags beside.

    Pillow writes the tags, as of 8 bits: tifffile knows no EXIF.
    Source: TIFF, revision 6.0, 1992, and its technical notes of 2002: deflate (8), and
    the difference to the pixel on the left (2) within each row.
    """
    height, width, channels = image.shape
    rows = max(1, 2**20 // (2 * width * channels))
    strips = []
    for y in range(0, height, rows):
        part = image[y : y + rows]
        differences = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
        strips.append(zlib.compress(differences.astype("<u2").tobytes()))
    sizes = [len(strip) for strip in strips]
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        ifd[tag] = value
    ifd[256], ifd[257], ifd[258] = width, height, (16,) * channels
    ifd[259], ifd[317], ifd[284] = 8, 2, 1
    ifd[262], ifd[277] = 2 if channels > 2 else 1, channels
    if channels in (2, 4):
        ifd[338] = 2  # alpha, by which colours are not multiplied
    for tag in (273, 279):
        ifd.tagtype[tag] = 4  # 32 bits each
    ifd[273] = tuple(np.cumsum([0, *sizes[:-1]]).tolist())  # behind the directory
    ifd[278], ifd[279] = rows, tuple(sizes)
    file = io.BytesIO()
    ifd.save(file)
    return file.getvalue() + b"".join(strips)


def _opened(file: io.BytesIO | io.BufferedReader, header: Header) -> Image.Image:
    file.seek(0)
    image = Image.open(file, formats=(header.format,))
    image.seek(header.page)
    return image


def _raw_mode(image: Image.Image) -> str:
    args: Any = image.tile[0].args  # type: ignore
    return args if isinstance(args, str) else str(args[0])


def _take_by_libtiff(image: Any, rawmode: str) -> None:
    """Lets libtiff decode, which hands over values in the machine's byte order."""
    args = (rawmode, False, image.tag_v2.offset)
    size = image.tag_v2[256], image.tag_v2[257]  # as it lies; `image.size` is upright
    image.tile = [ImageFile._Tile("libtiff", (0, 0, *size), 0, args)]
    image.use_load_libtiff = True


def _of_planes(
    file: io.BytesIO | io.BufferedReader, image: Any, header: Header
) -> np.ndarray | None:
    if image.mode not in ("RGB", "RGBA") or image.tag_v2[259] not in _DEFLATED_OR_PLAIN:
        return None
    # Imported here: hardly a file has planes.
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as found:
        planes = found.pages[header.page].asarray()
    values = np.moveaxis(planes, 0, -1)[..., : len(image.mode)]
    values = embedded.upright(values, embedded.orientation(image))
    return _divided(values) if image.tag_v2.get(338) == (1,) else values


def _bytes(
    file: io.BytesIO | io.BufferedReader, header: Header, rawmode: str
) -> np.ndarray:
    """What Pillow hands over in a mode of its own that it was not asked for."""
    with _opened(file, header) as image:
        if header.format == "TIFF":
            _take_by_libtiff(image, rawmode)
        else:
            (tile,) = image.tile  # type: ignore
            image.tile = [tile._replace(args=rawmode)]  # type: ignore
        return np.array(image)


def _scaled(values: np.ndarray, header: Header) -> np.ndarray:
    """Grey values brought to 16 bits: integers from `bits`, floats from [0, 1]."""
    top = 1 if values.dtype.kind == "f" else 2**header.bits - 1
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):  # so written, it refuses NaN too
        raise errors.ImageError(
            f"its values run from {low:g} to {high:g}, expected 0 to {top:g}; "
            "scale them, or save it with 8 or 16 bits"
        )
    if top != 65535:
        values = np.rint(values * (65535.0 / top))
    scaled = values.astype(np.uint16)[..., None]
    return 65535 - scaled if header.white_is_zero else scaled


def _divided(values: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by alpha as they were before."""
    colors, alpha = values[..., :3], values[..., 3:]
    seen = np.maximum(alpha, 1).astype(np.float64)
    divided = np.minimum(np.rint(colors * (65535 / seen)), 65535)
    return np.concatenate([divided.astype(np.uint16), alpha], -1)


def _chunk(name: bytes, data: bytes = b"") -> bytes:
    checked = name + data
    return (
        struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
    )
