import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from jaxrestore import protocols

SHAPE = (1, 24, 31, 3)  # one shape for most tests: one compilation
rgb8 = jax.jit(protocols.rgb8)


def _levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _floats(levels):
    return jnp.asarray(levels, jnp.float32) / 255


def test_values_that_round_to_the_same_level_score_as_identical():
    target = _levels(*SHAPE)
    shift = np.random.default_rng(1).uniform(-0.49, 0.49, target.shape)
    scores = rgb8((_floats(target) * 255 + shift) / 255, _floats(target))
    np.testing.assert_array_equal(scores["psnr"], np.inf)
    np.testing.assert_array_equal(scores["ssim"], 1.0)
    np.testing.assert_array_equal(scores["ms_ssim"], 1.0)
    np.testing.assert_allclose(scores["cosine"], 1.0, atol=1e-6)


def test_values_out_of_range_are_clipped():
    target = jnp.round(_floats(_levels(*SHAPE)))
    beyond = (target - 0.5) * 3 + 0.5
    assert rgb8(beyond, target)["psnr"][0] == np.inf


def test_one_level_of_difference_is_seen():
    target = _levels(*SHAPE) // 2
    scores = rgb8(_floats(target + 1), _floats(target))
    assert scores["psnr"][0] == pytest.approx(20 * np.log10(255), abs=1e-3)


@pytest.mark.parametrize("shape", [SHAPE[1:], (27, 41, 1)])
def test_rgb8_equals_scikit_image_on_8_bit_images(shape):
    target = _levels(*shape)
    noise = np.random.default_rng(1).integers(-25, 26, shape)
    image = np.clip(target.astype(int) + noise, 0, 255).astype(np.uint8)
    scores = rgb8(_floats(image[None]), _floats(target[None]))
    psnr = skimage.metrics.peak_signal_noise_ratio(target, image, data_range=255)
    ssim = skimage.metrics.structural_similarity(
        target,
        image,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert scores["psnr"][0] == pytest.approx(psnr, abs=1e-3)
    # scikit-image averages the same positions: it crops its border of 5 px.
    assert scores["ssim"][0] == pytest.approx(ssim, abs=1e-5)


def test_rgb8_under_jit_names_the_same_numbers():
    target, image = _floats(_levels(*SHAPE)), _floats(_levels(*SHAPE, seed=1))
    scores = protocols.rgb8(image, target)
    assert set(scores) == {"psnr", "ssim", "ms_ssim", "cosine"}
    for name, value in rgb8(image, target).items():
        assert value.shape == SHAPE[:1] and value.dtype == jnp.float32
        np.testing.assert_allclose(value, scores[name], rtol=1e-5)


def test_an_image_that_is_not_finite_scores_nan():
    target = _floats(_levels(*SHAPE))
    for name, value in rgb8(target.at[0, 3, 4, 1].set(jnp.nan), target).items():
        assert np.isnan(value).all(), name
