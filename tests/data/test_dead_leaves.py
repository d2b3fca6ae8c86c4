import numpy as np
import pytest

from jaxrestore.data import dead_leaves


def painted(seed, side=64):
    return dead_leaves.paint(np.random.default_rng(seed), side)


@pytest.mark.parametrize("side", [1, 7, 64, 131])
def test_any_side_can_be_painted(side):
    image = painted(0, side)
    assert image.shape == (side, side, 3) and image.dtype == np.uint8


def test_same_generator_paints_the_same_image_and_another_does_not():
    np.testing.assert_array_equal(painted(3), painted(3))
    assert (painted(3) != painted(4)).mean() > 0.5


@pytest.mark.parametrize("zoom", [1, 3])
def test_leaves_cover_all_but_a_percent(zoom):
    uncovered = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        radii = dead_leaves._radii(generator, 64, zoom)
        centres = generator.uniform(-radii, 64 + radii, (2, len(radii)))
        outlines = dead_leaves._outlines(generator, radii, centres)
        uncovered.append((dead_leaves._draw(outlines, 64) == 0).mean())
    assert np.mean(uncovered) < 0.015


def test_radii_stay_in_their_range():
    for seed in range(10):
        radii = dead_leaves._radii(np.random.default_rng(seed), 100, 1)
        assert radii.min() >= 1.49 and radii.max() <= 60.01
        assert np.median(radii) < 6  # small leaves are many
        larger = dead_leaves._radii(np.random.default_rng(seed), 100, 3)
        assert larger.min() >= 3 * 1.49 and 6 < np.median(larger) < 18


def test_colours_are_as_muted_as_in_photographs():
    images = [painted(seed) / 255 for seed in range(40)]
    light = np.mean([image.mean(axis=2).std() for image in images])
    warm = np.mean([(image[..., 0] - image[..., 2]).std() for image in images])
    green = np.mean([(2 * image[..., 1] - image[..., 0] - image[..., 2]).std()
                     for image in images])  # fmt: skip
    # 397 photographs of BSDS500: 0.20, 0.13 and 0.09 in these units
    assert 0.13 < light < 0.25
    assert 0.06 < warm < 0.18
    assert 0.04 < green < 0.14
    extreme = np.mean([np.isin(image, (0, 1)).mean() for image in images])
    assert extreme < 0.08


def test_texture_has_no_mean_and_tiles_with_more_power_in_low_frequencies():
    texture = dead_leaves._texture(np.random.default_rng(0), 64)
    assert abs(texture.mean()) < 1e-5 and texture.std() == pytest.approx(1, abs=1e-4)
    power = np.abs(np.fft.fft2(texture)) ** 2
    # amplitude 1/f: three octaves up, power falls to about 1/64
    assert 20 < power[1:3, 0].mean() / power[8:24, 0].mean() < 2000


def test_blur_keeps_the_mean_of_a_flat_image_and_a_point_spreads():
    flat = np.full((5, 5, 3), 0.25, np.float32)
    np.testing.assert_allclose(dead_leaves._blur(flat, 0.2), flat, rtol=1e-6)
    point = np.zeros((3, 3, 3), np.float32)
    point[1, 1] = 1
    weights = np.outer([0.1, 0.8, 0.1], [0.1, 0.8, 0.1])
    np.testing.assert_allclose(dead_leaves._blur(point, 0.1)[..., 0], weights, 1e-5)
