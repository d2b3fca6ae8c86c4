import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.degradations import eight_bit


def _degrade(image):
    return np.asarray(eight_bit.degrade(jax.random.key(0), image))


def test_values_go_to_the_nearest_level_inside_the_range():
    values = jnp.array([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 7.0])
    levels = _degrade(values[None, :, None])[0, :, 0] * 255
    np.testing.assert_allclose(levels, [0, 0, 0, 1, 255, 255, 255], atol=1e-4)


def test_it_is_what_an_array_of_bytes_would_give_back():
    image = np.random.default_rng(0).normal(0.5, 0.5, (32, 32, 3)).astype(np.float32)
    stored = np.round(image.clip(0, 1) * np.float32(255)).astype(np.uint8)
    expected = stored.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(_degrade(jnp.asarray(image)), expected)


def test_the_second_time_nothing_changes():
    image = jnp.asarray(np.random.default_rng(1).random((16, 16, 1), np.float32))
    once = _degrade(image)
    np.testing.assert_array_equal(_degrade(jnp.asarray(once)), once)
