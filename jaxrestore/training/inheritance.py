"""Starting a run from weights that another one has learnt, as ESRGAN's second stage."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore import checkpoints, errors, weight_files
from jaxrestore.training import state as states

_NAMED = 5


def load(where: str) -> tuple[Any, str]:
    """Returns a generator's variables, and words for where they come from.

    `where` is the workdir of a run, of which the averaged generator at the best step is
    taken, or a file of weights. Raises `NoInputError` when it does not exist, and what
    reading it raises.
    """
    path = Path(where)
    if path.is_dir():
        step = checkpoints.best_step(path)
        return checkpoints.load_restorer(path, step), f"{where} at step {step}"
    if path.is_file():
        return weight_files.load(path)[1], where
    raise errors.NoInputError(
        f"config.init_from is {where!r}, which does not exist; train that run first, "
        "give the workdir of another one or a file of weights, or leave it empty"
    )


def inherit(state: states.TrainState, variables: Any) -> states.TrainState:
    """Returns the state with `variables` for its generator and for the average of it.

    The optimiser starts anew. Raises `MismatchError` when the two networks differ.
    """
    found = {name: leaf.shape for name, leaf in _leaves(variables)}
    wanted = {name: leaf.shape for name, leaf in _leaves(state.ema)}
    if found != wanted:
        raise errors.MismatchError(
            f"config.init_from holds another generator than this config asks for: "
            f"{_differences(found, wanted)}. Use the config.generator it was trained "
            "with."
        )
    fresh = jax.tree.map(
        lambda old, new: jnp.asarray(new, old.dtype), state.ema, dict(variables)
    )
    # The average is a copy: a buffer that two leaves share cannot be donated.
    average = jax.tree.map(jnp.copy, fresh)
    params = fresh.pop("params")
    network = state.generator.replace(params=params, stats=fresh)
    return state.replace(generator=network, ema=average)


def _leaves(tree):
    for path, leaf in jax.tree.leaves_with_path(tree):
        yield jax.tree_util.keystr(path, simple=True, separator="/"), leaf


def _differences(found, wanted):
    names = [
        name for name in {**wanted, **found} if found.get(name) != wanted.get(name)
    ]
    lines = [
        f"{name} is {found.get(name, 'missing')}, asked for "
        f"{wanted.get(name, 'nothing of that name')}"
        for name in names[:_NAMED]
    ]
    more = len(names) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more else "")
