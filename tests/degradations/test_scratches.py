import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import scratches

NOTHING = {
    "cast": 0.0,
    "gaussian": 0.0,
    "poisson": 0.0,
    "deviation": 0.0,
    "salt_and_pepper": 0.0,
    "width": 0.0,  # of strokes
    "opacity": 0.0,  # of all marks but blotches
    "film": 0.0,
    "blotch": 0.0,
}
KEYS = 32


# The options are traced: one program serves all tests.
@jax.jit
def _compiled(keys, images, options):
    damage = functools.partial(scratches.damage, **options)
    return jax.vmap(damage)(keys, images)


def _damage(image, **options):
    keys = jax.random.split(jax.random.key(0), KEYS)
    images = np.broadcast_to(np.asarray(image), (KEYS, *image.shape))
    options = {n: jnp.float32(value) for n, value in (NOTHING | options).items()}
    degraded, mask = _compiled(keys, images, options)
    return np.asarray(degraded), np.asarray(mask)


def _photograph():
    # Darker than any mark, and off the 8-bit grid.
    values = np.random.default_rng(0).uniform(0, 0.7, (32, 32, 3))
    return jnp.asarray(values, jnp.float32)


def _levels(image):
    return np.round(np.clip(image, 0, 1) * np.float32(255))


@pytest.mark.slow
def test_without_any_damage_the_image_is_only_rounded():
    image = 2 * _photograph() - 0.3  # leaves the range on both sides
    degraded, mask = _damage(image)
    expected = np.stack([_levels(image)] * KEYS) / 255
    np.testing.assert_allclose(degraded, expected, atol=1e-7)
    assert not mask.any()


@pytest.mark.slow
def test_marks_brighten_the_mask_and_nothing_else():
    marks = {"width": 2.5, "opacity": 0.9, "film": 0.5, "blotch": 0.5}
    degraded, mask = _damage(_photograph(), **marks)
    assert set(np.unique(mask)) == {0, 1}
    brighter = _levels(degraded) - _levels(_photograph())
    damaged = np.broadcast_to(mask == 1, degraded.shape)
    assert not brighter[~damaged].any() and brighter[damaged].min() >= 0
    # What a mark covers by less than 1/100 may round to what was there.
    assert (brighter[damaged] > 0).mean() > 0.9


def test_fading_and_noise_are_not_in_the_mask():
    everything = {"cast": 1.0, "gaussian": 1.0, "salt_and_pepper": 1.0}
    degraded, mask = _damage(_photograph(), deviation=20.0, **everything)
    assert not mask.any()
    assert (_levels(degraded) != _levels(_photograph())).mean() > 0.9


def test_gaussian_noise_has_its_deviation():
    degraded, _ = _damage(jnp.full((32, 32, 3), 0.5), gaussian=1.0, deviation=20.0)
    # 98304 values: the deviation of a deviation is 1/443; rounding adds 1/12 to 400.
    np.testing.assert_allclose(255 * degraded.std(), 20, rtol=0.01)
    assert abs(
        np.corrcoef(degraded[..., 0].ravel(), degraded[..., 1].ravel())[0, 1]
    ) < (0.03)


def test_photon_noise_grows_with_the_root_of_the_light():
    image = jnp.full((32, 32, 3), 0.2).at[16:].set(0.6)
    degraded, _ = _damage(image, poisson=1.0)
    dark = degraded[:, :16].var((1, 2, 3)) * 255**2 - 1 / 12
    bright = degraded[:, 16:].var((1, 2, 3)) * 255**2 - 1 / 12
    np.testing.assert_allclose((bright / dark).mean(), 3, rtol=0.05)
    # At scale 1 the variance, of 255^2, is the 8-bit value; scales are 0.5 to 2.
    scales = np.sqrt(bright / (0.6 * 255))
    assert scales.min() > 0.45 and scales.max() < 2.1 and scales.std() > 0.2


def test_gaussian_and_photon_noise_exclude_each_other():
    options = {"gaussian": 0.5, "poisson": 0.25, "deviation": 40.0}
    degraded, _ = _damage(jnp.full((32, 32, 3), 0.5), **options)
    # Photons of scale 2 or less deviate by at most 2 * sqrt(0.5 * 255) = 22.6.
    deviation = 255 * degraded.std((1, 2, 3))
    gaussian, none = (deviation > 30).mean(), (deviation == 0).mean()
    # 32 draws: one standard deviation of a share is at most 0.09.
    assert abs(gaussian - 0.5) < 0.27 and abs(none - 0.25) < 0.23
    assert gaussian + none < 1


def test_salt_and_pepper_take_whole_pixels():
    degraded, _ = _damage(jnp.full((32, 32, 3), 0.5), salt_and_pepper=1.0)
    salt, pepper = degraded == 1, degraded == 0
    for extreme in (salt, pepper):
        assert (extreme.all(-1) == extreme.any(-1)).all()
        # A share U(0, 0.02), half of it each: 0.005 on average.
        assert 0.0025 < extreme.mean() < 0.0075
    assert (_levels(degraded[~(salt | pepper)]) == 128).all()


def test_fading_lowers_contrast_around_the_middle():
    image = jnp.zeros((32, 32, 3)).at[16:].set(1.0)
    degraded, _ = _damage(image, cast=1.0)
    contrast = degraded[:, 16:].mean((1, 2)) - degraded[:, :16].mean((1, 2))
    # Contrast 0.7 to 1 times a gain of 0.92 to 1.08; white clips at 1.
    assert contrast.min() > 0.7 * 0.92 - 0.01 and contrast.max() <= 1
    assert contrast.std(1).max() > 0.005  # the gain differs from channel to channel


def test_strokes_cover_the_expected_share():
    _, dusty = _damage(_photograph(), opacity=1.0)
    _, mask = _damage(_photograph(), opacity=1.0, width=32.0)
    # At side 32, of 256: 7.5 strokes of 3 segments of 35 / 8 px are 98 px long, 4 px
    # wide and 1 px of fringe: 492 of 1024 px, less what overlaps or leaves the image.
    assert (mask >= dusty).all()
    assert 0.12 < (mask - dusty).mean() < 0.48


def test_dust_is_small_and_everywhere():
    _, mask = _damage(_photograph(), opacity=1.0)
    counts = mask.sum((1, 2, 3))
    # Radii of at most 3 / 8 px and a fringe of half a pixel touch at most 4 pixels.
    assert counts.max() <= 40 * 4 and counts.std() > 5
    assert (mask.sum(0)[..., 0] > 0).mean() > 0.3


def test_a_film_line_runs_from_top_to_bottom():
    _, dusty = _damage(_photograph(), opacity=1.0)
    _, mask = _damage(_photograph(), opacity=1.0, film=1.0)
    lines = (mask - dusty)[..., 0]
    # Dust may hide a line, and one at the border may waver out of the image.
    assert np.median(lines.any(2).mean(1)) > 0.9
    # At most 3 lines of 2 / 8 px, each touching 3 columns at the most.
    assert 0 < lines.sum(2).max() <= 9


def test_a_blotch_is_soft():
    degraded, mask = _damage(jnp.zeros((32, 32, 3)), blotch=1.0)
    assert mask.any((1, 2, 3)).mean() > 0.7
    # Three of opacity 0.7, one over the other, are the most.
    assert degraded.max() <= 1 - (1 - 0.7) ** 3 + 1 / 255
    # Ellipses are 5 / 8 to 25 / 8 px large: most damaged pixels lie on the soft edge.
    assert len(np.unique(_levels(degraded))) > 40


def test_the_same_key_does_the_same_and_each_key_something_else():
    options = {"gaussian": 1.0, "deviation": 20.0, "opacity": 1.0, "width": 2.0}
    once, again = (_damage(_photograph(), **options) for _ in range(2))
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_array_equal(once[1], again[1])
    assert len({image.tobytes() for image in once[0]}) == KEYS
    assert len({mask.tobytes() for mask in once[1]}) == KEYS


def test_degrade_is_damage_with_all_options_and_without_the_mask(monkeypatch):
    options = inspect.signature(scratches.damage).parameters
    assert list(options) == list(inspect.signature(scratches.degrade).parameters)
    given = {name: 0.25 / i for i, name in enumerate(list(options)[2:], 1)}
    seen = {}
    fake = lambda key, image, **options: (seen.update(options), (image + 1, None))[1]
    monkeypatch.setattr(scratches, "damage", fake)
    degraded = scratches.degrade(jax.random.key(0), jnp.zeros((2, 2, 1)), **given)
    assert seen == given and (degraded == 1).all()


def test_degrade_and_damage_have_the_same_defaults():
    defaults = [
        {name: entry.default for name, entry in inspect.signature(f).parameters.items()}
        for f in (scratches.degrade, scratches.damage)
    ]
    assert defaults[0] == defaults[1]


def test_a_range_that_is_no_pair_is_refused():
    damage = functools.partial(scratches.damage, width=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="pair"):
        jax.eval_shape(damage, jax.random.key(0), _photograph())
