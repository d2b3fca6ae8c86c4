"""Adam with a learning-rate schedule, for either player."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

# Those of pix2pix stand still within an epoch.
EPOCH_SCHEDULES = ("linear_epochs", "step_epochs", "cosine_epochs")
SCHEDULES = ("constant", "cosine", *EPOCH_SCHEDULES, "plateau")

_PATIENCE, _FACTOR, _THRESHOLD = 5, 0.2, 0.01  # of `plateau`


def schedule(
    recipe: Mapping[str, Any], updates: int, epoch: tuple[int, int] = (1, 1)
) -> optax.Schedule:
    """Returns the learning rate as a function of the updates already made.

    It rises from 0 over `warmup` updates to `rate`; `constant` and `plateau` stay
    there, `cosine` ends at `final_rate` after `updates` updates. An update sees
    `epoch[0]` of the `epoch[1]` images of an epoch. In the epochs k = 1, 2, ... T

    - `linear_epochs` is rate (1 - max(0, k - n) / (T - n + 1)), n being
      `constant_epochs`;
    - `step_epochs` is rate 0.1^floor((k - 1) / `drop_epochs`);
    - `cosine_epochs` is rate (1 + cos(pi (k - 1) / T)) / 2.

    Source: the last three are the policies of pix2pix (Isola et al., CVPR 2017,
    reference code), but cosine's T counts the whole run: there it counted the first
    half, and the rate rose again in the second.
    """
    warmup = min(recipe["warmup"], updates)
    if recipe["schedule"] in ("constant", "plateau"):
        later = optax.constant_schedule(recipe["rate"])
    elif recipe["schedule"] == "cosine":
        decay = max(updates - warmup, 1)
        floor = recipe["final_rate"] / jnp.float32(recipe["rate"])
        later = optax.cosine_decay_schedule(recipe["rate"], decay, floor)
    else:
        later = _by_epoch(recipe, updates, *epoch)
    if not warmup:
        return later
    # The first update already moves: (1 / warmup) of the rate, not 0.
    first = recipe["rate"] / jnp.float32(warmup)
    rise = optax.linear_schedule(first, recipe["rate"], warmup)
    return optax.join_schedules([rise, later], [warmup])


def _by_epoch(recipe, updates, images_per_update, images):
    # An epoch is seldom a whole number of updates: a run that ends within an update of
    # its last epoch's end has whole epochs.
    total = round(updates * images_per_update / images)
    if abs(total * images - updates * images_per_update) >= images_per_update:
        total = math.ceil(updates * images_per_update / images)

    def rate(count):
        finished = (count * images_per_update // images) * 1.0  # epochs
        if recipe["schedule"] == "linear_epochs":
            hold = recipe["constant_epochs"]
            fallen = jnp.maximum(0.0, finished + 1 - hold) / max(total - hold + 1, 1)
            factor = 1 - fallen
        elif recipe["schedule"] == "step_epochs":
            factor = 0.1 ** (finished // recipe["drop_epochs"])
        else:
            factor = (1 + jnp.cos(jnp.pi * finished / total)) / 2
        return recipe["rate"] * factor

    return rate


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


def plateau() -> optax.OptState:
    """Returns what the schedule `plateau` knows before the first evaluation."""
    return _reducer().init(jnp.zeros(()))


def on_plateau(
    before: optax.OptState, error: Float[Array, ""] | float
) -> optax.OptState:
    """Returns what it knows after an evaluation of `error` (0 is best).

    The rate is divided by 5 when the error has not fallen by 1 % below its lowest in
    6 evaluations in a row, as PyTorch's `ReduceLROnPlateau` with a patience of 5.
    """
    _, after = _reducer().update({}, before, value=error)
    return after


def _reducer():
    # Optax acts when the count reaches its patience, PyTorch when it passes it.
    return optax.contrib.reduce_on_plateau(
        factor=_FACTOR, patience=_PATIENCE + 1, rtol=_THRESHOLD
    )
