import numpy as np
import pytest
import regions

from jaxrestore.data import samples
from jaxrestore.inference import seams

# Tones and detail


def _steps(joined, missing):
    """As `seams._steps`, pixel by pixel."""
    channels = joined.shape[2]
    steps, pairs = np.zeros(joined.shape), np.zeros(missing.shape)
    for y, x in np.argwhere(~missing):
        found = []
        for y1, x1 in regions.neighbours(y, x, missing.shape):
            if not missing[y1, x1]:
                continue
            before, beyond = (2 * y - y1, 2 * x - x1), (2 * y1 - y, 2 * x1 - x)
            inside = beyond in regions.neighbours(y1, x1, missing.shape)
            there = before in regions.neighbours(y, x, missing.shape)
            slopes = []
            if there and not missing[before]:
                slopes.append(joined[before] - joined[y, x])
            if not there:  # the picture goes on as it ends
                slopes.append(np.zeros(channels))
            if inside and missing[beyond]:
                slopes.append(joined[y1, x1] - joined[beyond])
            slope = np.mean(slopes, 0) if slopes else 0
            found.append(joined[y, x] - joined[y1, x1] - slope)
        pairs[y, x] = len(found)
        if found:
            steps[y, x] = np.mean(found, 0)
    return steps, pairs


def test_steps_are_those_of_neighbours_less_the_slopes_behind_them():
    missing = regions.random(9, 12, seed=1) < 0.4
    joined = regions.random(9, 12, 2)
    steps, pairs = seams._steps(joined, missing)
    expected, counts = _steps(joined, missing)
    np.testing.assert_array_equal(pairs[..., 0], counts)
    np.testing.assert_allclose(steps, expected, atol=1e-6)


@pytest.mark.parametrize("cast", [10, -40])
def test_a_cast_is_taken_from_a_hole_in_a_slope(cast):
    rows, columns = np.mgrid[:40, :50].astype(np.float32)
    image = np.stack([rows / 100, columns / 100, 0.3 + 0 * rows], -1)
    hole = regions.box(40, 50, 10, 12, 25, 30)
    found = seams.without_step(image + np.float32(cast / 255), image, hole)
    np.testing.assert_allclose(found, image, atol=1e-4)
    np.testing.assert_array_equal(found[~hole], image[~hole])


def test_of_a_photograph_the_original_nearly_stays_and_a_cast_goes():
    photograph = samples.evaluation()[2]["image"][:200, :220].astype(np.float32) / 255
    hole = regions.box(200, 220, 60, 60, 130, 150)
    error = lambda found: 255 * np.sqrt(np.square(found - photograph)[hole].mean())
    cast = photograph + np.array([10, -6, 5], np.float32) / 255
    assert error(seams.without_step(photograph, photograph, hole)) < 2
    assert error(cast) > 7 > 2 > error(seams.without_step(cast, photograph, hole))


def test_what_is_enlarged_meets_the_pixels_beside_it():
    known, hole = regions.random(30, 30, 3), regions.box(30, 30, 8, 0, 20, 15)
    restored = np.full_like(known, 0.2)
    found = seams.matched(restored, known, hole, hole)
    ring = seams._beside(hole) & ~hole
    np.testing.assert_allclose(found[ring], known[ring], atol=1e-6)
    # Far from the border a mean of it is left.
    assert found[14, 3].std() < known[ring].std(0).mean()
    same = seams.matched(known, known, hole, hole)
    np.testing.assert_array_equal(same, known)


def test_where_the_hole_goes_on_nothing_is_taken_for_known():
    known, missing = (
        np.zeros((10, 20, 1), np.float32),
        regions.box(10, 20, 0, 5, 10, 20),
    )
    known[missing] = 1e9  # never looked at
    own = missing & (np.arange(20) < 12)
    found = seams.matched(np.full_like(known, 0.5), known, missing, own)
    np.testing.assert_allclose(found[own], 0, atol=1e-6)
