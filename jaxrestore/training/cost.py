"""What a run will cost: memory of the compiled step, and hours on this device."""

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp


def step_memory(compiled: Any) -> int:
    """Returns the bytes a compiled step holds at its peak: arguments and workspace."""
    analysis = compiled.memory_analysis()
    return (
        analysis.argument_size_in_bytes
        + analysis.temp_size_in_bytes
        + analysis.output_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def device_memory() -> int:
    """Returns the bytes of memory of one device; of a CPU, the machine's."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def expected_seconds(lowered: Any, steps: int) -> float:
    """Returns roughly how long `steps` steps should take on this CPU.

    `lowered` is the train step; the arithmetic that XLA counts in it (the body of a
    scan once, so one step and one accumulated part) is taken at the rate that this
    machine reaches on one convolution of 64 channels.
    """
    return steps * lowered.cost_analysis()["flops"] / _convolution_rate()


def held(tree: Any) -> int:
    """Returns the bytes of a tree's numbers; random keys, a few bytes, do not count."""
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not is_key(leaf)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def in_words(size: int) -> str:
    """Returns bytes in words: `1.5 MiB`, `23.5 GiB`."""
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def unused_gpu() -> bool:
    """Returns whether this machine has an NVIDIA GPU that jax does not see."""
    if jax.default_backend() != "cpu" or os.environ.get("JAX_PLATFORMS") == "cpu":
        return False
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _convolution_rate():
    """Operations a second of a 3x3 convolution, with the gradient's direction."""
    features = jnp.ones((2, 64, 64, 64))
    kernel = jnp.ones((3, 3, 64, 64))

    @jax.jit
    def convolve(features, kernel):
        return jax.lax.conv_general_dilated(
            features, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    convolve(features, kernel).block_until_ready()
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        convolve(features, kernel).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * features.size * 9 * 64 / statistics.median(seconds)
