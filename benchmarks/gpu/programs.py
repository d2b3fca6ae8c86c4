"""What PyTorch compiles, compiled before anything is timed; its disk cache keeps it."""

import importlib
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import harness
from benchmarks.gpu import contests


def rows(*, toy: bool, home: str, only: str, **options: Any) -> Iterator[contests.Row]:
    """Yields the seconds of each first call whose name has the pattern `only`."""
    if not harness.peer("torch"):
        yield {"contestant": "PyTorch", "why": "torch is not installed"}
        return
    module = importlib.import_module(f"benchmarks.gpu.{home}")
    for name, call in module.programs(toy=toy, only=only, **options).items():
        started = time.perf_counter()
        try:
            harness.wait(call())
        except Exception as error:  # named here and again where it would be timed
            yield {"contestant": name, "why": contests.reason(error)}
        else:
            seconds = time.perf_counter() - started
            yield {"contestant": name, "first call s": seconds}
