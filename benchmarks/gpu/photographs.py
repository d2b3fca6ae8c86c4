"""A photograph of 12 megapixels through `jaxrestore.restore`, by every task."""

import time
from collections.abc import Iterator

import jax
import numpy as np

import jaxrestore
from benchmarks.gpu import contests
from jaxrestore.data import samples
from jaxrestore.inference import shipped

HEIGHT, WIDTH = 3000, 4000  # px
CORNER = 256  # px, restored on the host too


def rows(*, toy: bool) -> Iterator[contests.Row]:
    """Yields megapixels a second, and how far a corner is from what the host makes."""
    size = (CORNER, CORNER) if toy else (HEIGHT, WIDTH)
    photograph = np.asarray(samples.evaluation()[0]["image"])
    repeats = (size[0] // photograph.shape[0] + 1, size[1] // photograph.shape[1] + 1)
    photograph = np.tile(photograph, (*repeats, 1))
    photograph = np.ascontiguousarray(photograph[: size[0], : size[1]])
    holes = np.zeros(size, bool)
    for row in range(16):
        for column in range(16):
            holes[64 + row :: 512, 64 + column :: 512] = True
    for task in (*shipped.of_one_size(), "inpaint"):
        mask = holes if "mask" in shipped.load(task).takes else None
        seconds = []
        for _ in range(2 if toy else 4):
            started = time.perf_counter()
            jaxrestore.restore(photograph, task, mask=mask)
            seconds.append(time.perf_counter() - started)
        median = float(np.median(seconds[1:]))
        row = {
            "contestant": task,
            "ms": 1e3 * median,
            "MP/s": size[0] * size[1] / 1e6 / median,
            "first call s": seconds[0],
        }
        yield row | {"levels from the host's": _distance(photograph, task, mask)}


def _distance(photograph, task, mask):
    corner = photograph[:CORNER, :CORNER].astype(np.float32) / 255
    mask = None if mask is None else mask[:CORNER, :CORNER]
    here = jaxrestore.restore(corner, task, mask=mask)
    with jax.default_device(jax.devices("cpu")[0]):
        there = jaxrestore.restore(corner, shipped.load(task), mask=mask)
    return float(255 * np.abs(here - there).max())
