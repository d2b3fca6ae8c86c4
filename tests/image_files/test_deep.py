"""16 bits in and out of PNG and TIFF files, against tifffile and bytes put together."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile  # of scikit-image
from PIL import Image, PngImagePlugin, TiffImagePlugin
from written import tiff

from jaxrestore import images


def _image(channels, height=11, width=7):
    shape = (height, width, channels)
    return np.random.default_rng(channels).integers(0, 65536, shape, np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_read_as_they_were_written(tmp_path, channels, suffix):
    image, path = _image(channels), tmp_path / f"deep{suffix}"
    images.encode(image, path)
    picture = images.read(path)
    assert picture.bits == 16 and picture.values.dtype == np.uint16
    np.testing.assert_array_equal(picture.values, image)
    eight = images.decode_as_stored(path)
    np.testing.assert_array_equal(eight, np.rint(image / 257.0))
    assert images.is_grey(path) is (channels < 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_another_reader_finds_the_same_in_what_is_written(channels):
    image = _image(channels, 700, 600)  # of several strips
    data = images.encoded(image, ".tif")
    with tifffile.TiffFile(io.BytesIO(data)) as found:
        values = found.pages.first.asarray()
        assert len(found.pages.first.dataoffsets) > 1 or channels == 1
    np.testing.assert_array_equal(np.atleast_3d(values), image)


def test_what_another_wrote_is_read(tmp_path):
    values, path = _image(1)[..., 0], tmp_path / "other.png"
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(images.read(path).values[..., 0], values)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"tile": (16, 16)},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 3},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "zlib", "tile": (16, 32)},
    ],
    ids=lambda layout: "-".join(map(str, layout.values())) or "plain",
)
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bits_are_read_from_every_layout(byteorder, layout, channels):
    image = _image(channels, 20, 35)
    planes = "planarconfig" in layout
    values = np.moveaxis(image, -1, 0).copy() if planes else image
    more = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    data = tiff(values, photometric="rgb", byteorder=byteorder, **layout, **more)
    np.testing.assert_array_equal(images.read(data).values, image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "grey", "chunky", "planes"])
def test_16_bits_are_turned_as_8_are(kind, orientation):
    image = _image(1 if kind == "grey" else 3)
    eight, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    Image.fromarray(
        np.zeros((11, 7, 3), np.uint8) + (image >> 8).astype(np.uint8)
    ).save(eight, "PNG", exif=exif)
    if kind == "png":
        data = images.encoded(image, ".png")
        chunk = b"eXIf" + exif.tobytes()[6:]
        sized = len(chunk[4:]).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
        data = data[:33] + sized + data[33:]
    else:
        tags = [(274, "H", 1, orientation, True)]
        planar = {"planarconfig": "separate"} if kind == "planes" else {}
        values = np.moveaxis(image, -1, 0).copy() if kind == "planes" else image
        photometric = "minisblack" if kind == "grey" else "rgb"
        values = values[..., 0] if kind == "grey" else values
        data = tiff(values, photometric=photometric, extratags=tags, **planar)
    turned = images.decode(eight.getvalue())
    found = images.read(data).values
    assert found.shape[:2] == turned.shape[:2]
    np.testing.assert_array_equal((found >> 8) + np.zeros(3, int), turned)


def test_a_bigtiff_is_read_in_little_endian_order_alone():
    image = _image(3)
    data = tiff(image, photometric="rgb", bigtiff=True)
    np.testing.assert_array_equal(images.read(data).values, image)
    with pytest.raises(images.ImageError, match="BigTIFF file in big-endian order"):
        images.read(tiff(image, photometric="rgb", bigtiff=True, byteorder=">"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_colours_packed_by_lzw_are_read_by_libtiff(channels):
    """Of the values of 16 bits libtiff itself packs, as grey three times as wide."""
    image = _image(channels, 20, 35)
    wide = io.BytesIO()
    Image.fromarray(image.reshape(20, -1)).save(wide, "TIFF", compression="tiff_lzw")
    wide.seek(0)
    with tifffile.TiffFile(wide) as found:
        tags = {tag.code: tag.value for tag in found.pages.first.tags}
        strips = [
            wide.getvalue()[start : start + size]
            for start, size in zip(tags[273], tags[279], strict=True)
        ]
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    ifd[256], ifd[257], ifd[258] = 35, 20, (16,) * channels
    ifd[259], ifd[262], ifd[277] = 5, 2 if channels > 2 else 1, channels
    ifd[278], ifd[279] = tags[278], tuple(map(len, strips))
    if channels in (2, 4):
        ifd[338] = 2
    ifd.tagtype[273] = 4
    ifd[273] = tuple(np.cumsum([0, *map(len, strips[:-1])]).tolist())
    file = io.BytesIO()
    ifd.save(file)
    data = file.getvalue() + b"".join(strips)
    np.testing.assert_array_equal(images.read(data).values, image)


def test_colours_multiplied_by_alpha_are_divided():
    alpha = np.array([65535, 40000, 1, 0])
    straight = np.array([65535, 30000, 65535, 0])
    multiplied = np.rint(straight * (alpha / 65535.0))
    values = np.stack([multiplied] * 3 + [alpha], -1)[None].astype(np.uint16)
    data = tiff(values, photometric="rgb", extrasamples=["assocalpha"])
    found = images.read(data).values[0]
    np.testing.assert_array_equal(found[:, 3], alpha)
    # Half a step of what is stored is so much of what it is divided by.
    tolerance = 0.5 * 65535 / np.maximum(alpha, 1) + 0.5
    assert (np.abs(found[:, 0] - straight.astype(float)) <= tolerance)[alpha > 0].all()


def test_light_of_16_bits_is_brought_to_srgb_in_16_bits(tmp_path):
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", (100_000).to_bytes(4))
    values = _image(1)[..., 0]
    Image.fromarray(values).save(tmp_path / "light.png", pnginfo=chunks)
    light = values / 65535.0
    # IEC 61966-2-1
    curved = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    found = images.read(tmp_path / "light.png").values[..., 0]
    np.testing.assert_allclose(found, curved * 65535, atol=0.5 + 1e-6)


def test_packed_bits_and_floats_are_brought_to_16_bits():
    values = np.random.default_rng(0).random((5, 7), np.float32)
    picture = images.read(tiff(values))
    assert picture.bits == 32
    np.testing.assert_allclose(picture.values[..., 0], values * 65535.0, atol=0.5)


def test_an_interlaced_png_keeps_its_16_bits():
    # Adam7's first pass alone: a picture of one pixel.
    head = struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 1)
    data = zlib.compress(b"\0" + struct.pack(">3H", 1, 40_000, 65_534))
    chunks = (b"IHDR" + head, b"IDAT" + data, b"IEND")
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in chunks
    )
    assert images.read(file).values.tolist() == [[[1, 40_000, 65_534]]]
