"""Means of windows: against loops, numbers by hand, and those of a part of the map."""

import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.ops import local_means


def _mean_in_loops(x, window):
    """The mean of the window around each pixel, pushed inside where it sticks out."""
    sides = x.shape[:2]
    spans = [min(window, side) for side in sides]
    means = np.zeros(x.shape)
    for position in np.ndindex(sides):
        starts = [
            min(max(at - (span - 1) // 2, 0), side - span)
            for at, span, side in zip(position, spans, sides, strict=True)
        ]
        rows, columns = (
            slice(s, s + span) for s, span in zip(starts, spans, strict=True)
        )
        means[position] = np.float64(x[rows, columns]).mean((0, 1))
    return means


@pytest.mark.parametrize(
    ("height", "width", "window"), [(13, 9, 5), (13, 9, 4), (7, 11, 9), (5, 6, 1)]
)
def test_a_local_mean_is_the_mean_in_loops(height, width, window):
    x = untrained.noise(2, height, width, 3)
    means = local_means.local_mean(x, window)
    for image, mean in zip(x, means, strict=True):
        expected = _mean_in_loops(np.asarray(image), window)
        np.testing.assert_allclose(mean, expected, atol=1e-5)


def test_a_local_mean_of_five_numbers_equals_hand_computed_numbers():
    x = jnp.array([1.0, 2.0, 6.0, 4.0, 5.0]).reshape(1, 5, 1, 1)
    three = local_means.local_mean(x, 3).reshape(-1)
    np.testing.assert_allclose(three, [3, 3, 4, 5, 5], rtol=1e-6)
    two = local_means.local_mean(x, 2).reshape(-1)  # of a pixel and the next
    np.testing.assert_allclose(two, [1.5, 4, 5, 4.5, 4.5], rtol=1e-6)


@pytest.mark.parametrize("window", [0, 7, 100])
def test_a_window_over_the_whole_map_has_one_mean(window):
    x = untrained.noise(2, 7, 5, 3)
    means = local_means.local_mean(x, window)
    assert means.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(means[:, 0, 0], np.asarray(x).mean((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("window", [4, 7, 12])
def test_a_part_of_the_map_has_the_bits_of_the_whole(window):
    x = untrained.noise(1, 50, 40, 2)
    whole = np.asarray(local_means.local_mean(x, window))
    part = local_means.local_mean(x[:, 11:39, 8:35], window)
    room = window // 2
    inside = slice(room, -room)
    kept = whole[:, 11:39, 8:35][:, inside, inside]
    np.testing.assert_array_equal(part[:, inside, inside], kept)
