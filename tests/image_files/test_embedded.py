"""EXIF, XMP, resolution and profile from format to format, kept or stripped."""

import io
import re
import struct

import numpy as np
import pytest
import tifffile  # of scikit-image
from PIL import ExifTags, Image, ImageCms

from jaxrestore import errors, images
from jaxrestore.image_files import embedded, profiles
from jaxrestore.inference import folders, plans, restorer

RANDOM = np.random.default_rng(0)
PIXELS = np.kron(RANDOM.integers(0, 256, (2, 3, 3)), np.ones((16, 16, 1)))
PIXELS = PIXELS.astype(np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
XMP += b"dc:title='sea'/><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"
SAME = restorer.Restorer(lambda x: x, 1, 1, "same")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".avif")
OPTIONS = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 100},
}


def primaries(red, green, blue):
    """sRGB's curve with other primaries, XYZ under D50: a wider gamut or another."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytearray(made)
    for name, place in ((b"rXYZ", red), (b"gXYZ", green), (b"bXYZ", blue)):
        entry = data.index(name, 128)
        (start,) = struct.unpack(">I", data[entry + 4 : entry + 8])
        fixed = (round(value * 65536) for value in place)
        data[start + 8 : start + 20] = struct.pack(">3i", *fixed)
    return bytes(data)


# Display P3's primaries brought to D50 by Bradford, as its profile has them.
P3 = np.array(
    [[0.5151, 0.2412, -0.0011], [0.2920, 0.6922, 0.0419], [0.1571, 0.0666, 0.7841]]
)
SRGB = np.array(
    [[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7139]]
)
WIDE = primaries(*P3)


def in_srgb(stored):
    """Colours of Display P3, from 0 to 1, as sRGB has them."""
    light = np.where(
        stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4
    )
    light = np.clip(light @ P3 @ np.linalg.inv(SRGB), 0, 1)
    bent = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, bent)


def exif():
    found = Image.Exif()
    found[0x010F], found[0x0112], found[0x013B] = "a camera", 6, "somebody"
    found[ExifTags.IFD.Exif] = {
        0x829A: 1 / 125,  # the exposure
        40962: 48,
        40963: 32,
        0x927C: b"the maker's own",
    }
    found[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 8.0, 15.0)}
    return found


def source(kind, values=PIXELS):
    file = io.BytesIO()
    beside = {"exif": exif().tobytes(), "icc_profile": WIDE, "dpi": (300, 300)}
    if kind == "TIFF":
        tags = Image.Exif()
        tags.load(beside["exif"])
        tags[700] = XMP
        beside["exif"] = tags.tobytes()
    elif kind == "PNG":
        beside["pnginfo"] = embedded.PngImagePlugin.PngInfo()
        beside["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    else:
        beside["xmp"] = XMP
    Image.fromarray(values).save(file, kind, **beside, **OPTIONS.get(kind, {}))
    return file.getvalue()


def check(path, *, resolution=True):
    with Image.open(path) as image:
        image.load()
        found = image.getexif()
        assert found[0x010F] == "a camera" and found[0x013B] == "somebody"
        assert found.get(0x0112, 1) == 1
        within = found.get_ifd(ExifTags.IFD.Exif)
        assert abs(float(within[0x829A]) - 1 / 125) < 1e-9
        assert (within[40962], within[40963]) == image.size
        assert within[0x927C] == b"the maker's own"
        assert [*map(float, found.get_ifd(ExifTags.IFD.GPSInfo)[2])] == [48, 8, 15]
        xmp = bytes(image.info["xmp"])
        assert b"'sea'" in xmp and not re.search(b'Orientation(="|>)[2-8]', xmp)
        if resolution:
            dpi = image.info.get("dpi") or (found[282], found[283])
            np.testing.assert_allclose([*map(float, dpi)], 300, atol=0.01)
        assert image.info["icc_profile"] == WIDE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_beside_the_pixels_goes_from_format_to_format(tmp_path, kind, suffix):
    place = plans.Place(tmp_path / "in", tmp_path / f"out{suffix}")
    place.source.write_bytes(source(kind))
    folders.restore_file(SAME, *place)
    # WebP and AVIF have no resolution but in EXIF, and Pillow gives them none.
    check(place.destination, resolution=kind not in ("WEBP", "AVIF"))
    found = images.read(place.destination, keep_profiles=("RGB",))
    assert found.metadata.profile == WIDE
    # They are the values of the file, turned, not those of sRGB.
    off = np.abs(found.values.astype(int) - np.rot90(PIXELS, -1))
    assert off[2:-2, 2:-2].mean() < (3 if {kind, suffix} & {"AVIF", ".avif"} else 1)
    assert folders.behind(place) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_stripped_files_have_nothing_beside_and_colours_of_srgb(tmp_path, suffix):
    place = plans.Place(tmp_path / "in", tmp_path / f"out{suffix}")
    place.source.write_bytes(source("PNG"))
    writing = images.Writing(metadata=False)
    folders.restore_file(SAME, *place, writing=writing)
    with Image.open(place.destination) as image:
        assert not {"exif", "xmp", "icc_profile"} & {*image.info}
        assert not {*image.getexif()} & {0x010F, 0x013B, 34665, 34853, 700}
        assert image.info.get("dpi", (1, 1)) in ((1, 1), (72, 72))
    golden = 255 * in_srgb(np.rot90(PIXELS, -1) / 255.0)
    off = np.abs(images.decode(place.destination) - golden)
    assert off.max() < (1.5 if suffix in (".png", ".tif", ".webp") else 8)
    assert folders.behind(place, writing=writing) == []


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_keep_all_that_8_do(tmp_path, suffix, channels):
    deep = RANDOM.integers(1, 65536, (32, 48, channels), np.uint16)
    (tmp_path / "in").write_bytes(source("TIFF"))
    metadata = images.read(tmp_path / "in", keep_profiles=("RGB",)).metadata
    if channels < 3:
        metadata = metadata._replace(profile=b"")
    images.encode(deep, tmp_path / "deep.png", metadata=metadata)
    out = tmp_path / f"out{suffix}"
    folders.restore_file(SAME, tmp_path / "deep.png", out)
    found = images.read(out, keep_profiles=("RGB",))
    np.testing.assert_array_equal(found.values, deep)
    assert found.metadata.profile == metadata.profile
    if channels > 2:
        check(out)
    assert images.left_behind(tmp_path / "deep.png", suffix) == []


def test_another_reader_finds_the_tags_of_a_deep_tiff(tmp_path):
    (tmp_path / "in").write_bytes(source("JPEG"))
    metadata = images.read(tmp_path / "in", keep_profiles=("RGB",)).metadata
    deep = np.zeros((4, 6, 3), np.uint16)
    data = images.encoded(deep, ".tif", metadata=metadata)
    with tifffile.TiffFile(io.BytesIO(data)) as found:
        tags = {tag.name: tag.value for tag in found.pages.first.tags}
    assert tags["Make"] == "a camera" and tags["InterColorProfile"] == WIDE
    assert tags["ExifTag"]["ExposureTime"] == 1 / 125
    assert tags["GPSTag"]["GPSLatitude"] == (48, 1, 8, 1, 15, 1)
    assert tags["XResolution"] == (300, 1) and tags["ResolutionUnit"] == 2


def test_a_jpeg_file_of_wide_colours_is_kept_to_like_any_other(tmp_path):
    upright = Image.fromarray(PIXELS)
    upright.save(tmp_path / "in.jpg", icc_profile=WIDE)
    darker = restorer.Restorer(lambda x: x - 0.2, 1, 1, "darker")
    place = tmp_path / "in.jpg", tmp_path / "out.png"
    assert folders.restore_file(darker, *place, confine=True)
    stored, kept = (images.read(path, keep_profiles=("RGB",)) for path in place)
    assert kept.metadata.profile == WIDE
    assert np.abs(kept.values.astype(int) - stored.values).mean() < 0.1 * 255
    stripped = images.Writing(metadata=False)
    assert not folders.restore_file(darker, *place, confine=True, writing=stripped)


def test_what_a_bmp_cannot_hold_is_converted_and_told(tmp_path):
    place = plans.Place(tmp_path / "in", tmp_path / "out.bmp")
    place.source.write_bytes(source("JPEG"))
    folders.restore_file(SAME, *place)
    with Image.open(place.destination) as image:
        np.testing.assert_allclose(image.info["dpi"], 300, atol=0.02)
    off = images.decode(place.destination) - images.decode(place.source).astype(int)
    assert np.abs(off).max() == 0
    assert folders.behind(place) == ["EXIF", "XMP", "a colour profile"]


def test_16_bits_stay_where_colours_are_converted_unless_by_tables(
    tmp_path, monkeypatch
):
    place = plans.Place(tmp_path / "in.tif", tmp_path / "out.tif")
    deep = RANDOM.integers(0, 65536, (4, 6, 3), np.uint16)
    tags = [(34675, 7, len(WIDE), WIDE, True)]
    tifffile.imwrite(place.source, deep, photometric="rgb", extratags=tags)
    folders.restore_file(SAME, *place)
    found = images.read(place.destination, keep_profiles=("RGB",))
    np.testing.assert_array_equal(found.values, deep)
    assert found.metadata.profile == WIDE and folders.behind(place) == []
    stripped = images.Writing(metadata=False)
    folders.restore_file(SAME, *place, writing=stripped)
    made = images.read(place.destination)
    assert made.bits == 16 and folders.behind(place, writing=stripped) == []
    golden = 65535 * in_srgb(deep / 65535)
    assert np.abs(made.values - golden).max() < 0.001 * 65535  # of rounded primaries
    assert len(np.unique(made.values)) > 256 / 8
    monkeypatch.setattr(profiles, "shaper", lambda profile: None)  # it has tables
    folders.restore_file(SAME, *place, writing=stripped)
    assert images.read(place.destination).bits == 8
    assert folders.behind(place, writing=stripped) == ["16 bits"]


def test_a_grey_profile_is_kept_where_grey_is(tmp_path):
    # Grey of gamma 2.2, as editors write it.
    white = struct.pack(">4s4x3i", b"XYZ ", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    tags = struct.pack(">I", 2) + b"wtpt" + struct.pack(">2I", 156, 20)
    tags += b"kTRC" + struct.pack(">2I", 176, 14)
    head = bytes(4) + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    body = head.ljust(124, b"\0") + tags + white + curve
    profile = struct.pack(">I", len(body) + 4) + body
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "in.png", icc_profile=profile)
    for suffix, kept in ((".tif", True), (".webp", False)):
        place = plans.Place(tmp_path / "in.png", tmp_path / f"out{suffix}")
        folders.restore_file(SAME, *place)
        with Image.open(place.destination) as image:
            assert (image.info.get("icc_profile") == profile) is kept
            stored = np.atleast_3d(np.asarray(image))[..., 0]
        light = (values / 255.0) ** 2.2
        bent = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
        golden = 255 * np.where(light <= 0.0031308, 12.92 * light, bent)
        assert np.abs(stored - (values if kept else golden)).max() <= (
            0 if kept else 1.5
        )
        assert folders.behind(place) == ([] if kept else ["a colour profile"])


def test_a_broken_profile_is_told_once(tmp_path):
    place = plans.Place(tmp_path / "in.png", tmp_path / "out.png")
    Image.fromarray(PIXELS).save(place.source, icc_profile=WIDE[:200])
    with pytest.warns(errors.Notice) as told:
        folders.restore_all(SAME, {"in": place})
    (notice,) = told
    assert str(notice.message).startswith(f"{place.source}: its ICC profile is broken")
    np.testing.assert_array_equal(images.decode(place.destination), PIXELS)


@pytest.mark.filterwarnings("ignore")
def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    place = plans.Place(tmp_path / "in.png", tmp_path / "out.png")
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40)
    for bad in (damaged, b"Exif\0\0no directory"):
        Image.fromarray(PIXELS).save(place.source, exif=bad)
        folders.restore_file(SAME, *place)
        np.testing.assert_array_equal(images.decode(place.destination), PIXELS)


def test_exif_too_large_for_a_jpeg_is_told_and_the_file_written(tmp_path):
    place = plans.Place(tmp_path / "in.png", tmp_path / "out.jpg")
    large = Image.Exif()
    large[0x010E] = "x" * 70_000
    Image.fromarray(PIXELS).save(place.source, exif=large)
    folders.restore_file(SAME, *place)
    assert images.decode(place.destination).shape == PIXELS.shape
    assert folders.behind(place) == ["EXIF"]


def test_text_and_previews_are_told():
    file = io.BytesIO()
    info = embedded.PngImagePlugin.PngInfo()
    info.add_text("Title", "the sea")
    Image.fromarray(PIXELS).save(file, "PNG", pnginfo=info)
    assert images.read(file.getvalue()).metadata.others == ("text",)
    file = io.BytesIO()
    two = {"save_all": True, "append_images": [Image.fromarray(PIXELS)]}
    Image.fromarray(PIXELS).save(file, "MPO", **two)
    assert images.read(file.getvalue()).metadata.others == ("a preview or gain map",)
