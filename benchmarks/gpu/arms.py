"""Runs that differ in their rate: in turn, unrolled in one program, or batched."""

from collections.abc import Iterator

import jax
import numpy as np

from benchmarks import arms as script
from benchmarks.gpu import contests
from jaxrestore import sharding
from jaxrestore.training import setup


def rows(*, toy: bool, arms: int) -> Iterator[contests.Row]:
    """Yields an update of all arms in each mode of `jaxrestore sweep`."""
    sizes = (2, 1, 64, 4) if toy else (arms, 4, 64, 32)
    device = jax.devices()[:1]
    more = {"netD": "n_layers", "n_layers_D": 1, "ndf": 4} if toy else {}
    configs = script.configs(*sizes, **more)
    for config in configs if toy else ():
        config["generator"]["downs"] = 2
    setups = [setup.prepare(config, device) for config in configs]
    shape = setups[0].batch.shape
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = sharding.put(images, setups[0].mesh, axis=1)
    calls, notes = script.contestants(setups, images)
    for row in contests.rows(
        calls,
        toy=toy,
        amount=sizes[0] * sizes[1],
        unit="images",
    ):
        note = notes[row["contestant"]]
        row |= {"first call s": note.seconds, "workspace MiB": note.memory / 2**20}
        yield row
