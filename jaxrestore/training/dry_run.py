"""What a config would do, told without doing it."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from clu import parameter_overview

from jaxrestore.training import compilation, recipe, setup

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 40


def show(config: Mapping[str, Any]) -> None:
    """Prints shapes, parameters, memory, expected hours and learning-rate curves.

    The step is compiled, since only its compiled form knows its memory; nothing runs
    and no file is written. Raises what `setup.prepare` raises.
    """
    prepared = setup.prepare(config)
    print(setup.headline(prepared))
    for notice in prepared.notices:
        print(f"note: {notice}")
    together, batch, side, _, channels = prepared.batch.shape
    print(f"batch: uint8 [{batch}, {side}, {side}, {channels}], {together} a call")
    players = {"generator": prepared.state.generator}
    if prepared.state.discriminator is not None:
        players["discriminator"] = prepared.state.discriminator
    for name, player in players.items():
        print(f"\n{name}")
        print(
            parameter_overview.get_parameter_overview(
                player.params, include_stats=False
            )
        )
    print("\nlearning rates")
    print("\n".join(rates(prepared)))
    compilation.compile_step(prepared, print)


def rates(prepared: setup.Setup) -> list[str]:
    """Returns for each player its learning rate over the run, as a line of bars."""
    counts = recipe.updates(prepared.config)
    players = prepared.recipe.generator, prepared.recipe.discriminator
    names = "generator", "discriminator"
    return [
        f"  {name:14s} {curve(player.rate, count)}"
        for name, player, count in zip(names, players, counts, strict=True)
        if player is not None
    ]


def curve(schedule: Any, updates: int) -> str:
    """Returns a learning rate over its updates as a line of bars, and its ends."""
    counts = jnp.linspace(0, updates - 1, min(_POINTS, updates)).astype(jnp.int32)
    rates = jax.device_get(jax.vmap(lambda count: jnp.asarray(schedule(count)))(counts))
    top = max(float(rates.max()), 1e-30)
    levels = [round(float(rate) / top * (len(_BARS) - 1)) for rate in rates]
    bars = "".join(_BARS[level] for level in levels)
    return (
        f"{bars}  first {rates[0]:.2e}, highest {top:.2e}, last {rates[-1]:.2e} "
        f"({updates:,} updates)"
    )
