import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import metrics
from jaxrestore.ops import no_reference


def _noise(*shape, sigma=1.0, seed=0):
    normal = np.random.default_rng(seed).standard_normal(shape)
    return (sigma * normal).astype(np.float32)


def test_the_level_of_one_detail_by_hand():
    root = np.sqrt(3)
    taps = np.array([1 - root, root - 3, 3 + root, -1 - root]) / (4 * np.sqrt(2))
    image = np.zeros((4, 4, 1), np.float32)
    image[1, 2] = 1
    expected = abs(taps[1] * taps[2]) / 0.6744897501960817
    assert no_reference.noise_level(image) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255])
def test_the_level_of_noise_on_a_slope_is_found(sigma):
    # A slope has no details: the wavelet has two vanishing moments.
    slope = np.add.outer(np.linspace(0, 1, 97), np.linspace(0, 2, 83))[..., None]
    assert no_reference.noise_level(slope) < 1e-6
    noisy = slope + _noise(97, 83, 3, sigma=sigma)
    # The median of 8,000 values of which neighbours are alike, in three channels.
    assert no_reference.noise_level(noisy) == pytest.approx(sigma, rel=0.05)


def test_the_level_of_noise_scales_with_the_image():
    image = _noise(16, 19, 3)
    assert no_reference.noise_level(3 * image) == pytest.approx(
        3 * no_reference.noise_level(image), rel=1e-5
    )


def _picture(side=64, channels=3, sigma=0.0):
    """A slope from 80 to 160, and noise of so many levels, in 8 bits."""
    slope = np.add.outer(np.linspace(80, 120, side), np.linspace(0, 40, side))
    noisy = slope[..., None] + _noise(side, side, channels, sigma=sigma)
    return np.rint(noisy).astype(np.uint8)


def test_noise_is_told_in_levels_of_8_bits_also_of_16():
    noisy = _picture(160, sigma=10)
    found = no_reference.estimates(noisy)
    assert found["sigma"] == pytest.approx(10, rel=0.05)
    # Independent noise at two pixels differs by sqrt(2) sigma, in two directions; the
    # slope adds a level a quarter in each, hardly anything.
    assert found["sharpness"] == pytest.approx(20, rel=0.05)
    assert found["blockiness"] == pytest.approx(1, rel=0.1)
    deep = no_reference.estimates(noisy.astype(np.uint16) * 257)
    assert deep == pytest.approx(found, rel=1e-5)


def test_blocks_are_told_by_the_steps_at_their_borders():
    blocks = _noise(8, 8, 3).repeat(8, 0).repeat(8, 1)
    plain = _picture(64, sigma=2).astype(np.float32)
    values = [
        no_reference.estimates(
            np.clip(plain + strength * blocks, 0, 255).astype(np.uint8)
        )["blockiness"]
        for strength in (0, 4, 16)
    ]
    assert values[0] < 1.5 < 2 * values[0] < values[1] < values[2]
    # Of a border two steps, noise 2 and blocks 16: variances add up.
    assert values[2] == pytest.approx((2**2 + 16**2) / 2**2, rel=0.4)


def test_blur_makes_a_picture_less_sharp():
    noisy = _picture(sigma=20).astype(np.float32)
    blurred = (noisy[:-1] + noisy[1:]) / 2
    sharp, soft = (
        no_reference.estimates(image.astype(np.uint8))["sharpness"]
        for image in (noisy, blurred)
    )
    assert soft < 0.9 * sharp


def test_alpha_does_not_count_and_a_small_picture_tells_nothing():
    colors = _picture(sigma=5)
    alpha = np.random.default_rng(1).integers(0, 256, (64, 64, 1), np.uint8)
    found = no_reference.estimates(colors)
    assert no_reference.estimates(np.concatenate([colors, alpha], -1)) == found
    grey = no_reference.estimates(colors[..., :1])
    assert no_reference.estimates(np.concatenate([colors[..., :1], alpha], -1)) == grey
    assert no_reference.estimates(colors[:8]) == {}
    assert set(no_reference.estimates(colors[:9, :9])) == set(found)


def test_parts_of_a_large_picture_stand_for_it_with_their_blocks_where_they_were():
    blocks = _noise(130, 125, 1, sigma=20).repeat(8, 0).repeat(8, 1)[:1033, :997]
    image = np.clip(128 + blocks, 0, 255).astype(np.uint8)
    # All steps are at borders of blocks.
    assert no_reference.estimates(image)["blockiness"] > 1000
    noisy = _picture(700, sigma=10)
    noisy[:130] = noisy[:130, :1]  # without noise from left to right, in three windows
    assert no_reference.estimates(noisy)["sigma"] == pytest.approx(10, rel=0.05)


def test_two_pictures_are_told_of_beside_each_other():
    noisy, clean = _picture(sigma=9), _picture()
    found = no_reference.compared(noisy, clean)
    names = ("sigma", "blockiness", "sharpness")
    for end, image in (("in", noisy), ("out", clean)):
        told = no_reference.estimates(image)
        assert {name: found[f"{name}_{end}"] for name in names} == told
    assert no_reference.compared(noisy[:4], clean[:4]) == {}


def test_the_parts_of_scores_are_the_same_of_jax_and_of_numpy():
    images = np.random.default_rng(0).random((2, 19, 26, 3), np.float32)
    for part in (no_reference.block_steps, no_reference.gradient_energy):
        traced = jax.jit(part)(images)
        for ours, theirs in zip(
            jax.tree.leaves(part(images)), jax.tree.leaves(traced), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    expected = (no_reference.gradient_energy(images)[:1] + 1e-8) / (
        no_reference.gradient_energy(images)[1:] + 1e-8
    )
    found = metrics.sharpness(jnp.asarray(images[:1]), jnp.asarray(images[1:]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_estimates_need_no_jax():
    asked = (
        "import sys, numpy; from jaxrestore.ops import no_reference; "
        "no_reference.estimates(numpy.zeros((16, 16, 3), numpy.uint8)); "
        "sys.exit('jax' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", asked], check=True)
