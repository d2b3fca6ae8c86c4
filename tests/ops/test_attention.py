import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import attention

contextual = jax.jit(attention.contextual, static_argnames=("sharpness", "side"))


def _noise(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def _mask(*shape, holes):
    """Zeros but for one box an image: (image, rows, columns)."""
    mask = np.zeros((*shape, 1), np.float32)
    for image, rows, columns in holes:
        mask[image, rows, columns] = 1
    return jnp.asarray(mask)


def _neighbourhood(image, row, column):
    framed = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    return framed[row : row + 3, column : column + 3].ravel()


def _places(sides):
    return [(row, column) for row in range(sides[0]) for column in range(sides[1])]


def _fused(comparisons, query, place, sides):
    total = 0.0
    for row, column in np.ndindex(3, 3):
        step = np.array([row, column]) - 1
        moved = [tuple(at + step) for at in (query, place)]
        if all((0 <= at[0] < sides[0]) and (0 <= at[1] < sides[1]) for at in moved):
            total += comparisons[moved[0]][moved[1]]
    return total


def _slowly(image, mask, sharpness):
    """One image by the definition, in loops of float64."""
    image, hole = np.asarray(image, np.float64), np.asarray(mask)[..., 0] > 0
    height, width, _ = image.shape
    halved = image[::2, ::2]
    sides = halved.shape[:2]
    bad = {(row // 2, column // 2) for row, column in np.argwhere(hole)}
    near = lambda a, b: max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= 1
    valid = [at for at in _places(sides) if not any(near(at, b) for b in bad)]
    patches = {at: _neighbourhood(halved, *at) for at in _places(sides)}
    unit = {at: p / max(np.linalg.norm(p), 1e-4) for at, p in patches.items()}
    comparisons = np.zeros((*sides, *sides))
    for query in _places(sides):
        for place in _places(sides):
            comparisons[query][place] = patches[query] @ unit[place]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    sums, count = np.zeros_like(even), np.zeros((*even.shape[:2], 1))
    offsets = np.zeros((*sides, 2))
    for query in _places(sides) if valid else []:
        scores = [sharpness * _fused(comparisons, query, at, sides) for at in valid]
        weights = np.exp(np.array(scores) - max(scores))
        weights /= weights.sum()
        offsets[query] = np.subtract(valid[int(np.argmax(weights))], query)
        for step in np.ndindex(4, 4):
            to = tuple(2 * np.array(query) + step - 1)
            for weight, at in zip(weights, valid, strict=True):
                taken = tuple(2 * np.array(at) + step - 1)
                ends = np.array([to, taken])
                if (ends >= 0).all() and (ends < even.shape[:2]).all():
                    sums[to] += weight * even[taken]
                    count[to] += weight
    return (sums / np.maximum(count, 1e-9))[:height, :width], offsets


CASES = [
    ((2, 9, 12, 3), [(0, slice(2, 4), slice(3, 5)), (1, slice(6, 9), slice(0, 2))]),
    ((1, 8, 8, 2), []),
    ((2, 11, 7, 2), [(0, slice(0, 2), slice(0, 7)), (1, slice(4, 5), slice(3, 4))]),
]


@pytest.mark.parametrize(("shape", "holes"), CASES, ids=str)
def test_attention_equals_a_slow_reference(shape, holes):
    features, mask = _noise(*shape), _mask(*shape[:3], holes=holes)
    result, offsets = contextual(features, mask, sharpness=0.5, side=3)
    assert result.shape == shape
    for index in range(shape[0]):
        expected, looked = _slowly(features[index], mask[index], 0.5)
        np.testing.assert_allclose(result[index], expected, atol=1e-5)
        np.testing.assert_array_equal(offsets[index], looked)


def test_squares_of_any_side_give_the_same_values_and_gradients():
    features = _noise(2, 9, 13, 3)
    mask = _mask(2, 9, 13, holes=[(0, slice(3, 6), slice(2, 7))])
    target = _noise(2, 9, 13, 3, seed=1)

    @functools.partial(jax.jit, static_argnames="side")
    def value(features, side):
        made, _ = attention.contextual(features, mask, sharpness=0.5, side=side)
        return (made * target).sum()

    found = [jax.value_and_grad(value)(features, side=side) for side in (2, 16)]
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)
    step = 1e-2 * _noise(*features.shape, seed=2)
    above, below = (value(features + sign * step / 2, side=16) for sign in (1, -1))
    slope = float(jnp.vdot(found[0][1], step))
    assert slope == pytest.approx(float(above - below), rel=2e-2)


def test_of_two_halves_that_are_alike_each_hole_is_filled_from_the_other():
    # Places of the halved map: 4 x 8, twice the same 4 x 4.
    half = _noise(1, 8, 8, 4)
    features = jnp.concatenate([half, half], 2)
    mask = _mask(1, 8, 16, holes=[(0, slice(4, 6), slice(4, 6))])
    result, offsets = contextual(features, mask, sharpness=50.0)
    np.testing.assert_array_equal(offsets[0, 2, 2], [0, 4])
    # All whose patches touch the hole look four places to the right.
    np.testing.assert_array_equal(offsets[0, 1:4, 1:4], np.tile([0, 4], (3, 3, 1)))
    np.testing.assert_allclose(result, features, atol=1e-3)


@pytest.mark.parametrize("sides", [(9, 8), (1, 5)])
def test_a_map_of_one_value_keeps_it_to_its_border(sides):
    features, mask = jnp.full((1, *sides, 3), 0.7), jnp.zeros((1, *sides, 1))
    result, _ = contextual(features, mask)
    np.testing.assert_allclose(result, features, rtol=1e-5)


def test_nothing_of_a_hole_reaches_the_result_of_other_places():
    # Within four pixels of the hole places are compared by what lies in it.
    features = _noise(1, 16, 16, 3)
    mask = _mask(1, 16, 16, holes=[(0, slice(4, 8), slice(4, 8))])
    other = jnp.where(mask > 0, 1e4, features)
    first, second = (contextual(x, mask)[0] for x in (features, other))
    assert float(jnp.abs(second).max()) < 10
    np.testing.assert_allclose(first[:, 13:, 13:], second[:, 13:, 13:], atol=1e-5)


def test_without_a_patch_free_of_holes_it_gives_zeros_and_finite_gradients():
    features = jnp.concatenate([_noise(1, 8, 8, 2), jnp.zeros((1, 8, 8, 2))])
    mask = jnp.ones((2, 8, 8, 1))
    result, offsets = contextual(features, mask)
    assert not np.any(result) and not np.any(offsets)

    @jax.jit
    @jax.grad
    def gradient(features, mask):
        return contextual(features, mask)[0].sum()

    assert np.isfinite(gradient(features, mask)).all()
    assert np.isfinite(gradient(features, jnp.zeros_like(mask))).all()


@pytest.mark.parametrize("derive", [False, True], ids=["value", "gradient"])
def test_its_memory_grows_with_the_map_and_not_with_its_square(derive):
    def needed(side):
        features = jax.ShapeDtypeStruct((1, side, side, 4), jnp.float32)
        mask = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
        value = lambda x, mask: attention.contextual(x, mask, side=8)[0].sum()
        function = jax.grad(value) if derive else value
        compiled = jax.jit(function).lower(features, mask).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # Four times the pixels: the square would be sixteen times as large.
    assert needed(64) < 5 * needed(32)
