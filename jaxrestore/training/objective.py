"""The objective is a table: `{output: {loss: weight}}`; an ablation is a deleted row.

A row is a number or `{"weight": w, …}` with keyword options of that loss. That weight
is the row's; with a `warmup` of n it rises from 0 over the first n updates of the
generator. The `weight` that a loss takes is one a pixel: it comes with the batch, or
says with a row's `where` which pixels that loss looks at, the damaged or the intact.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxrestore import naming, networks

PLACES = ("damaged", "intact")


def evaluate(
    table: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, Array],
    target: Float[Array, "b h w c"],
    weight: Float[Array, "b h w 1"] | None = None,
    *,
    damage: Float[Array, "b h w 1"] | None = None,
    updates: Int[Array, ""] | int = 0,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Returns the weighted sum over the table, and each row before its weight.

    `outputs` are the generator's: `restored` and what it names in `aux`. Rows are
    called `output/loss`. Each loss that takes a `weight` of pixels is given `weight`;
    a row with a `where` gives it `damage` instead, 1 where pixels were lost, or one
    minus it. The generator was moved `updates` times before. Raises `ValueError` for an
    output that is none of the generator's, and for a loss that does not return [b].
    """
    total = jnp.zeros(())
    terms = {}
    for output, row in table.items():
        if output not in outputs:
            raise ValueError(
                f"config.objective has rows for {output!r}, but the generator puts out "
                f"{' and '.join(outputs)} alone; delete these rows, or choose another "
                "generator"
            )
        for name, entry in row.items():
            factor, options = weight_and_options(entry)
            loss = naming.function("losses", name)
            pixels = _pixels(where(entry), weight, damage)
            if pixels is not None and takes_weight(loss):
                options["weight"] = pixels
            value = _checked(loss(outputs[output], target, **options), name, target)
            terms[f"{output}/{name}"] = value
            total = total + _share(warmup(entry), updates) * factor * value
    return total, terms


def _checked(values, name, target):
    """The mean of one number an image."""
    if getattr(values, "shape", None) != target.shape[:1]:
        found = getattr(values, "shape", None)
        found = type(values).__name__ if found is None else f"shape {[*found]}"
        raise ValueError(
            f"losses.{name} returns {found} for a batch of {target.shape[0]}; it must "
            "return one number an image, [b]: average over the other axes"
        )
    return values.mean()


def weight_and_options(entry: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the weight of a row and the options of its loss."""
    if not isinstance(entry, Mapping):
        return entry, {}
    ours = ("warmup", "where")
    options = {name: value for name, value in entry.items() if name not in ours}
    return options.pop("weight"), options


def warmup(entry: Any) -> Any:
    """Returns the updates over which the weight of a row rises; 0: it is always whole.

    Source: the slow start of the KL term of Bowman et al., "Generating Sentences from a
    Continuous Space", CoNLL 2016, against the collapse of the posterior.
    """
    return entry.get("warmup", 0) if isinstance(entry, Mapping) else 0


def where(entry: Any) -> Any:
    """Returns the word of `PLACES` for the pixels that a row looks at; None: at all."""
    return entry.get("where") if isinstance(entry, Mapping) else None


def takes_weight(loss: Callable[..., Any]) -> bool:
    """Returns whether a loss is one of pixels, each of which may have its weight."""
    return "weight" in networks.keyword_options(loss)


def _pixels(place, weight, damage):
    """The weight of pixels of a row, whose damaged or intact ones weigh all alike."""
    if place is None:
        return weight
    assert damage is not None, place
    return damage if place == "damaged" else 1 - damage


def _share(warmup, updates):
    return jnp.minimum(updates / warmup, 1) if warmup else 1
