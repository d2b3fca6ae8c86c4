import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.data import augmentation

IMAGE = jnp.arange(4 * 4 * 2, dtype=jnp.float32).reshape(4, 4, 2)
DRAWS = 800
turn = jax.jit(augmentation.flip_and_turn)


def _orientations():
    image = np.asarray(IMAGE)
    mirrored = image[:, ::-1]
    return [np.rot90(each, k) for each in (image, mirrored) for k in range(4)]


def _index(image):
    found = [k for k, each in enumerate(_orientations()) if (each == image).all()]
    assert len(found) == 1, "not one of the eight orientations"
    return found[0]


def test_all_eight_orientations_occur_equally_often():
    keys = jax.random.split(jax.random.key(0), DRAWS)
    images = np.asarray(jax.vmap(turn, (0, None))(keys, IMAGE))
    counts = np.bincount([_index(image) for image in images], minlength=8)
    # Chi-squared with 7 degrees of freedom exceeds 29.9 once in 10 000 draws.
    expected = DRAWS / 8
    assert ((counts - expected) ** 2 / expected).sum() < 29.9


def test_the_key_decides():
    one, same, other = (turn(jax.random.key(seed), IMAGE) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    seen = {_index(turn(jax.random.key(seed), IMAGE)) for seed in range(20)}
    assert len(seen) > 1 and one.shape == other.shape == IMAGE.shape


def test_a_vmapped_batch_equals_a_loop():
    keys = jax.random.split(jax.random.key(1), 6)
    together = jax.vmap(turn, (0, None))(keys, IMAGE)
    for key, image in zip(keys, together, strict=True):
        np.testing.assert_array_equal(image, turn(key, IMAGE))


def test_without_jit_it_is_the_same():
    key = jax.random.key(2)
    plain = augmentation.flip_and_turn(key, IMAGE)
    np.testing.assert_array_equal(turn(key, IMAGE), plain)


@pytest.mark.parametrize("side", [1, 5, 8])
def test_channels_stay_together(side):
    # The second channel is a function of the first wherever the pixel goes.
    image = jnp.arange(side * side, dtype=jnp.float32).reshape(side, side, 1)
    image = jnp.concatenate([image, -2 * image], -1)
    result = turn(jax.random.key(5), image)
    np.testing.assert_array_equal(result[..., 1], -2 * result[..., 0])
    np.testing.assert_array_equal(np.sort(result[..., 0], None), np.arange(side**2))


def test_other_colours_stay_in_range_and_keep_one_image_in_four_or_more():
    images = jax.random.uniform(jax.random.key(0), (64, 8, 8, 3))
    keys = jax.random.split(jax.random.key(1), 64)
    changed = jax.jit(jax.vmap(augmentation.recolor))(keys, images)
    assert changed.min() >= 0 and changed.max() <= 1
    spread = lambda x: np.asarray(x.max(-1) - x.min(-1))
    grey = (spread(changed) < 1e-6).all((1, 2)).mean()
    assert 0.08 < grey < 0.35
    same = np.isclose(changed, images, atol=1e-6).all((1, 2, 3)).mean()
    assert 0.08 < same < 0.4
    assert (spread(changed).mean((1, 2)) > 1.3 * spread(images).mean()).mean() > 0.1


def test_a_grey_image_is_recoloured_as_its_negative_or_not_at_all():
    image = jax.random.uniform(jax.random.key(0), (8, 8, 1))
    keys = jax.random.split(jax.random.key(1), 40)
    changed = jax.jit(jax.vmap(augmentation.recolor, (0, None)))(keys, image)
    negative = np.isclose(changed, 1 - image, atol=1e-6).all((1, 2, 3))
    kept = np.isclose(changed, image, atol=1e-6).all((1, 2, 3))
    assert (negative ^ kept).all() and 0.05 < negative.mean() < 0.5
