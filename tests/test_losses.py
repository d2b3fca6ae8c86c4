import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import losses, naming

LOSSES = naming.public(losses)
ONE_OR_THREE_CHANNELS = {"ms_ssim_luma"}
SIDES = [(1, 1), (11, 11), (22, 23)]  # 22: two scales of MS-SSIM
GRADIENT = {
    name: jax.jit(
        jax.value_and_grad(lambda x, y, f=f: (f(x, y).sum(), f(x, y)), has_aux=True)
    )
    for name, f in LOSSES.items()
}


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def _special_pairs(height, width, channels):
    """Pairs that divide by zero, root zero or cancel, as two batches of one shape."""
    image = _noise(height, width, channels)
    other = _noise(height, width, channels, seed=1)
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
    assert set(LOSSES) >= ONE_OR_THREE_CHANNELS


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
    np.testing.assert_allclose(equal, 0, atol=1e-6)
    if side != (1, 1) or name != "cosine":
        assert values[1] > 1e-3
    assert values[1] > 1e-5


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


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_under_jit_is_the_same_number(name):
    restored, target = (jnp.asarray(v) for v in _special_pairs(22, 23, 3))
    (_, compiled), _ = GRADIENT[name](restored, target)
    with jax.disable_jit():
        plain = LOSSES[name](restored, target)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_images_are_compared_in_float32(name):
    restored, target = (
        jnp.asarray(v[:5], jnp.bfloat16) for v in _special_pairs(11, 11, 3)
    )
    values = jax.jit(LOSSES[name])(restored, target)
    assert values.dtype == jnp.float32
    exact = LOSSES[name](restored.astype(jnp.float32), target.astype(jnp.float32))
    np.testing.assert_allclose(values, exact, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_images_of_a_batch_do_not_touch_each_other(name):
    restored, target = _special_pairs(11, 11, 3)
    (_, values), _ = GRADIENT[name](restored, target)
    (_, reversed_values), _ = GRADIENT[name](restored[::-1], target[::-1])
    np.testing.assert_allclose(values, reversed_values[::-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(name):
    restored, target = _noise(1, 22, 23, 3), _noise(1, 22, 23, 3, seed=1)
    (before, _), gradient = GRADIENT[name](restored, target)
    step = 1e-2 * gradient / jnp.linalg.norm(gradient)
    (after, _), _ = GRADIENT[name](restored - step, target)
    assert after < before


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_on_flat_images_is_not_rounding_noise(name):
    # Here variances are differences of equal numbers. A shift of all pixels is all
    # there is to see, so every pixel's gradient is about its share of the mean.
    texture = 1e-3 * _noise(1, 22, 23, 3)
    _, gradient = GRADIENT[name](texture + 0.7, texture + 0.3)
    assert np.abs(gradient).max() < 20 / gradient.size


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
        assert loss(restored, target)[0] == pytest.approx(1 - luminance, abs=1e-5)


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
    gradient = jax.vmap(jax.grad(lambda x, y: one_pixel(x, y)[0]))
    sizes = np.linalg.norm(
        gradient(restored.astype(np.float32), target.astype(np.float32)), axis=-1
    )
    bound = 1e-3**-0.5
    assert 0.95 * bound < sizes.max() < 1.0001 * bound
