"""Starting a run from weights that another one has learnt, as ESRGAN's second stage."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore import errors, files
from jaxrestore.fitting import state as states
from jaxrestore.runs import checkpoints
from jaxrestore.weights import weight_files


def load(where: str) -> tuple[Any, str]:
    """Returns a generator's variables, and words for where they come from.

    `where` is the workdir of a run, of which the EMA of the generator at the best step
    is taken, or a file of weights. The words have a SHA-256: of the file, as on its
    card, or of a run's weights (`checkpoints.tree_hash`). Raises `NoInputError` when it
    does not exist, and what reading it raises.
    """
    path = Path(where)
    if path.is_dir():
        step = checkpoints.best_step(path)
        variables = checkpoints.load_restorer(path, step)
        digest = checkpoints.tree_hash(variables)
        return variables, f"{where} at step {step}, SHA-256 of its weights {digest}"
    if path.is_file():
        digest = files.sha256(path)
        return weight_files.load(path)[1], f"{where}, SHA-256 of the file {digest}"
    raise errors.NoInputError(
        f"config.init_from is {where!r}, which does not exist; train that run first, "
        "give the workdir of another one or a file of weights, or leave it empty"
    )


def inherit(state: states.TrainState, variables: Any) -> states.TrainState:
    """Returns the state with `variables` for its generator and for the average of it.

    The optimiser starts anew. Raises `MismatchError` when the two networks differ.
    """
    shapes = [
        weight_files.shapes_of(weight_files.flat(tree))
        for tree in (variables, state.ema)
    ]
    if difference := weight_files.difference(*shapes):
        raise errors.MismatchError(
            "config.init_from holds another generator than this config asks for: "
            f"{difference}. Use the config.generator it was trained with."
        )
    fresh = jax.tree.map(
        lambda old, new: jnp.asarray(new, old.dtype), state.ema, dict(variables)
    )
    # The average is a copy: a buffer that two leaves share cannot be donated.
    average = jax.tree.map(jnp.copy, fresh)
    params = fresh.pop("params")
    network = state.generator.replace(params=params, stats=fresh)
    return state.replace(generator=network, ema=average)
