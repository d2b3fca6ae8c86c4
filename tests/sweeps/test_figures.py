import numpy as np
import pytest

from jaxrestore.sweeps import figures


def test_a_trend_is_the_line_of_least_squares():
    assert figures.trend([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]) == pytest.approx((2, 1, 1))
    x, y = np.random.default_rng(0).random((2, 20))
    found = figures.trend(x, y)
    assert found == pytest.approx((*np.polyfit(x, y, 1), np.corrcoef(x, y)[0, 1]))
    mirrored = figures.trend(x, -3 * y)
    assert mirrored == pytest.approx((-3 * found[0], -3 * found[1], -found[2]))


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([], [])]
)
def test_points_without_a_trend_have_none(x, y):
    assert figures.trend([*map(float, x)], [*map(float, y)]) is None
