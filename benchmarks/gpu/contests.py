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


class Work(NamedTuple):
    """What a call must do at least: operations in a precision, bytes in and out."""

    operations: float
    bytes: float
    precision: str = "float32"

    def floor(self, *, toy: bool) -> float:
        """Returns the seconds that this takes at the measured rates."""
        by_operations = self.operations / device.rate(self.precision, toy=toy)
        return max(by_operations, self.bytes / device.bandwidth(toy=toy))


def rows(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    toy: bool,
    work: Work | None = None,
    amount: float = 1,
    unit: str = "calls",
    calls: Callable[[str], int] = lambda name: 1,
    answer: Callable[[str, Any], Any] = lambda name, result: None,
    tolerance: float = 0.05,
    in_flight: int = 8,
    profiled: bool = False,
) -> Iterator[Row]:
    """Yields a row a contestant; the first is ours, to which the others are compared.

    `amount` of `unit` is what one unit of work makes of which a call has `calls(name)`.
    What `answer` returns of a first result must be within `tolerance`, as a share of
    the largest, of the first contestant's; None is not compared. `profiled` adds where
    the time of the first goes.
    """
    started, reference = {}, None
    for name, contestant in contestants.items():
        try:
            first = _first(contestant, lambda result, n=name: answer(n, result))
            if first["answer"] is not None:
                reference = first["answer"] if reference is None else reference
                first["differs by"] = _distance(first.pop("answer"), reference)
                if not first["differs by"] <= tolerance:
                    raise ValueError(f"it differs by {first['differs by']:.2g}")
            first.pop("answer", None)
            for _ in range(2):  # CUDA graphs are recorded by the second call
                harness.wait(contestant())
            started[name] = first
        except Exception as error:  # a result of its own: named, the others go on
            yield {"contestant": name, "why": reason(error)}
    timings = harness.contest(
        {name: contestants[name] for name in started},
        rounds=1 if toy else 7,
        warmup=1,
        in_flight=in_flight,
    )
    ours = next(iter(contestants))
    for name, timing in timings.items():
        one = timing.median / calls(name)
        yield {
            "contestant": name,
            "ms": 1e3 * one,
            "quartiles": [1e3 * t / calls(name) for t in (timing.q1, timing.q3)],
            f"{unit}/s": amount / one,
            **_compared(one, timings.get(ours), calls(ours)),
            **_share(work, one, toy),
            **started[name],
        }
    if profiled and ours in timings:
        try:
            yield from kernels.rows(contestants[ours])
        except Exception as error:  # the times stand without it
            yield {"contestant": "profile of ours", "why": reason(error)}


def _compared(seconds, ours, calls) -> Row:
    return {"times ours": seconds * calls / ours.median} if ours else {}


def _share(work, seconds, toy) -> Row:
    if work is None:
        return {}
    least = work.floor(toy=toy)
    return {"floor ms": 1e3 * least, "share of floor": least / seconds}


def reason(error: Exception) -> str:
    """Returns the kind of an error and the first line that it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300] if said else 'no words'}"


def forget() -> None:
    """Gives back what the cases before have left: compiled programs and memory."""
    gc.collect()
    jax.clear_caches()
    if torch := harness.peer("torch"):
        torch.compiler.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _first(contestant, answer) -> Row:
    before, misses = _torch_bytes(), _compiled_anew()
    started = time.perf_counter()
    result = harness.wait(contestant())
    row: Row = {"first call s": time.perf_counter() - started}
    if anew := _compiled_anew() - misses:
        # Of a program that a case beside should have left on the disk.
        row["programs compiled anew"] = anew
    found = getattr(contestant, "workspace", None)
    if found is None and before is not None:
        found = _torch_bytes(peak=True) - before
    if found is not None:
        row["workspace MiB"] = found / 2**20
    row["answer"] = answer(result)
    return row


def _compiled_anew() -> int:
    """Returns how many programs PyTorch did not find on its disk so far."""
    if not harness.peer("torch"):
        return 0
    counted = harness.peer("torch._dynamo.utils").counters["inductor"]
    return counted["fxgraph_cache_miss"]


def _torch_bytes(*, peak: bool = False) -> int | None:
    torch = harness.peer("torch")
    if not torch or not torch.cuda.is_available():
        return None
    if peak:
        return torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _distance(answer, reference) -> float:
    answer, reference = (
        harness.numbers(x).astype(np.float64) for x in (answer, reference)
    )
    if answer.shape != reference.shape:
        raise ValueError(f"it gives {answer.shape}, ours {reference.shape}")
    return float(np.abs(answer - reference).max() / np.abs(reference).max())
