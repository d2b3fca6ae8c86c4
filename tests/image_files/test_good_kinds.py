"""Kinds of files with the pixels that they must have, computed here in float64.

A case is the bytes of a file, its pixels [h, w, c] in [0, 1], how many levels of 255 a
value may be off, and perhaps which pixels are compared.
"""

import io
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile  # of scikit-image
from PIL import Image, ImageCms
from written import save, tiff

from jaxrestore import images
from jaxrestore.inference import folders, restorer

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (7, 5, 3), np.uint8)
RGBA = RANDOM.integers(1, 256, (7, 5, 4), np.uint8)
GREY = RGB[..., 0]
DEEP = RANDOM.integers(0, 65536, (7, 5, 4), np.uint16)
# Four colours of 16 x 24 px: blocks of JPEG, whose chroma is smooth at their borders.
CORNERS = np.array([[[200, 40, 60], [40, 160, 220]], [[240, 230, 90], [90, 90, 90]]])
FLAT = np.kron(CORNERS, np.ones((16, 24, 1))).astype(np.uint8)
INNER = np.kron(np.ones((2, 2)), np.pad(np.ones((8, 16)), 4)).astype(bool)


class Case(NamedTuple):
    data: bytes
    pixels: np.ndarray
    levels: float = 0
    where: Any = ...


def share(values):
    """Integers of 8 or 16 bits as float64 in [0, 1], [h, w, c]."""
    white = np.iinfo(values.dtype).max
    return values.reshape(*values.shape[:2], -1) / np.float64(white)


def srgb(light):
    """IEC 61966-2-1."""
    light = np.asarray(light, np.float64)
    bent = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, bent)


def png(values, depth, kind, *chunks):
    """A PNG of rows of values of `depth` bits in the colour type `kind`."""
    height, width = values.shape[:2]
    rows = b""
    for row in values.reshape(height, -1):
        bits = "".join(f"{value:0{depth}b}" for value in row)
        size = -(-len(bits) // 8)
        rows += b"\0" + int(bits.ljust(8 * size, "0"), 2).to_bytes(size)
    header = b"IHDR" + struct.pack(">2I5B", width, height, depth, kind, 0, 0, 0)
    found = (header, *chunks, b"IDAT" + zlib.compress(rows), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in found
    )


def of_few_bits(depth):
    values = RANDOM.integers(0, 2**depth, (7, 5))
    return Case(png(values, depth, 0), values[..., None] / (2**depth - 1), 0.5)


def of_palette(depth, alpha):
    values = RANDOM.integers(0, 2**depth, (7, 5))
    table = RANDOM.integers(0, 256, (2**depth, 4), np.uint8)
    if not alpha:
        table[:, 3] = 255
    chunks = [b"PLTE" + table[:, :3].tobytes()]
    chunks += [b"tRNS" + table[:, 3].tobytes()] if alpha else []
    pixels = share(table[values])
    data = png(values, depth, 3, *chunks)
    return Case(data, pixels if alpha else pixels[..., :3])


def with_a_key(values, depth, kind, key):
    clear = (values == key).reshape(7, 5, -1).all(-1, keepdims=True)
    assert clear.any() and not clear.all()
    color = values.reshape(7, 5, -1) / (2**depth - 1)
    data = png(values, depth, kind, b"tRNS" + struct.pack(f">{len(key)}H", *key))
    return Case(data, np.concatenate([color, 1.0 - clear], -1), 0.5)


def interlaced():
    """Adam7 of 8 x 8 px: seven smaller pictures, one after another."""
    values = RANDOM.integers(0, 256, (8, 8, 3), np.uint8)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
    passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for y, x, down, right in passes:
        for row in values[y::down, x::right]:
            rows += b"\0" + row.tobytes()
    data = png(values, 8, 2)
    header = b"IHDR" + struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 1)
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (header, b"IDAT" + zlib.compress(rows), b"IEND")
    )
    return Case(data[:8] + chunks, share(values))


def light(values, depth, kind):
    pixels = values.reshape(7, 5, -1) / (2**depth - 1)
    data = png(values, depth, kind, b"gAMA" + struct.pack(">I", 100_000))
    return Case(data, srgb(pixels), 0.5 if depth == 8 else 0.5 / 257)


def bmp(values, bits, palette=b"", masks=b"", top_down=False):
    """A BMP of rows of numbers of `bits`, from below if not `top_down`."""
    height, width = values.shape
    rows = b""
    for row in values if top_down else values[::-1]:
        if bits < 16:
            text = "".join(f"{value:0{bits}b}" for value in row)
            packed = int(text.ljust(-(-len(text) // 32) * 32, "0"), 2)
            rows += packed.to_bytes(-(-len(text) // 32) * 4)
        else:
            packed = b"".join(int(v).to_bytes(bits // 8, "little") for v in row)
            rows += packed.ljust(-(-len(packed) // 4) * 4, b"\0")
    start = 14 + 40 + len(masks) + len(palette)
    sides = (width, -height if top_down else height)
    count = len(palette) // 4
    kind = 3 if masks else 0
    info = struct.pack("<I2i2H6I", 40, *sides, 1, bits, kind, len(rows), 0, 0, count, 0)
    head = b"BM" + struct.pack("<I2HI", start + len(rows), 0, 0, start)
    return head + info + masks + palette + rows


def of_bmp_palette(bits):
    values = RANDOM.integers(0, 2**bits, (7, 5))
    table = RANDOM.integers(0, 256, (2**bits, 4), np.uint8)  # B, G, R, nothing
    table[:, 3] = 0
    return Case(bmp(values, bits, table.tobytes()), share(table[values][..., 2::-1]))


def of_16_bit_bmp(bits_of_green):
    values = RANDOM.integers(0, 65536, (7, 5))
    widths = (5, bits_of_green, 5)
    parts, shift, masks = [], 0, []
    for width in widths[::-1]:  # blue is lowest
        parts.insert(0, (values >> shift) % 2**width / (2**width - 1))
        masks.insert(0, (2**width - 1) << shift)
        shift += width
    values &= sum(masks)
    # Repeating the bits, or scaling: the difference is less than a level.
    data = bmp(values, 16, masks=struct.pack("<3I", *masks))
    return Case(data, np.stack(parts, -1), 1)


def profile(white_is=None):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def of_inks():
    """A profile of inks of which black alone counts: L* = 100 (1 - K)."""
    identity = bytes(range(256))
    corners = b"".join(bytes([255 * (1 - i % 2), 128, 128]) for i in range(16))
    one = struct.pack(">I", 65536)
    matrix = b"".join(one if i % 4 == 0 else bytes(4) for i in range(9))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    table += identity * 4 + corners + identity * 3
    head = bytes(4) + struct.pack(">I", 0x02400000) + b"prtrCMYKLab "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    tags = struct.pack(">I", 1) + b"A2B0" + struct.pack(">2I", 144, len(table))
    body = head.ljust(124, b"\0") + tags + table
    return struct.pack(">I", len(body) + 4) + body


def inked(kind, **options):
    values = np.zeros((16, 16, 4), np.uint8)
    values[..., 3] = np.kron([[0, 60], [128, 255]], np.ones((8, 8)))
    lightness = 100 * (1 - values[..., 3] / 255.0)
    luminance = np.where(
        lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3
    )
    pixels = np.repeat(srgb(luminance)[..., None], 3, -1)
    image = Image.frombytes("CMYK", (16, 16), values.tobytes())
    return Case(save(image, kind, icc_profile=of_inks(), **options), pixels, 2)


def turned(kind, orientation, **options):
    """EXIF: which side of the picture the stored first row and column are."""
    stored = np.zeros((32, 48, 3))
    stored[:16, :16] = 1  # the first row's beginning
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(np.uint8(stored * 255), kind, exif=exif, **options)
    rows, columns = np.mgrid[:32, :48]
    if orientation in (3, 4, 6, 7):  # the first row is below, or on the right
        rows = 31 - rows
    if orientation in (2, 3, 7, 8):  # the first column is on the right, or below
        columns = 47 - columns
    upright = np.zeros((48, 32, 3) if orientation > 4 else (32, 48, 3))
    upright[(columns, rows) if orientation > 4 else (rows, columns)] = stored
    return Case(data, upright, 3)


def flat(data, levels=2):
    return Case(data, share(FLAT), levels, INNER)


def lossless(values, kind="PNG", **options):
    return Case(save(values, kind, **options), share(np.asarray(values)))


def of_tiff(values, levels=0, **options):
    return Case(tiff(values, **options), share(values), levels)


def of_pages(*pages):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for values, kind in pages:
            writer.write(values, photometric="rgb", subfiletype=kind)
    return file.getvalue()


BILEVEL = RANDOM.integers(0, 2, (7, 5)).astype(bool)
TRANSPOSED = np.moveaxis(DEEP[..., :3], -1, 0).copy()
FLOATS = RANDOM.random((7, 5), np.float32)
LAB = np.zeros((7, 5, 3), np.uint8) + RANDOM.integers(0, 256, (7, 5, 1), np.uint8)
LAB[..., 1:] = 0  # grey, of which L* alone counts
STRAIGHT = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
LOSSY = Image.fromarray(FLAT)


def of_lab():
    lightness = LAB[..., 0] / 2.55
    luminance = ((lightness + 16) / 116) ** 3
    luminance = np.where(lightness > 8, luminance, lightness / 903.3)
    pixels = np.repeat(srgb(luminance)[..., None], 3, -1)
    return Case(tiff(LAB, photometric="cielab"), pixels, 1.5)


CASES = {
    "png, grey, 1 bit": lambda: of_few_bits(1),
    "png, grey, 2 bits": lambda: of_few_bits(2),
    "png, grey, 4 bits": lambda: of_few_bits(4),
    "png, grey": lambda: lossless(GREY),
    "png, grey, 16 bits": lambda: Case(png(DEEP[..., 0], 16, 0), share(DEEP[..., :1])),
    "png, grey and alpha": lambda: lossless(RGBA[..., :2]),
    "png, grey and alpha, 16 bits": lambda: Case(
        png(DEEP[..., :2], 16, 4), share(DEEP[..., :2])
    ),
    "png, colour": lambda: lossless(RGB),
    "png, colour, 16 bits": lambda: Case(
        png(DEEP[..., :3], 16, 2), share(DEEP[..., :3])
    ),
    "png, colour and alpha": lambda: lossless(RGBA),
    "png, colour and alpha, 16 bits": lambda: Case(png(DEEP, 16, 6), share(DEEP)),
    "png, palette, 1 bit": lambda: of_palette(1, False),
    "png, palette, 2 bits": lambda: of_palette(2, False),
    "png, palette, 4 bits, alpha": lambda: of_palette(4, True),
    "png, palette, 8 bits, alpha": lambda: of_palette(8, True),
    "png, a transparent grey, 2 bits": lambda: with_a_key(GREY % 4, 2, 0, (2,)),
    "png, a transparent colour": lambda: with_a_key(RGB, 8, 2, tuple(RGB[1, 2])),
    "png, a transparent colour, 16 bits": lambda: with_a_key(
        DEEP[..., :3], 16, 2, tuple(DEEP[1, 2, :3])
    ),
    "png, interlaced": interlaced,
    "png, light": lambda: light(RGB, 8, 2),
    "png, light, 16 bits": lambda: light(DEEP[..., :3], 16, 2),
    "png, its profile is srgb": lambda: lossless(RGB, icc_profile=profile()),
    "png, 1 x 1": lambda: lossless(RGB[:1, :1]),
    "jpeg, grey": lambda: Case(
        save(FLAT[..., 0], "JPEG", quality=100), share(FLAT[..., :1]), 1
    ),
    "jpeg, 4:4:4": lambda: flat(save(LOSSY, "JPEG", quality=98, subsampling=0)),
    "jpeg, 4:2:2": lambda: flat(save(LOSSY, "JPEG", quality=98, subsampling=1)),
    "jpeg, 4:2:0": lambda: flat(save(LOSSY, "JPEG", quality=98, subsampling=2)),
    "jpeg, progressive": lambda: flat(
        save(LOSSY, "JPEG", progressive=True, quality=98)
    ),
    "jpeg, restart markers": lambda: flat(
        save(LOSSY, "JPEG", quality=98, restart_marker_blocks=1)
    ),
    "jpeg, of rgb": lambda: flat(save(LOSSY, "JPEG", quality=98, keep_rgb=True)),
    "jpeg, 1 x 1": lambda: Case(
        save(np.full((1, 1, 3), 90, np.uint8), "JPEG"), np.full((1, 1, 3), 90 / 255), 1
    ),
    "jpeg, inks with a profile": lambda: inked("JPEG", quality=100),
    "jpeg, with a preview": lambda: flat(
        save(LOSSY, "MPO", quality=98, save_all=True, append_images=[LOSSY.rotate(180)])
    ),
    **{
        f"jpeg, orientation {n}": lambda n=n: turned("JPEG", n, quality=95)
        for n in range(1, 9)
    },
    "png, orientation 6": lambda: turned("PNG", 6),
    "tiff, orientation 8": lambda: turned("TIFF", 8),
    "webp, orientation 5": lambda: turned("WEBP", 5, lossless=True),
    "avif, orientation 7": lambda: turned("AVIF", 7, quality=95),
    "webp, lossless": lambda: lossless(RGB, "WEBP", lossless=True),
    "webp, lossless, alpha": lambda: lossless(RGBA, "WEBP", lossless=True, exact=True),
    "webp, lossy": lambda: flat(save(LOSSY, "WEBP", quality=98), 4),
    "tiff, black and white": lambda: Case(
        save(Image.fromarray(BILEVEL), "TIFF", compression="group4"),
        BILEVEL[..., None].astype(float),
    ),
    "tiff, grey, white is zero": lambda: Case(
        tiff(GREY, photometric="miniswhite"), 1 - share(GREY)
    ),
    "tiff, grey, white is zero, 16 bits": lambda: Case(
        tiff(DEEP[..., 0], photometric="miniswhite"), 1 - share(DEEP[..., :1])
    ),
    "tiff, colour, lzw": lambda: lossless(RGB, "TIFF", compression="tiff_lzw"),
    "tiff, colour, jpeg": lambda: flat(
        save(LOSSY, "TIFF", compression="jpeg", quality=98), 3
    ),
    "tiff, colour, packbits": lambda: lossless(RGB, "TIFF", compression="packbits"),
    "tiff, colour, big-endian": lambda: of_tiff(RGB, photometric="rgb", byteorder=">"),
    "tiff, colour, bigtiff": lambda: of_tiff(RGB, photometric="rgb", bigtiff=True),
    "tiff, colour, tiles, deflated": lambda: of_tiff(
        RGB, photometric="rgb", tile=(16, 16), compression="zlib"
    ),
    "tiff, colour, planes": lambda: Case(
        tiff(
            np.moveaxis(RGB, -1, 0).copy(), photometric="rgb", planarconfig="separate"
        ),
        share(RGB),
    ),
    "tiff, palette": lambda: Case(
        save(Image.fromarray(GREY).convert("P"), "TIFF"),
        share(np.asarray(Image.fromarray(GREY).convert("P").convert("RGB"))),
    ),
    "tiff, grey, 16 bits, big-endian": lambda: of_tiff(DEEP[..., 0], byteorder=">"),
    "tiff, grey, 16 bits, lzw": lambda: lossless(
        Image.fromarray(DEEP[..., 0]), "TIFF", compression="tiff_lzw"
    ),
    "tiff, colour, 16 bits": lambda: of_tiff(DEEP[..., :3], photometric="rgb"),
    "tiff, colour, 16 bits, tiles, deflated": lambda: of_tiff(
        DEEP[..., :3], photometric="rgb", tile=(16, 16), compression="zlib"
    ),
    "tiff, colour, 16 bits, planes": lambda: Case(
        tiff(TRANSPOSED, photometric="rgb", planarconfig="separate"),
        share(DEEP[..., :3]),
    ),
    "tiff, colour and alpha, 16 bits, big-endian": lambda: of_tiff(
        DEEP, byteorder=">", **STRAIGHT
    ),
    "tiff, floats": lambda: Case(
        tiff(FLOATS), FLOATS[..., None].astype(float), 1 / 257
    ),
    "tiff, floats, deflated, big-endian": lambda: Case(
        tiff(FLOATS, compression="zlib", byteorder=">"),
        FLOATS[..., None].astype(float),
        1 / 257,
    ),
    "tiff, lightness": of_lab,
    "tiff, inks with a profile, lzw": lambda: inked("TIFF", compression="tiff_lzw"),
    "tiff, with a thumbnail": lambda: Case(
        of_pages((RGB, 0), (RGB[:2, :2].copy(), 1)), share(RGB)
    ),
    "bmp, 1 bit": lambda: of_bmp_palette(1),
    "bmp, 4 bits": lambda: of_bmp_palette(4),
    "bmp, 8 bits": lambda: of_bmp_palette(8),
    "bmp, 16 bits": lambda: of_16_bit_bmp(5),
    "bmp, 16 bits, 6 of green": lambda: of_16_bit_bmp(6),
    "bmp, 24 bits": lambda: lossless(RGB, "BMP"),
    "bmp, 24 bits, from above": lambda: Case(
        bmp(RGB.astype(int) @ [65536, 256, 1], 24, top_down=True), share(RGB)
    ),
    "bmp, 32 bits": lambda: Case(
        bmp(RGB.astype(int) @ [65536, 256, 1], 32), share(RGB)
    ),
    "avif": lambda: flat(save(LOSSY, "AVIF", quality=95, subsampling="4:4:4"), 4),
    "avif, alpha": lambda: Case(
        save(LOSSY.convert("RGBA"), "AVIF", quality=95), share(FLAT), 4, INNER
    ),
    "gif": lambda: Case(
        save(Image.fromarray(GREY), "GIF"), np.repeat(share(GREY), 3, -1)
    ),
}


SAME = restorer.Restorer(lambda x: x, 1, 1, "same")  # leaves all as it is


@pytest.mark.parametrize("name", CASES)
def test_a_kind_of_file_has_its_pixels_and_keeps_them(tmp_path, name):
    case = CASES[name]()
    source, out = tmp_path / "x.png", tmp_path / "out.png"  # its name does not matter
    source.write_bytes(case.data)
    values = images.read(source).values
    assert values.flags.writeable and values.flags.c_contiguous
    deep = ("16 bits" in name and "bmp" not in name) or "floats" in name
    assert values.dtype == (np.uint16 if deep else np.uint8)
    found = values / np.float64(np.iinfo(values.dtype).max)
    assert found.shape == case.pixels.shape
    off = np.abs(found - case.pixels)[case.where].max() * 255
    assert off <= case.levels + 1e-9, off
    folders.restore_file(SAME, source, out)
    kept = images.read(out).values
    assert kept.shape == values.shape and kept.dtype == values.dtype
    seen = values[..., -1] > 0 if values.shape[2] in (2, 4) else ...
    np.testing.assert_array_equal(kept[seen], values[seen])
