import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import batched, pixel_shuffle

SHAPE = (3, 9, 11, 3)
RECIPE = {"name": "pixel_shuffle", "rate": 0.5, "radius": 1}


@functools.partial(jax.jit, static_argnames="rate")
def degrade(keys, images, rate=0.5):
    return batched.degrade(keys, images, recipe=RECIPE | {"rate": rate})


def _images(*shape):
    return jnp.asarray(np.random.default_rng(0).random(shape, np.float32))


def _data(keys):
    return np.asarray(jax.random.key_data(keys))


def test_each_image_has_the_key_of_its_index():
    key = jax.random.key(3)
    keys = batched.image_keys(key, 4)
    assert keys.shape == (4,)
    for index in range(4):
        expected = jax.random.fold_in(key, index)
        np.testing.assert_array_equal(_data(keys[index]), _data(expected))


def test_an_image_keeps_its_key_in_a_larger_batch():
    key = jax.random.key(3)
    few, many = batched.image_keys(key, 2), batched.image_keys(key, 7)
    np.testing.assert_array_equal(_data(few), _data(many)[:2])
    assert len(np.unique(_data(many), axis=0)) == 7


def test_a_batch_equals_a_loop_with_the_recipes_options():
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    one = jax.jit(functools.partial(pixel_shuffle.degrade, rate=0.5, radius=1))
    for key, image, degraded in zip(keys, images, degrade(keys, images), strict=True):
        np.testing.assert_array_equal(degraded, one(key, image))


def test_the_options_of_a_recipe_are_heeded():
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    np.testing.assert_array_equal(degrade(keys, images, rate=0.0), images)
    assert (degrade(keys, images) != images).any()


def test_a_batch_without_jit_is_the_same():
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    plain = batched.degrade(keys, images, recipe=RECIPE)
    np.testing.assert_array_equal(degrade(keys, images), plain)


def test_an_unknown_degradation_is_answered_with_the_nearest():
    keys, images = batched.image_keys(jax.random.key(0), 1), _images(1, 5, 5, 3)
    with pytest.raises(ValueError, match="did you mean 'pixel_shuffle'"):
        batched.degrade(keys, images, recipe={"name": "pixel_shufle"})


def test_an_unknown_option_is_refused_by_its_name():
    keys, images = batched.image_keys(jax.random.key(0), 1), _images(1, 5, 5, 3)
    with pytest.raises(TypeError, match="rat"):
        batched.degrade(keys, images, recipe=RECIPE | {"rat": 0.1})
