import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.degradations import second_order

COUNT = 48
KEYS = jax.random.split(jax.random.key(0), COUNT)
CLEAN = {"gaussian": 0.0, "poisson": 0.0, "quality": 100.0}


@functools.cache
def _compiled():
    """One program for all tests: the levels of both stages are traced numbers."""

    def one(key, image, blur, gaussian, poisson, quality):
        return second_order.degrade(
            key,
            image,
            blur=blur,
            gaussian=gaussian,
            poisson=poisson,
            quality=quality,
            second_blur=blur,
            second_gaussian=gaussian,
            second_poisson=poisson,
            second_quality=quality,
        )

    return jax.jit(jax.vmap(one, (0, None, None, None, None, None)))


def _degrade(image, *, blur=0.1, gaussian=0.1, poisson=2.0, quality=50.0):
    numbers = (jnp.float32(number) for number in (blur, gaussian, poisson, quality))
    return np.asarray(_compiled()(KEYS, jnp.asarray(image, jnp.float32), *numbers))


def _waves(side=30):
    angle = np.arange(side)[:, None, None] / 5 + np.arange(side)[None, :, None] / 9
    return 0.5 + 0.3 * np.sin(angle) * np.ones(3)


@pytest.mark.slow
def test_the_result_is_a_quarter_in_size_and_a_file_would_hold_it():
    degraded = _degrade(_waves())
    assert degraded.shape == (COUNT, 8, 8, 3)  # 30 / 4 rounded up
    assert degraded.min() >= 0 and degraded.max() <= 1
    np.testing.assert_allclose(degraded * 255, np.round(degraded * 255), atol=1e-3)


@pytest.mark.slow
def test_every_image_has_a_degradation_of_its_own():
    flat = _degrade(_waves()).reshape(COUNT, -1)
    assert len(np.unique(flat, axis=0)) == COUNT
    spread = np.abs(flat - flat.mean(0)).mean(1)
    assert spread.max() > 2 * spread.min()


@pytest.mark.slow
def test_a_plain_image_stays_plain_where_there_is_no_noise():
    # Blur, resizing and ringing have weights that sum to 1; the padding of kernels and
    # canvases must not show. Grey 128 is a level, and quality 100 keeps it.
    degraded = _degrade(np.full((30, 30, 3), 128 / 255), blur=2.0, **CLEAN)
    np.testing.assert_allclose(degraded * 255, 128, atol=1)


@pytest.mark.slow
def test_a_smooth_image_keeps_its_values_where_there_is_no_noise():
    # 30 px become 8, each 3.75 px of the image wide: their means, by fine sampling.
    fine = np.asarray((np.arange(240) + 0.5) / 8 - 0.5)
    angle = fine[:, None] / 5 + fine[None, :] / 9
    expected = (0.5 + 0.3 * np.sin(angle)).reshape(8, 30, 8, 30).mean((1, 3))
    degraded = np.median(_degrade(_waves(), **CLEAN), 0).mean(-1)
    inside = np.abs(degraded - expected)[1:-1, 1:-1].mean()
    assert inside < 0.02
    # In place, too: half a pixel beside it is worse.
    moved = (expected[1:-1, 1:-1] + expected[1:-1, 2:]) / 2
    assert np.abs(degraded[1:-1, 1:-1] - moved).mean() > 3 * inside


@pytest.mark.slow
def test_more_noise_and_less_quality_damage_more():
    plain = np.full((30, 30, 3), 0.5)

    def damage(**numbers):
        return np.abs(_degrade(plain, **(CLEAN | numbers)) - 0.5).mean()

    clean, weak = damage(), damage(gaussian=0.02, poisson=0.3)
    strong = damage(gaussian=0.2, poisson=3.0)
    assert clean < 0.5 * weak and weak < 0.5 * strong
    fine = _degrade(_waves(), **CLEAN)
    good = np.abs(_degrade(_waves(), **(CLEAN | {"quality": 80.0})) - fine).mean()
    poor = np.abs(_degrade(_waves(), **(CLEAN | {"quality": 10.0})) - fine).mean()
    assert 0 < good < 0.7 * poor


@pytest.mark.slow
def test_more_blur_leaves_less_contrast():
    noise = np.random.default_rng(0).random((30, 30, 3))
    sharp = _degrade(noise, **CLEAN)
    blurred = _degrade(noise, blur=3.0, **CLEAN)
    assert blurred.std((1, 2)).mean() < 0.5 * sharp.std((1, 2)).mean()


@pytest.mark.parametrize(("scale", "side"), [(1, 30), (2, 15), (3, 10), (4, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_scale_decides_the_size(scale, side, channels):
    degrade = functools.partial(second_order.degrade, scale=scale)
    image = jax.ShapeDtypeStruct((30, 30, channels), jnp.float32)
    result = jax.eval_shape(degrade, KEYS[0], image)
    assert result.shape == (side, side, channels) and result.dtype == jnp.float32


def test_the_kernels_are_the_papers_mixture():
    count = 2000
    keys = jax.random.split(jax.random.key(1), count)
    draw = jax.jit(jax.vmap(lambda key: second_order._kernel(key, (1.0, 3.0))))
    kernels = np.asarray(draw(keys))
    np.testing.assert_allclose(kernels.sum((1, 2)), 1, atol=1e-5)

    def assert_share(found, expected):
        deviation = (expected * (1 - expected) / count) ** 0.5
        assert abs(found.mean() - expected) < 4 * deviation

    # A tenth are sinc filters, the only ones with negative weights.
    assert_share((kernels < 0).any((1, 2)), 0.1)
    # 0.45 + 0.12 + 0.12 of the others are round: the same from all sides.
    turned = np.abs(kernels - kernels.swapaxes(1, 2)).max((1, 2))
    flipped = np.abs(kernels - kernels[:, ::-1]).max((1, 2))
    assert_share(np.maximum(turned, flipped) < 1e-6, 0.1 + 0.9 * 0.69)
    # Supports are 7, 9 ... 21 px with equal chance. Flat enough kernels fill theirs.
    middle = kernels[:, 10, 10:]
    supports = 2 * (middle != 0).sum(1) - 1
    assert set(supports) <= {*range(7, 22, 2)} | {1, 3, 5} and supports.max() == 21
    assert_share(supports <= 7, 1 / 8)


def test_the_factors_are_the_papers():
    uniform = jnp.linspace(0, 1, 1001)[:-1]
    ways, places = (grid.reshape(-1) for grid in jnp.meshgrid(uniform, uniform[::50]))
    for shares, pair in (
        (second_order._FIRST, (0.15, 1.5)),
        (second_order._SECOND, (0.3, 1.2)),
    ):
        draw = functools.partial(second_order._factor, shares=shares, resized=pair)
        factors = np.asarray(jax.vmap(draw)(ways, places))
        assert factors.min() == pytest.approx(pair[0], abs=1e-6)
        # The grid's places end at 0.95.
        assert factors.max() == pytest.approx(1 + 0.95 * (pair[1] - 1), abs=1e-6)
        shrunk = (factors < 1).mean()
        assert shrunk == pytest.approx(shares.shrunk, abs=0.01)
        # One place of the twenty is 0, where enlarging is by exactly 1.
        enlarged = (factors > 1).mean()
        assert enlarged == pytest.approx(0.95 * shares.enlarged, abs=0.01)


@pytest.mark.parametrize("pair", [(0.2, 0.9), (1.1, 1.5), (0, 1.5), (0.5,)])
def test_factors_must_hold_one_and_a_scale_shrinks(pair):
    image = jnp.zeros((8, 8, 3))
    with pytest.raises(ValueError, match=r"with 1 in between|takes above 0"):
        second_order.degrade(KEYS[0], image, second_resized=pair)
    with pytest.raises(ValueError, match=r"scale is 0, but .* 1 or more"):
        second_order.degrade(KEYS[0], image, scale=0)
