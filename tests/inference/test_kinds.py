import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageCms

from jaxrestore import errors, images
from jaxrestore.inference import kinds


def _values(*shape, dtype: type = np.uint8):
    found = np.random.default_rng(0).random(shape)
    if np.issubdtype(dtype, np.integer):
        found *= np.iinfo(dtype).max
    return found.astype(dtype)


def _there_and_back(image):
    found = kinds.opened(image)
    assert all(array.ndim == 3 for array in found.arrays)
    return found.back([array.copy() for array in found.arrays])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 4), (2, 5, 7, 3)])
def test_arrays_come_back_as_they_were(shape, dtype):
    image = _values(*shape, dtype=dtype)
    made = _there_and_back(image)
    assert type(made) is np.ndarray and made.dtype == dtype
    np.testing.assert_array_equal(made, image)


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float32, jnp.bfloat16])
def test_jax_arrays_come_back_as_they_were(dtype):
    image = jnp.asarray(_values(5, 7, 3, dtype=np.float32) * 255).astype(dtype)
    made = _there_and_back(image)
    assert made.dtype == dtype and hasattr(made, "devices")
    np.testing.assert_array_equal(made, image)


@pytest.mark.parametrize(
    ("mode", "comes_back"),
    [
        *((mode, mode) for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
        *(("1", "L"), ("P", "RGB"), ("La", "LA"), ("RGBX", "RGB"), ("RGBa", "RGBA")),
    ],
)
def test_pillow_images_come_back_as_pillow_images(mode, comes_back):
    grey = Image.fromarray(_values(6, 8, dtype=np.uint16 if "16" in mode else np.uint8))
    image = grey if mode == "I;16" else grey.convert("LA").convert("RGBA")
    steps = {"La": "LA", "1": "L", "LA": "LA", "L": "L", "P": "RGB", "RGBX": "RGB"}
    if mode != "I;16":
        image = image.convert(steps.get(mode, "RGBA")).convert(mode)
    made = _there_and_back(image)
    assert isinstance(made, Image.Image) and made.mode == comes_back
    wanted = image if mode == comes_back else image.convert(comes_back)
    np.testing.assert_array_equal(np.asarray(made), np.asarray(wanted))


def test_a_pillow_image_is_turned_upright_and_keeps_its_profile():
    image = Image.fromarray(_values(6, 8, 3))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info |= {"icc_profile": profile, "comment": "left"}
    image.getexif()[274] = 6  # a quarter turn
    made = _there_and_back(image)
    np.testing.assert_array_equal(made, np.rot90(np.asarray(image), -1))
    assert made.info == {"icc_profile": profile}


def test_a_palette_with_a_clear_colour_has_alpha():
    image = Image.fromarray(_values(6, 8, 3)).convert("P")
    image.info["transparency"] = 0
    assert _there_and_back(image).mode == "RGBA"


def test_a_path_comes_back_as_an_array_with_all_its_bits(tmp_path):
    grey, deep = _values(6, 8, 1), _values(6, 8, 3, dtype=np.uint16)
    images.encode(grey, tmp_path / "grey.png")
    images.encode(deep, tmp_path / "deep.png")
    images.encode(deep, tmp_path / "deep.tif")
    np.testing.assert_array_equal(_there_and_back(tmp_path / "deep.tif"), deep)
    np.testing.assert_array_equal(_there_and_back(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(_there_and_back(str(tmp_path / "deep.png")), deep)
    with pytest.raises(errors.ImageError, match="no such file"):
        kinds.opened(tmp_path / "none.png")


def test_several_come_back_as_several_each_of_its_kind():
    given = [_values(4, 5), (Image.new("L", (3, 2)), _values(2, 4, 5, 3))]
    made = _there_and_back(given)
    np.testing.assert_array_equal(made[0], given[0])
    assert made[1][0].size == (3, 2) and made[1][1].shape == (2, 4, 5, 3)


def test_arrays_of_the_other_byte_order_come_back_in_it():
    image = _values(5, 7, 3, dtype=np.uint16).astype(">u2")
    assert kinds.opened(image).arrays[0].dtype == np.uint16
    made = _there_and_back(image)
    assert made.dtype == image.dtype
    np.testing.assert_array_equal(made, image)
    assert _there_and_back(image[None][:0]).shape == (0, 5, 7, 3)


def test_what_is_traced_is_refused():
    with pytest.raises(errors.ConfigError, match=r"traced by jax\.jit"):
        jax.jit(lambda x: kinds.opened(x).arrays)(jnp.zeros((4, 4, 3)))


def test_a_pillow_image_that_is_cut_short_is_refused(tmp_path):
    images.encode(_values(60, 80, 3), tmp_path / "whole.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    with Image.open(cut) as image, pytest.raises(errors.ImageError, match="decoded"):
        kinds.opened(image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "is NoneType, but must be a path"),
        (np.zeros(4, np.uint8), r"shape \(4,\), but must be \[h, w\]"),
        (Image.new("CMYK", (3, 3)), "has the mode CMYK"),
        (Image.new("F", (3, 3)), "has the mode F"),
    ],
)
def test_other_kinds_are_refused(image, message):
    with pytest.raises(errors.ConfigError, match=message):
        kinds.opened(image)


def test_a_frame_of_a_path_is_taken_and_no_other_kind_has_one(tmp_path):
    frames = [Image.new("L", (4, 3), 100 * n) for n in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    (array,) = kinds.opened(tmp_path / "x.gif", 2).arrays
    assert (array == 200).all()
    with pytest.raises(errors.ImageError, match="or give `frame`, 0 for the first"):
        kinds.opened(tmp_path / "x.gif")
    with pytest.raises(errors.ConfigError, match="leave it out, or give a path"):
        kinds.opened(array, 0)
