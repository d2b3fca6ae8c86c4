"""PNG files of 16 bits a value, to the bit.

Pillow hands over the upper 8 bits of 16-bit colour and writes none; where what is known
of a picture must stay as it is, all 16 are read and written here.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt16
from PIL import Image

from jaxrestore import files, image_headers

_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour types, by the count of channels
_ABOVE = 2  # the filter of a row that holds the difference to the one above


def holds(path: Path) -> bool:
    """Returns whether a file is a PNG of 16 bits whose values are colours of sRGB.

    Not where a profile, a gamma, a transparent colour or a turn is to be applied to
    them: `images` brings these to 8 bits. The file is one that `images` can read.
    """
    with open(path, "rb") as file:
        header = image_headers.read(file)
        if header != image_headers.Header(bits=16, grey=header.grey):
            return False
        with Image.open(file) as image:
            turned = image.getexif().get(274, 1) != 1
            return image.format == "PNG" and not ("icc_profile" in image.info or turned)


def read(path: Path) -> UInt16[np.ndarray, "h w c"]:
    """Returns the image of a file that `holds` 16 bits.

    It is grey (1), grey and alpha (2), colour (3), or colour and alpha (4).
    """
    upper, kind = _bytes(path, "16B")
    if upper.dtype == np.uint16:  # Pillow knows grey of 16 bits
        return upper[..., None]
    if kind.startswith("LA"):
        values = upper.astype(np.uint16)
        return 256 * values[..., ::2] + values[..., 1::2]
    lower, _ = _bytes(path, "16L")  # which takes the first byte for the lower one
    return 256 * upper.astype(np.uint16) + lower


def write(image: UInt16[np.ndarray, "h w c"], path: Path) -> None:
    """Writes an image of 1 to 4 channels, as `read` returns them, to a PNG file.

    Source: Portable Network Graphics (PNG) Specification, third edition, 2025,
    https://www.w3.org/TR/png-3/.
    """
    height, width, channels = image.shape
    rows = image.astype(">u2").view(np.uint8).reshape(height, -1)
    differences = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    filtered = np.pad(differences, ((0, 0), (1, 0)), constant_values=_ABOVE)
    head = struct.pack(">2I5B", width, height, 16, _KINDS[channels], 0, 0, 0)
    chunks = _chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(filtered.tobytes()))
    files.write_bytes(path, b"".join([b"\x89PNG\r\n\x1a\n", *chunks, _chunk(b"IEND")]))


def _bytes(path: Path, order: str) -> tuple[np.ndarray, str]:
    """What Pillow hands over in a byte order, and its word for how values lie."""
    with Image.open(path) as image:
        (tile,) = image.tile  # type: ignore
        kind = str(tile.args)
        # Grey and alpha are as many bytes as RGBA of 8 bits.
        raw = "RGBA" if kind.startswith("LA") else kind.replace("16B", order)
        image.tile = [tile._replace(args=raw)]  # type: ignore
        return np.array(image), kind


def _chunk(name: bytes, data: bytes = b"") -> bytes:
    checked = name + data
    return (
        struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
    )
