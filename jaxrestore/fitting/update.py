"""One update of one player: gradient, accumulation, and the guard against NaN."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxrestore.fitting import state

# (params, stats, batch) -> (loss, (new stats, output, terms)); terms hold "loss".
Loss = Callable[[Any, Any, Any], tuple[Any, tuple[Any, Any, dict[str, Array]]]]


class Player(NamedTuple):
    """What stays fixed about a network: its model, its optimiser, its learning rate.

    A player that `waits` slows down when evaluations get no better.
    """

    model: Any
    optimizer: optax.GradientTransformation
    rate: optax.Schedule
    waits: bool = False


def update(
    player: Player,
    network: state.Network,
    loss: Loss,
    batch: Mapping[str, Array],
    *,
    parts: int,
    slowed: Array | float = 1.0,
) -> tuple[state.Network, Any, dict[str, Array]]:
    """Returns the network moved by the gradient of `loss`, its output and its terms.

    The learning rate is the player's times `slowed`.

    The gradient is the mean over `parts` parts of the batch, taken one after another.
    Where the loss or the gradient is not finite, the network stays as it was, to the
    bit, and `skipped` counts one more.
    """
    grads, stats, output, terms = _gradient(network, loss, batch, parts)
    norm = optax.tree.norm(grads)
    finite = jnp.isfinite(terms["loss"]) & jnp.isfinite(norm)

    def moved(network):
        change, optimizer = player.optimizer.update(
            grads, network.optimizer, network.params
        )
        return network.replace(
            params=optax.apply_updates(
                network.params, optax.tree.scale(slowed, change)
            ),
            stats=stats,
            optimizer=optimizer,
            updates=network.updates + 1,
            skipped=jnp.zeros_like(network.skipped),
        )

    def rested(network):
        return network.replace(skipped=network.skipped + 1)

    # A branch, not a choice between two results: the state is then changed in place.
    kept = jax.lax.cond(finite, moved, rested, network)
    terms |= {
        "grad_norm": norm,
        "rate": jnp.asarray(slowed * player.rate(network.updates), jnp.float32),
        "skipped": kept.skipped.astype(jnp.float32),
    }
    return kept, output, terms


def _gradient(network, loss, batch, parts):
    """Gradient, statistics, output and terms over the whole batch."""
    gradient = jax.grad(loss, has_aux=True)
    if parts == 1:
        grads, (stats, output, terms) = gradient(network.params, network.stats, batch)
        return grads, stats, output, terms

    def cut(leaf):
        # Part j takes the rows j, j + parts, …: each device keeps its own rows.
        return jnp.swapaxes(leaf.reshape(-1, parts, *leaf.shape[1:]), 0, 1)

    def join(leaf):
        return jnp.swapaxes(leaf, 0, 1).reshape(-1, *leaf.shape[2:])

    def add(carry, part):
        total, stats = carry
        batch = dict(part, key=jax.random.fold_in(key, part["part"]))
        grads, (stats, output, terms) = gradient(network.params, stats, batch)
        return (jax.tree.map(jnp.add, total, grads), stats), (output, terms)

    key = batch["key"]
    rows = {name: cut(leaf) for name, leaf in batch.items() if name != "key"}
    rows["part"] = jnp.arange(parts)
    zeros = jax.tree.map(jnp.zeros_like, network.params)
    (total, stats), (output, terms) = jax.lax.scan(add, (zeros, network.stats), rows)
    grads = jax.tree.map(lambda leaf: leaf / parts, total)
    output = join(output) if output.ndim > 1 else output
    return grads, stats, output, {name: term.mean() for name, term in terms.items()}
