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


HOLES = {"name": "holes", "kinds": {"box": 1.0}}
WEIGHT = {"damaged": 6.0, "intact": 1.0}


def _damaged(recipe):
    """The degraded images, their damage, and what their pixels weigh."""
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    found = functools.partial(batched.degrade_with_damage, recipe=recipe)
    degraded, damage = jax.jit(found)(keys, images)
    return degraded, damage, batched.pixel_weight(damage, recipe=recipe)


def test_damaged_and_intact_pixels_have_their_weight():
    _, damage, weight = _damaged(HOLES | {"weight": WEIGHT})
    assert weight.shape == (3, 9, 11, 1)
    assert 0 < damage.mean() < 1
    np.testing.assert_array_equal(weight, np.where(damage == 1, 6.0, 1.0))


def test_the_damage_is_the_mask_where_there_is_one_and_else_none():
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    found = lambda recipe: jax.jit(
        functools.partial(batched.degrade_with_damage, recipe=recipe)
    )(keys, images)
    degraded, mask = found(RECIPE)
    assert mask is None
    np.testing.assert_array_equal(degraded, degrade(keys, images))
    degraded, mask = found(HOLES | {"weight": WEIGHT})
    np.testing.assert_array_equal(mask, degraded[..., 3:])
    assert 0 < mask.mean() < 1


def test_degrade_ignores_the_weight():
    keys, images = batched.image_keys(jax.random.key(0), 3), _images(*SHAPE)
    recipe = HOLES | {"weight": WEIGHT}
    degraded = jax.jit(functools.partial(batched.degrade, recipe=recipe))(keys, images)
    np.testing.assert_array_equal(degraded, _damaged(recipe)[0])


def test_damage_in_part_weighs_in_part():
    damage = jnp.linspace(0, 1, 9).reshape(1, 3, 3, 1)
    weight = batched.pixel_weight(damage, recipe={"name": "any", "weight": WEIGHT})
    np.testing.assert_allclose(weight, 1 + 5 * damage, rtol=1e-6)


def test_a_degradation_without_a_mask_cannot_be_weighed():
    with pytest.raises(ValueError, match="pixel_shuffle does not say which pixels"):
        _damaged(RECIPE | {"weight": WEIGHT})


@pytest.mark.parametrize("weight", [6.0, {"damaged": 6.0}, WEIGHT | {"hole": 1.0}])
def test_a_weight_is_a_number_for_damaged_and_one_for_intact(weight):
    with pytest.raises(ValueError, match="'damaged' and 'intact'"):
        _damaged(HOLES | {"weight": weight})


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="negative"):
        _damaged(HOLES | {"weight": {"damaged": 1.0, "intact": -1.0}})
