"""What the benchmarks share: fair timing, a record of the machine, table and JSON.

All contestants of a contest run in turn, round after round, so that a drift of the
machine hits all alike. `agree` must pass before a contest: nothing is timed that does
not compute the same. A benchmark is run alone: PyTorch's threads wait for each other,
and one busy core slows them several times.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine
from benchmarks.machine import bandwidth as bandwidth
from benchmarks.machine import cores as cores
from benchmarks.machine import environment as environment
from benchmarks.machine import flops as flops
from benchmarks.machine import peer as peer
from jaxrestore import files

RESULTS = Path(__file__).parent / "results"
BUSY = 0.15  # cores that others may use before the table says "machine busy"


class Timing(NamedTuple):
    """Seconds of one contestant's rounds; `others`: cores that other processes used."""

    seconds: list[float]
    others: float

    @property
    def q1(self) -> float:
        """The first quartile in seconds."""
        return float(np.quantile(self.seconds, 0.25))

    @property
    def median(self) -> float:
        """The median in seconds."""
        return float(np.median(self.seconds))

    @property
    def q3(self) -> float:
        """The third quartile in seconds."""
        return float(np.quantile(self.seconds, 0.75))

    def record(self) -> dict[str, Any]:
        """Returns milliseconds and their quartiles, seconds and others, for a row."""
        median, q1, q3 = (1e3 * t for t in (self.median, self.q1, self.q3))
        return {
            "ms": median,
            "quartiles": [q1, q3],
            "seconds": self.seconds,
            "others_cores": self.others,
        }


class Compiled:
    """A jitted function on fixed inputs, compiled by the first call.

    With `carry` it is a step: it takes a state first, in whose buffers the next one
    comes to lie, and a call returns what it returns beside. After the first call
    `arguments` and `workspace` are the bytes of its inputs, and of all that it needs
    beyond them.
    """

    def __init__(self, function: Any, *inputs: Any, carry: bool = False):
        """Compiles nothing yet; of the state of a step it takes a copy."""
        if carry:
            inputs = (jax.tree.map(jnp.copy, inputs[0]), *inputs[1:])
        self.function, self.inputs, self._carry = function, inputs, carry
        self._compiled: Any = None
        self.arguments: int | None = None
        self.workspace: int | None = None

    def __call__(self) -> Any:
        """Returns the result, not waited for."""
        if self._compiled is None:
            jitted = jax.jit(self.function, donate_argnums=0 if self._carry else ())
            self._compiled = jitted.lower(*self.inputs).compile()
            memory = self._compiled.memory_analysis()
            self.arguments = memory.argument_size_in_bytes
            self.workspace = (
                memory.temp_size_in_bytes
                + memory.output_size_in_bytes
                - memory.alias_size_in_bytes
            )
        result = self._compiled(*self.inputs)
        if not self._carry:
            return result
        state, result = result
        self.inputs = (state, *self.inputs[1:])
        return result


def wait(result: Any) -> Any:
    """Returns `result` once it is computed: JAX arrays, and PyTorch's on a GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
    return jax.block_until_ready(result)


def contest(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 7,
    warmup: int = 2,
    in_flight: int = 1,
) -> dict[str, Timing]:
    """Returns the times of the contestants, which run in turn.

    Each round begins with another one. A contestant that needs less than 20 ms runs
    several times a round, and the mean counts as one time. Each call is waited for, or
    with `in_flight` above 1 at most so many together, of all contestants alike: as a
    loop of training runs on a GPU, where the host is ahead of the device.
    """
    calls = {}
    for name, contestant in contestants.items():
        for _ in range(max(warmup, 1)):
            elapsed = _seconds(contestant, 1, 1)
        together = int(np.clip(0.1 / elapsed, 1, in_flight))
        calls[name] = max(int(np.clip(0.02 / elapsed, 1, 50)), together)
    names, seconds = list(contestants), {name: [] for name in contestants}
    before = machine.clock()
    for turn in range(rounds):
        first = turn % max(len(names), 1)
        for name in names[first:] + names[:first]:
            elapsed = _seconds(contestants[name], calls[name], in_flight)
            seconds[name].append(elapsed)
    others = machine.others(before)
    return {name: Timing(times, others) for name, times in seconds.items()}


def _seconds(contestant, calls, in_flight) -> float:
    started = time.perf_counter()
    for number in range(1, calls + 1):
        result = contestant()
        if number % in_flight == 0 or number == calls:
            wait(result)
    return (time.perf_counter() - started) / calls


def agree(results: Mapping[str, Any], *, tolerance: float) -> dict[str, float]:
    """Returns how far each result is from the first, at most.

    Raises `ValueError` if shapes or types differ, or numbers by over `tolerance`.
    """
    arrays = {name: numbers(result) for name, result in results.items()}
    (first, reference), *_ = arrays.items()
    distances = {}
    for name, array in arrays.items():
        if (array.shape, array.dtype) != (reference.shape, reference.dtype):
            raise ValueError(
                f"{name} gives {array.dtype}{list(array.shape)}, {first} gives "
                f"{reference.dtype}{list(reference.shape)}; compare equal settings"
            )
        distance = np.abs(array.astype(np.float64) - reference).max(initial=0)
        if not distance <= tolerance:
            raise ValueError(
                f"{name} differs from {first} by {distance:.2e}, above {tolerance:.2e};"
                " compare equal settings"
            )
        distances[name] = float(distance)
    return distances


def numbers(result: Any) -> np.ndarray:
    """Returns a JAX, NumPy or PyTorch array as NumPy's; bfloat16 as float32."""
    if hasattr(result, "detach"):
        result = result.detach().cpu()
        return (result.float() if result.dtype.itemsize < 4 else result).numpy()
    array = np.asarray(result)
    return array.astype(np.float32) if array.dtype == jnp.bfloat16 else array


def parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with the options all benchmarks have; add your own to it."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--small", action="store_true", help="small sizes: does it run?")
    made.add_argument("--rounds", type=int, default=7, help="timed rounds (default 7)")
    made.add_argument("--output", type=Path, help="JSON (default results/)")
    return made


def parse(
    made: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """Returns the parsed options, and gives PyTorch as many threads as XLA has.

    XLA has as many as cores in the process's affinity; choose them with `taskset`.
    """
    # Else JAX takes most of a GPU's memory and leaves too little to its rivals.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    torch = peer("torch")
    if torch:
        torch.set_num_threads(len(cores()))
    made.set_defaults(load_average=list(os.getloadavg()))
    options = made.parse_args(argv)
    if options.rounds < 5 and not options.small:
        made.error(f"a median needs 5 rounds or more, got {options.rounds}")
    return options


def table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Returns `columns` of `records` as aligned text; what a record lacks is "-"."""
    rows = [list(columns)]
    rows += [[_cell(record.get(column)) for column in columns] for record in records]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    # Names to the left, numbers to the right.
    sides = ["<", *(">" for _ in columns[1:])]
    return "\n".join(
        "  ".join(map("{:{}{}}".format, row, sides, widths)).rstrip() for row in rows
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return "..".join(_cell(part) for part in value)
    return str(value)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` as JSON to `path`, whose folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def place(name: str, options: argparse.Namespace) -> Path:
    """Returns where the JSON of a benchmark comes to lie."""
    kind = re.sub("[^a-z0-9]+", "_", machine.device().lower()).strip("_")
    size = "_small" if options.small else ""
    return options.output or RESULTS / f"{name}{size}_{kind}.json"


def finish(
    name: str,
    options: argparse.Namespace,
    records: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    facts: Mapping[str, Any] | None = None,
    packages: Iterable[str] = (),
) -> None:
    """Prints heading and table of a benchmark, and writes all of it as JSON.

    `facts` are what holds for all rows (sizes, floors); `packages` are the peers, by
    the names they are installed by; the absent ones are named.
    """
    where = environment(packages)
    others = max((r["others_cores"] for r in records if "others_cores" in r), default=0)
    busy = others > BUSY
    content = {
        "benchmark": name,
        "small": options.small,
        "rounds": options.rounds,
        "machine_busy": busy,
        "load_average_at_the_start": options.load_average,
        "environment": where,
        "facts": dict(facts or {}),
        "records": list(records),
    }
    installed = {k: v for k, v in where["versions"].items() if v != "absent"}
    absent = [k for k, v in where["versions"].items() if v == "absent"]
    print(f"{name}: {where['device']}, cores {where['cores']}, {where['date']}")
    print(", ".join(f"{k} {v}" for k, v in installed.items()))
    print(f"absent: {', '.join(absent) or 'none'}; medians of {options.rounds} rounds")
    for fact, value in content["facts"].items():
        print(f"{fact}: {_cell(value)}")
    if busy:
        print(f"MACHINE BUSY: other processes used {others:.2f} cores; do not publish")
    print(table(records, columns))
    path = place(name, options)
    write(path, content)
    print(f"written to {path}")
