import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from jaxrestore import contracts, naming, protocols

SHAPE = (1, 24, 31, 3)  # one shape for most tests: one compilation
PAIR = (2, 24, 31, 3)  # the same for the walk over all protocols


def _hole(images):
    damage = np.zeros((*images.shape[:3], 1), np.float32)
    damage[:, 6:18, 7:22] = 1
    return jnp.asarray(damage)


def _under(protocol):
    """What `protocol` finds of images and targets, whose lost pixels are in a box."""
    return jax.jit(lambda a, b: contracts.scores(protocol, a, b, _hole(b)))


PROTOCOLS = {n: _under(f) for n, f in naming.public(protocols).items()}
ON_GREY = ("gray8", "sr_y_x2", "sr_y_x3", "sr_y_x4", "jpeg_y")
ERRORS = ("mse", "nrmse", "l1", "hole_l1")
PERFECT = dict.fromkeys(ERRORS, 0) | dict.fromkeys(("psnr", "hole_psnr"), np.inf)
rgb8 = PROTOCOLS["rgb8"]
every_protocol = pytest.mark.parametrize("name", PROTOCOLS)


def _levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _floats(levels):
    return jnp.asarray(np.float32(levels) / 255)


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


@pytest.mark.slow
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


# Every protocol


def test_the_walk_finds_the_protocols_and_no_type():
    expected = {"rgb8", *ON_GREY, "pixelation_group", "damaged_faces", "inpainting"}
    assert set(PROTOCOLS) >= expected and "Damage" not in PROTOCOLS


@every_protocol
def test_a_protocol_has_a_clause_that_says_what_it_fixes(name):
    first = getattr(protocols, name).__doc__.splitlines()[0]
    assert first.startswith("Returns psnr (dB)") and first.endswith(".")


@every_protocol
def test_equal_images_score_perfectly(name):
    target = _floats(_levels(*PAIR))
    for metric, value in PROTOCOLS[name](target, target).items():
        if metric == "psnr_b":  # it also counts the steps that the target has itself
            continue
        np.testing.assert_allclose(value, PERFECT.get(metric, 1), atol=2e-7)


@every_protocol
def test_a_protocol_names_a_number_for_each_image(name):
    target, images = (_floats(_levels(*PAIR, seed=s)) for s in (0, 1))
    scores = PROTOCOLS[name](images, target)
    assert "psnr" in scores
    for value in scores.values():
        assert value.shape == (2,) and value.dtype == jnp.float32
        assert np.isfinite(value).all() and value[0] != value[1]


@every_protocol
def test_an_array_and_the_8_bit_file_of_it_have_one_score(name):
    target, levels = _floats(_levels(*PAIR)), _levels(*PAIR, seed=1)
    shift = np.random.default_rng(1).uniform(-0.49, 0.49, levels.shape)
    array = (levels + np.where((levels > 0) & (levels < 255), shift, 3 * shift)) / 255
    # Below black and above white the array is clipped, as writing a file does.
    array = np.where((levels == 0) & (array > 0), -array, array)
    array = np.where((levels == 255) & (array < 1), 2 - array, array)
    from_array = PROTOCOLS[name](jnp.asarray(array, jnp.float32), target)
    for metric, value in PROTOCOLS[name](_floats(levels), target).items():
        np.testing.assert_array_equal(from_array[metric], value)


@every_protocol
def test_a_pixel_that_is_not_finite_scores_nan_in_its_image_alone(name):
    target = _floats(_levels(*PAIR))
    images = target.at[1, 12, 14, 1].set(jnp.nan) * 0.9
    for metric, value in PROTOCOLS[name](images, target).items():
        np.testing.assert_array_equal(np.isnan(value), [False, True], metric)


# Grey and Y


def _y_of_matlab(levels):
    """MATLAB's rgb2ycbcr of uint8, first component, halves rounded up."""
    weights = np.array([65.481, 128.553, 24.966])
    return np.floor(levels.astype(np.float64) @ weights / 255 + 16 + 0.5)


def _reference(y, target_y):
    ssim = skimage.metrics.structural_similarity(
        target_y,
        y,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return {"psnr": 10 * np.log10(255**2 / np.mean((y - target_y) ** 2)), "ssim": ssim}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_super_resolution_is_scored_on_the_y_of_matlab_inside_its_border(scale):
    target, images = _levels(*PAIR), _levels(*PAIR, seed=1)
    scores = PROTOCOLS[f"sr_y_x{scale}"](_floats(images), _floats(target))
    inside = slice(scale, -scale)
    cut = [_y_of_matlab(x[0])[inside, inside] for x in (images, target)]
    for metric, expected in _reference(*cut).items():
        assert scores[metric][0] == pytest.approx(expected, abs=1e-4)


def test_what_lies_in_the_border_does_not_count():
    target = _floats(_levels(*PAIR))
    framed = target.at[:, :4].set(0).at[:, :, -4:].set(1)
    assert PROTOCOLS["sr_y_x4"](framed, target)["psnr"][0] == np.inf
    assert PROTOCOLS["sr_y_x3"](framed, target)["psnr"][0] < 40
    inner = framed.at[:, 4, 4].set(1 - target[:, 4, 4])
    assert PROTOCOLS["sr_y_x4"](inner, target)["psnr"][0] < 60


def test_an_image_that_is_all_border_is_refused():
    images = jnp.zeros((1, 8, 20, 3))
    with pytest.raises(ValueError, match="20x8 less a border of 4 px"):
        protocols.sr_y_x4(images, images)


@pytest.mark.parametrize("name", ON_GREY)
def test_one_channel_is_scored_as_it_is(name):
    target, images = _levels(2, 24, 31, 1), _levels(2, 24, 31, 1, seed=1)
    border = int(name[-1]) if name.startswith("sr_y") else 0
    inside = slice(border, -border or None)
    cut = [x[0, inside, inside, 0].astype(np.float64) for x in (images, target)]
    scores = PROTOCOLS[name](_floats(images), _floats(target))
    for metric, expected in _reference(*cut).items():
        assert scores[metric][0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["gray8", "jpeg_y"])
def test_three_equal_channels_are_that_grey(name):
    target, images = _levels(2, 24, 31, 1), _levels(2, 24, 31, 1, seed=1)
    three = (_floats(np.repeat(x, 3, -1)) for x in (images, target))
    one = PROTOCOLS[name](_floats(images), _floats(target))
    for metric, value in PROTOCOLS[name](*three).items():
        np.testing.assert_allclose(value, one[metric], rtol=1e-6)


def test_in_the_tables_of_jpeg_grey_and_colour_may_stand_in_one_batch():
    target = _levels(*PAIR)
    target[0] = target[0, ..., :1]
    target = _floats(target)
    images = _floats(_levels(*PAIR, seed=1))
    together = PROTOCOLS["jpeg_y"](images, target)
    on_grey = PROTOCOLS["gray8"](images, target)
    y, target_y = (
        _y_of_matlab(np.round(np.asarray(x[1]) * 255)) for x in (images, target)
    )
    assert together["psnr"][0] == pytest.approx(float(on_grey["psnr"][0]), abs=1e-4)
    expected = _reference(y, target_y)["psnr"]
    assert together["psnr"][1] == pytest.approx(expected, abs=1e-4)


def test_the_full_range_grey_is_rounded_to_8_bits():
    target, images = _levels(*PAIR), _levels(*PAIR, seed=1)
    grey = [
        np.floor(x[0] @ np.array([0.299, 0.587, 0.114]) + 0.5) for x in (images, target)
    ]
    scores = PROTOCOLS["gray8"](_floats(images), _floats(target))
    for metric, expected in _reference(*grey).items():
        assert scores[metric][0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ON_GREY)
def test_y_of_other_channels_is_refused(name):
    images = jnp.zeros((1, 24, 31, 4))
    with pytest.raises(ValueError, match="1 or 3 channels, got 4"):
        getattr(protocols, name)(images, images)


# The studies


def test_the_pixelation_study_takes_each_targets_maximum_as_peak():
    target = _levels(*PAIR) // 2
    target[1] //= 2
    images = np.minimum(target + 3, 255)
    scores = PROTOCOLS["pixelation_group"](_floats(images), _floats(target))
    for index, peak in enumerate(target.max((1, 2, 3))):
        assert scores["mse"][index] == pytest.approx(9, rel=1e-4)
        expected = 20 * np.log10(float(peak)) - 10 * np.log10(9)
        assert scores["psnr"][index] == pytest.approx(expected, abs=1e-3)


def test_a_black_target_of_the_pixelation_study_has_a_peak_of_one_level():
    black = jnp.zeros(PAIR)
    scores = PROTOCOLS["pixelation_group"](black + 1 / 255, black)
    assert scores["psnr"][0] == pytest.approx(0, abs=1e-4)


def test_damaged_faces_are_scored_with_the_defaults_of_scikit_image():
    target, images = _levels(*PAIR), _levels(*PAIR, seed=1)
    scores = PROTOCOLS["damaged_faces"](_floats(images), _floats(target))
    x, y = images[0] / 255, target[0] / 255
    expected = {
        "mse": skimage.metrics.mean_squared_error(y, x),
        "nrmse": skimage.metrics.normalized_root_mse(y, x),
        "psnr": skimage.metrics.peak_signal_noise_ratio(y, x, data_range=1),
        "ssim": skimage.metrics.structural_similarity(
            y, x, data_range=1, channel_axis=-1
        ),
    }
    assert set(scores) == set(expected)
    for metric, value in expected.items():
        assert scores[metric][0] == pytest.approx(value, rel=1e-4)


# Holes


def test_the_hole_is_scored_apart_from_the_whole_picture():
    target, levels = _levels(*PAIR), _levels(*PAIR, seed=1)
    scores = PROTOCOLS["inpainting"](_floats(levels), _floats(target))
    whole = rgb8(_floats(levels), _floats(target))
    for name in ("psnr", "ssim"):
        np.testing.assert_allclose(scores[name], whole[name], rtol=1e-6)
    inside = (slice(None), slice(6, 18), slice(7, 22))
    for index in range(2):
        expected = skimage.metrics.peak_signal_noise_ratio(
            target[inside][index], levels[inside][index]
        )
        np.testing.assert_allclose(scores["hole_psnr"][index], expected, rtol=1e-5)
    off = np.abs(levels[inside].astype(float) - target[inside]).mean((1, 2, 3)) / 255
    np.testing.assert_allclose(scores["hole_l1"], off, rtol=1e-5)
    elsewhere = _floats(np.where(_hole(target) > 0, target, levels))
    known = PROTOCOLS["inpainting"](elsewhere, _floats(target))
    np.testing.assert_array_equal(known["hole_psnr"], np.inf)
    assert np.isfinite(known["psnr"]).all() and (known["hole_ssim"] < 1).all()


def test_a_picture_without_a_hole_has_no_score_of_one():
    target, images = (_floats(_levels(*PAIR, seed=s)) for s in (0, 1))
    damage = _hole(target).at[1].set(0)
    scores = jax.jit(protocols.inpainting)(images, target, damage=damage)
    for name in ("hole_psnr", "hole_ssim", "hole_l1"):
        np.testing.assert_array_equal(np.isnan(scores[name]), [False, True])
    assert np.isfinite(scores["psnr"]).all()


def test_holes_without_masks_are_refused():
    with pytest.raises(ValueError, match="give their masks"):
        protocols.inpainting(jnp.zeros(PAIR), jnp.zeros(PAIR))
