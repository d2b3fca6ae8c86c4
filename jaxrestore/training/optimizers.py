"""Adam with a learning-rate schedule, for either player."""

from collections.abc import Mapping
from typing import Any

import optax

SCHEDULES = ("constant", "cosine")


def schedule(recipe: Mapping[str, Any], updates: int) -> optax.Schedule:
    """Returns the learning rate as a function of the updates already made.

    It rises from 0 over `warmup` updates to `rate`; `constant` stays there, `cosine`
    ends at `final_rate` after `updates` updates.
    """
    warmup = min(recipe["warmup"], updates)
    if recipe["schedule"] == "constant":
        later = optax.constant_schedule(recipe["rate"])
    else:
        decay = max(updates - warmup, 1)
        floor = recipe["final_rate"] / recipe["rate"]
        later = optax.cosine_decay_schedule(recipe["rate"], decay, floor)
    if not warmup:
        return later
    # The first update already moves: (1 / warmup) of the rate, not 0.
    rise = optax.linear_schedule(recipe["rate"] / warmup, recipe["rate"], warmup)
    return optax.join_schedules([rise, later], [warmup])


def adam(
    recipe: Mapping[str, Any], rate: optax.Schedule
) -> optax.GradientTransformation:
    """Returns Adam with `beta1`, `beta2`; `clip` limits the gradient's norm, 0 is off.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """
    optimizer = optax.adam(rate, b1=recipe["beta1"], b2=recipe["beta2"])
    if not recipe["clip"]:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(recipe["clip"]), optimizer)
