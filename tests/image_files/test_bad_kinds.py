"""Kinds of files that are refused: each with one sentence that names the file."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner
from written import save, tiff

from jaxrestore import errors, images
from jaxrestore.cli import app
from jaxrestore.inference import plans, restorer

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
GREY = PIXELS[..., 0]


def frames(kind, count=3):
    made = [Image.new("RGB", (16, 16), (80 * k, 0, 0)) for k in range(count)]
    return save(made[0], kind, save_all=True, append_images=made[1:])


def png(width, height, *, depth=8, kind=2, data=b"", check=True):
    header = b"IHDR" + struct.pack(">2I5B", width, height, depth, kind, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(data)] if data else [header]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4)
        + c
        + struct.pack(">I", zlib.crc32(c) ^ (not check))
        for c in [*chunks, b"IEND"]
    )


def damaged(data, where, size=4):
    """Other bytes in a file, at a share of it."""
    place = int(len(data) * where)
    return (
        data[:place]
        + bytes(255 - b for b in data[place : place + size])
        + data[place + size :]
    )


def large_tiff():
    tags = {256: 60_000, 257: 60_000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


def large_jpeg():
    data = save(PIXELS, "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">2H", 65_500, 65_500) + data[place + 4 :]


def large_webp():
    data = bytearray(save(Image.new("RGBA", (20, 20), (9, 9, 9, 9)), "WEBP", exif=b"x"))
    place = data.index(b"VP8X") + 12
    data[place : place + 6] = (15_999).to_bytes(3, "little") * 2
    return bytes(data)


def large_bmp():
    data = bytearray(save(PIXELS, "BMP"))
    data[18:26] = struct.pack("<2i", 50_000, 50_000)
    return bytes(data)


def endless_tiff():
    """A directory that says that it is followed by itself, of no picture."""
    return (
        b"II*\0\x08\0\0\0"
        + struct.pack("<H", 1)
        + struct.pack("<HHII", 256, 4, 1, 9)
        + struct.pack("<I", 8)
    )


NONE = "this is no PNG, JPEG, "
LARGE = "its header tells of more px than `max_pixels`, 100,000,000"
CUT = "cannot be decoded"
CASES = {
    "nothing": (b"", NONE),
    "a line end": (b"\n", NONE),
    "html, called jpeg": (b"<!DOCTYPE html><html><body>404</body></html>", NONE),
    "svg, called png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', NONE),
    "json": (b'{"error": "not found"}', NONE),
    "pdf": (b"%PDF-1.7\n", NONE),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", NONE),
    "photoshop": (b"8BPS\0\1" + bytes(6) + struct.pack(">H2I2H", 3, 4, 4, 8, 3), NONE),
    "jpeg 2000": (bytes.fromhex("0000000c6a5020200d0a870a"), NONE),
    "jpeg xl": (b"\xff\x0a" + bytes(20), NONE),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", NONE),
    "netpbm": (b"P6 1 1 255 abc", NONE),
    "icon": (b"\0\0\1\0\1\0" + bytes(20), NONE),
    "zip": (b"PK\3\4" + bytes(30), NONE),
    "png, its first line alone": (b"\x89PNG\r\n\x1a\n", NONE),
    "png, cut within its header": (save(PIXELS)[:20], CUT),
    "png, cut in the middle": (save(PIXELS)[:3000], CUT),
    "png, a wrong checksum": (png(4, 4, data=bytes(52), check=False), NONE),
    "png, other bytes": (damaged(save(PIXELS), 0.5), CUT),
    "png, without pixels": (png(4, 4), CUT),
    "png, no pixels wide": (png(0, 4, data=bytes(4)), NONE),
    "png, larger than it says": (png(60_000, 60_000, data=bytes(9)), LARGE),
    "png, 3 bits": (png(4, 4, depth=3, kind=0, data=bytes(12)), NONE),
    "png, of another world": (
        png(1, 1, data=bytes(4)).replace(
            b"\0\0\0\x0c",
            b"\0\0\0\4cICP\x09\x10\0\1"
            + struct.pack(">I", zlib.crc32(b"cICP\x09\x10\0\1"))
            + b"\0\0\0\x0c",
            1,
        ),
        "its cICP chunk says",
    ),
    "png, animated": (frames("PNG"), "holds 3 frames"),
    "jpeg, its first bytes alone": (b"\xff\xd8\xff\xe0", NONE),
    "jpeg, cut in its header": (save(PIXELS, "JPEG")[:100], CUT),
    "jpeg, cut in the middle": (save(PIXELS, "JPEG")[:1200], CUT),
    "jpeg, larger than it says": (large_jpeg(), LARGE),
    "jpeg, inks without a profile": (
        save(Image.new("CMYK", (9, 9), (9, 60, 120, 0)), "JPEG"),
        "is CMYK, and no colour profile",
    ),
    "jpeg, inks with a profile of none": (
        save(Image.new("CMYK", (9, 9)), "JPEG", icc_profile=bytes(200)),
        "is CMYK, and no colour profile",
    ),
    "webp, cut in the middle": (
        save(PIXELS, "WEBP")[:900],
        CUT,
    ),
    "webp, larger than it says": (large_webp(), LARGE),
    "webp, animated": (frames("WEBP"), "holds 3 frames"),
    "avif, cut in the middle": (
        save(PIXELS, "AVIF")[:900],
        NONE,
    ),
    "avif, animated": (frames("AVIF"), "holds 3 frames"),
    "gif, cut in the middle": (save(PIXELS, "GIF")[:900], CUT),
    "gif, animated": (frames("GIF"), "holds 3 frames"),
    "bmp, cut in the middle": (save(PIXELS, "BMP")[:900], CUT),
    "bmp, larger than it says": (large_bmp(), LARGE),
    "tiff, its first bytes alone": (b"II*\0\x08\0\0\0", NONE),
    "tiff, cut in the middle": (tiff(PIXELS, photometric="rgb")[:900], CUT),
    "tiff, cut in the middle, 16 bits": (
        tiff(PIXELS.astype(np.uint16) * 257, photometric="rgb", compression="zlib")[
            :900
        ],
        CUT,
    ),
    "tiff, pages": (frames("TIFF"), "holds 3 frames"),
    "tiff, its own successor": (endless_tiff(), NONE),
    "tiff, larger than it says": (large_tiff(), LARGE),
    "tiff, floats to 255": (tiff(GREY.astype(np.float32)), "expected 0 to 1"),
    "tiff, no numbers": (tiff(np.full((4, 4), np.nan, np.float32)), "expected 0 to 1"),
    "tiff, floats of 64 bits": (tiff(GREY / 255), "floats of 64 bits"),
    "tiff, colour of floats": (
        tiff(np.float32(PIXELS / 255), photometric="rgb"),
        "RGB, 3 to a pixel, floats of 32 bits",
    ),
    "tiff, signed": (tiff(GREY.astype(np.int16)), "signed integers of 16 bits"),
    "tiff, 32 bits": (tiff(GREY.astype(np.uint32)), "unsigned integers of 32 bits"),
    "tiff, lightness of 16 bits": (
        tiff(PIXELS.astype(np.uint16), photometric="cielab"),
        "CIELAB, 3 to a pixel",
    ),
    "tiff, of a sensor": (tiff(GREY, photometric="cfa"), "raw sensor"),
    "tiff, inks without a profile": (
        save(Image.new("CMYK", (9, 9)), "TIFF"),
        "is CMYK, and no colour profile",
    ),
    "bigtiff, big-endian": (tiff(GREY, bigtiff=True, byteorder=">"), "BigTIFF"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_refused_with_one_sentence_that_names_it(tmp_path, name):
    data, why = CASES[name]
    path = tmp_path / "the file.jpg"
    path.write_bytes(data)
    with pytest.raises(images.ImageError, match=why) as caught:
        images.read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and said.count(str(path)) == 1
    assert "\n" not in said and len(said) < 400
    # What restores refuses it with the same sentence, before a network is built; of
    # several frames it takes one.
    plan = plans.planned([path], tmp_path / "out.png")
    with pytest.raises(images.ImageError) as again:
        plans.outstanding(plan)
    more = ", or give `frame`, 0 for the first" if "frames" in said else ""
    assert str(again.value) == said + more
    if not said.endswith("."):
        assert ";" in said  # what is wrong; what to do


@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_all_of_them_ends_with_each_by_name(tmp_path, monkeypatch):
    """Through the command: its code says that nothing could be read."""
    network = restorer.Restorer(lambda x: x, 1, 1, "same")
    monkeypatch.setattr(restorer, "load_weights", lambda _: network)
    for number, (data, _) in enumerate(CASES.values()):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    weights = tmp_path.with_name("weights.pth")
    weights.write_bytes(b"of a stand-in")
    words = ["restore", str(tmp_path), "-o", str(tmp_path.with_name("out"))]
    result = CliRunner().invoke(app.app, [*words, "--weights", str(weights)])
    assert isinstance(result.exception, errors.NoInputError)
    assert f"none of the {len(CASES)} images" in str(result.exception)


def test_what_is_no_file_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    for name in ("fifo.png", "folder.png"):
        with pytest.raises(images.ImageError, match=f"{name}: this is not a regular"):
            images.read(tmp_path / name)
    for name in ("broken.png", "round.png", "absent.png"):
        with pytest.raises(images.ImageError, match=f"{name}: there is no such file"):
            images.read(tmp_path / name)
