"""The objective is a table: `{output: {loss: weight}}`; an ablation is a deleted row.

A row is a number or `{"weight": w, …}` with keyword options of that loss.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore import naming


def evaluate(
    table: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, Array],
    target: Float[Array, "b h w c"],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Returns the weighted sum over the table, and each row before its weight.

    `outputs` are the generator's: `restored` and what it names in `aux`. Rows are
    called `output/loss`.
    """
    total = jnp.zeros(())
    terms = {}
    for output, row in table.items():
        for name, entry in row.items():
            weight, options = weight_and_options(entry)
            loss = naming.function("losses", name)
            value = loss(outputs[output], target, **options).mean()
            terms[f"{output}/{name}"] = value
            total = total + weight * value
    return total, terms


def weight_and_options(entry: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the weight of a row and the options of its loss."""
    if not isinstance(entry, Mapping):
        return entry, {}
    options = dict(entry)
    return options.pop("weight"), options
