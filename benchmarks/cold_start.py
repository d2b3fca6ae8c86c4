"""How long `jaxrestore` takes from its start to help, and to the first picture.

    taskset -c 0,1 python -m benchmarks.cold_start [--small]

A photograph of 512 x 512 px through each network that fills no holes, each time in a
process of its own, in turn: with an empty folder of compiled programs, with the one
that this left, and in a process that has restored such a picture before.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import harness
from jaxrestore import images
from jaxrestore.data import samples
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import restorer, shipped

COLUMNS = ["what", "ms", "quartiles"]
CALL = "from jaxrestore.cli import app; app.main()"


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    side = 64 if options.small else 512
    names = shipped.of_one_size()
    names = names[-1:] if options.small else names
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "in.png")
        images.encode(_photograph(side), picture)
        contestants = {"--help": lambda: _run(Path(folder), "--help")}
        for name in names:
            contestants |= _of_task(name, picture)
        rounds = 1 if options.small else options.rounds
        timings = harness.contest(contestants, rounds=rounds, warmup=1)
    rows = [{"what": what, **found.record()} for what, found in timings.items()]
    facts = {"side": side}
    harness.finish("cold_start", options, rows, columns=COLUMNS, facts=facts)


def _photograph(side: int) -> np.ndarray:
    whole = np.asarray(samples.evaluation()[0]["image"])
    return evaluate.centre_crop(whole, side)


def _of_task(name: str, picture: Path) -> dict[str, Callable[[], object]]:
    folder, image = picture.parent, images.decode(picture)
    asked = ["restore", str(picture), "--task", name, "--overwrite", "-o"]
    asked.append(str(folder / f"{name}.png"))
    network = shipped.load(name)
    return {
        f"{name}, nothing compiled": lambda: _run(folder, *asked, kept=False),
        f"{name}, compiled before": lambda: _run(folder, *asked),
        f"{name}, in Python, again": lambda: restorer.restore_image(network, image),
    }


def _run(folder: Path, *arguments: str, kept: bool = True) -> None:
    """Runs the command; what it compiles is kept in `folder`, or in a fresh one."""
    with tempfile.TemporaryDirectory() as fresh:
        environment = {**os.environ, "JAXRESTORE_CACHE": str(folder if kept else fresh)}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-c", CALL, *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
