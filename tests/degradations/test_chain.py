import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import chain, downsample, eight_bit, pixel_shuffle

KEY = jax.random.key(3)
SHUFFLE = {"name": "pixel_shuffle", "rate": 0.9, "radius": 1}

shuffle = jax.jit(functools.partial(pixel_shuffle.degrade, rate=0.9, radius=1))
halve = jax.jit(functools.partial(downsample.degrade, scale=2))


def _image(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def _degrade(image, *stages, key=KEY):
    return jax.jit(functools.partial(chain.degrade, stages=stages))(key, image)


def test_the_stages_follow_one_another_each_with_a_key_of_its_own():
    image = _image(16, 16, 3)
    degraded = _degrade(image, SHUFFLE, SHUFFLE, {"name": "downsample", "scale": 2})
    keys = jax.random.split(KEY, 3)
    expected = image
    for key in keys[:2]:
        expected = shuffle(key, expected)
    expected = halve(keys[2], expected)
    np.testing.assert_array_equal(degraded, expected)


def test_the_order_of_the_stages_matters():
    image = _image(8, 8, 1) * 2
    down, clip = {"name": "downsample", "scale": 2}, {"name": "eight_bit"}
    first = _degrade(image, clip, down)
    second = _degrade(image, down, clip)
    halved = halve(KEY, image)
    np.testing.assert_array_equal(second, eight_bit.degrade(KEY, halved))
    assert np.abs(first - second).max() > 0.05


def test_no_stages_change_nothing():
    image = _image(8, 8, 3)
    np.testing.assert_array_equal(_degrade(image), image)


def test_stages_may_come_from_json_and_be_chains():
    image = _image(12, 12, 3)
    inner = {"name": "chain", "stages": [SHUFFLE, {"name": "eight_bit"}]}
    read = json.loads(json.dumps({"stages": [inner, {"name": "eight_bit"}]}))
    degraded = _degrade(image, *read["stages"])
    np.testing.assert_array_equal(degraded, _degrade(image, inner, read["stages"][1]))
    # A shuffle and a rounding: the histogram of the rounded image is kept.
    levels = np.asarray(eight_bit.degrade(KEY, image))
    np.testing.assert_array_equal(np.sort(degraded, None), np.sort(levels, None))
    assert (degraded != levels).any()


def test_a_probability_is_the_share_of_images_that_a_stage_changes():
    count, probability = 400, 0.25
    image = _image(4, 4, 1) + 1  # above 1, so that eight_bit always changes it
    stage = {"name": "eight_bit", "probability": probability}
    degrade = jax.jit(jax.vmap(lambda key: _degrade(image, stage, key=key)))
    degraded = np.asarray(degrade(jax.random.split(KEY, count)))
    changed = (degraded == 1).all((1, 2, 3))
    # An image is changed as a whole or not at all.
    np.testing.assert_array_equal(
        degraded[~changed], np.broadcast_to(image, degraded[~changed].shape)
    )
    deviation = (probability * (1 - probability) / count) ** 0.5
    assert abs(changed.mean() - probability) < 4 * deviation


@pytest.mark.parametrize(("probability", "applied"), [(0, False), (1, True)])
def test_probabilities_zero_and_one_are_never_and_always(probability, applied):
    image = _image(8, 8, 1) + 1
    degraded = _degrade(image, {"name": "eight_bit", "probability": probability})
    assert bool((degraded == 1).all()) is applied
    assert bool((degraded == image).all()) is not applied


def test_a_stage_that_changes_the_shape_cannot_be_left_to_chance():
    stage = {"name": "downsample", "scale": 2, "probability": 0.5}
    with pytest.raises(ValueError, match=r"stage 2 .*downsample.*\(4, 4, 1\) of \(8,"):
        _degrade(_image(8, 8, 1), {"name": "eight_bit"}, stage)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"scale": 2}, r"stage 1 of the chain has no name, got \{'scale': 2\}"),
        ({"name": "downsampel"}, r"stage 1 .*did you mean 'downsample'"),
        ({"name": "downsample", "scal": 2}, r"no 'scal': did you mean 'scale'"),
        ({"name": "eight_bit", "probabilty": 1}, r"did you mean 'probability'"),
        ({"name": "batched"}, r"stage 1 .*: batched degrades no single image"),
        ({"name": "eight_bit", "probability": 2}, r"probability is 2; .* \[0, 1\]"),
    ],
)
def test_a_stage_that_cannot_be_is_answered_with_what_is_wrong(stage, message):
    with pytest.raises(ValueError, match=message):
        _degrade(_image(8, 8, 1), stage)


def test_by_default_the_image_is_blurred_and_what_a_file_would_hold():
    image = _image(24, 24, 3)
    degraded = np.asarray(jax.jit(chain.degrade)(KEY, image))
    # JPEG comes last: whole levels; and blur removes most of the white noise.
    np.testing.assert_allclose(degraded * 255, np.round(degraded * 255), atol=1e-3)
    assert degraded.std() < 0.7 * np.asarray(image).std()
