"""Uploads as arrays and results as files, by the rules of the command line."""

import functools
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from serving.pictures_of import array, decoded, png, saved

from jaxrestore import images
from jaxrestore.serving import decoding
from jaxrestore.serving.refusals import Refusal

LIMITS = decoding.Limits(1_000_000, 2000, 8, 16.0)


@pytest.fixture
def upload(tmp_path):
    """`upload(content)`: what `decode` finds, the array, and the profile or None."""

    def of(content, limits=LIMITS):
        source = tmp_path / "upload"
        source.write_bytes(content)
        values, profile = tmp_path / "values.npy", tmp_path / "profile.icc"
        found = decoding.decode(source, values, profile, limits)
        kept = profile.read_bytes() if profile.exists() else None
        return found, np.load(values), kept

    return of


@pytest.fixture
def result(tmp_path):
    """`result(values, suffix, ...)`: the bytes of a file of a result."""

    def of(values, suffix, quality=None, bits=None, profile=None):
        source, place = tmp_path / "result.npy", tmp_path / f"result{suffix}"
        np.save(source, values)
        if profile:
            (tmp_path / "icc").write_bytes(profile)
        decoding.encode(source, tmp_path / "icc", place, quality, bits)
        return place.read_bytes()

    return of


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_values_are_those_of_the_file_and_come_back_to_the_bit(
    upload, result, channels, dtype, suffix
):
    values = array(channels=channels, dtype=dtype)
    if dtype == np.uint16:
        values *= 257
    found, read, profile = upload(images.encoded(values, suffix))
    np.testing.assert_array_equal(read, values)
    assert found == decoding.Decoded(
        width=24,
        height=16,
        channels=channels,
        bits=8 * values.itemsize,
        alpha=channels in (2, 4),
        format={".png": "PNG", ".tif": "TIFF"}[suffix],
    )
    assert profile is None
    np.testing.assert_array_equal(decoded(result(read, suffix)), values)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_is_read_as_the_command_line_reads_it(upload, format):
    content = saved(Image.fromarray(array()), format)
    found, values, _ = upload(content)
    np.testing.assert_array_equal(values, images.read(content).values)
    assert found.format == format


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_picture_that_lies_is_turned_upright(upload, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    content = saved(Image.fromarray(array()), "PNG", exif=exif)
    found, values, _ = upload(content)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    np.testing.assert_array_equal(values, np.rot90(array(), turns))
    assert (found.height, found.width) == values.shape[:2]


def _profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def _wide():
    """The profile of sRGB with its red and green swapped."""
    plain = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    count = struct.unpack(">I", plain[128:132])[0]
    tags = {
        plain[132 + 12 * i : 136 + 12 * i].decode(): 132 + 12 * i for i in range(count)
    }
    red, green = tags["rXYZ"], tags["gXYZ"]
    swap = plain[red + 4 : red + 12], plain[green + 4 : green + 12]
    plain[red + 4 : red + 12], plain[green + 4 : green + 12] = swap[1], swap[0]
    return bytes(plain)


def test_a_profile_stays_with_its_values_where_the_format_has_a_place_for_it(
    upload, result
):
    wide = _wide()
    content = saved(Image.fromarray(array()), "PNG", icc_profile=wide)
    _, values, profile = upload(content)
    np.testing.assert_array_equal(values, array())
    assert profile == wide
    made = images.read(result(values, ".png", profile=profile), keep_profiles=("RGB",))
    np.testing.assert_array_equal(made.values, array())
    assert made.metadata.profile == wide
    # Red and green swapped back, which is what people shall see, in sRGB.
    seen = images.read(content).values
    assert abs(seen[..., 0].astype(int) - array()[..., 1]).max() <= 2
    bitmap = decoded(result(values, ".webp", profile=profile))
    np.testing.assert_array_equal(bitmap, seen)


def test_grey_with_a_profile_becomes_srgb_where_the_format_holds_grey_as_colour(
    upload, result
):
    grey = array(channels=1)
    gamma = _grey_profile()
    content = images.encoded(grey, ".png", metadata=images.Metadata(profile=gamma))
    _, values, profile = upload(content)
    assert profile == gamma and values.shape[2] == 1
    np.testing.assert_array_equal(values, grey)
    seen = images.read(content).values
    assert (seen != grey).any()
    webp = decoded(result(values, ".webp", profile=profile))
    np.testing.assert_array_equal(webp, seen.repeat(3, 2))


def test_a_profile_does_not_limit_how_large_a_result_may_be(
    upload, result, monkeypatch
):
    gamma = images.Metadata(profile=_grey_profile())
    content = images.encoded(array(channels=1), ".png", metadata=gamma)
    _, values, profile = upload(content)
    few = functools.partial(images.read, max_pixels=10)
    monkeypatch.setattr(images, "read", few)
    assert decoded_size(result(values, ".webp", profile=profile)) == (24, 16)


def decoded_size(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def _grey_profile():
    """The least profile of grey: a white point, and light is the value itself."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv" + bytes(8)
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(78)
    tags, data = b"", b""
    for name, content in (b"desc", text), (b"wtpt", white), (b"kTRC", curve):
        content += bytes(-len(content) % 4)
        tags += name + struct.pack(">2I", 128 + 4 + 36 + len(data), len(content))
        data += content
    size = 128 + 4 + len(tags) + len(data)
    head = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", 3) + tags + data


def test_a_profile_of_no_use_is_left_out_and_told(upload):
    content = saved(Image.fromarray(array()), "PNG", icc_profile=_profile())
    with pytest.warns(images.errors.Notice, match="profile"):
        _, values, profile = upload(content)
    assert profile is None
    np.testing.assert_array_equal(values, array())


def test_nothing_else_of_a_file_comes_back(upload, result):
    exif = Image.Exif()
    exif[271], exif[0x8825] = "a camera", {1: "N", 2: (48.0, 8.0, 5.0)}
    content = saved(Image.fromarray(array()), "JPEG", exif=exif, comment=b"mine")
    assert b"a camera" in content and b"mine" in content
    _, values, _ = upload(content)
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        made = result(values, suffix)
        assert b"a camera" not in made and b"mine" not in made
        assert images.read(made).metadata == images.Metadata()


@pytest.mark.parametrize("bits", [None, 8, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_result_has_the_bits_that_are_asked_for(result, bits, dtype):
    values = array(dtype=dtype) * dtype(1 if dtype == np.uint8 else 257)
    made = decoded(result(values, ".png", bits=bits))
    wanted = {8: np.uint8, 16: np.uint16, None: dtype}[bits]
    assert made.dtype == wanted
    white = np.iinfo(dtype).max
    np.testing.assert_array_equal(made / np.iinfo(wanted).max, values / white)


def test_quality_makes_a_file_smaller(result):
    assert len(result(array(), ".jpg", 30)) < len(result(array(), ".jpg", 95))


@pytest.mark.parametrize(
    ("values", "suffix", "quality", "bits", "said"),
    [
        (array(channels=4), ".jpg", None, None, "JPEG keeps no alpha"),
        (array(), ".jpg", None, 16, "`bits` 16 is of PNG and TIFF"),
        (array(), ".png", 50, None, "PNG loses nothing"),
        (array(), ".jpg", 101, None, "it is 1 to 100"),
    ],
)
def test_what_a_format_does_not_hold_is_refused(
    result, tmp_path, values, suffix, quality, bits, said
):
    with pytest.raises(Refusal, match=said) as refused:
        result(values, suffix, quality, bits)
    assert refused.value.status == 422
    assert str(tmp_path) not in refused.value.detail


def bomb(width, height):
    """Returns a small file whose header tells of a picture of any size."""
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    chunks = [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        crc = struct.pack(">I", zlib.crc32(name + data))
        file += struct.pack(">I", len(data)) + name + data + crc
    return file


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ((30_000, 30_000), 413, "too_many_pixels"),
        ((2**31 - 1, 2**31 - 1), 413, "too_many_pixels"),
        ((1001, 1000), 413, "too_many_pixels"),
        ((2001, 200), 413, "too_long_side"),
        ((1700, 100), 422, "too_narrow"),
        ((7, 20), 422, "too_small"),
        ((50, 50), 422, "unfit"),
        (b"<html></html>", 415, "no_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no_image"),
        (b"%PDF-1.7", 415, "no_image"),
        (png()[:200], 422, "unfit"),
    ],
)
def test_what_is_no_fitting_picture_is_refused(upload, tmp_path, content, status, code):
    with pytest.raises(Refusal) as refused:
        upload(bomb(*content) if isinstance(content, tuple) else content)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert str(tmp_path) not in refused.value.detail
    assert refused.value.detail.endswith(".")
    assert [one.name for one in tmp_path.iterdir()] == ["upload"]


def test_a_bomb_is_refused_before_its_pixels_are_decoded(upload, monkeypatch):
    monkeypatch.setattr(images, "read", None)
    with pytest.raises(Refusal, match="9000 x 9000 px"):
        upload(bomb(9000, 9000))


def test_several_frames_are_refused(upload):
    frames = [Image.fromarray(array(seed)) for seed in range(4)]
    animated = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(Refusal, match="4 frames"):
        upload(animated)


@pytest.fixture
def mask(tmp_path):
    """`mask(content)`: the mask [16, 24] that an upload is, and its share."""

    def of(content):
        (tmp_path / "upload").write_bytes(content)
        values = tmp_path / "mask.npy"
        share = decoding.decode_mask(tmp_path / "upload", values, 24, 16)
        return np.load(values), share

    return of


def _hole():
    hole = np.zeros((16, 24), bool)
    hole[2:6, 3:9] = True
    return hole


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_white_is_missing(mask, channels):
    white = np.full((16, 24, channels), 255, np.uint8) * _hole()[..., None]
    if channels == 4:  # transparent white is none
        white[..., :3] = 255
    found, share = mask(images.encoded(white, ".png"))
    np.testing.assert_array_equal(found, _hole())
    assert found.dtype == bool and share == 24 / (16 * 24)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.zeros((16, 24, 1), np.uint8), "empty_mask"),
        (np.full((16, 24, 1), 255, np.uint8), "unfit"),
        (np.full((24, 16, 1), 255, np.uint8), "other_size"),
        (np.full((16, 25, 1), 255, np.uint8), "other_size"),
    ],
)
def test_a_mask_of_no_use_is_refused(mask, values, code):
    with pytest.raises(Refusal) as refused:
        mask(images.encoded(values, ".png"))
    assert (refused.value.status, refused.value.code) == (422, code)


def test_a_mask_with_more_px_than_its_header_says_is_refused_as_one(mask, monkeypatch):
    said = lambda *asked: ("PNG", (24, 16))
    monkeypatch.setattr(decoding.image_headers, "format_and_size", said)
    with pytest.raises(Refusal, match="has more px, and the picture 24x16") as refused:
        mask(images.encoded(np.full((30, 30, 1), 255, np.uint8), ".png"))
    assert refused.value.code == "other_size"


def test_a_mask_that_is_no_picture_is_refused(mask):
    with pytest.raises(Refusal) as refused:
        mask(b"nothing")
    assert (refused.value.status, refused.value.code) == (415, "no_image")


@pytest.mark.parametrize(
    ("shape", "size", "media_type"),
    [
        ((16, 24, 3), (16, 24), "image/png"),
        ((1100, 1000, 3), (1100, 1000), "image/jpeg"),
        ((1100, 1000, 4), (1100, 1000), "image/png"),
        ((3000, 100, 1), (1500, 50), "image/png"),
    ],
)
def test_a_preview_is_small_and_of_a_kind_that_browsers_show(
    tmp_path, shape, size, media_type
):
    values = np.full(shape, 200 * 257, np.uint16)
    np.save(tmp_path / "values.npy", values)
    place = tmp_path / "preview"
    asked = (tmp_path / "values.npy", tmp_path / "none", place, 1500)
    assert decoding.preview(*asked) == b""
    with Image.open(place) as shown:
        assert (shown.height, shown.width) == size
        assert shown.get_format_mimetype() == media_type
        assert abs(np.asarray(shown).astype(int) - 200).max() <= 1
    written = place.read_bytes()
    place.unlink()
    assert decoding.preview(*asked, kept=False) == written and not place.exists()
