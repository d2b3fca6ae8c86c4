"""Whether a run that was killed goes on to the same bits: the cases g."""

import functools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.gpu import contests
from jaxrestore import images
from jaxrestore.runs import checkpoints

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 200, 20
SETTINGS = {
    "steps": STEPS,
    "checkpoint_every": EVERY,
    "log_every": EVERY,
    "evaluation.every": STEPS,
    "data.leaves_bank": 8,
}
TOY = SETTINGS | {
    "steps": 20,
    "checkpoint_every": 10,
    "log_every": 10,
    "evaluation.every": 20,
    "batch_size": 2,
    "crop": 32,
    "generator.width": 4,
    "generator.blocks": 1,
    "discriminator.filters": 4,
    "discriminator.stages": 1,
    "data.leaves_bank": 2,
    "data.leaves_side": 40,
    "data.evaluation_crop": 32,
}


def rows(*, toy: bool, deterministic: bool) -> Iterator[contests.Row]:
    """Yields whether a run that was killed ended as one that was not.

    Where it did not, two questions more: do any two runs differ, and do they with a
    program cache, where all processes run one program? (Without it each process
    chooses its own algorithms.) `deterministic` sets XLA's flag.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = TOY | pictures(home) if toy else SETTINGS
        for cached in (False, True):
            environment = _environment(deterministic, cached and home / "programs")
            start = functools.partial(_start, settings, environment)
            where = home / ("with cache" if cached else "without")
            equal = yield from _trial(start, where, " with a program cache" * cached)
            if equal:
                return


def _trial(start, home, note):
    whole = start(home / "whole")
    if note:
        whole.wait()  # so that all others find its program
    victim = start(home / "victim")
    left = _killed_after_a_checkpoint(victim, home / "victim")
    _finish(start(home / "victim"))
    _finish(whole)
    last = checkpoints.steps(home / "whole")[-1]
    end = lambda name: checkpoints.state_hash(home / name, last)
    equal = end("whole") == end("victim")
    yield {
        "contestant": f"killed -9 at {left}, resumed to {last}{note}",
        "equal": equal,
    }
    if not equal:
        _finish(start(home / "twin"))
        same = end("whole") == end("twin")
        yield {"contestant": f"two runs that nobody killed{note}", "equal": same}
    return equal


def _environment(deterministic, programs):
    environment = dict(os.environ)
    if deterministic:
        flags = environment.get("XLA_FLAGS", "")
        environment["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true"
    if programs:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(programs)
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return environment


def pictures(home: Path) -> dict[str, Path]:
    """Settings of a toy's images: two, for photographs take seconds to be decoded."""
    home = home / "pictures"
    home.mkdir()
    for name in "ab":
        pixels = np.random.default_rng(ord(name)).integers(
            0, 256, (40, 40, 3), np.uint8
        )
        images.encode(pixels, home / f"{name}.png")
    return {"data.train": home, "data.evaluation": home}


def _start(settings, environment, workdir):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "jaxrestore.main"),
            *("--config", "configs/gan_full.py:demo", f"--workdir={workdir}"),
            *(f"--config.{name}={value}" for name, value in settings.items()),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _killed_after_a_checkpoint(process, workdir):
    while process.poll() is None and not checkpoints.finished(workdir):
        time.sleep(0.02)
    process.kill()
    printed, _ = process.communicate()
    left = checkpoints.steps(workdir)[-1]
    if list(workdir.glob("summary.json")):
        raise RuntimeError(f"the run was over before it was killed: {_end(printed)}")
    return left


def _finish(process):
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a run ended with {process.returncode}: {_end(printed)}")


def _end(printed):
    return re.sub(r"\s+", " ", printed[-300:]).strip()
