"""Kinds of PNG and TIFF files, against the bytes written here and against tifffile."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile  # of scikit-image
from skimage import color
from written import tiff

from jaxrestore import errors, image_headers, images

RANDOM = np.random.default_rng(0)
RGB16 = RANDOM.integers(0, 65536, (20, 30, 3), np.uint16)
GREY8 = np.array([[0, 128, 255]], np.uint8)
GREY16 = np.array([[0, 128, 300, 32768, 65535]], np.uint16)
SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def png(values, depth, kind, *chunks):
    """A PNG of one row of values, each of `depth` bits, in the colour type `kind`."""
    bits = "".join(f"{value:0{depth}b}" for value in np.ravel(values))
    row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    width = np.size(values) // {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    header = b"IHDR" + struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" + row)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, *chunks, data, b"IEND")
    )


def packed_tiff(values):
    """A little-endian grey TIFF of one row, 12 bits a value."""
    data = int("".join(f"{v:012b}" for v in values), 2).to_bytes(len(values) * 3 // 2)
    tags = {256: len(values), 257: 1, 258: 12, 259: 1, 262: 1, 273: 110, 277: 1, 278: 1}
    entries = [struct.pack("<HHII", tag, 3, 1, v) for tag, v in tags.items()]
    assert 8 + 2 + 12 * 8 + 4 == 110
    return b"II*\0\x08\0\0\0\x08\0" + b"".join(entries) + bytes(4) + data


# PNG


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_the_one_that_is_marked(depth):
    top = 2**depth - 1
    values = [0, top // 2, top]
    data = png(values, depth, 0, b"tRNS" + struct.pack(">H", top))
    image = images.decode_with_alpha(data)[0]
    np.testing.assert_array_equal(image[:, 3], [255, 255, 0])
    np.testing.assert_array_equal(image[:, 0], np.rint(np.array(values) * 255 / top))


def test_a_grey_of_16_bits_beside_the_transparent_one_is_seen():
    data = png([30000, 30001, 30002], 16, 0, b"tRNS" + struct.pack(">H", 30001))
    np.testing.assert_array_equal(
        images.decode_with_alpha(data)[0, :, 3], [255, 0, 255]
    )


def test_a_transparent_colour_is_exact_in_8_bits_and_in_16():
    values = [0, 5, 7, 44, 40, 5]
    key = b"tRNS" + struct.pack(">HHH", 44, 40, 5)
    image = images.decode_with_alpha(png(values, 8, 2, key))[0]
    np.testing.assert_array_equal(image[:, 3], [255, 0])
    # Of 16 bits the lower 8 tell 44 from 45 too.
    deep = png([44, 40, 5, 45, 40, 5, 44, 40, 60_000], 16, 2, key)
    image = images.read(deep).values[0]
    np.testing.assert_array_equal(image[:, 3], [0, 65535, 65535])
    np.testing.assert_array_equal(image[:, 0], [44, 45, 44])


def test_light_in_a_png_is_brought_to_srgb():
    # Half of the light is 188 of 255, IEC 61966-2-1.
    for kind, values in ((0, [0, 128, 255]), (2, [[0] * 3, [128] * 3, [255] * 3])):
        data = png(values, 8, kind, b"gAMA" + struct.pack(">I", 100_000))
        np.testing.assert_array_equal(images.decode(data)[0, :, 1], [0, 188, 255])


@pytest.mark.parametrize(
    "chunks",
    [
        [b"gAMA" + struct.pack(">I", 45455)],
        [b"gAMA" + struct.pack(">I", 45455), b"cHRM" + struct.pack(">8I", *SRGB)],
        [b"sRGB\0", b"gAMA" + struct.pack(">I", 100_000)],
        [b"cICP\1\x0d\0\1"],
        [b"gAMA" + bytes(4)],
    ],
)
def test_a_png_that_says_it_is_srgb_is_read_as_it_stands(chunks):
    decoded = images.decode(png([9, 128, 250], 8, 2, *chunks))
    np.testing.assert_array_equal(decoded, [[[9, 128, 250]]])


@pytest.mark.parametrize(
    ("chunk", "name"),
    [
        (b"cICP\x09\x10\0\1", "cICP"),
        (b"cHRM" + struct.pack(">8I", *P3), "cHRM"),
    ],
)
def test_a_png_of_other_colours_is_refused_with_its_chunk(chunk, name):
    with pytest.raises(images.ImageError, match=f"its {name} chunk says"):
        images.decode(png([9, 128, 250], 8, 2, chunk))


def test_a_png_of_deep_grey_with_alpha_is_grey(tmp_path):
    (tmp_path / "a.png").write_bytes(png([40000, 65535, 0, 0], 16, 4))
    assert images.is_grey(tmp_path / "a.png")
    stored = images.decode_as_stored(tmp_path / "a.png")
    np.testing.assert_array_equal(stored, [[[156, 255], [0, 0]]])


# Fewer bits in 16


@pytest.mark.parametrize(
    ("top", "told"),
    [(255, True), (4095, True), (4096, False), (16383, True), (16384, False)],
)
def test_16_bits_of_which_the_low_ones_are_used_alone_are_told(top, told, tmp_path):
    for name, kind, values in (("grey", 0, [0, top]), ("colour", 2, [0, 0, top])):
        path = tmp_path / f"{name}.png"
        path.write_bytes(png(values, 16, kind))
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            images.decode(path)
            images.decode(path)
        assert [w.category for w in found] == [errors.Notice] * told
        assert all(f"do not pass {top} of 65535" in str(w.message) for w in found)


def test_dark_8_bits_are_not_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.decode(png([0, 3], 8, 0))
        images.decode(
            tiff(np.array([[65535, 65000]], np.uint16), photometric="miniswhite")
        )


# TIFF


def test_packed_12_bits_are_read_as_12():
    decoded = images.decode(packed_tiff([0, 2048, 4095, 1000]))[0, :, 0]
    np.testing.assert_array_equal(decoded, [0, 128, 255, 62])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}])
def test_16_bit_colours_in_planes_are_those_that_another_reader_finds(
    byteorder, compression, layout
):
    options = {"byteorder": byteorder, "compression": compression, **layout}
    planes = np.moveaxis(RGB16, -1, 0).copy()
    data = tiff(planes, photometric="rgb", planarconfig="separate", **options)
    expected = np.rint(np.moveaxis(tifffile.imread(io.BytesIO(data)), 0, -1) / 257.0)
    np.testing.assert_array_equal(images.decode(data), expected)


def test_alpha_in_a_plane_of_its_own_is_kept():
    deep = RANDOM.integers(0, 65536, (4, 5, 6), np.uint16)
    options = {"planarconfig": "separate", "extrasamples": ["unassalpha"]}
    data = tiff(deep, photometric="rgb", **options)
    expected = np.rint(np.moveaxis(deep, 0, -1) / 257.0)
    np.testing.assert_array_equal(images.decode_with_alpha(data), expected)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_floats_are_those_that_another_reader_finds(byteorder, compression):
    values = RANDOM.random((40, 50), np.float32)
    data = tiff(values, byteorder=byteorder, compression=compression)
    expected = np.rint(tifffile.imread(io.BytesIO(data)) * 255)
    np.testing.assert_array_equal(images.decode(data)[..., 0], expected)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    "values", [GREY8, GREY16, GREY8.astype(np.float32) / 255], ids=["8", "16", "float"]
)
def test_where_zero_is_white_the_picture_is_no_negative(values, compression):
    data = tiff(values, photometric="miniswhite", compression=compression)
    plain = images.decode(tiff(values)).astype(int)
    np.testing.assert_array_equal(images.decode(data), 255 - plain)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[0, 64, 127]], np.int8), "signed integers of 8 bits"),
        (GREY8.astype(np.int16), "signed integers of 16 bits"),
        (GREY8.astype(np.int32), "signed integers of 32 bits"),
        (GREY8.astype(np.uint32), "unsigned integers of 32 bits"),
    ],
)
def test_integers_without_a_white_are_refused(values, kind):
    with pytest.raises(images.ImageError, match=f"its values are {kind}, and nothing"):
        images.decode(tiff(values))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (
            tiff(np.float32(RGB16 / 65535), photometric="rgb"),
            "RGB, 3 to a pixel, floats of 32 bits",
        ),
        (tiff(RGB16, photometric="cielab"), "CIELAB, 3 to a pixel, unsigned"),
        (tiff(GREY8 / 255), "grey, 1 to a pixel, floats of 64 bits"),
        (
            tiff(GREY16, photometric="miniswhite", byteorder=">"),
            "0 is white, 1 to a pixel, unsigned integers of 16 bits, big-endian",
        ),
    ],
)
def test_a_kind_of_tiff_that_is_not_read_is_named(data, kind):
    with pytest.raises(images.ImageError, match=f"not read .*{kind}"):
        images.decode(data)


def test_cielab_of_8_bits_is_brought_to_srgb():
    signed = np.array([[[50, 20, -30], [90, 0, 0]]], np.int8)  # within sRGB
    stored = signed.view(np.uint8) * np.array([1, 1, 1], np.uint8)
    stored[..., 0] = np.rint(signed[..., 0] * 2.55)
    expected = color.lab2rgb(signed.astype(float)) * 255
    decoded = images.decode(tiff(stored, photometric="cielab"))
    # The two go from one white to the other on different ways.
    np.testing.assert_allclose(decoded, expected, atol=6)
    np.testing.assert_allclose(decoded[0, 1], expected[0, 1], atol=1)


def test_premultiplied_grey_is_divided_by_its_alpha():
    values = np.array([[[64, 128], [10, 255]]], np.uint8)
    data = tiff(values, photometric="minisblack", extrasamples=["assocalpha"])
    decoded = images.decode_with_alpha(data)[0, :, [0, 3]]
    np.testing.assert_allclose(decoded, [[127.5, 10], [128, 255]], atol=0.5)


@pytest.mark.parametrize("first", [True, False])
def test_a_thumbnail_is_not_the_picture_and_no_second_one(first):
    file, picture = io.BytesIO(), (RGB16 >> 8).astype(np.uint8)
    pages = [(picture, 0), (picture[:2, :3], 1)]
    with tifffile.TiffWriter(file) as writer:
        for page, kind in pages[::-1] if first else pages:
            writer.write(page, photometric="rgb", subfiletype=kind)
    np.testing.assert_array_equal(images.decode(file.getvalue()), picture)


def test_two_pages_are_refused_by_their_number():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            writer.write(GREY8, photometric="minisblack", contiguous=False)
    with pytest.raises(images.ImageError, match="holds 2 frames"):
        images.decode(file.getvalue())


def test_a_damaged_header_is_that_of_8_bit_srgb():
    for data in (b"", b"II*\0\xff\xff", b"\x89PNG\r\n\x1a\n\0\0", b"MM\0*" + bytes(4)):
        file = io.BytesIO(data)
        assert image_headers.read(file).refusal == "" and file.tell() == 0


def test_format_and_size_are_told_by_the_header(tmp_path):
    path = tmp_path / "x"
    told = lambda: image_headers.format_and_size(path, images.FORMATS)
    path.write_bytes(png([1, 2, 3], 8, 0))
    assert told() == ("PNG", (3, 1))
    path.write_bytes(tiff(RGB16))
    assert told() == ("TIFF", (30, 20))
    path.write_bytes(b"no picture")
    assert told() == ("", (0, 0))
    path.unlink()
    assert told() == ("", (0, 0))
    os.mkfifo(path)  # opened, it would wait for who writes
    assert told() == ("", (0, 0))
