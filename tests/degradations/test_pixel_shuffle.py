import functools
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrestore.degradations import pixel_shuffle

# Under jit, one compilation a test; eagerly every operation would be compiled.
STATIC = ("height", "width", "radius", "order")
index_map = jax.jit(pixel_shuffle.index_map, static_argnames=STATIC)
partners = jax.jit(pixel_shuffle.partners, static_argnames=STATIC[:3])
degrade = jax.jit(pixel_shuffle.degrade, static_argnames=STATIC[2:])


@functools.partial(jax.jit, static_argnames=STATIC)
def _partners_and_map(key, height, width, *, rate, radius, order="raster"):
    draw_key, _ = jax.random.split(key)
    draw = pixel_shuffle.partners(draw_key, height, width, rate=rate, radius=radius)
    return draw, pixel_shuffle.index_map(
        key, height, width, rate=rate, radius=radius, order=order
    )


def _numbered(height, width):
    """An image that tells every pixel and both its channels apart."""
    numbers = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    return jnp.asarray(np.concatenate([numbers, -numbers], -1))


def _sequential(partner, sites):
    moved = np.arange(len(partner))
    for site in sites:
        other = partner[site]
        moved[site], moved[other] = moved[other], moved[site]
    return moved


def _displacement(moved, width):
    """How far the pixel now at each place has come: rows down, columns right."""
    here = np.arange(moved.shape[-1])
    return here // width - moved // width, here % width - moved % width


def _marked(case):
    # Each case has a shape of its own to compile; all fifty are for `-m slow`.
    return pytest.param(case, marks=[pytest.mark.slow] if case >= 12 else [])


@pytest.mark.parametrize("case", [_marked(case) for case in range(50)])
def test_raster_order_equals_a_sequential_loop_bit_for_bit(case):
    draw = np.random.default_rng(case)
    height, width = (int(side) for side in draw.integers(1, 41, 2))
    rate, radius = float(draw.choice([0.05, 0.15, 0.4, 1.0])), case % 3 + 1
    partner, moved = _partners_and_map(
        jax.random.key(case), height, width, rate=rate, radius=radius
    )
    expected = _sequential(np.asarray(partner), range(height * width))
    np.testing.assert_array_equal(moved, expected)


def test_raster_order_on_a_row_of_three_equals_the_exchanges_by_hand():
    for seed in range(8):
        (a, b, c), moved = _partners_and_map(
            jax.random.key(seed), 1, 3, rate=1.0, radius=1
        )
        row = ["left", "middle", "right"]
        for site, other in ((0, a), (1, b), (2, c)):
            row[site], row[other] = row[other], row[site]
        assert [["left", "middle", "right"][i] for i in moved] == row


def test_degrade_moves_whole_pixels_by_the_index_map():
    key, image = jax.random.key(4), _numbered(17, 23)
    moved = np.asarray(index_map(key, 17, 23, rate=0.4))
    degraded = degrade(key, image, rate=0.4)
    expected = np.asarray(image).reshape(-1, 2)[moved].reshape(17, 23, 2)
    np.testing.assert_array_equal(degraded, expected)
    assert (moved != np.arange(17 * 23)).any()


@pytest.mark.parametrize("order", ["raster", "colour"])
@pytest.mark.parametrize("side", [(1, 1), (2, 3), (17, 23), (40, 1)], ids=str)
def test_the_result_is_a_permutation_of_the_pixels(side, order):
    degraded = degrade(jax.random.key(0), _numbered(*side), rate=1.0, order=order)
    degraded = np.asarray(degraded)
    np.testing.assert_array_equal(degraded[..., 1], -degraded[..., 0])
    numbers = np.sort(degraded[..., 0], None)
    np.testing.assert_array_equal(numbers, np.arange(side[0] * side[1]))


@pytest.mark.parametrize("order", ["raster", "colour"])
def test_rate_zero_is_the_identity(order):
    image = _numbered(17, 23)
    degraded = degrade(jax.random.key(0), image, rate=0.0, order=order)
    np.testing.assert_array_equal(degraded, image)


def test_8_bit_values_come_through_unchanged():
    levels = np.random.default_rng(0).integers(0, 256, (17, 23, 3), np.uint8)
    image = jnp.asarray(levels, jnp.float32) / 255
    degraded = degrade(jax.random.key(0), image)
    again = np.asarray(jnp.round(degraded * 255)).astype(np.uint8)
    as_rows = lambda pixels: sorted(map(tuple, pixels.reshape(-1, 3).tolist()))
    assert as_rows(again) == as_rows(levels)
    assert set(np.asarray(degraded).ravel()) <= set(np.asarray(image).ravel())


@pytest.mark.parametrize("rate", [0.15, 0.4])
@pytest.mark.parametrize("order", ["raster", "colour"])
def test_the_share_of_moved_pixels_is_the_predicted_one(rate, order):
    moved = np.asarray(index_map(jax.random.key(0), 128, 128, rate=rate, order=order))
    share = (moved != np.arange(128 * 128)).mean()
    predicted = 1 - (1 - 24 * rate / 25) * (1 - rate / 25) ** 24
    assert share == pytest.approx(predicted, abs=0.02)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_in_raster_order_pixels_move_up_by_at_most_the_radius(radius):
    moved = np.asarray(index_map(jax.random.key(0), 40, 40, rate=1.0, radius=radius))
    down, right = _displacement(moved, 40)
    assert down.min() == -radius
    # Down and to the right a pixel can be pushed on again.
    assert down.max() > radius and right.max() > radius


def _skewness(displacement):
    return scipy.stats.skew(np.asarray(displacement, np.float64).ravel())


def _many_maps(order, rate=0.4, draws=4):
    keys = jax.random.split(jax.random.key(0), draws)
    return np.stack([index_map(k, 64, 64, rate=rate, order=order) for k in keys])


def test_in_raster_order_vertical_displacements_are_one_sided():
    down, right = _displacement(_many_maps("raster"), 64)
    assert _skewness(down) == pytest.approx(0.86, abs=0.2)
    assert abs(_skewness(right)) < 0.35  # a row is walked from left to right


# The mean displacement of any permutation is 0: only its shape tells the orders apart.
def test_in_colour_order_displacements_are_symmetric():
    down, right = _displacement(_many_maps("colour", draws=8), 64)
    assert abs(_skewness(down)) < 0.15 and abs(_skewness(right)) < 0.15
    assert down.min() < -2 and down.max() > 2
    assert np.std(down) == pytest.approx(np.std(right), rel=0.05)


def test_colour_order_visits_one_residue_class_after_another():
    height, width, key = 13, 17, jax.random.key(6)
    partner, moved = _partners_and_map(
        key, height, width, rate=1.0, radius=1, order="colour"
    )
    _, order_key = jax.random.split(key)
    residue = np.arange(height)[:, None] % 3 * 3 + np.arange(width) % 3
    classes = np.asarray(jax.random.permutation(order_key, 9))
    sites = np.concatenate([np.flatnonzero(residue == each) for each in classes])
    expected = _sequential(np.asarray(partner), sites)
    np.testing.assert_array_equal(moved, expected)
    assert (classes != np.arange(9)).any()


@pytest.mark.parametrize(
    ("site", "rows", "columns"),
    [
        ((0, 0), range(0, 3), range(0, 3)),
        ((5, 6), range(3, 6), range(4, 7)),
        ((0, 3), range(0, 3), range(1, 6)),
        ((2, 2), range(0, 5), range(0, 5)),
        ((4, 3), range(2, 6), range(1, 6)),
    ],
    ids=str,
)
def test_a_partner_is_uniform_over_the_window_inside_the_image(site, rows, columns):
    height, width, rate, draws = 6, 7, 0.4, 20_000
    window = [row * width + column for row in rows for column in columns]
    own = site[0] * width + site[1]
    counts = np.bincount(_drawn(height, width, rate, draws)[:, own], minlength=42)
    assert set(np.flatnonzero(counts)) == set(window)
    expected = np.full(len(window), rate * draws / len(window))
    expected[window.index(own)] += (1 - rate) * draws  # inactive
    statistic = ((counts[window] - expected) ** 2 / expected).sum()
    assert statistic < scipy.stats.chi2.ppf(1 - 1e-4, len(window) - 1)


@functools.cache
def _drawn(height, width, rate, draws):
    keys = jax.random.split(jax.random.key(0), draws)
    draw = functools.partial(partners, height=height, width=width, rate=rate, radius=2)
    return np.asarray(jax.vmap(draw)(keys))


def test_partners_of_two_sites_are_independent():
    drawn = _drawn(6, 7, 0.4, 20_000)
    moved = (drawn != np.arange(42)).astype(np.float64)
    correlation = np.corrcoef(moved, rowvar=False) - np.eye(42)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(drawn))


def test_rows_and_columns_of_a_partner_are_independent():
    # One uniform number is spent on three draws; that must not show.
    partner = _drawn(6, 7, 0.4, 20_000)[:, 2 * 7 + 2]
    partner = partner[partner != 2 * 7 + 2]
    table = np.zeros((5, 5))
    np.add.at(table, (partner // 7, partner % 7), 1)
    others = np.delete(table.ravel(), 12)
    assert scipy.stats.chisquare(others).pvalue > 1e-4


@pytest.mark.parametrize("order", ["raster", "colour"])
def test_the_key_decides_with_and_without_jit(order):
    key, image = jax.random.key(0), _numbered(17, 23)
    plain = pixel_shuffle.degrade(key, image, order=order)
    np.testing.assert_array_equal(degrade(key, image, order=order), plain)
    np.testing.assert_array_equal(degrade(key, image, order=order), plain)
    assert (degrade(jax.random.key(1), image, order=order) != plain).any()


@pytest.mark.parametrize("order", ["raster", "colour"])
def test_a_vmapped_batch_equals_a_loop(order):
    keys = jax.random.split(jax.random.key(0), 3)
    images = jnp.stack([_numbered(9, 14) + 1000 * i for i in range(3)])
    one = functools.partial(degrade, order=order)
    together = jax.vmap(one)(keys, images)
    for key, image, degraded in zip(keys, images, together, strict=True):
        np.testing.assert_array_equal(degraded, one(key, image))


def test_a_traced_rate_is_the_same_as_a_number():
    key, image = jax.random.key(0), _numbered(17, 23)
    number = pixel_shuffle.degrade(key, image, rate=0.15)
    traced = degrade(key, image, rate=jnp.float32(0.15))
    np.testing.assert_array_equal(traced, number)
    assert (traced != degrade(key, image, rate=jnp.float32(0.4))).any()


def test_a_number_gives_what_it_gave_before_a_rate_could_be_a_range():
    # Stored scores depend on it. Computed by the code that took numbers alone.
    expected = [0, 6, 10, 4, 2, 5, 12, 7, 3, 8, 9, 11, 1, 13, 14, 15, 17, 16, 18, 19]
    moved = index_map(jax.random.key(0), 4, 5, rate=0.4)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("order", ["raster", "colour"])
def test_a_range_of_no_width_is_its_number(order):
    key, image = jax.random.key(3), _numbered(17, 23)
    blind = functools.partial(pixel_shuffle.degrade, rate=[0.4, 0.4], order=order)
    expected = degrade(key, image, rate=0.4, order=order)
    np.testing.assert_array_equal(jax.jit(blind)(key, image), expected)


def test_each_image_draws_its_own_rate_from_a_range():
    draw = functools.partial(
        pixel_shuffle.index_map, height=40, width=40, rate=(0.05, 0.95)
    )
    moved = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), 64))
    shares = (np.asarray(moved) != np.arange(40 * 40)).mean(1)
    predicted = lambda rate: 1 - (1 - 24 * rate / 25) * (1 - rate / 25) ** 24
    rates = np.linspace(0.05, 0.95, 200)
    drawn = np.interp(shares, predicted(rates), rates)
    assert scipy.stats.kstest(drawn, scipy.stats.uniform(0.05, 0.9).cdf).pvalue > 1e-3
    assert drawn.max() - drawn.min() > 0.7


def test_a_range_that_is_no_pair_is_refused():
    with pytest.raises(ValueError, match=r"a range is a pair .* got \(0\.4, 0\.1\)"):
        pixel_shuffle.degrade(jax.random.key(0), _numbered(4, 4), rate=(0.4, 0.1))


def test_an_unknown_order_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'rastre', but .* takes raster, colour"):
        pixel_shuffle.degrade(jax.random.key(0), _numbered(4, 4), order="rastre")


@pytest.mark.slow
def test_the_exact_order_takes_less_than_three_times_the_quick_one():
    keys = jax.random.split(jax.random.key(0), 16)
    images = jax.random.uniform(jax.random.key(1), (16, 256, 256, 3))
    seconds = {"raster": [], "colour": []}
    batches = {
        order: jax.jit(jax.vmap(functools.partial(pixel_shuffle.degrade, order=order)))
        for order in seconds
    }
    for turn in range(10):  # in turn: what else runs on the machine meets both
        for order, batch in batches.items():
            start = time.perf_counter()
            jax.block_until_ready(batch(keys, images))
            if turn:
                seconds[order].append(time.perf_counter() - start)
    raster, colour = (statistics.median(times) for times in seconds.values())
    assert raster < 3 * colour
