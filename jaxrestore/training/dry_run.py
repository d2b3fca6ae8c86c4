"""What a config would do, told without doing it."""

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from clu import parameter_overview

from jaxrestore import sharding
from jaxrestore.runs import checkpoints
from jaxrestore.training import compilation, cost, logbook, recipe, setup

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 40
_LONG = 5.0  # seconds after which a call is not made again


def show(config: Mapping[str, Any]) -> None:
    """Prints shapes, parameters, learning-rate curves, memory, disk and hours.

    The step is compiled, since only its compiled form knows its memory, and timed on
    black images, unless it would take half of the memory; no file is written. Raises
    what `setup.prepare` raises.
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
    step = compilation.compile_step(prepared, print)
    print(disk(prepared))
    if step.memory < cost.device_memory() / 2:
        seconds, count = _seconds(prepared, step), prepared.config["steps"]
        print(
            f"a step takes {seconds:.2g} s here: {count:,} steps "
            f"{logbook.duration(count * seconds)}, evaluations not counted"
        )


def disk(prepared: setup.Setup) -> str:
    """Returns what a run leaves on the disk, as a line."""
    whole, restorer = (cost.held(x) for x in (prepared.state, prepared.state.ema))
    size = whole + restorer
    kept = checkpoints.KEPT
    return (
        f"disk: a checkpoint {cost.in_words(size)}, up to {kept} of them "
        f"{cost.in_words(kept * size)}; the generator alone {cost.in_words(restorer)}"
    )


def _seconds(prepared, step):
    """Of one step; of the second call where that is soon there."""
    everywhere = sharding.replicated(prepared.mesh)
    make = setup.initial(prepared.recipe, prepared.config)
    key = jax.random.key(prepared.config["seed"])
    states = (jax.jit(make, out_shardings=everywhere)(key),)
    black = np.zeros(prepared.batch.shape, np.uint8)
    images = sharding.put(black, prepared.mesh, axis=1)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        states, _ = jax.block_until_ready(step.call(states, images))
        seconds = time.perf_counter() - started
        if seconds > _LONG:
            break
    return seconds / len(black)


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
