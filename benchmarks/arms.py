"""Several runs that differ in their learning rate: in turn, or in one program?

    taskset -c 0,1 python -m benchmarks.arms [--arms 4] [--batch 4] [--crop 64]

One update of every arm of `configs/pix2pix.py:ab,demo`, degradation included, as the
modes of `jaxrestore sweep` make it: `loop` calls the program of one run for each, `map`
has all in one program one after another, `vmap` all at once; both make the batch once.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import harness
from jaxrestore import config_files, sharding
from jaxrestore.training import compilation, setup

NAME = "configs/pix2pix.py:ab,demo"


def configs(arms: int, batch: int, crop: int, filters: int, **more: Any):
    """Returns the config of each arm: learning rates from 1e-4 to 1e-3.

    `more` are other keys of the recipe.
    """
    found = []
    for rate in np.geomspace(1e-4, 1e-3, arms):
        path, config = config_files.load(NAME)
        config.update_from_flattened_dict(
            {
                "lr": float(rate),
                "batch_size": batch,
                "crop_size": crop,
                "degradation.side": crop // 4,
                "netG": "unet_128" if crop >= 128 else "unet_64",
                "ngf": filters,
                **more,
            }
        )
        found.append(config_files.translate(path, config))
    return found


def contestants(setups, images):
    """Returns for each mode an update of all arms, and what compiling it took."""
    quiet = lambda text: None
    one = compilation.compile_step(setups[0], quiet)
    calls = {"loop": _in_turn([one] * len(setups), setups, images)}
    notes = {"loop": one}
    for mode in ("map", "vmap"):
        step = compilation.compile_together(setups, mode, quiet)
        calls[mode], notes[mode] = _at_once(step, setups, images), step
    return calls, notes


def _states(setups):
    built = setups[0]
    begin = jax.jit(setup.initial(built.recipe, built.config))
    key = jax.random.key(0)
    return tuple(sharding.replicate(begin(key), built.mesh) for _ in range(len(setups)))


def _in_turn(steps, setups, images):
    states = [(state,) for state in _states(setups)]

    def update():
        terms = []
        for index, step in enumerate(steps):
            states[index], term = step.call(states[index], images)
            terms.append(term)
        return terms

    return update


def _at_once(step, setups, images):
    held = [_states(setups)]

    def update():
        held[0], terms = step.call(held[0], images)
        return terms

    return update


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--arms", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--filters", type=int, default=32)
    options = harness.parse(parser, argv)
    if options.small:
        options.arms, options.batch, options.crop, options.filters = 2, 1, 64, 4
    sizes = (options.arms, options.batch, options.crop, options.filters)
    device = jax.devices()[:1]
    setups = [setup.prepare(config, device) for config in configs(*sizes)]
    shape = setups[0].batch.shape
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = sharding.put(images, setups[0].mesh, axis=1)
    calls, notes = contestants(setups, images)
    timings = harness.contest(calls, rounds=options.rounds)
    whole = timings["loop"].median
    records = [
        {
            "mode": mode,
            **timing.record(),
            "ms an arm": 1e3 * timing.median / options.arms,
            "speed-up": whole / timing.median,
            "compiled in s": notes[mode].seconds,
            "MiB": notes[mode].memory / 2**20,
        }
        for mode, timing in timings.items()
    ]
    harness.finish(
        "arms",
        options,
        records,
        columns=(
            *("mode", "ms", "quartiles", "ms an arm", "speed-up"),
            *("compiled in s", "MiB"),
        ),
        facts={"arms": options.arms, "batch": f"{shape[1]} x {shape[2]} px"},
    )


if __name__ == "__main__":
    main()
