import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.prior import fits, tasks

TINY = tasks.Task(40, 0.03, 2, (4,), (0,))
SIDE = (6, 5)
STEPS = 3


@functools.cache
def _program(length):
    return fits.program(TINY, tasks.identity, SIDE, 1, length)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    held = jnp.asarray(rng.random((2, *SIDE, 1)) < 0.2, jnp.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    codes = jax.vmap(lambda key: fits.code(key, SIDE, TINY.code, 2))(keys)
    degraded = jnp.asarray(rng.random((2, *SIDE, 1), np.float32))
    return fits.Picture(degraded, 1 - held, held, codes, keys)


def _advance(program, fit, pictures, start, active=(True, True)):
    fit, found = program.advance(fit, pictures, start, jnp.asarray(active))
    return jax.tree.map(np.asarray, (fit, found))


def _as_numbers(fit):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(fit)]


def test_a_code_has_sides_of_a_multiple_and_values_of_up_to_a_tenth():
    code = fits.code(jax.random.key(0), (33, 64), 3, 32)
    assert code.shape == (64, 64, 3)
    assert code.min() >= 0 and 0.09 < code.max() <= 0.1


@pytest.mark.slow
def test_an_interval_is_its_iterations_one_by_one(pictures):
    one, whole = _program(1), _program(STEPS)
    fit = jax.tree.map(np.asarray, whole.begin(pictures))
    after, found = _advance(whole, jax.tree.map(jnp.asarray, fit), pictures, 0)
    step = jax.tree.map(jnp.asarray, fit)
    images, losses, average = [], [], np.zeros(())
    for index in range(STEPS):
        step, alone = _advance(one, step, pictures, index)
        image = alone.mean  # of one iteration
        images.append(image)
        losses.append(alone.loss)
        average = 0.99 * average + 0.01 * image if index else image
        step = jax.tree.map(jnp.asarray, step)
    np.testing.assert_allclose(after.average, average, atol=1e-5)
    np.testing.assert_allclose(found.mean, np.mean(images, 0), atol=1e-5)
    np.testing.assert_allclose(found.loss, np.mean(losses, 0), rtol=1e-4)
    variances = np.var(images, 0).mean((1, 2, 3))
    np.testing.assert_allclose(found.variance, variances, atol=1e-6)
    wrong = np.square(average - np.asarray(pictures.degraded))
    held = np.asarray(pictures.held)
    expected = (wrong * held).sum((1, 2, 3)) / held.sum((1, 2, 3))
    np.testing.assert_allclose(found.held_out, expected, rtol=1e-3)


def test_what_is_not_fitted_does_not_matter(pictures):
    program = _program(STEPS)
    other = jnp.where(pictures.weight > 0, pictures.degraded, 9.0)
    plain, found = _advance(program, program.begin(pictures), pictures, 0)
    changed = pictures._replace(degraded=other)
    same, differs = _advance(program, program.begin(changed), changed, 0)
    np.testing.assert_array_equal(plain.average, same.average)
    assert (differs.held_out > found.held_out).all()


def test_a_fit_that_rests_stays_as_it_is(pictures):
    program = _program(STEPS)
    before, _ = _advance(program, program.begin(pictures), pictures, 0)
    kept = _as_numbers(jax.tree.map(lambda leaf: leaf[0], before))
    start = jax.tree.map(jnp.asarray, before)
    after, _ = _advance(program, start, pictures, STEPS, (False, True))
    for old, new in zip(kept, _as_numbers(after), strict=True):
        np.testing.assert_array_equal(old, new[0])
    assert (after.average[1] != before.average[1]).any()


def test_a_fit_whose_loss_has_risen_by_five_decibels_falls_back(pictures):
    program = _program(STEPS)
    before, found = _advance(program, program.begin(pictures), pictures, 0)
    assert not found.fell.any()
    # As if the loss had been a tenth before in the first, and half in the second.
    fit = before._replace(loss=before.loss * np.array([0.1, 0.5], np.float32))
    kept = _as_numbers(jax.tree.map(lambda leaf: leaf[0], fit))
    after, found = _advance(program, jax.tree.map(jnp.asarray, fit), pictures, STEPS)
    np.testing.assert_array_equal(found.fell, [True, False])
    for old, new in zip(kept, _as_numbers(after), strict=True):
        np.testing.assert_array_equal(old, new[0])
