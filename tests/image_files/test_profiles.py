"""Colours by ICC profiles in 16 bits, beside what Pillow makes of them in 8."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from jaxrestore import images
from jaxrestore.image_files import profiles

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def curved(curve):
    """sRGB with another curve, of all three colours."""
    data = bytearray(SRGB)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        entry = data.index(name, 128)
        data[entry + 4 : entry + 12] = struct.pack(">2I", len(SRGB), len(curve))
    data[:4] = struct.pack(">I", len(SRGB) + len(curve))
    return bytes(data + curve)


def sampled(*values):
    return b"curv" + struct.pack(f">4xI{len(values)}H", len(values), *values)


def formula(form, *numbers):
    fixed = (round(number * 65536) for number in numbers)
    return b"para" + struct.pack(f">4xH2x{len(numbers)}i", form, *fixed)


@pytest.mark.parametrize(
    "curve",
    [
        sampled(),
        sampled(round(1.8 * 256)),
        sampled(0, 9_000, 30_000, 65_535),
        formula(0, 2.2),
        formula(1, 2.0, 1.25, -0.25),
        formula(2, 2.0, 0.75, 0.25, -0.0625),
        formula(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
        formula(4, 2.0, 0.75, 0.25, 0.5, 0.25, -0.0625, 0.0),
    ],
)
def test_a_curve_is_read_as_pillow_reads_it(curve):
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    profile = curved(curve)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
    )
    theirs = ImageCms.applyTransform(Image.fromarray(values), transform)
    ours = _in_srgb(profile, values * np.uint16(257)) / 257
    assert np.abs(ours - np.asarray(theirs)).max() < 1


def _in_srgb(profile, values):
    found = profiles.shaper(profile)
    assert found is not None
    return profiles.to_srgb(found, values)


def test_grey_is_a_curve_alone():
    values = np.arange(0, 65536, 257).astype(np.uint16).reshape(16, 16, 1)
    data = SRGB.replace(b"RGB XYZ", b"GRAYXYZ").replace(b"gTRC", b"kTRC")
    np.testing.assert_array_equal(_in_srgb(data, values), values)


def test_grey_of_8_bits_is_as_exact_also_where_it_is_dark():
    data = curved(sampled()).replace(b"RGB XYZ", b"GRAYXYZ").replace(b"gTRC", b"kTRC")
    file, values = io.BytesIO(), np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(file, "png", icc_profile=data)
    ours = images.decode_as_stored(file.getvalue())
    exact = _in_srgb(data, values[..., None] * np.uint16(257)) / 257
    assert ours.shape == (16, 16, 1)
    assert np.abs(ours - exact).max() <= 0.51


def test_srgb_stays_to_the_bit_and_in_bands(monkeypatch):
    monkeypatch.setattr(profiles, "_PIXELS", 100)
    values = np.random.default_rng(0).integers(0, 65536, (32, 48, 3), np.uint16)
    np.testing.assert_array_equal(_in_srgb(SRGB, values), values)


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        SRGB[:200],
        SRGB.replace(b"rTRC", b"xTRC"),
        SRGB.replace(b"desc", b"A2B0"),
        SRGB.replace(b"XYZ ", b"Lab "),
        curved(b"mpet" + bytes(8)),
        curved(formula(1, 2.2, 0, 0.1)),
        curved(formula(7, 1)),
        curved(formula(0, -1)),
        curved(formula(2, 2.0, 0.75, 0.25, 0.0)),
    ],
)
def test_of_tables_of_what_is_broken_and_of_a_black_with_light_nothing_is_known(
    profile,
):
    assert profiles.shaper(profile) is None
