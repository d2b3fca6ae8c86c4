import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regions

from jaxrestore.ops import membranes


def test_between_equal_values_a_membrane_is_flat_and_between_two_it_is_a_slope():
    fixed = np.zeros((1, 9), bool)
    fixed[:, [0, 8]] = True
    values = np.zeros((1, 9, 1), np.float32)
    values[:, 0], values[:, 8] = 3, 3
    np.testing.assert_allclose(membranes.membrane(values, fixed, ~fixed), 3, rtol=1e-6)
    values[:, 8] = 11
    slope = membranes.membrane(values, fixed, ~fixed)[0, :, 0]
    np.testing.assert_allclose(slope, np.arange(3, 12), atol=0.3)


@pytest.mark.parametrize("side", [7, 24])
def test_a_membrane_is_the_mean_of_its_neighbours(side):
    free = regions.box(side, side, 2, 2, side - 1, side - 2)
    free[:3, side // 2 :] = True  # to two borders of the picture
    fixed = (membranes.neighbours(1 * free[..., None])[..., 0] > 0) & ~free
    values = regions.random(side, side, 2) + np.linspace(0, 4, side)[:, None, None]
    found = membranes.membrane(values.astype(np.float32), fixed, free)

    places = [*zip(*np.nonzero(free), strict=True)]
    matrix, sums = np.zeros((len(places),) * 2), np.zeros((len(places), 2))
    for row, place in enumerate(places):
        for other in regions.neighbours(place[0], place[1], free.shape):
            if free[other] or fixed[other]:
                matrix[row, row] += 1
            if free[other]:
                matrix[row, places.index(other)] -= 1
            elif fixed[other]:
                sums[row] += values[other]
    exact = np.linalg.solve(matrix, sums)
    np.testing.assert_allclose(found[free], exact, atol=0.05 * float(np.ptp(exact)))
    np.testing.assert_array_equal(found[fixed], values[fixed].astype(np.float32))
    assert not found[~(free | fixed)].any()
    low, high = values[fixed].min(0), values[fixed].max(0)
    assert (found[free] >= low).all() and (found[free] <= high).all()


def test_traced_and_of_a_batch_it_is_the_same():
    values = regions.random(2, 3, 21, 14, 3)
    free = regions.random(2, 3, 21, 14, seed=1) < 0.7
    fixed = ~free & (regions.random(2, 3, 21, 14, seed=2) < 0.5)
    compiled = jax.jit(membranes.membrane)
    found = compiled(jnp.asarray(values), jnp.asarray(fixed), jnp.asarray(free))
    for place in itertools.product(range(2), range(3)):
        alone = membranes.membrane(values[place], fixed[place], free[place])
        np.testing.assert_allclose(found[place], alone, atol=1e-6)


def test_where_nothing_is_fixed_it_is_0():
    free = np.ones((6, 5), bool)
    assert not membranes.membrane(regions.random(6, 5, 1), ~free, free).any()
