"""Tiles one at a time against batches of 2, 4 and 8, as the web app's engine has them.

    taskset -c 0,1 python -m benchmarks.serving_batches [--small]

Tiles of random numbers, from arrays of the host to arrays of the host, of each side
that pictures are cut into and for each network that ships; those that are one program
with other weights run once. `ms` is of a call, and `of one` a tile's time in a batch by
its time alone. `differs by` is how far a batch is from its tiles alone, of values in
[0, 1]. What `serving.engine.turns.MOST` should be, and whether batches pay on CPUs, is
read off it.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore.inference import restorer, shipped
from jaxrestore.serving.engine import shelf, turns
from jaxrestore.weights import inputs

COLUMNS = ["network", "side", "batch", "ms a tile", "quartiles", "of one", "differs by"]
TOLERANCE = 0.02  # GPUs round to TF32, and take another algorithm for another batch


def networks() -> dict[str, restorer.Restorer]:
    """Returns the networks that ship, one of each program, by the tasks it serves."""
    alike: dict[str, list[str]] = {}
    for name in shipped.names():
        card = shipped.card(name)
        alike.setdefault(repr((card["generator"], card["takes"])), []).append(name)
    return {", ".join(names): shipped.load(names[0]) for names in alike.values()}


def rows(
    name: str,
    network: restorer.Restorer,
    side: int,
    batches: Sequence[int],
    rounds: int,
) -> list[dict[str, Any]]:
    """Returns a row for each batch, the first of which is one tile."""
    shape = (max(batches), side, side, inputs.channels(network.takes))
    tiles = np.random.default_rng(0).random(shape, np.float32)
    apply = lambda some: np.asarray(network.apply(jnp.asarray(some)))
    alone = np.concatenate([apply(one[None]) for one in tiles])
    differs = {
        count: harness.agree(
            {"alone": alone[:count], "batch": apply(tiles[:count])}, tolerance=TOLERANCE
        )["batch"]
        for count in batches
    }
    contestants = {
        str(count): functools.partial(apply, tiles[:count]) for count in batches
    }
    timings = harness.contest(contestants, rounds=rounds)
    one, found = timings["1"].median, []
    for count in batches:
        timing = timings[str(count)]
        found.append(
            {
                "network": name,
                "side": side,
                "batch": count,
                **timing.record(),
                "ms a tile": 1e3 * timing.median / count,
                "quartiles": [1e3 * t / count for t in (timing.q1, timing.q3)],
                "of one": timing.median / count / one,
                "differs by": differs[count],
            }
        )
    return found


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    batches = (1, 2) if options.small else (1, 2, 4, turns.MOST)
    found = []
    for name, network in networks().items():
        for side in [64] if options.small else shelf.sides(network):
            found += rows(name, network, side, batches, options.rounds)
    facts = {"most on accelerators": turns.MOST}
    harness.finish("serving_batches", options, found, columns=COLUMNS, facts=facts)


if __name__ == "__main__":
    main()
