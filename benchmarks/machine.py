"""The machine a benchmark runs on: what it is, what it can do, who else uses it."""

import importlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

VERSIONS = ("jaxrestore", "jax", "jaxlib", "numpy")


def device() -> str:
    """Returns the name of JAX's first device; of a CPU, its model."""
    kind = jax.devices()[0].device_kind
    if kind != "cpu":
        return kind
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.split(":")[1].strip() for x in lines if x.startswith("model n"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores() -> list[int]:
    """Returns the cores this process may use: the number of threads of both sides."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def environment(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Returns where and with what a benchmark ran; an absent package is "absent"."""
    torch = sys.modules.get("torch")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "device": device(),
        "backend": jax.default_backend(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in (*VERSIONS, *packages)},
        "cores": cores(),
        "cores_of_the_machine": os.cpu_count(),
        "torch_threads": torch.get_num_threads() if torch else None,
        "variables": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("XLA_", "OMP_", "MKL_", "NUMBA_", "JAX_"))
        },
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        module = peer(package)
        return getattr(module, "__version__", "unknown") if module else "absent"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def clock() -> tuple[float, float, float]:
    """Returns seconds: the clock's, all cores' busy ones, this process's."""
    own = sum(os.times()[:4])
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:  # no Linux: other processes cannot be seen
        return time.perf_counter(), own, own
    ticks = [int(tick) for tick in first]
    busy = sum(ticks) - ticks[3] - ticks[4]  # without idle and waiting for disks
    return time.perf_counter(), busy / os.sysconf("SC_CLK_TCK"), own


def others(before: tuple[float, float, float]) -> float:
    """Returns how many cores other processes used since `before`, a `clock()`."""
    elapsed, busy, own = (b - a for a, b in zip(before, clock(), strict=True))
    return max(busy - own, 0) / max(elapsed, 1e-9)


def bandwidth(size: int = 2**28) -> float:
    """Returns bytes per second, read and written, of passes over `size` bytes.

    In place and at the size of the data in question: small data stay in the caches.
    """
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = add(jnp.zeros(max(size // 4, 1), jnp.float32))
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        x = add(x).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * size / float(np.median(seconds))


def flops(
    side: int = 2048, dtype: Any = jnp.float32, precision: str | None = None
) -> float:
    """Returns operations per second of a product of two [side, side] matrices.

    `precision` is jax's: on a GPU float32 means TF32 unless it is "highest".
    """
    # Random: a GPU multiplies zeros and ones at a clock that no real data keep.
    a = jax.random.normal(jax.random.key(0), (side, side), dtype)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision=precision))
    product(a).block_until_ready()
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        product(a).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / float(np.median(seconds))


def peer(name: str) -> ModuleType | None:
    """Returns another library's module, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
