import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore import adversarial

REAL = jnp.array([[2.0, -1.0, 0.0]])
FAKE = jnp.array([[0.5, -3.0, 0.0]])
RELATIVISTIC = [name for name in adversarial.MODES if name.startswith("relativistic")]
ABSOLUTE = ["vanilla", "lsgan", "hinge"]  # their boundary is a number


def cross_entropy(logits, label):
    labels = jnp.full_like(logits, label)
    return optax.sigmoid_binary_cross_entropy(logits, labels)


def test_vanilla_equals_hand_computed_numbers():
    vanilla = adversarial.mode("vanilla")
    # log(1 + e^0) = log 2; log(1 + e^-1) = 0.313262; log(1 + e) = 1.313262
    zero_and_one = jnp.array([0.0, 1.0])
    np.testing.assert_allclose(
        vanilla.generator(zero_and_one, zero_and_one), [np.log(2), 0.313262], atol=1e-6
    )
    real, fake = vanilla.discriminator(zero_and_one, zero_and_one)
    np.testing.assert_allclose(real, [np.log(2), 0.313262], atol=1e-6)
    np.testing.assert_allclose(fake, [np.log(2), 1.313262], atol=1e-6)


def test_vanilla_is_binary_cross_entropy_without_saturation():
    vanilla = adversarial.mode("vanilla")
    real, fake = vanilla.discriminator(REAL, FAKE)
    np.testing.assert_allclose(real, cross_entropy(REAL, 1), atol=1e-6)
    np.testing.assert_allclose(fake, cross_entropy(FAKE, 0), atol=1e-6)
    generator = vanilla.generator(REAL, FAKE)
    np.testing.assert_allclose(generator, cross_entropy(FAKE, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "real", "fake", "generator"),
    [
        ("lsgan", [1, 4, 1], [0.25, 9, 0], [0.25, 16, 1]),
        ("hinge", [0, 2, 1], [1.5, 0, 1], [-0.5, 3, 0]),
        ("wgan", [-2, 1, 0], [0.5, -3, 0], [-0.5, 3, 0]),
    ],
)
def test_a_mode_equals_hand_computed_numbers(name, real, fake, generator):
    mode = adversarial.mode(name)
    values = mode.discriminator(REAL, FAKE)
    np.testing.assert_allclose(values[0], [real])
    np.testing.assert_allclose(values[1], [fake])
    np.testing.assert_allclose(mode.generator(REAL, FAKE), [generator])


def test_relativistic_lsgan_equals_hand_computed_numbers():
    mode = adversarial.mode("relativistic_lsgan")
    real, fake = jnp.array([1.0, 3.0]), jnp.array([0.0, -2.0])  # means 2 and -1
    # Real less -1 should be 1, fake less 2 should be -1.
    as_real, as_fake = mode.discriminator(real, fake)
    np.testing.assert_allclose(as_real, [(2 - 1) ** 2, (4 - 1) ** 2])
    np.testing.assert_allclose(as_fake, [(-2 + 1) ** 2, (-4 + 1) ** 2])
    # The generator wants the reverse: half of each, (2 + 1)^2 and (4 + 1)^2 for real.
    fooled, ashamed = [(-2 - 1) ** 2, (-4 - 1) ** 2], (9 + 25) / 2
    expected = (np.array(fooled) + ashamed) / 2
    np.testing.assert_allclose(mode.generator(real, fake), expected)


def test_relativistic_vanilla_is_binary_cross_entropy_of_differences():
    mode = adversarial.mode("relativistic_vanilla")
    real, fake = mode.discriminator(REAL, FAKE)
    above, below = REAL - FAKE.mean(), FAKE - REAL.mean()
    np.testing.assert_allclose(real, cross_entropy(above, 1), atol=1e-6)
    np.testing.assert_allclose(fake, cross_entropy(below, 0), atol=1e-6)
    both = cross_entropy(above, 0).mean() + cross_entropy(below, 1).mean()
    np.testing.assert_allclose(mode.generator(REAL, FAKE).mean(), both / 2, atol=1e-6)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_exchanging_the_sides_exchanges_the_players(name):
    mode = adversarial.mode(name)
    generator = np.random.default_rng(0)
    # Not as many of one as of the other: each side has a mean of its own.
    real = jnp.asarray(generator.normal(0, 2, (2, 3, 3, 1)), jnp.float32)
    fake = jnp.asarray(generator.normal(0, 2, (4, 2, 2, 1)), jnp.float32)
    discriminator = adversarial.discriminator_loss(mode, real, fake)
    exchanged = mode.generator(fake, real).mean()
    assert discriminator == pytest.approx(float(exchanged), rel=1e-5)


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_a_relativistic_mode_does_not_see_a_shift_of_all_logits(name):
    mode = adversarial.mode(name)
    one = adversarial.discriminator_loss(mode, REAL, FAKE)
    other = adversarial.discriminator_loss(mode, REAL + 7, FAKE + 7)
    assert one == pytest.approx(float(other), rel=1e-5)
    shifted = lambda by: adversarial.discriminator_loss(mode, REAL + by, FAKE + by)
    assert jax.jit(jax.grad(shifted))(0.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", adversarial.MODES)
def test_gradients_are_those_of_central_differences(name):
    mode = adversarial.mode(name)
    players = {
        "discriminator": lambda r, f: adversarial.discriminator_loss(mode, r, f),
        "generator": lambda r, f: mode.generator(r, f).mean(),
    }
    with jax.enable_x64(True):
        generator = np.random.default_rng(0)
        logits = jnp.asarray(generator.normal(0, 1, (2, 3, 4)))
        step = jnp.asarray(1e-5 * generator.normal(0, 1, (2, 3, 4)))
        for player, loss in players.items():
            compiled = jax.jit(jax.value_and_grad(loss, (0, 1)))
            central = compiled(*(logits + step))[0] - compiled(*(logits - step))[0]
            expected = 2 * np.vdot(compiled(*logits)[1], step)
            assert central == pytest.approx(float(expected), rel=1e-6), player


@pytest.mark.parametrize("name", adversarial.MODES)
def test_values_and_gradients_of_extreme_logits_are_finite(name):
    mode = adversarial.mode(name)

    def total(real, fake):
        return (
            adversarial.discriminator_loss(mode, real, fake)
            + mode.generator(real, fake).mean()
        )

    compiled = jax.jit(jax.value_and_grad(total, (0, 1)))
    for logit in (1e4, -1e4, 0.0):
        logits = np.full((2, 3, 3, 1), logit, np.float32)
        for leaf in jax.tree.leaves(compiled(logits, logits)):
            assert np.isfinite(leaf).all(), logit


@pytest.mark.parametrize("name", adversarial.MODES)
def test_the_generator_of_a_fooled_discriminator_pays_less(name):
    mode = adversarial.mode(name)
    real, caught = jnp.array([0.9]), jnp.array([0.1])
    assert mode.generator(real, real) < mode.generator(real, caught)


@pytest.mark.parametrize("name", ABSOLUTE)
def test_at_the_boundary_real_and_fake_cost_the_same(name):
    mode = adversarial.mode(name)
    boundary = jnp.array(mode.boundary(FAKE))
    assert boundary == mode.boundary(REAL)
    real, fake = mode.discriminator(boundary, boundary)
    assert real == pytest.approx(float(fake), abs=1e-7)
    above, below = mode.discriminator(boundary + 0.1, boundary + 0.1)
    assert above < real and below > fake


@pytest.mark.parametrize("name", sorted(set(adversarial.MODES) - set(ABSOLUTE)))
def test_where_differences_count_the_boundary_is_the_mean_of_the_others(name):
    mode = adversarial.mode(name)
    assert mode.boundary(REAL) == pytest.approx(1 / 3)
    assert mode.boundary(FAKE) == pytest.approx(-2.5 / 3)


@pytest.mark.parametrize("name", adversarial.MODES)
def test_values_keep_the_shape_of_their_logits(name):
    mode = adversarial.mode(name)
    real, fake = jnp.zeros((2, 5, 5, 1)), jnp.zeros((3, 2, 2, 1))
    assert mode.generator(real, fake).shape == fake.shape
    values = mode.discriminator(real, fake)
    assert (values[0].shape, values[1].shape) == (real.shape, fake.shape)


def test_the_discriminators_loss_is_half_the_sum_of_two_means():
    lsgan = adversarial.mode("lsgan")
    loss = adversarial.discriminator_loss(lsgan, REAL, FAKE)
    assert loss == pytest.approx((6 / 3 + 9.25 / 3) / 2)
    # Two means: the number of fakes does not shift the balance.
    fakes = jnp.tile(FAKE, (5, 1))
    again = adversarial.discriminator_loss(lsgan, REAL, fakes)
    assert again == pytest.approx(float(loss), rel=1e-6)


def test_an_unknown_mode_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'vanila'.*vanilla, lsgan"):
        adversarial.mode("vanila")


def test_every_listed_mode_exists():
    assert ("vanilla", "lsgan", "hinge", "wgan", *RELATIVISTIC) == adversarial.MODES
    assert RELATIVISTIC == ["relativistic_vanilla", "relativistic_lsgan"]
    for name in adversarial.MODES:
        assert isinstance(adversarial.mode(name), adversarial.GanMode)


# Penalties


IMAGES = jax.random.uniform(jax.random.key(0), (3, 4, 5, 2))
KEY = jax.random.key(1)


def gradient_penalty(judge, mask=None, **options):
    def penalty(images, mask):
        options["mask"] = mask
        return adversarial.gradient_penalty(KEY, judge, images, 1 - images, **options)

    return jax.jit(penalty)(IMAGES, mask)


def r1(judge):
    return jax.jit(lambda images: adversarial.r1(judge, images))(IMAGES)


def test_the_penalties_of_a_linear_critic_are_of_its_slope():
    # Its gradient is `slope` at each of the 40 values of an image, wherever it is.
    judge = lambda x: 0.5 * x.sum((1, 2, 3))
    norm = 0.5 * np.sqrt(40)
    assert gradient_penalty(judge) == pytest.approx((norm - 1) ** 2, rel=1e-5)
    flat = gradient_penalty(judge, target=float(norm))
    assert flat == pytest.approx(0, abs=1e-6)
    assert r1(judge) == pytest.approx(norm**2, rel=1e-5)


def test_r1_of_a_square_is_taken_at_the_real_images():
    judge = lambda x: jnp.square(x).sum((1, 2, 3)) / 2
    expected = np.square(IMAGES).sum((1, 2, 3)).mean()
    assert r1(judge) == pytest.approx(float(expected), rel=1e-5)


def test_the_penalty_is_taken_between_real_and_fake_one_place_an_image():
    # The gradient of x^2 / 2 is x, here constant over an image: its norm is the place.
    judge = lambda x: jnp.square(x).sum((1, 2, 3)) / 2
    real, fake = jnp.ones((400, 1, 1, 1)), jnp.zeros((400, 1, 1, 1))

    @functools.partial(jax.jit, static_argnums=1)
    def penalty(key, target):
        return adversarial.gradient_penalty(key, judge, real, fake, target=target)

    penalties = [penalty(KEY, 0.0), penalty(KEY, 1.0)]
    # E[u^2] = E[(u - 1)^2] = 1/3 for uniform u; deviation of u^2 over 400: 0.015.
    np.testing.assert_allclose(penalties, 1 / 3, atol=0.06)
    assert penalty(jax.random.key(2), 1.0) != penalties[1]


@pytest.mark.parametrize("name", ["gradient", "r1"])
def test_a_map_of_logits_counts_as_its_mean(name):
    def one(images):
        return jnp.sin(3 * images).sum((1, 2, 3))

    def several(images):
        # Two patches with different slopes; their mean is `one`.
        return jnp.stack([0.5 * one(images), 1.5 * one(images)], 1)[:, :, None, None]

    penalty = {"gradient": gradient_penalty, "r1": r1}
    assert penalty[name](several) == pytest.approx(float(penalty[name](one)), rel=1e-5)


def test_each_of_several_critics_has_a_penalty_of_its_own():
    slopes = jnp.array([0.5, -0.1, 0.3])
    judge = lambda x: jnp.tanh(x).sum((1, 2, 3))[:, None] * slopes
    alone = [lambda x, i=i: judge(x)[:, i] for i in range(3)]
    expected = np.mean([gradient_penalty(one) for one in alone])
    assert gradient_penalty(judge) == pytest.approx(expected, rel=1e-5)
    expected = np.mean([r1(one) for one in alone])
    assert r1(judge) == pytest.approx(expected, rel=1e-5)


def test_of_critics_that_pull_apart_neither_is_hidden_by_the_other():
    # Their mean has no gradient at all, whose penalty would be 1.
    judge = lambda x: x.sum((1, 2, 3))[:, None] * jnp.array([0.5, -0.5])
    norm = 0.5 * np.sqrt(40)
    assert gradient_penalty(judge) == pytest.approx((norm - 1) ** 2, rel=1e-5)


def test_a_masked_penalty_is_of_the_slope_inside_the_hole():
    # 6 of the 20 pixels, of 2 channels, with a slope of 0.5 each.
    judge = lambda x: 0.5 * x.sum((1, 2, 3))
    mask = jnp.zeros((3, 4, 5, 1)).at[:, 1:3, 1:4].set(1)
    norm = 0.5 * np.sqrt(12)
    found = gradient_penalty(judge, mask=mask)
    assert found == pytest.approx((norm - 1) ** 2, rel=1e-5)


def test_a_masked_penalty_is_what_numpy_has_pixel_by_pixel():
    generator = np.random.default_rng(0)
    mask = (generator.random((3, 4, 5, 1)) > 0.6).astype(np.float32)
    judge = lambda x: jnp.stack([jnp.sin(x).sum((1, 2, 3)), (x**3).sum((1, 2, 3))], 1)
    share = np.asarray(jax.random.uniform(KEY, (3, 1, 1, 1)))
    between = share * np.asarray(IMAGES) + (1 - share) * (1 - np.asarray(IMAGES))
    penalties = []
    for slope in (np.cos(between), 3 * between**2):
        for image, hole in zip(slope, mask, strict=True):
            total = 0.0
            for row, column in np.ndindex(4, 5):
                if hole[row, column, 0]:
                    total += sum(value**2 for value in image[row, column])
            penalties.append((np.sqrt(total) - 1) ** 2)
    found = gradient_penalty(judge, mask=jnp.asarray(mask))
    assert found == pytest.approx(np.mean(penalties), rel=1e-5)


def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_leaves_no_slope():
    judge = lambda x: jnp.sin(3 * x).sum((1, 2, 3))
    ones = jnp.ones((3, 4, 5, 1))
    assert gradient_penalty(judge, mask=ones) == gradient_penalty(judge)
    assert gradient_penalty(judge, mask=0 * ones) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("slope", [0.0, 1e-30, 1.0])
def test_penalties_can_be_differentiated_also_at_no_gradient(slope):
    def total(slope):
        judge = lambda x: slope * jnp.square(x).sum((1, 2, 3))
        return gradient_penalty(judge) + r1(judge)

    value, gradient = jax.jit(jax.value_and_grad(total))(slope)
    assert np.isfinite(value) and np.isfinite(gradient)
    assert slope or value == pytest.approx(1, abs=1e-5)


def test_the_gradient_of_a_penalty_is_that_of_central_differences():
    with jax.enable_x64(True):
        images = jnp.asarray(np.random.default_rng(0).random((3, 4, 5, 2)))

        @jax.jit
        @jax.value_and_grad
        def total(slope):
            judge = lambda x: jnp.tanh(slope * x).sum((1, 2, 3))
            penalty = adversarial.gradient_penalty(KEY, judge, images, 1 - images)
            return penalty + adversarial.r1(judge, images)

        central = (total(0.7 + 1e-5)[0] - total(0.7 - 1e-5)[0]) / 2e-5
        assert central == pytest.approx(float(total(0.7)[1]), rel=1e-6)
