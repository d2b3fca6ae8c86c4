import functools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage import filters

from jaxrestore.comparing import shipped
from jaxrestore.inference import classical


def _noise(*shape, sigma=1.0, seed=0):
    normal = np.random.default_rng(seed).standard_normal(shape)
    return (sigma * normal).astype(np.float32)


def _stripes(height, width):
    """Vertical stripes, each 4 px of one colour."""
    dark = np.arange(width) // 4 % 2
    colors = np.array([[0.2, 0.3, 0.6], [0.8, 0.7, 0.4]], np.float32)
    return np.broadcast_to(colors[dark], (height, width, 3))


def test_the_input_as_it_is_stays_as_it_is():
    images = jnp.asarray(_noise(2, 4, 5, 3))
    assert classical.unchanged(images) is images


# Non-local means


def test_non_local_means_remove_noise_from_what_repeats():
    clean = _stripes(32, 40)
    images = np.stack([clean + _noise(32, 40, 3, sigma=s) for s in (0.05, 0.1)])
    restored = classical.non_local_means(jnp.asarray(images))
    assert restored.shape == images.shape and restored.dtype == jnp.float32
    error = lambda x: np.square(x - clean).mean((1, 2, 3))
    assert (error(restored) < error(images) / 4).all()
    # Each image with the level of its own noise, whatever stands beside it.
    alone = classical.non_local_means(jnp.asarray(images[1:]))
    np.testing.assert_array_equal(alone[0], restored[1])


def test_an_image_without_noise_is_left_alone():
    images = jnp.full((1, 16, 16, 3), 0.3)
    np.testing.assert_array_equal(classical.non_local_means(images), images)


# Vector median


def test_a_lone_pixel_takes_the_colour_of_its_neighbours():
    images = np.full((1, 5, 6, 3), 0.25, np.float32)
    images[0, 2, 3] = [1, 0, 0]
    restored = classical.vector_median(jnp.asarray(images))
    np.testing.assert_array_equal(restored, np.full_like(images, 0.25))


def test_of_one_channel_the_vector_median_is_the_median():
    images = np.random.default_rng(0).random((2, 9, 7, 1), np.float32)
    expected = ndimage.median_filter(images, (1, 3, 3, 1), mode="nearest")
    np.testing.assert_array_equal(
        classical.vector_median(jnp.asarray(images)), expected
    )


def test_the_vector_median_is_the_pixel_with_the_least_sum_of_distances():
    image = np.random.default_rng(1).random((5, 6, 3), np.float32)
    restored = classical.vector_median(jnp.asarray(image[None]))[0]
    wide = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge").astype(np.float64)
    for y, x in np.ndindex(5, 6):
        window = wide[y : y + 3, x : x + 3].reshape(9, 3)
        distances = np.linalg.norm(window[:, None] - window, axis=-1).sum(1)
        np.testing.assert_allclose(restored[y, x], window[distances.argmin()])


# Holes


def _with_hole(images, rows, columns):
    """Images with NaN in a hole, which nobody may look at, and the mask."""
    mask = np.zeros((*images.shape[:3], 1), np.float32)
    mask[:, rows, columns] = 1
    return jnp.asarray(np.concatenate([np.where(mask, np.nan, images), mask], -1))


def test_a_hole_is_filled_by_the_mean_of_what_is_known_by_hand():
    image = np.array([[0.1, 0.2], [0.6, 0.9]], np.float32)[None, ..., None]
    colours = np.concatenate([image, 1 - image], -1)
    filled = classical.mean_fill(_with_hole(colours, 1, 1))
    np.testing.assert_allclose(filled[0, 1, 1], [0.3, 0.7], rtol=1e-6)


FILLS = pytest.mark.parametrize("fill", [classical.mean_fill, classical.biharmonic])


@FILLS
def test_known_pixels_stay_to_the_bit_and_images_do_not_touch_each_other(fill):
    images = np.random.default_rng(2).random((2, 9, 11, 3), np.float32)
    degraded = _with_hole(images, slice(2, 6), slice(0, 5))
    filled = fill(degraded)
    assert filled.shape == images.shape and filled.dtype == jnp.float32
    lost = np.isnan(degraded[..., :3])
    np.testing.assert_array_equal(filled[~lost], images[~lost])
    assert np.isfinite(filled).all() and (filled[lost] != images[lost]).all()
    np.testing.assert_array_equal(fill(degraded[1:])[0], filled[1])


@FILLS
def test_without_a_hole_nothing_changes_and_without_a_picture_all_is_grey(fill):
    images = np.random.default_rng(3).random((1, 5, 6, 3), np.float32)
    whole = _with_hole(images, slice(0), slice(0))
    np.testing.assert_array_equal(fill(whole), images)
    nothing = _with_hole(images, slice(None), slice(None))
    np.testing.assert_array_equal(fill(nothing), np.full_like(images, 0.5))


def test_the_biharmonic_surface_continues_a_slope_exactly():
    slope = np.add.outer(np.linspace(0.2, 0.5, 16), np.linspace(0, 0.3, 16))
    images = slope.astype(np.float32)[None, ..., None]
    filled = classical.biharmonic(_with_hole(images, slice(5, 10), slice(6, 11)))
    np.testing.assert_allclose(filled, images, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (2, 2, 3), (9, 1, 1)])
def test_non_local_means_keep_the_shape_of_narrow_pictures(shape):
    images = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    restored = np.asarray(classical.non_local_means(jnp.asarray(images)))
    assert restored.shape == images.shape and np.isfinite(restored).all()


@pytest.mark.slow
def test_no_other_unsharp_mask_restores_more_of_blurred_photographs():
    """In dB above the blurred photograph, in the mean over five kinds of blur."""

    def mask(radius, amount):
        one = functools.partial(
            filters.unsharp_mask, radius=radius, amount=amount, channel_axis=2
        )
        return lambda images: jnp.stack([*map(one, np.asarray(images))])

    masks = {f"{r} {a}": mask(r, a) for r in (1, 2, 3) for a in (0.5, 1, 2)}
    masks["ours"] = classical.unsharp_mask
    blurs = [{"kind": "isotropic", "deviation": width} for width in (1.0, 1.6, 2.5)]
    blurs += [{"kind": "line", "length": 9.0}, {"kind": "shake", "extent": 9.0}]
    gains = dict.fromkeys(masks, 0.0)
    for blur in blurs:
        noise = {"name": "noise", "kind": "gaussian", "level": 1 / 255}
        stages = [{"name": "blur", **blur}, noise, {"name": "eight_bit"}]
        scores = shipped.judge({"name": "chain", "stages": stages}, masks)
        for name in masks:
            gain = scores[name]["psnr"] - scores["input"]["psnr"]
            gains[name] += gain / len(blurs)
    assert max(gains.values()) == gains["2 1"] == gains["ours"] > 0.5


def test_an_unsharp_mask_makes_a_blurred_edge_steeper():
    step = np.zeros((1, 32, 32, 3), np.float32)
    step[:, :, 16:] = 1
    blurred = ndimage.gaussian_filter(step, (0, 2, 2, 0))
    sharpened = np.asarray(classical.unsharp_mask(jnp.asarray(blurred)))
    assert np.square(sharpened - step).mean() < np.square(blurred - step).mean()
    assert np.diff(sharpened[0, 16, :, 0]).max() > np.diff(blurred[0, 16, :, 0]).max()
