import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrestore.degradations import noise

GREY = jnp.full((64, 64, 3), 0.5)


def _degrade(image, seed=0, **options):
    run = jax.jit(functools.partial(noise.degrade, **options))
    return np.asarray(run(jax.random.key(seed), image))


def _degrade_many(count, image, **options):
    keys = jax.random.split(jax.random.key(0), count)
    run = functools.partial(noise.degrade, **options)
    return np.asarray(jax.jit(jax.vmap(run, (0, None)))(keys, image))


def test_gaussian_noise_is_normal_and_not_clipped():
    added = (_degrade(GREY, level=0.4) - 0.5) / 0.4
    assert scipy.stats.kstest(added.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.1
    assert added.min() < -0.5 / 0.4 and added.max() > 0.5 / 0.4


@pytest.mark.parametrize("mean", [1, 7, 100, 255])
def test_photons_have_the_distribution_of_scipy(mean):
    flat = jnp.full((128, 128, 1), mean / 255)
    counts = _degrade(flat, kind="poisson", level=1.0) * 255
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    counts = np.round(counts).ravel().astype(int)
    # Bins of a twentieth or more each, as chi-square wants them.
    edges = np.unique(scipy.stats.poisson.ppf(np.linspace(0.05, 0.95, 19), mean))
    shares = np.diff([0, *scipy.stats.poisson.cdf(edges, mean), 1])
    found = np.bincount(np.searchsorted(edges, counts), minlength=len(shares))
    assert scipy.stats.chisquare(found, shares * counts.size).pvalue > 0.01
    # No tail that does not belong: 7 deviations and one more, among 16384 draws.
    assert abs(counts - mean).max() <= 7 * np.sqrt(mean) + 1


def test_black_counts_no_photons_and_out_of_range_values_count_as_black_or_white():
    values = jnp.array([-0.3, 0.0, 1.0, 1.5]).reshape(1, 4, 1)
    image = jnp.broadcast_to(values, (400, 4, 1))
    added = _degrade(image, kind="poisson", level=1.0) - np.asarray(image)
    np.testing.assert_array_equal(added[:, :2], 0)
    spread = added[:, 2:].std(0).ravel() * 255
    # The deviation of 400 draws of deviation sqrt(255) is off by 3.5 %; allow 4 times.
    np.testing.assert_allclose(spread, np.sqrt(255), rtol=0.15)


def test_the_level_of_poisson_noise_is_a_factor_that_may_be_traced():
    key = jax.random.key(0)
    run = jax.jit(lambda level: noise.degrade(key, GREY, kind="poisson", level=level))
    once, twice = run(1.0) - 0.5, run(2.0) - 0.5
    np.testing.assert_allclose(twice, 2 * once, atol=1e-6)
    np.testing.assert_allclose(run(0.0), GREY, atol=1e-6)


def test_salt_and_pepper_take_whole_pixels_and_leave_the_others_alone():
    image = jnp.asarray(np.random.default_rng(0).random((128, 128, 3), np.float32))
    image = 0.25 + image / 2
    made = _degrade(image, kind="salt_and_pepper", level=0.2)
    white, black = (made == 1).all(-1), (made == 0).all(-1)
    struck = white | black
    np.testing.assert_array_equal(made[~struck], np.asarray(image)[~struck])
    # A share p of n = 16384 pixels is off by sqrt(p (1 - p) / n) < 0.0024; 4 times.
    assert white.mean() == pytest.approx(0.1, abs=0.01)
    assert black.mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_grey_noise_is_the_same_in_all_channels(kind):
    colour = jnp.broadcast_to(jnp.array([1.0, 0.0, 0.0]), (64, 64, 3))
    added = _degrade(colour, kind=kind, level=1.0, grey=1.0) - np.asarray(colour)
    np.testing.assert_allclose(added, added[..., :1].repeat(3, -1), atol=1e-6)
    coloured = _degrade(GREY, kind=kind, level=1.0) - 0.5
    assert abs(coloured[..., 0] - coloured[..., 1]).mean() > 0.01
    if kind == "poisson":
        # Red has luma 0.299: 76 of 255; the sample deviation is off by about 1 %.
        assert added.std() * 255 == pytest.approx(np.sqrt(76), rel=0.05)


GRAINS = ("white", "blurred", "enlarged", "mosaiced", "chroma")


@pytest.mark.parametrize("grain", GRAINS)
def test_grey_noise_of_any_grain_is_some_and_without_colour(grain):
    added = _degrade(GREY, level=0.1, grey=1.0, grain=grain) - 0.5
    np.testing.assert_allclose(added, added[..., :1].repeat(3, -1), atol=1e-6)
    assert added.std() > 0.03


def test_grey_is_drawn_for_each_image():
    made = _degrade_many(200, GREY[:4, :4], level=0.1, grey=0.25)
    share = (np.ptp(made, axis=-1).max((1, 2)) < 1e-6).mean()
    assert share == pytest.approx(0.25, abs=0.12)  # 4 deviations of 0.03


def test_the_level_map_is_the_level_that_was_drawn():
    made = _degrade_many(20, GREY, level=(0.05, 0.2), level_map=True)
    assert made.shape == (20, 64, 64, 4)
    levels = made[:, 0, 0, 3]
    np.testing.assert_array_equal(
        made[..., 3], np.broadcast_to(levels[:, None, None], (20, 64, 64))
    )
    assert levels.min() >= 0.05 and levels.max() <= 0.2 and np.ptp(levels) > 0.05
    # 12288 values give a deviation to 0.64 %; four times that.
    spread = (made[..., :3] - 0.5).std((1, 2, 3))
    np.testing.assert_allclose(spread, levels, rtol=0.026)


def test_a_mixture_draws_kinds_by_weight_with_a_level_each():
    kind = {
        "gaussian": {"weight": 3, "level": [0.1, 0.2]},
        "salt_and_pepper": {"weight": 1.0},
        "poisson": 0.0,
    }
    made = _degrade_many(200, GREY[:8, :8], kind=kind, level=0.0, level_map=True)
    levels = made[:, 0, 0, 3]
    bell = levels > 0
    assert bell.mean() == pytest.approx(0.75, abs=0.12)  # 4 deviations of 0.03
    assert levels[bell].min() >= 0.1 and levels[bell].max() <= 0.2
    np.testing.assert_array_equal(made[~bell][..., :3], 0.5)


def test_unknown_kinds_and_entries_are_refused():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="takes gaussian, poisson, salt_and_p"):
        noise.degrade(key, GREY, kind="gausian")
    with pytest.raises(ValueError, match="give a weight, or a table"):
        noise.degrade(key, GREY, kind={"poisson": {"level": 1.0}})
    with pytest.raises(ValueError, match="give a weight, or a table"):
        noise.degrade(key, GREY, kind={"poisson": {"weight": 1.0, "scale": 2}})
