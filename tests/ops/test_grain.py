import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import naming
from jaxrestore.ops import color, grain

GRAINS = {name: jax.jit(f) for name, f in naming.public(grain).items()}
every_grain = pytest.mark.parametrize("name", GRAINS)
NOISE = jax.random.normal(jax.random.key(0), (90, 96, 3))


def _alike(noise):
    """How far a pixel agrees with its right neighbour, channel by channel."""
    a, b = noise[:, :-1], noise[:, 1:]
    return float((a * b).mean() / jnp.square(noise).mean())


@every_grain
def test_noise_keeps_its_shape_and_about_its_deviation(name):
    for channels in (1, 3):
        noise = NOISE[..., :channels]
        made = [GRAINS[name](jax.random.key(seed), noise) for seed in range(3)]
        assert {one.shape for one in made} == {noise.shape}
        deviations = [float(one.std()) for one in made]
        low = 0.8 if name == "chroma" and channels == 3 else 0.95
        assert low < min(deviations) and max(deviations) < 1.05


@pytest.mark.parametrize("name", ["blurred", "enlarged", "mosaiced", "chroma"])
def test_neighbours_are_alike(name):
    assert abs(_alike(NOISE)) < 0.02
    assert _alike(GRAINS[name](jax.random.key(1), NOISE)) > 0.15


def test_white_noise_stays():
    np.testing.assert_array_equal(GRAINS["white"](jax.random.key(0), NOISE), NOISE)


def test_blotches_of_colour_have_no_luma():
    made = GRAINS["chroma"](jax.random.key(0), NOISE)
    np.testing.assert_allclose(color.luma(made), 0, atol=1e-5)


def test_a_mosaic_is_filled_in_from_the_nearest_pixels_of_a_colour():
    made = np.asarray(GRAINS["mosaiced"](jax.random.key(3), NOISE))
    kept = np.isclose(made * np.sqrt([9 / 16, 5 / 8, 9 / 16]), NOISE, atol=1e-5)
    # A quarter of red and of blue, half of green; the others are means.
    np.testing.assert_allclose(kept.mean((0, 1)), [1 / 4, 1 / 2, 1 / 4], atol=0.02)
    assert (kept.sum(-1) == 1).mean() > 0.99
