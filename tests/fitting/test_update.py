import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.fitting import state, update

RATE = 0.5
PLAYER = update.Player(None, optax.sgd(RATE), optax.constant_schedule(RATE))
IMAGES = np.random.default_rng(0).random((4, 3), np.float32)


def _network():
    return state.network(
        {"params": {"w": jnp.ones(3)}, "seen": {"n": jnp.zeros(())}}, PLAYER.optimizer
    )


def _batch(images=IMAGES):
    return {"target": jnp.asarray(images), "key": jax.random.key(0)}


def _loss(params, stats, batch):
    """The mean of w . x: its gradient is the mean image, whatever w is."""
    output = batch["target"] * params["w"]
    loss = output.sum(-1).mean()
    seen = {"seen": {"n": stats["seen"]["n"] + len(output)}}
    return loss, (seen, output, {"loss": loss})


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_network_moves_against_the_mean_gradient_however_it_is_cut(parts):
    network, output, terms = update.update(
        PLAYER, _network(), _loss, _batch(), parts=parts
    )
    mean = IMAGES.mean(0)
    np.testing.assert_allclose(network.params["w"], 1 - RATE * mean, rtol=1e-6)
    np.testing.assert_array_equal(output, IMAGES)  # the rows in their order
    assert network.stats["seen"]["n"] == len(IMAGES)
    assert (network.updates, network.skipped) == (1, 0)
    assert terms["loss"] == pytest.approx(mean.sum())
    assert terms["grad_norm"] == pytest.approx(np.linalg.norm(mean))
    assert (terms["rate"], terms["skipped"]) == (RATE, 0)


def test_a_slowed_player_takes_a_part_of_the_step():
    network, _, terms = update.update(
        PLAYER, _network(), _loss, _batch(), parts=1, slowed=0.2
    )
    expected = 1 - 0.2 * RATE * IMAGES.mean(0)
    np.testing.assert_allclose(network.params["w"], expected, rtol=1e-6)
    assert terms["rate"] == pytest.approx(0.2 * RATE)


@pytest.mark.parametrize("parts", [1, 2])
def test_what_is_not_finite_moves_nothing_and_is_counted(parts):
    images = IMAGES.copy()
    images[2, 1] = np.nan
    network = _network()
    for count in (1, 2):
        network, _, terms = update.update(
            PLAYER, network, _loss, _batch(images), parts=parts
        )
        np.testing.assert_array_equal(network.params["w"], np.ones(3))
        assert network.stats["seen"]["n"] == 0
        assert (network.updates, network.skipped, terms["skipped"]) == (0, count, count)
    network, *_ = update.update(PLAYER, network, _loss, _batch(), parts=parts)
    assert (network.updates, network.skipped) == (1, 0)


def test_each_part_has_a_key_of_its_own():
    def loss(params, stats, batch):
        draw = jax.random.uniform(batch["key"], (len(batch["target"]), 1))
        return draw.mean() * params["w"].sum(), (stats, draw, {"loss": draw.mean()})

    _, draws, _ = update.update(PLAYER, _network(), loss, _batch(), parts=4)
    assert len(np.unique(draws)) == 4
