"""What a pool and a waiting rate do inside the train step and the loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.runs import checkpoints
from jaxrestore.training import interruption, loop, recipe, steps

ONE = jax.devices()[:1]


def begun(config):
    built = recipe.build(config)
    state = jax.jit(lambda key: steps.initial_state(built, key, config["crop"]))(
        jax.random.key(0)
    )
    images = jax.random.randint(jax.random.key(1), (4, 32, 32, 3), 0, 256, jnp.uint8)
    return built, state, steps.batch_of(built, state, images)


@pytest.mark.slow
def test_a_full_pool_changes_what_the_discriminator_learns_from(tiny):
    config = tiny(adversarial__pool=2)
    config["objective"] = {"restored": {"l1": 1.0}}
    built, state, batch = begun(config)
    state = state.replace(pool=state.pool | {"held": jnp.int32(2)})  # all black
    restored = batch["degraded"]
    step = jax.jit(
        lambda state: steps.discriminator_step(built, state, batch, restored)
    )
    with_pool, terms = step(state)
    without = step(state.replace(pool=None))[1]
    assert float(terms["discriminator/logit_fake"]) != float(
        without["discriminator/logit_fake"]
    )
    assert float(jnp.abs(with_pool.pool["restored"]).max()) > 0


@pytest.mark.slow
def test_a_rate_that_waits_is_multiplied_by_what_the_evaluations_left_of_it(tiny):
    config = tiny(optimizer__generator__schedule="plateau")
    config["objective"] = {"restored": {"l1": 1.0}}
    config["optimizer"]["generator"]["warmup"] = 0
    built, state, batch = begun(config)
    still = state.replace(plateau=state.plateau._replace(scale=jnp.float32(0)))
    moved, _, terms = jax.jit(lambda state: steps.generator_step(built, state, batch))(
        still
    )
    assert float(terms["generator/rate"]) == 0
    jax.tree.map(
        np.testing.assert_array_equal, moved.generator.params, still.generator.params
    )
    assert int(moved.generator.updates) == 1


class StoppedAfter(interruption.Interruption):
    """A signal that arrives in a step of a run, not in the middle of a test."""

    def __init__(self, steps):
        self.left = steps

    @property
    def signal(self):
        self.left -= 1
        return 15 if self.left <= 0 else None


@pytest.mark.slow
def test_a_waiting_run_stopped_where_an_evaluation_was_due_resumes_to_the_bits(
    tiny, tmp_path
):
    config = tiny(
        optimizer__generator__schedule="plateau",
        adversarial__pool=3,
        steps=3,
        evaluation__every=1,
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    loop.train(config, whole, devices=ONE)
    with pytest.raises(errors.Interrupted):
        loop.train(config, cut, devices=ONE, stop=StoppedAfter(2))
    loop.train(config, cut, devices=ONE)
    assert checkpoints.state_hash(whole, 3) == checkpoints.state_hash(cut, 3)
