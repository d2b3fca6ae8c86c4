import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.inference import crops


def _plan(hole, *, side=32, margin=8):
    """The crops; each hole's pixel belongs to one."""
    found = [*crops.plan(hole, side=side, margin=margin)]
    count = np.zeros(hole.shape, int)
    for crop in found:
        count[crop.window] += crop.own
        assert crop.own.shape == count[crop.window].shape
        assert crop.own.any() and max(crop.shape) <= side
    np.testing.assert_array_equal(count, hole)
    return found


def _hole(height, width, *boxes):
    hole = np.zeros((height, width), bool)
    for top, left, bottom, right in boxes:
        hole[top:bottom, left:right] = True
    return hole


def test_a_hole_lies_in_the_middle_of_a_crop_of_the_work_size():
    (crop,) = _plan(_hole(100, 90, (50, 40, 54, 50)))
    assert crop.window == (slice(36, 68), slice(29, 61)) and crop.shape == (32, 32)


def test_at_the_border_a_crop_is_moved_into_the_picture():
    (crop,) = _plan(_hole(100, 90, (0, 84, 4, 90)))
    assert crop.window == (slice(0, 32), slice(58, 90))


def test_a_picture_smaller_than_the_work_size_is_taken_whole_and_as_it_is():
    (crop,) = _plan(_hole(20, 30, (2, 2, 18, 29)))
    assert crop.window == (slice(0, 20), slice(0, 30)) and crop.shape == (20, 30)


def test_holes_that_are_near_are_one_region_and_far_ones_are_not():
    near = _hole(60, 60, (20, 20, 22, 22), (20, 29, 22, 31))  # 7 px between
    assert len(_plan(near)) == 1
    far = _hole(60, 60, (20, 20, 22, 22), (20, 30, 22, 32))
    assert len(_plan(far)) == 2


def test_a_large_hole_is_scaled_down_with_its_margin():
    (crop,) = _plan(_hole(200, 200, (80, 80, 120, 120)))
    # 40 px become the 16 px that margins leave, the whole crop's 80 px then 32.
    assert crop.window == (slice(60, 140), slice(60, 140)) and crop.shape == (32, 32)


def test_a_crop_as_wide_as_the_picture_is_scaled_alike_both_ways():
    (crop,) = _plan(_hole(64, 200, (0, 40, 64, 80)))
    assert crop.window == (slice(0, 64), slice(20, 100)) and crop.shape == (26, 32)
    # Nothing is gained by a window that is larger than the picture.
    (crop,) = _plan(_hole(64, 64, (8, 8, 56, 56)))
    assert crop.window == (slice(0, 64), slice(0, 64)) and crop.shape == (32, 32)


def test_scratches_are_cut_up_and_not_scaled():
    found = _plan(_hole(300, 300, (10, 4, 290, 8)))
    assert {crop.shape for crop in found} == {(32, 32)}
    assert len(found) == 18  # 280 px by 16
    assert all(crop.window[0].stop - crop.window[0].start == 32 for crop in found)


def test_a_long_wide_hole_is_cut_into_parts_that_are_scaled_less():
    found = _plan(_hole(400, 100, (10, 40, 390, 60)))
    # At once the whole 400 px would be 32; 20 px are 16 in a part.
    lengths = {crop.window[1].stop - crop.window[1].start for crop in found}
    assert lengths == {40} and len(found) == 19


def test_a_scratch_through_a_wide_hole_is_filled_after_it_and_at_full_size():
    hole = _hole(200, 200, (100, 0, 102, 200), (80, 80, 120, 120))
    first, *others = _plan(hole)
    assert first.shape == (32, 32) and first.own.sum() > 1590
    lengths = {crop.window[1].stop - crop.window[1].start for crop in others}
    assert lengths == {32}


def test_missing_pixels_all_over_cover_the_picture_in_parts_of_full_size():
    hole = np.random.default_rng(0).random((70, 90)) < 0.5
    assert {crop.shape for crop in _plan(hole)} == {(32, 32)}


@pytest.mark.parametrize("seed", range(5))
def test_each_missing_pixel_is_filled_once_whatever_the_holes(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(5, 150, 2)
    hole = np.zeros((height, width), bool)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(0, height), rng.integers(0, width)
        hole[top : top + rng.integers(1, 60), left : left + rng.integers(1, 60)] = True
    _plan(hole, side=24, margin=int(rng.integers(0, 12)))


def test_margins_that_leave_nothing_are_refused():
    with pytest.raises(errors.ConfigError, match="take a larger `side`"):
        _plan(_hole(9, 9, (1, 1, 2, 2)), side=16, margin=8)
