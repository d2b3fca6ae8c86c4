import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import wavelet

haar, inverse_haar = jax.jit(wavelet.haar), jax.jit(wavelet.inverse_haar)


def _noise(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def test_one_block_equals_hand_computed_bands():
    block = jnp.array([[1.0, 2.0], [4.0, 8.0]]).reshape(1, 2, 2, 1)
    # LL, HL (right less left), LH (bottom less top), HH: halves of the signed sums.
    hand = np.array([1 + 2 + 4 + 8, -1 + 2 - 4 + 8, -1 - 2 + 4 + 8, 1 - 2 - 4 + 8]) / 2
    np.testing.assert_allclose(haar(block).reshape(4), hand)


def test_the_bands_of_each_channel_stand_together():
    image = _noise(1, 6, 8, 3)
    together = haar(image).reshape(1, 3, 4, 4, 3)
    for channel in range(3):
        alone = haar(image[..., channel : channel + 1])
        np.testing.assert_array_equal(together[..., channel], alone)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_transform_is_a_rotation(channels):
    # Built from the two rows of the 1-d transform, whose product with itself is 1.
    low, high = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    image = _noise(2, 4, 6, channels)
    blocks = image.reshape(2, 2, 2, 3, 2, channels)
    pairs = [(low, low), (low, high), (high, low), (high, high)]  # rows, columns
    expected = [np.einsum("bhiwjc,i,j->bhwc", blocks, r, c) for r, c in pairs]
    np.testing.assert_allclose(haar(image), np.concatenate(expected, -1), atol=1e-6)


def test_energy_stays_and_a_flat_image_has_no_detail():
    image = _noise(2, 16, 22, 3)
    bands = np.asarray(haar(image))
    np.testing.assert_allclose((bands**2).sum(), (image**2).sum(), rtol=1e-5)
    flat = haar(jnp.full((1, 4, 4, 1), 0.3))
    np.testing.assert_allclose(flat[..., 0], 0.6, rtol=1e-6)
    np.testing.assert_array_equal(flat[..., 1:], 0)


@pytest.mark.parametrize("shape", [(2, 2, 1), (6, 10, 3), (2, 8, 4, 5)], ids=str)
def test_the_inverse_brings_the_image_back(shape):
    image = _noise(*shape)
    back = inverse_haar(haar(image))
    np.testing.assert_allclose(back, image, atol=1e-6)
    bands = _noise(*shape[:-1], 4 * shape[-1], seed=1)
    there = haar(inverse_haar(bands))
    np.testing.assert_allclose(there, bands, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 4, 1), (4, 7, 1)], ids=str)
def test_an_odd_side_is_refused(shape):
    with pytest.raises(ValueError, match=f"even sides, got {shape[0]}x{shape[1]}"):
        wavelet.haar(jnp.zeros(shape))


def test_channels_that_are_not_four_bands_are_refused():
    with pytest.raises(ValueError, match="four bands of one size, got 6 channels"):
        wavelet.inverse_haar(jnp.zeros((2, 2, 6)))
