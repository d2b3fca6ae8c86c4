import functools
import importlib.util

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import skimage.metrics

from jaxrestore import metrics, naming

PAIRWISE = {
    name: function
    for name, function in naming.public(metrics).items()
    if name not in ("SsimComponents", "ssim_components", "ms_ssim_scales")
}
COMPILED = {name: jax.jit(function) for name, function in PAIRWISE.items()}
SHAPE = (2, 33, 27, 3)  # one shape for most tests: one compilation for each metric


def _pair(*shape):
    """Noise and a noisy copy, the second image of the batch the noisier."""
    generator = np.random.default_rng(7)
    target = generator.random(shape, np.float32)
    noise = generator.random(target.shape, np.float32) - np.float32(0.5)
    amount = np.array([0.5, 2.0], np.float32).reshape(2, 1, 1, 1)
    return np.clip(target + amount * noise, 0, 1), target


def _scikit_ssim(a, b):
    return skimage.metrics.structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        data_range=1,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def _reference_ms_ssim(a, b, scales):
    """Float64, one channel, by the paper's formula, with an edge repeated if odd."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    weights /= weights.sum()
    a, b = a.astype(np.float64), b.astype(np.float64)
    value = 1.0
    for scale, weight in enumerate(weights):
        blur = lambda x: scipy.ndimage.gaussian_filter(x, 1.5, radius=5)[5:-5, 5:-5]
        mean_a, mean_b = blur(a), blur(b)
        cov = blur(a * b) - mean_a * mean_b
        var = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
        term = (2 * cov + 0.0009) / (var + 0.0009)
        if scale == scales - 1:
            term *= (2 * mean_a * mean_b + 0.0001) / (mean_a**2 + mean_b**2 + 0.0001)
        value *= term.mean() ** weight
        a, b = (np.pad(x, [(0, s % 2) for s in x.shape], mode="edge") for x in (a, b))
        a, b = (
            (x[::2] + x[1::2])[:, ::2] + (x[::2] + x[1::2])[:, 1::2] for x in (a, b)
        )
        a, b = a / 4, b / 4
    return value


def test_the_walk_finds_the_metrics():
    assert set(PAIRWISE) >= {"mse", "mae", "psnr", "cosine_similarity", "ssim"}


def test_metrics_of_two_pixels_equal_hand_computed_numbers():
    a = jnp.array([0.0, 0.6]).reshape(1, 1, 2, 1)
    b = jnp.array([0.1, 0.8]).reshape(1, 1, 2, 1)
    assert COMPILED["mse"](a, b)[0] == pytest.approx((0.01 + 0.04) / 2)
    assert COMPILED["mae"](a, b)[0] == pytest.approx((0.1 + 0.2) / 2)
    assert COMPILED["psnr"](a, b)[0] == pytest.approx(16.0206, abs=1e-4)
    cosine = 0.48 / (0.6 * np.sqrt(0.65))
    assert COMPILED["cosine_similarity"](a, b)[0] == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_elementary_metrics_equal_numpy_in_float64(channels):
    a, b = _pair(*SHAPE[:3], channels)
    x, y = (v.astype(np.float64).reshape(2, -1) for v in (a, b))
    expected = {
        "mse": ((x - y) ** 2).mean(1),
        "mae": np.abs(x - y).mean(1),
        "cosine_similarity": (x * y).sum(1)
        / np.linalg.norm(x, axis=1)
        / np.linalg.norm(y, axis=1),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(COMPILED[name](a, b), value, rtol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (2, 33, 27, 1), (2, 11, 40, 3)])
def test_psnr_and_ssim_equal_scikit_image(shape):
    a, b = _pair(*shape)
    psnr, ssim = COMPILED["psnr"](a, b), COMPILED["ssim"](a, b)
    for index in range(2):
        expected = skimage.metrics.peak_signal_noise_ratio(
            b[index].astype(np.float64), a[index].astype(np.float64), data_range=1
        )
        assert psnr[index] == pytest.approx(expected, abs=1e-4)
        assert ssim[index] == pytest.approx(_scikit_ssim(a[index], b[index]), abs=2e-6)


# pytorch_msssim.ms_ssim of `_pair(2, 176, 176, channels)` in float64, data_range 1.
MS_SSIM_OF_176_PX = {
    1: [0.9109070183674204, 0.3993581441758114],
    3: [0.9078181595776332, 0.38157400813500164],
}


@pytest.mark.parametrize("channels", [1, 3])
def test_ms_ssim_of_five_scales_equals_pytorch_msssim_as_stored(channels):
    a, b = _pair(2, 176, 176, channels)
    golden = MS_SSIM_OF_176_PX[channels]
    np.testing.assert_allclose(COMPILED["ms_ssim"](a, b), golden, atol=1e-5)


if importlib.util.find_spec("pytorch_msssim"):  # never among what [dev] installs

    def test_ms_ssim_equals_pytorch_msssim_as_installed():
        import pytorch_msssim
        import torch

        a, b = _pair(2, 176, 176, 1)
        to_torch = lambda x: torch.from_numpy(x.astype(np.float64)).permute(0, 3, 1, 2)
        expected = pytorch_msssim.ms_ssim(
            to_torch(a), to_torch(b), data_range=1.0, size_average=False
        )
        result = COMPILED["ms_ssim"](a, b)
        np.testing.assert_allclose(result, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("side", "scales"), [((33, 27), 2), ((45, 63), 3), ((85, 91), 4), ((17, 40), 1)]
)
def test_ms_ssim_of_fewer_scales_and_odd_sides_equals_the_formula(side, scales):
    a, b = _pair(2, *side, 1)
    result = COMPILED["ms_ssim"](a, b)
    for index in range(2):
        expected = _reference_ms_ssim(a[index, ..., 0], b[index, ..., 0], scales)
        assert result[index] == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize(
    ("side", "scales"),
    [
        *[(1, 1), (10, 1), (20, 1), (21, 2), (40, 2), (41, 3)],
        *[(80, 3), (81, 4), (160, 4), (161, 5), (999, 5)],
    ],
)
def test_a_scale_more_needs_twice_the_side(side, scales):
    assert metrics.ms_ssim_scales(side) == scales


@pytest.mark.parametrize(
    ("side", "last"), [(24, 0.2856 / 0.3304), (48, 0.3001 / 0.6305)]
)
def test_the_weights_left_are_scaled_to_sum_one(side, last):
    # Of two constants only the luminance of the coarsest scale differs from 1.
    a, b = jnp.full((1, side, side, 1), 0.3), jnp.full((1, side, side, 1), 0.6)
    # A flat variance is rounding alone, about 3e-8 against K2^2 = 9e-4.
    luminance = (2 * 0.18 + 1e-4) / (0.09 + 0.36 + 1e-4)
    assert COMPILED["ms_ssim"](a, b)[0] == pytest.approx(luminance**last, abs=1e-4)


def test_scales_can_be_given_and_change_the_number():
    a, b = _pair(2, 48, 45, 1)
    two = jax.jit(functools.partial(metrics.ms_ssim, scales=2))(a, b)
    for index in range(2):
        expected = _reference_ms_ssim(a[index, ..., 0], b[index, ..., 0], 2)
        assert two[index] == pytest.approx(expected, abs=3e-6)


def test_too_many_scales_are_refused_with_the_number_that_fits():
    images = jnp.zeros((1, 64, 90, 3))
    message = r"5 scales need sides above 160 px, got 64x90; pass scales=3"
    with pytest.raises(ValueError, match=message):
        metrics.ms_ssim(images, images, scales=5)


@pytest.fixture
def _no_type_checks():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("_no_type_checks")
@pytest.mark.parametrize("name", PAIRWISE)
def test_two_shapes_are_refused_with_both(name):
    with pytest.raises(ValueError, match=r"\(1, 4, 4, 3\) and \(1, 4, 5, 3\)"):
        PAIRWISE[name](jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 5, 3)))


ERRORS = ("mse", "mae", "nrmse", "colour_angle", "ciede2000")  # 0 is best, else 1
PERFECT = {"psnr": np.inf} | dict.fromkeys(ERRORS, 0)
ORDERED = ("nrmse", "psnr_b", "sharpness")  # the second image is the measure


@pytest.mark.parametrize("name", sorted(set(PAIRWISE) - {"psnr_b"}))
def test_an_image_with_itself_scores_perfectly(name):
    _, images = _pair(*SHAPE)
    images[0] = 0.7
    for special in (images, 0 * images, 0 * images + 1):
        result = COMPILED[name](special, special)
        np.testing.assert_allclose(result, PERFECT.get(name, 1), atol=2e-7)


@pytest.mark.parametrize("name", sorted(set(PAIRWISE) - {*ORDERED}))
def test_black_against_white_is_finite_and_not_perfect(name):
    black, white = np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)
    for a, b in ((black, white), (white, black)):
        result = np.asarray(COMPILED[name](a, b))
        assert np.isfinite(result).all()
        assert (np.abs(result - PERFECT.get(name, 1)) > 0.5).all()


@pytest.mark.parametrize("name", PAIRWISE)
def test_a_pixel_that_is_not_finite_makes_that_image_score_nan(name):
    a, b = _pair(*SHAPE)
    a[1, 20, 13, 0] = np.nan
    result = COMPILED[name](a, b)
    np.testing.assert_array_equal(np.isnan(result), [False, True])


@pytest.mark.parametrize("name", sorted(set(PAIRWISE) - {*ORDERED}))
def test_the_order_of_the_two_images_does_not_matter(name):
    a, b = _pair(*SHAPE)
    np.testing.assert_allclose(COMPILED[name](a, b), COMPILED[name](b, a), rtol=1e-5)


@pytest.mark.parametrize("name", PAIRWISE)
def test_more_noise_scores_worse(name):
    a, b = _pair(*SHAPE)
    little, much = COMPILED[name](a, b)
    assert (little < much) == (name in (*ERRORS, "sharpness"))


@pytest.mark.parametrize("name", PAIRWISE)
def test_images_of_a_batch_do_not_touch_each_other(name):
    a, b = _pair(*SHAPE)
    swapped = COMPILED[name](a[::-1], b[::-1])[::-1]
    np.testing.assert_allclose(COMPILED[name](a, b), swapped, rtol=1e-6)


@pytest.mark.parametrize("name", PAIRWISE)
def test_bfloat16_images_are_compared_in_float32(name):
    a, b = (jnp.asarray(v, jnp.bfloat16) for v in _pair(*SHAPE))
    result = COMPILED[name](a, b)
    assert result.dtype == jnp.float32 and result.shape == (2,)
    exact = COMPILED[name](a.astype(jnp.float32), b.astype(jnp.float32))
    np.testing.assert_allclose(result, exact, rtol=1e-5)


def _marked(name):
    # Without jit, operation by operation, these take seconds.
    slow = [pytest.mark.slow] if "ssim" in name or name == "ciede2000" else []
    return pytest.param(name, marks=slow)


@pytest.mark.parametrize("name", [_marked(name) for name in PAIRWISE])
def test_a_metric_under_jit_is_the_same_number(name):
    a, b = (jnp.asarray(v) for v in _pair(*SHAPE))
    np.testing.assert_allclose(COMPILED[name](a, b), PAIRWISE[name](a, b), rtol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 5, 10])
def test_a_small_image_shrinks_the_window_to_the_largest_odd_size(side):
    a, b = _pair(2, side, side, 1)
    size = side if side % 2 else side - 1
    offsets = np.arange(size) - size // 2
    window = np.exp(-0.5 * (offsets / 1.5) ** 2)
    weights = np.outer(window, window) / window.sum() ** 2
    x, y = (v[0, ..., 0].astype(np.float64) for v in (a, b))
    values = []
    for row in range(side - size + 1):
        for column in range(side - size + 1):
            p, q = (v[row : row + size, column : column + size] for v in (x, y))
            p_mean, q_mean = (weights * p).sum(), (weights * q).sum()
            covariance = (weights * (p - p_mean) * (q - q_mean)).sum()
            variances = (weights * ((p - p_mean) ** 2 + (q - q_mean) ** 2)).sum()
            luminance = (2 * p_mean * q_mean + 1e-4) / (p_mean**2 + q_mean**2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (variances + 9e-4))
    result = COMPILED["ssim"](a, b)[0]
    assert result == pytest.approx(np.mean(values), abs=1e-5)


@pytest.mark.parametrize(
    ("denominator", "scikit_name"),
    [("norm", "euclidean"), ("range", "min-max"), ("mean", "mean")],
)
def test_nrmse_equals_scikit_image_for_each_denominator(denominator, scikit_name):
    a, b = _pair(*SHAPE)
    nrmse = functools.partial(metrics.nrmse, denominator=denominator)
    result = jax.jit(nrmse)(a, b)
    for index in range(2):
        expected = skimage.metrics.normalized_root_mse(
            b[index].astype(np.float64), a[index], normalization=scikit_name
        )
        assert result[index] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("denominator", ["norm", "mean"])
def test_nrmse_of_a_black_target_is_0_if_it_is_met_and_else_infinite(denominator):
    black, grey = jnp.zeros((1, 4, 4, 3)), jnp.full((1, 4, 4, 3), 0.5)
    nrmse = functools.partial(metrics.nrmse, denominator=denominator)
    assert nrmse(black, black)[0] == 0 and nrmse(grey, black)[0] == np.inf
    assert nrmse(black, grey)[0] == pytest.approx(1)


def test_nrmse_refuses_a_denominator_it_does_not_know():
    images = jnp.zeros((1, 4, 4, 3))
    with pytest.raises(ValueError, match=r"'euclidean'; it must be 'norm', 'range'"):
        metrics.nrmse(images, images, denominator="euclidean")


def _blocking_by_loops(image):
    """The blocking effect factor of one channel, pixel pair by pixel pair, float64."""
    image = image.astype(np.float64)
    height, width = image.shape
    border, inside = [], []
    for row in range(height):
        for column in range(width):
            if column + 1 < width:
                step = (image[row, column] - image[row, column + 1]) ** 2
                (border if column % 8 == 7 else inside).append(step)
            if row + 1 < height:
                step = (image[row, column] - image[row + 1, column]) ** 2
                (border if row % 8 == 7 else inside).append(step)
    excess = max(np.mean(border) - np.mean(inside), 0)
    return excess * np.log2(8) / np.log2(min(height, width))


@pytest.mark.parametrize("shape", [(16, 24), (33, 27), (9, 40)])
def test_psnr_b_equals_the_definition_pair_by_pair(shape):
    # Blocks of one level each, and noise that leaves the borders the larger steps.
    generator = np.random.default_rng(3)
    blocks = np.kron(generator.random((5, 5)), np.ones((8, 8)))[: shape[0], : shape[1]]
    judged = (blocks + 0.1 * generator.random(shape)).astype(np.float32)
    aim = generator.random(shape).astype(np.float32)
    error = np.mean((judged.astype(np.float64) - aim) ** 2)
    expected = -10 * np.log10(error + _blocking_by_loops(judged))
    assert _blocking_by_loops(judged) > 0.01
    result = COMPILED["psnr_b"](judged[None, ..., None], aim[None, ..., None])
    assert result[0] == pytest.approx(expected, abs=1e-4)


def test_psnr_b_without_blocking_is_psnr():
    a, b = _pair(*SHAPE)
    ramp = np.broadcast_to(np.linspace(0, 1, SHAPE[2])[:, None], SHAPE)
    ramp = ramp.astype(np.float32)
    tiny = (slice(None), slice(8), slice(8))  # a single block has no borders
    for judged, aim in ((ramp, b), (a[tiny], b[tiny])):
        psnr = COMPILED["psnr"](judged, aim)
        np.testing.assert_allclose(COMPILED["psnr_b"](judged, aim), psnr, rtol=1e-6)


def test_the_sharpness_of_half_the_contrast_is_a_quarter():
    _, b = _pair(*SHAPE)
    np.testing.assert_allclose(COMPILED["sharpness"](b / 2, b), 0.25, rtol=1e-5)
    np.testing.assert_allclose(COMPILED["sharpness"](b, b / 2), 4, rtol=1e-5)


def test_the_sharpness_of_three_pixels_equals_the_hand_computed_number():
    a = jnp.array([0.0, 0.2, 0.1]).reshape(1, 1, 3, 1)
    b = jnp.array([0.0, 0.5, 0.0]).reshape(1, 1, 3, 1)
    expected = (0.04 + 0.01) / (0.25 + 0.25)
    assert COMPILED["sharpness"](a, b)[0] == pytest.approx(expected, rel=1e-6)


def test_a_blur_is_less_sharp_and_flat_images_are_alike():
    _, b = _pair(*SHAPE)
    blurred = scipy.ndimage.gaussian_filter(b, (0, 1, 1, 0))
    assert (COMPILED["sharpness"](blurred, b) < 0.2).all()
    black, white = np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)
    np.testing.assert_array_equal(COMPILED["sharpness"](black, white), 1)
    assert np.isfinite(COMPILED["sharpness"](b, white)).all()


def test_the_angle_between_colours_in_degrees_is_the_known_one():
    a = [[1, 0, 0], [1, 1, 0], [0.2, 0.2, 0.2], [0, 0, 0], [0, 0, 0]]
    b = [[0, 1, 0], [1, 0, 0], [0.9, 0.9, 0.9], [0, 0, 0], [1, 1, 1]]
    for colour, other, angle in zip(a, b, (90, 45, 0, 0, 90), strict=True):
        colour, other = (np.array([[[x]]], np.float32) for x in (colour, other))
        result = COMPILED["colour_angle"](colour, other)[0]
        assert result == pytest.approx(angle, abs=1e-4)


def test_the_angle_between_colours_equals_the_arc_cosine_in_float64():
    a, b = ((v + np.float32(0.1)) for v in _pair(*SHAPE))  # none black
    x, y = a.astype(np.float64), b.astype(np.float64)
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    expected = np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean((1, 2))
    np.testing.assert_allclose(COMPILED["colour_angle"](a, b), expected, rtol=1e-5)


def test_brightness_does_not_turn_a_colour_but_is_a_difference():
    _, b = _pair(*SHAPE)
    np.testing.assert_allclose(COMPILED["colour_angle"](b / 2, b), 0, atol=1e-4)
    assert (COMPILED["ciede2000"](b / 2, b) > 10).all()


def test_ciede2000_equals_scikit_image():
    a, b = _pair(*SHAPE)
    x, y = (skimage.color.rgb2lab(v.astype(np.float64)) for v in (a, b))
    expected = skimage.color.deltaE_ciede2000(x, y).mean((1, 2))
    np.testing.assert_allclose(COMPILED["ciede2000"](a, b), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["colour_angle", "ciede2000"])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_metric_of_colour_refuses_other_than_three_channels(name, channels):
    images = jnp.zeros((1, 4, 4, channels))
    with pytest.raises(ValueError, match=f"{name} is defined for 3 .* got {channels}"):
        PAIRWISE[name](images, images)


@pytest.mark.parametrize(
    "side", [(64, 65), pytest.param((256, 256), marks=pytest.mark.slow)], ids=str
)
def test_large_equal_images_are_similar_to_the_bit(side):
    images = jnp.asarray(np.random.default_rng(0).random((1, *side, 3), np.float32))
    np.testing.assert_array_equal(COMPILED["ssim"](images, images), 1)
    np.testing.assert_array_equal(metrics.ssim(images, images), 1)


def test_the_components_multiply_to_ssim_where_one_window_fits():
    # One position: the mean of the product is the product of the means.
    a, b = _pair(2, 11, 11, 1)
    parts = jax.jit(metrics.ssim_components)(a, b)
    product = parts.luminance * parts.contrast * parts.structure
    np.testing.assert_allclose(product, COMPILED["ssim"](a, b), atol=1e-5)


def test_each_component_sees_its_own_damage():
    _, image = _pair(*SHAPE)
    parts = jax.jit(metrics.ssim_components)
    darker, flatter, inverted = image - 0.3, 0.5 * image + 0.25, 1 - image
    luminance, contrast, structure = parts(darker, image)
    assert (luminance < 0.9).all() and (contrast > 0.999).all()
    np.testing.assert_allclose(structure, 1, atol=1e-4)
    luminance, contrast, structure = parts(flatter, image)
    assert (luminance > 0.98).all() and (contrast < 0.85).all()
    assert (structure > 0.98).all()
    assert (parts(inverted, image).structure < -0.9).all()
    for part in parts(image, image):
        np.testing.assert_allclose(part, 1, atol=1e-5)


def test_ssim_of_scikit_images_default_is_another_number():
    a, b = _pair(*SHAPE)
    default = COMPILED["ssim_skimage"](a, b)
    for index in range(2):
        expected = skimage.metrics.structural_similarity(
            *(x[index].astype(np.float64) for x in (a, b)), data_range=1, channel_axis=2
        )
        assert default[index] == pytest.approx(expected, abs=1e-5)
    assert (np.abs(default - COMPILED["ssim"](a, b)) > 1e-3).all()


def test_an_image_below_seven_px_has_no_default_ssim_of_scikit_image():
    images = jnp.zeros((1, 6, 9, 3))
    with pytest.raises(ValueError, match="window of 7 px, got 6x9"):
        metrics.ssim_skimage(images, images)


WEIGHTED = ["mse", "mae", "psnr", "ssim", "ms_ssim"]


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_constant_weight_changes_nothing(name):
    a, b = _pair(*SHAPE)
    weight = np.full((*SHAPE[:3], 1), 0.3, np.float32)
    weighted = jax.jit(PAIRWISE[name])(a, b, weight=weight)
    np.testing.assert_allclose(weighted, COMPILED[name](a, b), rtol=1e-5)


@pytest.mark.parametrize("name", WEIGHTED)
def test_what_has_no_weight_is_not_seen(name):
    _, target = _pair(*SHAPE)
    damaged = target.copy()
    damaged[:, 20:, 15:] = 0
    weight = np.ones((*SHAPE[:3], 1), np.float32)
    weight[:, 15:, 10:] = 0  # wherever a window reaches the damage
    result = jax.jit(PAIRWISE[name])(damaged, target, weight=weight)
    if name == "ms_ssim":  # its coarser window reaches 22 px
        assert (result > COMPILED[name](damaged, target)).all()
    else:
        np.testing.assert_allclose(result, PERFECT.get(name, 1), atol=1e-6)
