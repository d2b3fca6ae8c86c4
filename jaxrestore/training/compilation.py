"""The compiled train step, of one run or of several that share a program."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import sharding
from jaxrestore.training import cost, logbook, recipe, steps
from jaxrestore.training.setup import Setup


class Step(NamedTuple):
    """The compiled train step, the seconds that took, and the bytes a device holds."""

    call: Callable[..., Any]
    seconds: float
    memory: int


def compile_step(setup: Setup, say: Callable[[str], object]) -> Step:
    """Returns the compiled train step of one run; says what it costs.

    It is called `((state,), images) -> ((state,), (terms,))`, as `compile_together`.
    """
    return compile_together([setup], "map", say)


def compile_together(
    setups: Sequence[Setup], mode: str, say: Callable[[str], object]
) -> Step:
    """Returns the compiled step of runs that differ in their `recipe.numbers` alone.

    `(states, images) -> (states, terms)` on tuples of one state, and of one dictionary
    of terms, a run. The batch is made once. `mode` is `"map"`, one run after another in
    one program, each with the bits that it has by itself, or `"vmap"`, all at once.
    """
    assert mode in ("map", "vmap"), mode
    leader = setups[0]
    everywhere = sharding.replicated(leader.mesh)
    # Arguments, not constants: runs that differ in them alone find one program in
    # jax's compilation cache.
    numbers = tuple(
        sharding.replicate(_numbers(setup.config), leader.mesh) for setup in setups
    )
    # Megabytes that would be written into the program if they were constants.
    network = leader.recipe.features
    features = sharding.replicate(network.variables if network else {}, leader.mesh)
    step = jax.jit(
        _program(leader, mode),
        donate_argnums=0,
        out_shardings=(everywhere, everywhere),
    )
    states = tuple(setup.state for setup in setups)
    lowered = step.lower(states, numbers, features, leader.batch)
    _say_time(lowered, leader, say)
    started = time.perf_counter()
    compiled = lowered.compile()
    seconds, memory = time.perf_counter() - started, cost.step_memory(compiled)
    say(
        f"compiled in {logbook.duration(seconds)}; a step holds "
        f"{cost.in_words(memory)} a device"
    )
    call = lambda runs, images: compiled(runs, numbers, features, images)
    return Step(call, seconds, memory)


def _say_time(lowered, setup, say):
    if jax.default_backend() != "cpu":
        return
    count = setup.config["steps"]
    seconds = cost.expected_seconds(lowered, setup.recipe.accumulate * count)
    # Arithmetic alone, wrong by a factor of two and more either way: said where even
    # that is hours. The lines of a run and a dry run measure.
    if seconds > 3600:
        say(
            f"no accelerator: {count:,} steps take about {logbook.duration(seconds)} "
            "on this CPU, by their arithmetic; the argument demo "
            "(configs/gan_full.py:demo) takes minutes"
        )


def _program(setup, mode):
    """`(states, numbers, features, images) -> (states, terms)`, to be compiled."""
    config, network, epoch = setup.config, setup.recipe.features, setup.epoch

    def advance(run, numbers, features, batch):
        traced = network and network._replace(variables=features)
        built = recipe.assemble(recipe.with_numbers(config, numbers), traced, epoch)
        return steps.batch_step(built)(run, batch)

    def together(runs, numbers, features, images):
        built = recipe.assemble(config, epoch=epoch)
        batch = steps.batch_of(built, runs[0], images)
        if mode == "map" or len(runs) == 1:
            pairs = zip(runs, numbers, strict=True)
            moved = [advance(run, values, features, batch) for run, values in pairs]
            return tuple(zip(*moved, strict=True))
        stacked = (_stacked(runs), _stacked(numbers))
        moved = jax.vmap(advance, (0, 0, None, None))(*stacked, features, batch)
        return tuple(_parts(tree, len(runs)) for tree in moved)

    return lambda runs, numbers, features, images: steps.repeated(
        lambda runs, images: together(runs, numbers, features, images), runs, images
    )


def _stacked(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _parts(tree, count):
    part = lambda index: jax.tree.map(lambda leaf: leaf[index], tree)
    return tuple(part(index) for index in range(count))


def _numbers(config):
    found = recipe.numbers(config)
    return {key: np.float32(value) for key, value in found.items()}
