import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore import adversarial

REAL = jnp.array([[2.0, -1.0, 0.0]])
FAKE = jnp.array([[0.5, -3.0, 0.0]])


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
    cross_entropy = optax.sigmoid_binary_cross_entropy
    ones, zeros = jnp.ones_like(REAL), jnp.zeros_like(FAKE)
    real, fake = vanilla.discriminator(REAL, FAKE)
    np.testing.assert_allclose(real, cross_entropy(REAL, ones), atol=1e-6)
    np.testing.assert_allclose(fake, cross_entropy(FAKE, zeros), atol=1e-6)
    generator = vanilla.generator(REAL, FAKE)
    np.testing.assert_allclose(generator, cross_entropy(FAKE, ones), atol=1e-6)


def test_lsgan_equals_hand_computed_numbers():
    lsgan = adversarial.mode("lsgan")
    real, fake = lsgan.discriminator(REAL, FAKE)
    np.testing.assert_allclose(real, [[1, 4, 1]])
    np.testing.assert_allclose(fake, [[0.25, 9, 0]])
    np.testing.assert_allclose(lsgan.generator(REAL, FAKE), [[0.25, 16, 1]])


@pytest.mark.parametrize("name", adversarial.MODES)
@pytest.mark.parametrize("logit", [1e4, -1e4, 0.0])
def test_values_and_gradients_of_extreme_logits_are_finite(name, logit):
    mode = adversarial.mode(name)
    logits = jnp.full((2, 3, 3, 1), logit)

    def total(real, fake):
        return (
            adversarial.discriminator_loss(mode, real, fake)
            + mode.generator(real, fake).mean()
        )

    for leaf in jax.tree.leaves(jax.value_and_grad(total, (0, 1))(logits, logits)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("name", adversarial.MODES)
def test_the_generator_of_a_fooled_discriminator_pays_less(name):
    mode = adversarial.mode(name)
    judged_fake, judged_real = jnp.array(mode.boundary - 0.4), mode.boundary + 0.4
    real = jnp.array(judged_real)
    assert mode.generator(real, real) < mode.generator(real, judged_fake)


@pytest.mark.parametrize("name", adversarial.MODES)
def test_at_the_boundary_real_and_fake_cost_the_same(name):
    mode = adversarial.mode(name)
    boundary = jnp.array(mode.boundary)
    real, fake = mode.discriminator(boundary, boundary)
    assert real == pytest.approx(float(fake), abs=1e-7)
    above, below = mode.discriminator(boundary + 0.1, boundary + 0.1)
    assert above < real and below > fake


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
    assert adversarial.MODES == ("vanilla", "lsgan")
    for name in adversarial.MODES:
        assert isinstance(adversarial.mode(name), adversarial.GanMode)
