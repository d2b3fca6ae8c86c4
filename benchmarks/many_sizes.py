"""Time and memory of pictures of many sizes, none of which was restored before.

    taskset -c 0,1 python -m benchmarks.many_sizes [--small]

Pictures of random numbers with sides of 40 to 700 px through `denoise`, after one of
each size of tile, whose programs every size then shares. The memory is what the process
holds beside what it held before the first of them.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import harness
from jaxrestore.inference import restorer, shipped, tiles

COLUMNS = ["pictures", "seconds", "megapixels/s", "more memory, MB"]


def memory() -> float:
    """Returns how many MB the process holds, by Linux; 0 elsewhere."""
    place = Path("/proc/self/statm")
    pages = int(place.read_text().split()[1]) if place.exists() else 0
    return pages * 4096 / 1e6


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    count, most, sides = (3, 60, [40]) if options.small else (60, 700, tiles.SIDES)
    network, generator = shipped.load("denoise"), np.random.default_rng(0)

    def restore(height, width):
        picture = generator.integers(0, 256, (height, width, 3), np.uint8)
        restorer.restore_image(network, picture)

    for side in sides:
        restore(side, side)
    sizes = generator.integers(40, most, (count, 2))
    before, started = memory(), time.perf_counter()
    for height, width in sizes:
        restore(height, width)
    seconds = time.perf_counter() - started
    cells = [count, seconds, sizes.prod(1).sum() / 1e6 / seconds, memory() - before]
    row = dict(zip(COLUMNS, (round(float(cell), 1) for cell in cells), strict=True))
    harness.finish("many_sizes", options, [row], columns=COLUMNS, facts={"most": most})


if __name__ == "__main__":
    main()
