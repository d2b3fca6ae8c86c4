import numpy as np
import pytest

from jaxrestore.evaluation import strips


def test_the_error_panel_is_grey_where_nothing_differs():
    same = np.full((4, 4, 3), 0.25, np.float32)
    strip = strips.strip(same, same, same)
    assert strip.shape == (4, 16, 3)
    assert (strip[:, 12:] == 128).all()


def test_maps_stand_beside_the_error_and_are_clipped():
    same = np.full((2, 3, 3), 0.25, np.float32)
    strip = strips.strip(same, same, same, same * 2, same * 8)
    assert strip.shape == (2, 18, 3)
    *_, error, double, white = np.split(strip, 6, axis=1)
    assert (error == 128).all() and (double == 128).all() and (white == 255).all()


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(1, [1]), (4, [4]), (5, [5]), (6, [3, 3]), (8, [4, 4]), (9, [5, 4])],
)
def test_lines_hold_all_panels_in_order_and_none_has_more_than_five(count, lengths):
    names = tuple(f"panel {n}" for n in range(count))
    picture = np.arange(2 * 3 * count * 3, dtype=np.uint8).reshape(2, 3 * count, 3)
    lines = strips.lines(picture, names)
    assert [len(heads) for heads, _ in lines] == lengths
    assert sum((heads for heads, _ in lines), ()) == names
    for heads, line in lines:
        assert line.shape == (2, 3 * len(heads), 3)
    np.testing.assert_array_equal(np.concatenate([x for _, x in lines], 1), picture)


def test_names_that_do_not_fit_the_picture_are_refused():
    with pytest.raises(ValueError, match="16 px has no 5 panels"):
        strips.lines(np.zeros((2, 16, 3), np.uint8), ("a", "b", "c", "d", "e"))
