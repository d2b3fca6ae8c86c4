import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import draws

KEYS = jax.random.split(jax.random.key(0), 500)


def _drawn(draw, option):
    return np.asarray(jax.vmap(lambda key: draw(key, option))(KEYS))


@pytest.mark.parametrize(
    ("draw", "kind"), [(draws.number, jnp.float32), (draws.integer, jnp.int32)]
)
def test_a_number_is_itself_traced_or_not(draw, kind):
    plain = draw(KEYS[0], 3)
    traced = jax.jit(lambda option: draw(KEYS[0], option))(3)
    assert plain == traced == 3 and plain.dtype == traced.dtype == kind


def test_a_range_of_numbers_is_filled_evenly():
    found = _drawn(draws.number, (2.0, 4.0))
    assert found.dtype == np.float32 and 2 <= found.min() < found.max() < 4
    # A uniform draw of width 2 deviates by 0.58; the mean of 500 by 0.026.
    assert abs(found.mean() - 3) < 0.13


def test_a_range_of_whole_numbers_has_both_its_ends():
    assert set(_drawn(draws.integer, [2, 4]).tolist()) == {2, 3, 4}


def test_a_range_of_one_value_is_that_value():
    assert set(_drawn(draws.integer, (5, 5)).tolist()) == {5}
    assert draws.number(KEYS[0], (5, 5)) == 5


@pytest.mark.parametrize("option", [(1,), (1, 2, 3), (2, 1), (), (0.0, float("nan"))])
def test_what_is_no_pair_is_refused(option):
    for draw in (draws.number, draws.integer):
        with pytest.raises(ValueError, match="a range is a pair"):
            draw(KEYS[0], option)


def test_the_highest_of_a_number_and_of_a_range():
    assert draws.highest(3) == 3.0
    assert draws.highest([1, 4]) == 4.0


def test_a_choice_falls_in_proportion_to_its_weights():
    found = _drawn(draws.choice, {"rare": 1, "never": 0, "common": 3})
    share = np.bincount(found, minlength=3) / len(found)
    # Five standard deviations of a share of a quarter among 500.
    assert share[1] == 0 and abs(share[0] - 0.25) < 0.1
    assert found.dtype == np.int32


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": 2, "b": -1}])
def test_weights_nothing_can_be_chosen_by_are_refused(weights):
    with pytest.raises(ValueError, match="weights to choose by"):
        draws.choice(KEYS[0], weights)
