import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.special

from jaxrestore import losses, naming, sharding


def _latent(images):
    """Means and log-variances, so that the images that walk below do for a latent."""
    return jnp.concatenate([images, images], -1)


LOSSES = naming.public(losses)
LOSSES["kl_gaussian"] = lambda x, y: losses.kl_gaussian(_latent(x), y)
PRIORS = {"total_variation", "kl_gaussian"}  # not 0 for equal images
ONE_OR_THREE_CHANNELS = {"ms_ssim_luma"}
SEE_DIFFERENCES = {"gradient", "wavelet", "total_variation"}  # one pixel has none
SUMS = {"kl_gaussian"}
WEIGHTED = [
    name for name, f in LOSSES.items() if "weight" in inspect.signature(f).parameters
]
POINTWISE = ["l1", "mse", "charbonnier", "huber", "cosine", "spatially_discounted_l1"]
SIDES = [(1, 1), (11, 11), (22, 23)]  # 22: two scales of MS-SSIM
BATCH = (12, 22, 23, 3)  # as many as the special pairs: their programs serve others
GRADIENT = {
    name: jax.jit(
        jax.value_and_grad(lambda x, y, f=f: (f(x, y).sum(), f(x, y)), has_aux=True)
    )
    for name, f in LOSSES.items()
}


def _value_and_gradient(name):
    """As `GRADIENT`, with a weight as the third argument."""
    f = LOSSES[name]
    with_weight = lambda x, y, w: (f(x, y, weight=w).sum(), f(x, y, weight=w))
    return jax.jit(jax.value_and_grad(with_weight, has_aux=True))


WEIGHTED_GRADIENT = {name: _value_and_gradient(name) for name in WEIGHTED}


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def _special_pairs(*shape):
    """Pairs that divide by zero, root zero or cancel, as two batches of one shape."""
    image, other = _noise(*shape), _noise(*shape, seed=1)
    black, white, constant = 0 * image, 0 * image + 1, 0 * image + 0.7
    pairs = [
        (image, image),
        (image, other),
        (image, 1 - image),  # negatively correlated
        (black, black),
        (black, image),
        (image, black),
        (white, black),
        (constant, constant),
        (constant, image),
        (image * 40 - 20, image),  # far out of range
        (image - 1, image),
        (np.round(image) * 1e-20, image),
    ]
    restored, target = zip(*pairs, strict=True)
    return np.stack(restored), np.stack(target)


def test_the_walk_finds_the_losses():
    assert set(LOSSES) >= {"l1", "mse", "charbonnier", "ssim", "ms_ssim", "cosine"}
    assert set(LOSSES) >= ONE_OR_THREE_CHANNELS | PRIORS | SEE_DIFFERENCES
    assert set(WEIGHTED) == set(LOSSES) - {"frequency", "kl_gaussian"}


@pytest.mark.parametrize("side", SIDES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_finite_everywhere(name, side):
    restored, target = _special_pairs(*side, 3)
    (_, values), gradient = GRADIENT[name](restored, target)
    assert values.shape == (len(target),) and values.dtype == jnp.float32
    assert np.isfinite(values).all()
    assert (values >= -1e-6).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("side", SIDES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_zero_for_equal_images_and_positive_for_noise(name, side):
    restored, target = _special_pairs(*side, 3)
    (_, values), _ = GRADIENT[name](restored, target)
    (_, equal), _ = GRADIENT[name](target, target)
    if name not in PRIORS:
        np.testing.assert_allclose(equal, 0, atol=1e-6)
    if side == (1, 1) and name in SEE_DIFFERENCES:
        np.testing.assert_array_equal(values, 0)
    else:
        assert values[1] > (1e-5 if side == (1, 1) else 1e-3)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_grey_and_many_channels(name, channels):
    restored, target = _special_pairs(11, 12, channels)
    if channels == 5 and name in ONE_OR_THREE_CHANNELS:
        with pytest.raises(ValueError, match="1 or 3 channels, got 5"):
            LOSSES[name](jnp.asarray(restored), jnp.asarray(target))
        return
    (_, values), gradient = GRADIENT[name](restored, target)
    assert np.isfinite(values).all() and np.isfinite(gradient).all()
    assert values[1] > 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_under_jit_is_the_same_number(name):
    restored, target = (jnp.asarray(v) for v in _special_pairs(22, 23, 3))
    (_, compiled), _ = GRADIENT[name](restored, target)
    with jax.disable_jit():
        plain = LOSSES[name](restored, target)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_images_are_compared_in_float32(name):
    restored, target = (jnp.asarray(v, jnp.bfloat16) for v in _special_pairs(11, 11, 3))
    values = jax.jit(LOSSES[name])(restored, target)
    assert values.dtype == jnp.float32
    as_float32 = (value.astype(jnp.float32) for value in (restored, target))
    (_, exact), _ = GRADIENT[name](*as_float32)
    np.testing.assert_allclose(values, exact, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_images_of_a_batch_do_not_touch_each_other(name):
    restored, target = _special_pairs(11, 11, 3)
    (_, values), _ = GRADIENT[name](restored, target)
    (_, reversed_values), _ = GRADIENT[name](restored[::-1], target[::-1])
    np.testing.assert_allclose(values, reversed_values[::-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(name):
    restored, target = _noise(*BATCH), _noise(*BATCH, seed=1)
    (before, _), gradient = GRADIENT[name](restored, target)
    step = 1e-2 * gradient / np.linalg.norm(gradient)
    (after, _), _ = GRADIENT[name](restored - step, target)
    assert after < before


@pytest.mark.parametrize("name", sorted(set(LOSSES) - SUMS))
def test_the_gradient_on_flat_images_is_not_rounding_noise(name):
    # Here variances are differences of equal numbers. A shift of all pixels is all
    # there is to see, so every pixel's gradient is about its share of the mean.
    texture = 1e-3 * _noise(*BATCH)
    _, gradient = GRADIENT[name](texture + 0.7, texture + 0.3)
    assert np.abs(gradient).max() < 20 / gradient[0].size


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_is_that_of_central_differences(name):
    with jax.enable_x64(True):
        generator = np.random.default_rng(0)
        images = [jnp.asarray(generator.random((22, 23, 3))) for _ in range(3)]
        target, noise, way = images
        restored = 0.6 * target + 0.4 * noise  # MS-SSIM is flat where it is negative
        step = 2e-6 * (way - 0.5)
        stack = jnp.stack([restored + step, restored - step, restored])
        inputs = [stack, jnp.broadcast_to(target, stack.shape)]
        gradient = GRADIENT[name]
        if name in WEIGHTED:
            weight = jnp.asarray(generator.random((22, 23, 1)) > 0.3, float)
            inputs.append(jnp.broadcast_to(weight, (3, 22, 23, 1)))
            gradient = WEIGHTED_GRADIENT[name]
        (_, (above, below, _)), slopes = gradient(*inputs)
        expected = float(jnp.vdot(slopes[-1], 2 * step))
        assert above.dtype == jnp.float64 and abs(expected) > 1e-10
        assert above - below == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frequency", "wavelet", "spatially_discounted_l1"])
def test_a_batch_on_four_devices_costs_what_it_costs_on_one(name):
    shape = (12, 22, 23)
    inputs = [_noise(*shape, 3), _noise(*shape, 3, seed=1)]
    gradient = GRADIENT[name]
    if name in WEIGHTED:
        gradient = WEIGHTED_GRADIENT[name]
        inputs.append((_noise(*shape, 1, seed=2) > 0.3).astype(np.float32))
    (_, one), one_gradient = gradient(*inputs)
    mesh = sharding.mesh(jax.devices()[:4])
    cut = [sharding.put(value, mesh) for value in inputs]
    assert len(cut[0].sharding.device_set) == 4
    (_, four), four_gradient = gradient(*cut)
    np.testing.assert_allclose(four, one, rtol=1e-5)
    np.testing.assert_allclose(four_gradient, one_gradient, atol=1e-7)


# Weights


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_constant_weight_changes_nothing(name):
    restored, target = _special_pairs(22, 23, 3)
    weight = np.full((len(target), 22, 23, 1), 0.3, np.float32)
    (_, plain), _ = GRADIENT[name](restored, target)
    (_, weighted), _ = WEIGHTED_GRADIENT[name](restored, target, weight)
    np.testing.assert_allclose(weighted, plain, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("side", [(1, 1), (22, 23)], ids=str)
@pytest.mark.parametrize("name", WEIGHTED)
def test_values_and_gradients_are_finite_whatever_the_weight(name, side):
    restored, target = _special_pairs(*side, 3)
    one_pixel = np.zeros((len(target), *side, 1), np.float32)
    one_pixel[:, -1, -1] = 1
    for weight in (0 * one_pixel, one_pixel, 1 - one_pixel, 1e-20 * one_pixel):
        (_, values), gradient = WEIGHTED_GRADIENT[name](restored, target, weight)
        assert values.shape == (len(target),) and values.dtype == jnp.float32
        assert np.isfinite(values).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", POINTWISE)
def test_pixels_without_weight_cost_nothing(name):
    restored, target = _special_pairs(22, 23, 3)
    weight = np.zeros((len(target), 22, 23, 1), np.float32)
    weight[:, :11, :11] = 1
    (_, values), gradient = WEIGHTED_GRADIENT[name](restored, target, weight)
    assert not np.asarray(gradient)[:, 11:].any()
    assert not np.asarray(gradient)[:, :, 11:].any()
    if name != "spatially_discounted_l1":
        (_, corner), _ = GRADIENT[name](restored[:, :11, :11], target[:, :11, :11])
        np.testing.assert_allclose(values, corner, rtol=1e-5, atol=1e-7)


# Each formula


@pytest.mark.parametrize("name", ["ssim", "ms_ssim", "ms_ssim_luma"])
def test_a_diverged_flat_output_does_not_blow_up_the_gradient(name):
    # Rounding of squares near 100^2 is as large as SSIM's constant: a denominator.
    levels = np.linspace(60, 110, 80, dtype=np.float32).reshape(80, 1, 1, 1)
    restored = np.broadcast_to(levels, (80, 22, 23, 3))
    (_, values), gradient = GRADIENT[name](restored, 0 * restored + 0.5)
    np.testing.assert_allclose(values, 1, atol=0.1)
    assert np.abs(gradient).max() < 100


def test_l1_and_mse_of_two_pixels_equal_hand_computed_numbers():
    restored = jnp.array([0.0, 0.5]).reshape(1, 1, 2, 1)
    target = jnp.array([0.1, 0.2]).reshape(1, 1, 2, 1)
    assert losses.l1(restored, target)[0] == pytest.approx(0.2)
    assert losses.mse(restored, target)[0] == pytest.approx(0.05)


def test_charbonnier_of_a_three_four_five_triangle():
    restored = jnp.array([0.003, 0.0]).reshape(1, 1, 2, 1)
    result = losses.charbonnier(restored, jnp.zeros((1, 1, 2, 1)), epsilon=0.004)
    assert result[0] == pytest.approx(0.001 / 2, rel=1e-4)


def test_charbonnier_far_from_zero_is_l1_less_epsilon():
    restored, target = jnp.full((1, 3, 3, 1), 0.9), jnp.full((1, 3, 3, 1), 0.1)
    result = losses.charbonnier(restored, target)
    assert result[0] == pytest.approx(0.8 - 1e-3, abs=1e-5)


def test_ssim_of_two_constants_is_their_luminance_alone():
    restored, target = jnp.full((1, 12, 12, 1), 0.3), jnp.full((1, 12, 12, 1), 0.6)
    luminance = (2 * 0.18 + 1e-4) / (0.09 + 0.36 + 1e-4)
    for loss in (losses.ssim, losses.ms_ssim, losses.ms_ssim_luma):
        value = jax.jit(loss)(restored, target)[0]
        assert value == pytest.approx(1 - luminance, abs=1e-5)


def test_ssim_of_a_negative_exceeds_one_and_ms_ssim_stops_there():
    image = _noise(1, 22, 23, 3)
    assert 1.5 < GRADIENT["ssim"](image, 1 - image)[0][0] < 2
    assert 0.99 < GRADIENT["ms_ssim"](image, 1 - image)[0][0] <= 1


@pytest.mark.parametrize("name", ["ms_ssim", "ms_ssim_luma"])
def test_scales_pass_through_to_the_metric(name):
    restored, target = _noise(1, 22, 23, 3), _noise(1, 22, 23, 3, seed=1)
    compiled = jax.jit(LOSSES[name], static_argnames="scales")
    one = compiled(restored, target, scales=1)
    two = compiled(restored, target, scales=2)
    assert two == compiled(restored, target) != one
    with pytest.raises(ValueError, match="3 scales need sides above 40 px"):
        compiled(restored, target, scales=3)


def test_ms_ssim_luma_ignores_chroma():
    target = _noise(1, 22, 23, 3)
    # Along this direction the luma stays what it is.
    chroma = (_noise(1, 22, 23, 1, seed=1) - 0.5) * np.array([0.587, -0.299, 0.0])
    restored = (target + chroma).astype(np.float32)
    assert GRADIENT["ms_ssim_luma"](restored, target)[0][0] < 1e-5
    assert GRADIENT["ms_ssim"](restored, target)[0][0] > 1e-2


def test_ms_ssim_luma_of_grey_is_ms_ssim():
    restored, target = _noise(1, 22, 23, 1), _noise(1, 22, 23, 1, seed=1)
    luma, grey = (
        GRADIENT[name](restored, target) for name in ("ms_ssim_luma", "ms_ssim")
    )
    np.testing.assert_allclose(luma[0][1], grey[0][1])


def test_cosine_of_red_and_green_is_a_right_angle():
    red = jnp.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
    green = jnp.array([0.0, 1.0, 0.0]).reshape(1, 1, 1, 3)
    result = losses.cosine(red, green, epsilon=0.25)
    assert result[0] == pytest.approx(1 - 0.25 / 1.25, rel=1e-6)
    assert losses.cosine(red, green)[0] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(("epsilon", "bound"), [(1e-3, 2e-3), (1e-7, 1e-6)])
def test_cosine_of_darker_colours_is_zero_up_to_epsilon(epsilon, bound):
    target = jnp.asarray(_noise(1, 9, 9, 3) / 2 + 0.5)
    assert losses.cosine(0.5 * target, target, epsilon=epsilon)[0] < bound
    turned = jnp.roll(target, 1, axis=-1)
    assert losses.cosine(0.5 * turned, target, epsilon=epsilon)[0] > 10 * bound


def test_the_gradient_of_cosine_stays_below_its_bound_and_comes_near_it():
    generator = np.random.default_rng(0)
    size = 10.0 ** generator.uniform(-6, 0, (2, 4000, 1))
    restored, target = size * generator.uniform(-1, 1, (2, 4000, 3))
    restored[:10] = 0
    target[:10] = 1
    one_pixel = lambda x, y: losses.cosine(x.reshape(1, 1, 1, 3), y.reshape(1, 1, 1, 3))
    gradient = jax.jit(jax.vmap(jax.grad(lambda x, y: one_pixel(x, y)[0])))
    sizes = np.linalg.norm(
        gradient(restored.astype(np.float32), target.astype(np.float32)), axis=-1
    )
    bound = 1e-3**-0.5
    assert 0.95 * bound < sizes.max() < 1.0001 * bound


def test_huber_is_a_parabola_and_then_a_line():
    restored = jnp.array([0.05, -0.3]).reshape(1, 1, 2, 1)
    result = losses.huber(restored, 0 * restored, delta=0.1)
    # 0.05^2 / 2 = 0.00125 and 0.1 * (0.3 - 0.05) = 0.025
    assert result[0] == pytest.approx((0.00125 + 0.025) / 2, rel=1e-5)


@pytest.mark.parametrize("delta", [0.02, 0.1, 2.0])
def test_huber_equals_scipys(delta):
    restored, target = jnp.asarray(_noise(2, 9, 7, 3)), jnp.asarray(_noise(2, 9, 7, 3))
    restored = restored[::-1]
    expected = scipy.special.huber(delta, np.asarray(restored - target)).mean((1, 2, 3))
    result = losses.huber(restored, target, delta=delta)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_gradient_of_a_lost_step_is_its_height():
    target = jnp.array([[0.2, 0.5], [0.2, 0.5]]).reshape(1, 2, 2, 1)
    flat = jnp.full((1, 2, 2, 1), 0.3)
    # Two of four pixels have a right neighbour, 0.3 away.
    assert losses.gradient(flat, target)[0] == pytest.approx(2 * 0.3 / 4)
    # The step the wrong way round costs twice.
    assert losses.gradient(0.7 - target, target)[0] == pytest.approx(4 * 0.3 / 4)
    assert losses.gradient(target + 0.2, target)[0] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", ["gradient", "total_variation"])
def test_differences_equal_numpys(name):
    restored, target = _noise(2, 9, 7, 3), _noise(2, 9, 7, 3, seed=1)
    seen = restored - target if name == "gradient" else restored
    down, across = (np.abs(np.diff(seen, axis=axis)) for axis in (1, 2))
    expected = (down.sum((1, 2, 3)) + across.sum((1, 2, 3))) / (9 * 7 * 3)
    options = {} if name == "gradient" else {"epsilon": 1e-5}
    result = LOSSES[name](jnp.asarray(restored), jnp.asarray(target), **options)
    np.testing.assert_allclose(result, expected, rtol=1e-4)


def test_total_variation_ignores_the_target_and_is_flat_at_flat_images():
    restored, target = _noise(1, 9, 7, 3), _noise(1, 9, 7, 3, seed=1)
    (one, _), _ = GRADIENT["total_variation"](restored, target)
    (other, _), _ = GRADIENT["total_variation"](restored, 0 * target)
    assert one == other
    (flat, _), gradient = GRADIENT["total_variation"](0 * restored + 0.5, target)
    assert flat == 0 and not np.asarray(gradient).any()


def test_frequency_of_two_constants_is_their_difference_at_one_frequency():
    restored, target = jnp.full((1, 4, 9, 1), 0.7), jnp.full((1, 4, 9, 1), 0.4)
    # An orthonormal transform of 36 pixels puts 6 * 0.3 into one of 36 values.
    result = jax.jit(losses.frequency)(restored, target)
    assert result[0] == pytest.approx(0.3 / 6, abs=1e-5)


def test_frequency_equals_scipys_and_does_not_see_a_shift():
    restored, target = _noise(2, 9, 12, 3), _noise(2, 9, 12, 3, seed=1)
    spectra = [
        np.abs(np.asarray(scipy.fft.fft2(image, axes=(1, 2), norm="ortho")))
        for image in (restored, target)
    ]
    expected = np.abs(spectra[0] - spectra[1]).mean((1, 2, 3))
    (_, values), _ = GRADIENT["frequency"](restored, target)
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    (_, rolled), _ = GRADIENT["frequency"](np.roll(target, (3, 5), (1, 2)), target)
    np.testing.assert_allclose(rolled, 0, atol=1e-6)


wavelet = jax.jit(losses.wavelet, static_argnames="levels")


def test_wavelet_of_one_block_is_the_mean_of_its_details():
    block = jnp.array([[0.1, 0.2], [0.4, 0.8]]).reshape(1, 2, 2, 1)
    # Halves of 0.5, 0.9 and 0.3: see tests/ops/test_wavelet.py.
    result = wavelet(block, 0 * block, levels=1)
    assert result[0] == pytest.approx((0.5 + 0.9 + 0.3) / 2 / 3)
    # The second level sees one value, continued by itself.
    assert wavelet(block, 0 * block, levels=2)[0] == pytest.approx(1.7 / 6 / 2)


def test_wavelet_equals_differences_of_block_means():
    difference = np.asarray(_noise(1, 8, 8, 1, seed=2), np.float64)[0, ..., 0]
    expected, low = 0.0, difference
    for _ in range(2):
        a, b, c, d = (low[i::2, j::2] for j in (0, 1) for i in (0, 1))
        details = [-a - b + c + d, -a + b - c + d, a - b - c + d]
        expected += np.mean(np.abs(details)) / 2 / 2
        low = (a + b + c + d) / 2
    restored = jnp.asarray(difference, jnp.float32).reshape(1, 8, 8, 1)
    result = wavelet(restored, 0 * restored, levels=2)
    assert result[0] == pytest.approx(expected, rel=1e-5)


def test_wavelet_does_not_see_a_shift_of_all_pixels():
    target = _noise(1, 22, 23, 3)
    assert GRADIENT["wavelet"](target + 0.2, target)[0][0] < 1e-6


def test_kl_of_the_standard_normal_is_zero_and_of_means_half_their_squares():
    zero = jnp.zeros((2, 6))
    np.testing.assert_array_equal(losses.kl_gaussian(zero, zero), 0)
    latent = zero.at[1, :3].set(jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(losses.kl_gaussian(latent, zero), [0, 14 / 2])


def test_kl_equals_the_integral_over_the_densities():
    generator = np.random.default_rng(0)
    mean, log_variance = generator.normal(0, 1, (2, 5, 4))
    z = np.linspace(-20, 20, 20001)[:, None, None]
    deviation = np.exp(log_variance / 2)
    log_q = -((z - mean) ** 2) / (2 * deviation**2) - np.log(deviation)
    log_p = -(z**2) / 2
    density = np.exp(log_q) / np.sqrt(2 * np.pi)
    expected = np.trapezoid(
        density * (log_q - log_p), dx=z[1, 0, 0] - z[0, 0, 0], axis=0
    )
    latent = jnp.asarray(np.concatenate([mean, log_variance], -1), jnp.float32)
    result = losses.kl_gaussian(latent, jnp.zeros(()))
    np.testing.assert_allclose(result, expected.sum(-1), rtol=1e-5)
    # A latent map is summed over its places too.
    as_map = losses.kl_gaussian(latent.reshape(1, 1, 5, 8), jnp.zeros(()))
    assert as_map[0] == pytest.approx(float(result.sum()), rel=1e-5)


def test_kl_of_an_odd_axis_is_refused():
    with pytest.raises(ValueError, match="even; got 5"):
        losses.kl_gaussian(jnp.zeros((2, 5)), jnp.zeros(()))


def test_an_image_in_negative_is_led_out_by_the_slope_of_ms_ssim():
    target = jnp.asarray(_noise(1, 48, 48, 1))
    loss = jax.jit(lambda x: losses.ms_ssim(x, target).sum())

    def step(_, image):
        slope = jax.grad(loss)(image)
        return image - 0.5 * slope / (jnp.linalg.norm(slope) + 1e-9)

    assert loss(1 - target) == pytest.approx(1, abs=2e-6)  # all factors at the floor
    descend = jax.jit(lambda image: jax.lax.fori_loop(0, 100, step, image))
    assert loss(descend(1 - target)) < 0.8


discounted = jax.jit(losses.spatially_discounted_l1, static_argnames="gamma")


def test_a_hole_counts_less_towards_its_middle():
    hole = jnp.array([0.0, 1, 1, 1, 0]).reshape(1, 1, 5, 1)
    restored = jnp.array([0.9, 0.1, 0.2, 0.3, 0.9]).reshape(1, 1, 5, 1)
    result = discounted(restored, 0 * restored, weight=hole, gamma=0.5)
    # Distances 1, 2, 1: weights 1/2, 1/4, 1/2.
    assert result[0] == pytest.approx((0.05 + 0.05 + 0.15) / 1.25, rel=1e-5)


@pytest.mark.parametrize("known", [0.003, 0.05, 0.6])
def test_the_discount_is_by_scipys_distance(known):
    restored, target = _noise(4, 22, 37, 3), _noise(4, 22, 37, 3, seed=1)
    mask = (_noise(4, 22, 37, 1, seed=2) > known).astype(np.float32)
    mask[:, 7, 20] = 0
    distance = [scipy.ndimage.distance_transform_edt(m[..., 0]) for m in mask]
    weight = mask * 0.9 ** np.asarray(distance)[..., None]
    error = np.abs(restored - target).mean(-1, keepdims=True)
    expected = (weight * error).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    result = discounted(restored, target, gamma=0.9, weight=mask)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_without_a_known_pixel_nothing_is_discounted():
    restored, target = _noise(2, 9, 7, 3), _noise(2, 9, 7, 3, seed=1)
    (_, plain), _ = GRADIENT["l1"](restored, target)
    weight = np.ones((2, 9, 7, 1), np.float32)
    weight[1, 0, 0] = 0
    (_, values), _ = WEIGHTED_GRADIENT["spatially_discounted_l1"](
        restored, target, weight
    )
    assert values[0] == pytest.approx(float(plain[0]), rel=1e-6)
    assert abs(values[1] - plain[1]) > 1e-4
