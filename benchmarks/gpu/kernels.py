"""Where a call's time goes on the device, by the names that XLA gives its kernels."""

import collections
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks import harness

CALLS, SHOWN = 3, 8


def rows(contestant: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Yields how busy the device is in a call, and its longest kernels.

    Busy is the time in kernels over the clock's: far below 1, the host is too slow.
    """
    seconds, events = _traced(contestant)
    busy: collections.Counter[str] = collections.Counter()
    for name, duration in events:
        busy[name] += duration
    yield {
        "contestant": "profile of ours",
        "kernels a call": len(events) // CALLS,
        "busy": sum(busy.values()) / 1e9 / seconds,
    }
    for name, duration in busy.most_common(SHOWN):
        share = duration / max(sum(busy.values()), 1)
        yield {
            "contestant": f"profile: {name}",
            "kernel ms": duration / 1e6 / CALLS,
            "share of kernels": share,
        }


def milliseconds(contestant: Callable[[], Any]) -> float:
    """Returns how long a call keeps the device busy; 0 where no kernel is seen."""
    _, events = _traced(contestant)
    return sum(duration for _, duration in events) / 1e6 / CALLS


def _traced(contestant):
    """Seconds of the calls, and (name, nanoseconds) of every kernel in them."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # it would slow the host
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            started = time.perf_counter()
            for _ in range(CALLS):
                result = contestant()
            harness.wait(result)
            seconds = time.perf_counter() - started
        (file,) = Path(folder).rglob("*.xplane.pb")
        planes = list(jax.profiler.ProfileData.from_file(str(file)).planes)
        devices = [plane for plane in planes if plane.name.startswith("/device:GPU")]
        found = [
            (_name(event), event.duration_ns)
            for plane in devices or planes
            for line in _streams(plane)
            for event in line.events
            if devices or "hlo_op" in dict(event.stats)
        ]
    return seconds, found


def _streams(plane):
    """The lines of kernels, without those that only sum them up."""
    lines = list(plane.lines)
    return [line for line in lines if line.name.startswith("Stream")] or lines


def _name(event):
    """The operation and its kernel; XLA's running numbers would hide what is alike."""
    operation = str(dict(event.stats).get("hlo_op", ""))
    names = dict.fromkeys([operation, event.name[:60]])
    return re.sub(r"[._]\d+\b", "", " ".join(filter(None, names)))
