"""What a run is at one step: everything that a resumed run needs, and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


class Network(struct.PyTreeNode):
    """One player: parameters, statistics, optimiser, and two counts.

    `stats` holds every collection of the model that is not a parameter. `updates`,
    int32, counts the updates made; `skipped`, int32, the non-finite ones in a row up to
    now. A tree of shapes or shardings has the same form, so leaves have no type here.
    """

    params: Any
    stats: Any
    optimizer: Any
    updates: Any
    skipped: Any


class TrainState(struct.PyTreeNode):
    """A run: `step`, int32, counts batches; `key` is the root of all its randomness.

    `ema` is the exponential moving average (EMA) of the generator's parameters and
    running statistics, as the variables of the model; `discriminator` is None in a run
    without adversary. `pool` holds earlier restored images for the discriminator
    (`image_pool`), `plateau` what a learning rate that waits for the evaluation knows
    (`optimizers`); both are None where there is no use of them.
    """

    step: Any
    key: Any
    generator: Network
    discriminator: Any
    ema: Any
    pool: Any = None
    plateau: Any = None


def network(variables: Any, transform: optax.GradientTransformation) -> Network:
    """Returns a fresh player from the `variables` of a model's `init`."""
    stats = {name: value for name, value in variables.items() if name != "params"}
    params = variables["params"]
    zero = jnp.zeros((), jnp.int32)
    return Network(params, stats, transform.init(params), zero, zero)


def variables(player: Network) -> dict[str, Any]:
    """Returns what the model's `apply` takes."""
    return {"params": player.params, **player.stats}


def count_parameters(tree: Any) -> int:
    """Returns how many numbers the leaves of `tree` (arrays or shapes) hold."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
