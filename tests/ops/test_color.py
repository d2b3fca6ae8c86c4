import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from jaxrestore.ops import color


def _images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_the_luma_of_red_green_and_blue_are_their_weights():
    primaries = jnp.eye(3).reshape(1, 1, 3, 3)
    np.testing.assert_allclose(
        color.luma(primaries).ravel(), [0.299, 0.587, 0.114], rtol=1e-6
    )


def test_the_luma_of_grey_is_that_grey():
    grey = jnp.broadcast_to(jnp.linspace(0, 1, 15).reshape(1, 3, 5, 1), (1, 3, 5, 3))
    np.testing.assert_allclose(color.luma(grey), grey[..., :1], atol=1e-6)


def test_one_channel_is_returned_as_it_is():
    images = jnp.asarray(_images(2, 5, 7, 1))
    np.testing.assert_array_equal(color.luma(images), images)


@pytest.mark.parametrize("shape", [(17, 23, 3), (2, 9, 5, 3), (2, 2, 3, 3, 3)])
def test_luma_keeps_leading_axes_and_equals_numpy(shape):
    images = _images(*shape)
    luma = np.asarray(color.luma(jnp.asarray(images)))
    assert luma.shape == (*shape[:-1], 1)
    expected = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma[..., 0], expected, atol=1e-6)


def test_luma_equals_pillows_grey_within_half_a_level():
    pixels = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
    grey = np.asarray(PIL.Image.fromarray(pixels).convert("L"), np.float64)
    luma = np.asarray(color.luma(jnp.asarray(pixels, jnp.float32)))[..., 0]
    assert np.abs(luma - grey).max() < 0.51


def test_luma_keeps_bfloat16():
    images = jnp.asarray(_images(1, 4, 4, 3), jnp.bfloat16)
    assert color.luma(images).dtype == jnp.bfloat16


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_luma_of_other_channels_is_refused_with_their_number(channels):
    with pytest.raises(ValueError, match=f"1 or 3 channels, got {channels}"):
        color.luma(jnp.zeros((1, 2, 2, channels)))
