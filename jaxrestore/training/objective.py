"""The objective is a table: `{output: {loss: weight}}`; an ablation is a deleted row.

A row is a number or `{"weight": w, …}` with keyword options of that loss. That weight
is the row's. The `weight` that a loss takes is one a pixel: it comes with the batch.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore import naming, networks


def evaluate(
    table: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, Array],
    target: Float[Array, "b h w c"],
    weight: Float[Array, "b h w 1"] | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Returns the weighted sum over the table, and each row before its weight.

    `outputs` are the generator's: `restored` and what it names in `aux`. Rows are
    called `output/loss`. Each loss that takes a `weight` of pixels is given `weight`.
    """
    total = jnp.zeros(())
    terms = {}
    for output, row in table.items():
        for name, entry in row.items():
            factor, options = weight_and_options(entry)
            loss = naming.function("losses", name)
            if weight is not None and "weight" in networks.keyword_options(loss):
                options["weight"] = weight
            value = loss(outputs[output], target, **options).mean()
            terms[f"{output}/{name}"] = value
            total = total + factor * value
    return total, terms


def weight_and_options(entry: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the weight of a row and the options of its loss."""
    if not isinstance(entry, Mapping):
        return entry, {}
    options = dict(entry)
    return options.pop("weight"), options
