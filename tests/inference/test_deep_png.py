import io

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from jaxrestore import images
from jaxrestore.inference import deep_png


def _image(channels, height=11, width=7):
    shape = (height, width, channels)
    return np.random.default_rng(channels).integers(0, 65536, shape, np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_read_as_they_were_written(tmp_path, channels):
    image, path = _image(channels), tmp_path / "deep.png"
    deep_png.write(image, path)
    assert deep_png.holds(path)
    np.testing.assert_array_equal(deep_png.read(path), image)
    stored = images.decode_as_stored(path)
    assert stored.shape == image.shape
    np.testing.assert_allclose(stored, image / 257, atol=1)


def test_what_another_wrote_is_read(tmp_path):
    values, path = _image(1)[..., 0], tmp_path / "other.png"
    Image.fromarray(values).save(path)
    assert deep_png.holds(path)
    np.testing.assert_array_equal(deep_png.read(path)[..., 0], values)


def _with_a_profile(path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(_image(1)[..., 0]).save(path, icc_profile=profile)


def _turned(path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(_image(1)[..., 0]).save(path, exif=exif)


def _with_a_gamma(path):
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", (100_000).to_bytes(4))
    Image.fromarray(_image(1)[..., 0]).save(path, pnginfo=chunks)


def _of_8_bits(path):
    Image.fromarray(_image(3).astype(np.uint8)).save(path)


def _tiff(path):
    file = io.BytesIO()
    Image.fromarray(_image(1)[..., 0]).save(file, "TIFF")
    path.write_bytes(file.getvalue())


@pytest.mark.parametrize(
    "write", [_with_a_profile, _turned, _with_a_gamma, _of_8_bits, _tiff]
)
def test_what_must_be_brought_to_srgb_or_has_8_bits_is_left_to_others(tmp_path, write):
    write(tmp_path / "file.png")
    assert not deep_png.holds(tmp_path / "file.png")
