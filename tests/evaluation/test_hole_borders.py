import jax
import numpy as np
import pytest

from jaxrestore.evaluation import hole_borders

SHAPE = (2, 33, 27, 3)
STEP = jax.jit(hole_borders.border_step)


def _damage(rows, columns, shape=SHAPE):
    damage = np.zeros((*shape[:3], 1), np.float32)
    damage[:, rows, columns] = 1
    return damage


def test_the_steps_into_a_hole_of_one_pixel_by_hand():
    images = np.zeros((1, 3, 3, 2), np.float32)
    images[0, 1, 1] = (10 / 255, 40 / 255)
    images[0, 1, 0] = (0, 44 / 255)  # to the left: 10 and 4
    images[0, 0, 1] = (30 / 255, 40 / 255)  # above: 20 and 0; elsewhere 10 and 40
    step = STEP(images, _damage(1, 1, images.shape))
    assert step.mean[0] == pytest.approx((10 + 4 + 20 + 0 + 2 * (10 + 40)) / 8)
    assert step.worst[0] == pytest.approx(40)


def test_the_steps_into_holes_equal_a_walk_over_all_pairs():
    images = np.random.default_rng(0).random(SHAPE, np.float32)
    damage = (np.random.default_rng(3).random((*SHAPE[:3], 1)) < 0.3).astype(np.float32)
    step = STEP(images, damage)
    for image, lost, mean, worst in zip(images, damage[..., 0], *step, strict=True):
        steps = []
        for y, x in np.ndindex(lost.shape):
            for other in ((y + 1, x), (y, x + 1)):
                inside = other[0] < lost.shape[0] and other[1] < lost.shape[1]
                if inside and lost[y, x] != lost[other]:
                    steps.extend(255 * np.abs(image[y, x] - image[other]))
        np.testing.assert_allclose(mean, np.mean(steps), rtol=1e-5)
        np.testing.assert_allclose(worst, np.max(steps), rtol=1e-5)


def test_a_shift_of_colour_within_the_hole_is_the_step_and_one_of_all_is_none():
    flat = np.full(SHAPE, 0.5, np.float32)
    hole = _damage(slice(5, 20), slice(0, 9))  # it touches the border of the picture
    shifted = flat + hole * np.array([3, 0, -6], np.float32) / 255
    np.testing.assert_allclose(STEP(shifted, hole).mean, 3, rtol=1e-4)
    np.testing.assert_allclose(STEP(shifted, hole).worst, 6, rtol=1e-4)
    np.testing.assert_array_equal(STEP(flat + 3 / 255, hole).worst, 0)
    images = np.random.default_rng(0).random(SHAPE, np.float32)
    np.testing.assert_allclose(STEP(images, hole), STEP(images, 1 - hole), rtol=1e-6)


def test_a_picture_without_a_border_of_a_hole_has_no_step():
    images = np.random.default_rng(0).random(SHAPE, np.float32)
    for damage in (_damage(slice(0), 0), _damage(slice(None), slice(None))):
        assert np.isnan(STEP(images, damage)).all()
    line = np.zeros((1, 1, 5, 1), np.float32)
    damage = _damage(0, slice(2, 4), line.shape)
    np.testing.assert_array_equal(STEP(line, damage), 0)
