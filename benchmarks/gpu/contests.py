"""How a case of the kit is timed: rows of contestants, with floor, memory and reasons.

Unlike the scripts beside it, a contestant that fails or computes something else is left
out and named: minutes on a lent machine are not lost to a rival's error.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import harness
from benchmarks.gpu import device, kernels

Row = dict[str, Any]
# Of PyTorch's compiler: programs that it did not find on the disk, or could not use.
_COUNTED = ("fxgraph_cache_miss", "fxgraph_cache_bypass", "cudagraph_skips")


class Work(NamedTuple):
    """What a call must do at least: operations in a precision, bytes in and out."""

    operations: float
    bytes: float
    precision: str = "float32"

    def floor(self, *, toy: bool) -> float:
        """Returns the seconds that this takes at the measured rates."""
        by_operations = self.operations / device.rate(self.precision, toy=toy)
        return max(by_operations, self.bytes / device.bandwidth(toy=toy))


def ratio(answer: Any, reference: Any) -> float:
    """Returns how far numbers are from those of the reference, as shares of theirs."""
    return float(np.abs(answer / reference - 1).max())


def share_of_largest(answer: Any, reference: Any) -> float:
    """Returns how far numbers are apart, as a share of the reference's largest."""
    return float(np.abs(answer - reference).max() / np.abs(reference).max())


def rows(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    toy: bool,
    work: Work | None = None,
    amount: float = 1,
    unit: str = "calls",
    calls: Callable[[str], int] = lambda name: 1,
    base: Callable[[str], str | None] = lambda name: None,
    answer: Callable[[str, Any], Any] = lambda name, result: None,
    apart: Callable[[Any, Any], float] = share_of_largest,
    tolerance: float = 0.05,
    in_flight: int = 8,
    profiled: bool = False,
    traced: bool = False,
) -> Iterator[Row]:
    """Yields rows of contestants; the first is ours, with which others are compared.

    A contestant has a row after its first calls, of one timed call, and another, which
    takes its place, after all have been timed in turn. `amount` of `unit` is what one
    unit of work makes, of which a call has `calls(name)`. "times ours" is to the
    contestant that `base` names, by default the first; "" is none. What `answer`
    returns of a first result must not be further than `tolerance` `apart` from the
    first contestant's; None is not compared. `profiled` adds where the time of the
    first goes, `traced` how long each is on the device.
    """
    started, reference = {}, None
    for name, contestant in contestants.items():
        try:
            row, found = _start(name, contestant, answer)
            if found is not None:
                reference = found if reference is None else reference
                row["differs by"] = _distance(found, reference, apart)
                if not row["differs by"] <= tolerance:
                    raise ValueError(f"it differs by {row['differs by']:.2g}")
        except Exception as error:  # a result of its own: named, the others go on
            yield {"contestant": name, "why": reason(error)}
        else:
            row["ms"] /= calls(name)
            started[name] = row
            yield row
    timings = harness.contest(
        {name: contestants[name] for name in started},
        rounds=1 if toy else 5,
        warmup=1,
        in_flight=in_flight,
    )
    ours = next(iter(contestants))
    for name, timing in timings.items():
        one = timing.median / calls(name)
        rival = base(name)
        rival = ours if rival is None else rival
        row = started[name] | {
            "ms": 1e3 * one,
            "quartiles": [1e3 * t / calls(name) for t in (timing.q1, timing.q3)],
            f"{unit}/s": amount / one,
        }
        del row["calls timed"]
        if rival in timings:
            row["times ours"] = one * calls(rival) / timings[rival].median
        if work is not None:
            row["floor ms"] = 1e3 * work.floor(toy=toy)
            row["share of floor"] = work.floor(toy=toy) / one
        if traced:
            row |= _on_the_device(contestants[name])
        yield row
    if profiled and ours in timings:
        try:
            yield from kernels.rows(contestants[ours])
        except Exception as error:  # the times stand without it
            yield {"contestant": "profile of ours", "why": reason(error)}


def reason(error: Exception) -> str:
    """Returns the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no words'}"


def forget(*, programs: bool = True) -> None:
    """Gives back what the cases before have left: memory, and compiled programs."""
    gc.collect()
    if programs:
        jax.clear_caches()
    if torch := harness.peer("torch"):
        torch.compiler.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _start(name, contestant, answer) -> tuple[Row, Any]:
    """The row of a contestant after three calls, and the answer of the first."""
    counted = _counters()
    started = time.perf_counter()
    result = harness.wait(contestant())
    row: Row = {"contestant": name, "first call s": time.perf_counter() - started}
    found = answer(name, result)
    found = None if found is None else harness.numbers(found).astype(np.float64)
    del result
    harness.wait(contestant())  # CUDA graphs are recorded
    held = _torch_bytes()
    started = time.perf_counter()
    harness.wait(contestant())
    row |= {"ms": 1e3 * (time.perf_counter() - started), "calls timed": 1}
    workspace = getattr(contestant, "workspace", None)
    if workspace is None and held is not None and "CUDA graphs" not in name:
        workspace = _torch_bytes(peak=True) - held  # graphs keep theirs for themselves
    if workspace is not None:
        row["workspace MiB"] = workspace / 2**20
    for what, count in _counters().items():
        if count - counted[what]:
            row[what] = count - counted[what]
    return row, found


def _counters() -> dict[str, int]:
    if not harness.peer("torch"):
        return {}
    counters = harness.peer("torch._dynamo.utils").counters["inductor"]
    return {name: counters[name] for name in _COUNTED}


def _torch_bytes(*, peak: bool = False) -> int | None:
    torch = harness.peer("torch")
    if not torch or not torch.cuda.is_available():
        return None
    if peak:
        return torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _distance(answer, reference, apart) -> float:
    if answer.shape != reference.shape:
        raise ValueError(f"it gives {answer.shape}, ours {reference.shape}")
    return apart(answer, reference)


def _on_the_device(contestant) -> Row:
    try:
        spent = kernels.milliseconds(contestant)
    except Exception as error:  # the times stand without it
        return {"trace": reason(error)}
    return {"kernel ms": spent} if spent else {}
