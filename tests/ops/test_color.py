import types

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import skimage.color

from jaxrestore import naming
from jaxrestore.ops import color

compiled = types.SimpleNamespace(
    **{name: jax.jit(function) for name, function in naming.public(color).items()}
)


def _images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_the_luma_of_red_green_and_blue_are_their_weights():
    primaries = jnp.eye(3).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(
        compiled.luma(primaries).ravel(), [0.299, 0.587, 0.114], rtol=1e-6
    )


def test_the_luma_of_grey_is_that_grey():
    grey = jnp.broadcast_to(jnp.linspace(0, 1, 15).reshape(1, 3, 5, 1), (1, 3, 5, 3))
    np.testing.assert_allclose(compiled.luma(grey), grey[..., :1], atol=1e-6)


def test_one_channel_is_returned_as_it_is():
    images = jnp.asarray(_images(2, 5, 7, 1))
    np.testing.assert_array_equal(compiled.luma(images), images)


@pytest.mark.parametrize("shape", [(17, 23, 3), (2, 9, 5, 3), (2, 2, 3, 3, 3)])
def test_luma_keeps_leading_axes_and_equals_numpy(shape):
    images = _images(*shape)
    luma = np.asarray(compiled.luma(jnp.asarray(images)))
    assert luma.shape == (*shape[:-1], 1)
    expected = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma[..., 0], expected, atol=1e-6)


def test_luma_equals_pillows_grey_within_half_a_level():
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
    grey = np.asarray(PIL.Image.fromarray(pixels).convert("L"), np.float64)
    luma = np.asarray(compiled.luma(jnp.asarray(pixels, jnp.float32)))[..., 0]
    assert np.abs(luma - grey).max() < 0.51


def test_luma_keeps_bfloat16():
    images = jnp.asarray(_images(1, 4, 4, 3), jnp.bfloat16)
    assert compiled.luma(images).dtype == jnp.bfloat16


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_luma_of_other_channels_is_refused_with_their_number(channels):
    with pytest.raises(ValueError, match=f"1 or 3 channels, got {channels}"):
        compiled.luma(jnp.zeros((1, 2, 2, channels)))


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_lab_equals_scikit_image_also_beyond_white(scale):
    images = (_images(2, 17, 23, 3) * scale).astype(np.float32)
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    expected = skimage.color.rgb2lab(images.astype(np.float64))
    np.testing.assert_allclose(compiled.lab(images), expected, atol=2e-4)


def test_the_lightness_of_black_and_white_is_0_and_100_without_colour():
    grey = jnp.broadcast_to(jnp.array([0, 1.0]).reshape(1, 2, 1), (1, 2, 3))
    expected = [[[0, 0, 0], [100, 0, 0]]]
    # The matrix gives Z of white 7e-5 too small: 200 / 3 times that in b*.
    np.testing.assert_allclose(compiled.lab(grey), expected, atol=5e-3)


@pytest.mark.parametrize("channels", [1, 4])
def test_lab_of_other_than_three_channels_is_refused(channels):
    with pytest.raises(ValueError, match=f"3 channels, got {channels}"):
        compiled.lab(jnp.zeros((2, 2, channels)))


# L*, a*, b* of two colours and their difference: table 1 of Sharma, Wu, Dalal 2005.
PUBLISHED = np.array([
    (50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425),
    (50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615),
    (50.0, 2.8361, -74.02, 50.0, 0.0, -82.7485, 3.4412),
    (50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0),
    (50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0),
    (50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669),
    (50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0009, 7.1792),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.001, 7.1792),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0011, 7.2195),
    (50.0, 2.49, -0.001, 50.0, -2.49, 0.0012, 7.2195),
    (50.0, -0.001, 2.49, 50.0, 0.0009, -2.49, 4.8045),
    (50.0, -0.001, 2.49, 50.0, 0.001, -2.49, 4.8045),
    (50.0, -0.001, 2.49, 50.0, 0.0011, -2.49, 4.7461),
    (50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065),
    (50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492),
    (50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977),
    (50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.903),
    (50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535),
    (50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2972, 0.0, 1.0),
    (50.0, 2.5, 0.0, 50.0, 1.8634, 0.5757, 1.0),
    (50.0, 2.5, 0.0, 50.0, 3.2592, 0.335, 1.0),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.248, -4.962, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373),
    (36.4612, 47.858, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082),
])  # fmt: skip


def test_ciede2000_equals_the_34_published_differences_both_ways():
    a, b = PUBLISHED[:, :3].astype(np.float32), PUBLISHED[:, 3:6].astype(np.float32)
    assert len(PUBLISHED) == 34
    for first, second in ((a, b), (b, a)):
        # The table has four decimals.
        difference = compiled.ciede2000(first, second)
        np.testing.assert_allclose(difference, PUBLISHED[:, 6], atol=6e-5)


def test_ciede2000_of_a_colour_with_itself_is_0():
    colors = compiled.lab(jnp.asarray(_images(17, 23, 3)))
    np.testing.assert_array_equal(compiled.ciede2000(colors, colors), 0)


def test_ycbcr_of_the_primaries_are_the_rows_of_jfif():
    # T.871: Cb of red is -0.1687 + 128/255, of green -0.3313, of blue 0.5; Cr of red
    # 0.5, of green -0.4187, of blue -0.0813.
    primaries = jnp.eye(3).reshape(1, 1, 3, 3)
    planes = np.asarray(compiled.rgb_to_ycbcr(primaries))[0, 0]
    middle = 128 / 255
    expected = [
        [0.299, -0.1687 + middle, 0.5 + middle],
        [0.587, -0.3313 + middle, -0.4187 + middle],
        [0.114, 0.5 + middle, -0.0813 + middle],
    ]
    np.testing.assert_allclose(planes, expected, atol=5e-5)


def test_grey_has_no_chroma():
    grey = jnp.broadcast_to(jnp.linspace(0, 1, 15).reshape(1, 3, 5, 1), (1, 3, 5, 3))
    planes = compiled.rgb_to_ycbcr(grey)
    np.testing.assert_allclose(planes[..., :1], grey[..., :1], atol=1e-6)
    np.testing.assert_allclose(planes[..., 1:], 128 / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(17, 23, 3), (2, 9, 5, 3), (2, 2, 3, 3, 3)])
def test_ycbcr_and_back_is_the_image_also_beyond_white(shape):
    images = jnp.asarray(1.5 * _images(*shape) - 0.25)
    there = compiled.rgb_to_ycbcr(images)
    np.testing.assert_allclose(there[..., :1], compiled.luma(images), atol=1e-6)
    np.testing.assert_allclose(compiled.ycbcr_to_rgb(there), images, atol=1e-6)


def test_ycbcr_equals_pillows_within_rounding_both_ways():
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
    theirs = PIL.Image.fromarray(pixels).convert("YCbCr")
    ours = 255 * compiled.rgb_to_ycbcr(jnp.asarray(pixels, jnp.float32) / 255)
    # Pillow's tables round each product; in 8 bits the largest chroma is cut off.
    assert np.abs(np.minimum(ours, 255) - np.asarray(theirs, np.float32)).max() <= 1.01
    back = 255 * compiled.ycbcr_to_rgb(np.asarray(theirs, np.float32) / 255)
    expected = np.asarray(theirs.convert("RGB"), np.float32)
    assert np.abs(np.clip(back, 0, 255) - expected).max() <= 1.01


def test_ycbcr_keeps_bfloat16():
    images = jnp.asarray(_images(1, 4, 4, 3), jnp.bfloat16)
    assert compiled.rgb_to_ycbcr(images).dtype == jnp.bfloat16
    assert compiled.ycbcr_to_rgb(images).dtype == jnp.bfloat16
