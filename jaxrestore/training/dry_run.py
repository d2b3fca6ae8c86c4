"""What a config would do, told without doing it."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from clu import parameter_overview

from jaxrestore.training import loop, recipe

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 40


def show(config: Mapping[str, Any]) -> None:
    """Prints shapes, parameters, memory, expected hours and learning-rate curves.

    The step is compiled, since only its compiled form knows its memory; nothing runs
    and no file is written. Raises what `loop.prepare` raises.
    """
    setup = loop.prepare(config)
    print(loop.headline(setup))
    together, batch, side, _, channels = setup.batch.shape
    print(f"batch: uint8 [{batch}, {side}, {side}, {channels}], {together} a call")
    players = {"generator": setup.shapes.generator}
    if setup.shapes.discriminator is not None:
        players["discriminator"] = setup.shapes.discriminator
    for name, player in players.items():
        print(f"\n{name}")
        print(
            parameter_overview.get_parameter_overview(
                player.params, include_stats=False
            )
        )
    print("\nlearning rates")
    counts = recipe.updates(config)
    for name, count in zip(players, counts, strict=False):
        print(f"  {name:14s} {curve(getattr(setup.recipe, name).rate, count)}")
    loop.compile_step(setup, print)


def curve(schedule: Any, updates: int) -> str:
    """Returns a learning rate over `updates` updates as a line of bars, and its ends."""
    counts = jnp.linspace(0, updates - 1, min(_POINTS, updates)).astype(jnp.int32)
    rates = jax.device_get(jax.vmap(lambda count: jnp.asarray(schedule(count)))(counts))
    top = max(float(rates.max()), 1e-30)
    levels = [round(float(rate) / top * (len(_BARS) - 1)) for rate in rates]
    bars = "".join(_BARS[level] for level in levels)
    return (
        f"{bars}  first {rates[0]:.2e}, highest {top:.2e}, last {rates[-1]:.2e} "
        f"({updates:,} updates)"
    )
