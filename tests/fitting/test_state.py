import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore.fitting import state

VARIABLES = {
    "params": {"conv": {"kernel": jnp.ones((3, 4)), "bias": jnp.zeros(4)}},
    "batch_stats": {"norm": {"mean": jnp.full(4, 0.5)}},
}


def test_a_fresh_player_has_made_no_update():
    player = state.network(VARIABLES, optax.adam(1e-3))
    assert (int(player.updates), int(player.skipped)) == (0, 0)
    assert player.updates.dtype == player.skipped.dtype == jnp.int32
    moments = optax.tree.get(player.optimizer, "mu")
    assert jax.tree.structure(moments) == jax.tree.structure(player.params)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(moments))


def test_the_variables_of_a_player_are_those_it_was_made_of():
    assert state.variables(state.network(VARIABLES, optax.sgd(0.1))) == VARIABLES
    bare = {"params": VARIABLES["params"]}
    assert state.variables(state.network(bare, optax.sgd(0.1))) == bare


def test_parameters_are_counted_in_arrays_and_in_shapes():
    assert state.count_parameters(VARIABLES["params"]) == 3 * 4 + 4
    shapes = jax.eval_shape(lambda: VARIABLES)
    assert state.count_parameters(shapes) == 3 * 4 + 4 + 4
    assert state.count_parameters({}) == 0
