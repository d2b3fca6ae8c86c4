import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import draw

from jaxrestore.ops import strokes

coverage = jax.jit(strokes.coverage)
distance_to_path = jax.jit(strokes.distance_to_path, static_argnums=(1, 2))
distance_to_segment = jax.jit(strokes.distance_to_segment, static_argnums=(2, 3))


def _point(*values):
    return jnp.array(values, jnp.float32)


def _number(value):
    return jnp.float32(value)


def test_the_distance_to_a_segment_is_as_computed_by_hand():
    # From (1, 1) to (1, 3): beside it the row counts, beyond its ends the hypotenuse.
    diagonal = np.sqrt(2)
    expected = [
        [diagonal, 1, 1, 1, diagonal],
        [1, 0, 0, 0, 1],
        [diagonal, 1, 1, 1, diagonal],
        [np.sqrt(5), 2, 2, 2, np.sqrt(5)],
    ]
    distance = distance_to_segment(_point(1, 1), _point(1, 3), 4, 5)
    np.testing.assert_allclose(distance, expected, atol=1e-6)
    backwards = distance_to_segment(_point(1, 3), _point(1, 1), 4, 5)
    np.testing.assert_allclose(backwards, expected, atol=1e-6)


def test_a_segment_of_no_length_is_a_point():
    centre = _point(1, 2)
    rows, columns = np.mgrid[:4, :5]
    expected = np.hypot(rows - 1, columns - 2)
    distance = distance_to_segment(centre, centre, 4, 5)
    np.testing.assert_allclose(distance, expected, atol=1e-6)
    path = distance_to_path(centre[None], 4, 5)
    np.testing.assert_allclose(path, expected, atol=1e-6)


def test_the_distance_to_a_path_is_that_to_its_nearest_point():
    path = np.random.default_rng(0).uniform(-3, 25, (6, 2))
    shares = np.linspace(0, 1, 2001)[:, None]
    points = [a + shares * (b - a) for a, b in itertools.pairwise(path)]
    points = np.concatenate(points)
    pixels = np.argwhere(np.ones((19, 23)))[:, None]
    nearest = [np.linalg.norm(points - pixel, axis=1).min() for pixel in pixels]
    distance = distance_to_path(jnp.asarray(path, jnp.float32), 19, 23)
    # Points lie at most 28 * sqrt(2) / 2000 = 0.02 px apart.
    np.testing.assert_allclose(distance.reshape(-1), nearest, atol=0.011)


def test_a_shortened_path_ends_at_its_last_vertex():
    path = jnp.arange(10.0).reshape(5, 2)
    short = jax.jit(strokes.shortened)(path, jnp.int32(3))
    np.testing.assert_array_equal(short, path[jnp.array([0, 1, 2, 2, 2])])
    expected = distance_to_path(path[:3], 8, 9)
    np.testing.assert_allclose(distance_to_path(short, 8, 9), expected, atol=1e-6)


@pytest.mark.parametrize("radius", [0.1, 0.5, 1.25, 3.0])
@pytest.mark.parametrize("row", [8.0, 8.3, 8.5])
def test_a_stroke_along_a_row_covers_its_width(radius, row):
    path = jnp.array([[row, -5.0], [row, 20.0]])
    distance = distance_to_path(path, 17, 15)
    covered = coverage(distance, _number(radius))
    np.testing.assert_allclose(covered.sum(0), 2 * radius, rtol=1e-5)
    assert covered.min() >= 0 and covered.max() <= 1 + 1e-6


def test_a_disc_is_that_of_scikit_image():
    centre, radius = (15.2, 14.7), 9.3
    distance = distance_to_path(_point(*centre)[None], 32, 32)
    covered = coverage(distance, _number(radius))
    expected = np.zeros((32, 32), bool)
    expected[draw.disk(centre, radius, shape=expected.shape)] = True
    np.testing.assert_array_equal(covered > 0.5, expected)
    np.testing.assert_allclose(covered.sum(), np.pi * radius**2, rtol=5e-3)


def test_a_polyline_is_that_of_scikit_image():
    path = np.array([[4.3, 5.1], [25.2, 9.4], [17.6, 27.9]])
    radius = 2.6
    expected = np.zeros((32, 32), bool)
    for start, end in itertools.pairwise(path):
        along = (end - start) / np.linalg.norm(end - start)
        beside = radius * np.array([-along[1], along[0]])
        corners = [start + beside, end + beside, end - beside, start - beside]
        expected |= draw.polygon2mask(expected.shape, corners)
    for vertex in path:
        expected[draw.disk(vertex, radius, shape=expected.shape)] = True
    distance = distance_to_path(jnp.asarray(path, jnp.float32), 32, 32)
    covered = np.asarray(strokes.coverage(distance, _number(radius)))
    sure = (covered == 0) | (covered > 1 - 1e-6)
    assert 0.05 < covered.mean() < 0.5 and sure.mean() > 0.8
    np.testing.assert_array_equal(covered[sure] > 0.5, expected[sure])
    np.testing.assert_allclose(covered.sum(), expected.sum(), rtol=0.03)


def test_a_thin_line_covers_the_pixels_of_a_digital_line():
    start, end = (3, 2), (20, 29)
    path = jnp.array([start, end], jnp.float32)
    covered = coverage(distance_to_path(path, 32, 32), _number(0.5))
    # Pixels of a digital line lie at most half a pixel off, so half of each is covered.
    assert covered[draw.line(*start, *end)].min() >= 0.5 - 1e-5


def _painted(sheet, covers, **options):
    cover = lambda key: jnp.asarray(covers, jnp.float32)
    ink = strokes.Ink(options.pop("intensity", 0.8), options.pop("opacity", 0.5))
    paint = lambda key, sheet: strokes.paint(key, sheet, ink, cover, **options)
    return jax.jit(paint)(jax.random.key(0), sheet)


def test_marks_lie_one_over_the_other():
    sheet = _painted(strokes.clear_sheet(1, 2), [[1, 0.5]], count=2)
    # Opacity 0.5, so the first mark lets 1/2 through, and 3/4 where it covers half.
    np.testing.assert_allclose(sheet.clear, [[0.25, 0.75**2]], atol=1e-6)
    light = [[0.4 * 0.5 + 0.4, 0.2 * 0.75 + 0.2]]
    np.testing.assert_allclose(sheet.light, light, atol=1e-6)
    over = _painted(sheet, [[1, 0]], count=1, intensity=0.3, opacity=1.0)
    np.testing.assert_allclose(over.clear, [[0, 0.75**2]], atol=1e-6)
    np.testing.assert_allclose(over.light, [[0.3, light[0][1]]], atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"count": 0}, {"count": (0.0, 0.0)}, {"count": 3, "probability": 0.0}]
)
def test_no_marks_leave_the_sheet_clear(options):
    sheet = _painted(strokes.clear_sheet(2, 2), np.ones((2, 2)), **options)
    np.testing.assert_array_equal(sheet.clear, 1)
    np.testing.assert_array_equal(sheet.light, 0)


def test_the_number_of_marks_is_uniform_over_its_range():
    cover = lambda key: jnp.ones((1, 1))
    paint = lambda key: strokes.paint(
        key, strokes.clear_sheet(1, 1), strokes.Ink(1.0, 0.5), cover, count=(1.0, 3.0)
    )
    keys = jax.random.split(jax.random.key(0), 300)
    counts = -np.log2(jax.jit(jax.vmap(paint))(keys).clear).ravel()
    shares = [np.isclose(counts, count).mean() for count in (1, 2, 3)]
    # 300 draws: one standard deviation of a share is 0.027.
    np.testing.assert_allclose(shares, 1 / 3, atol=0.11)
    assert sum(shares) == pytest.approx(1)
