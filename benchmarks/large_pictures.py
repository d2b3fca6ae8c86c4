"""What restoring holds beside a picture and its result, from 1 to 100 megapixels.

    taskset -c 0,1 python -m benchmarks.large_pictures [--small]

Pictures of random numbers, 8000 px wide, through `photo`, whose caution looks at the
whole of them, after a small one that has its programs compiled. Linux tells the most
memory that a process has held, and forgets it where it is asked to.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import harness
from jaxrestore.inference import restorer, shipped

COLUMNS = ["megapixels", "picture and result, MB", "beside these, MB", "megapixels/s"]
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def most() -> float:
    """Returns the most memory, in MB, that the process has held since `FORGET`."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e6


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    width, sizes = (400, (0.04, 0.08)) if options.small else (8000, (1, 10, 100))
    network, generator = shipped.load("photo"), np.random.default_rng(0)
    rows = []
    for megapixels in (sizes[0], *sizes):
        height = round(megapixels * 1e6) // width
        picture = generator.integers(0, 256, (height, width, 3), np.uint8)
        FORGET.write_text("5")  # what was the most is what is held now
        before, started = most(), time.perf_counter()
        result = restorer.restore_image(network, picture)
        seconds, held = time.perf_counter() - started, most() - before
        arrays = (picture.nbytes + result.nbytes) / 1e6
        cells = [megapixels, arrays, held - result.nbytes / 1e6, megapixels / seconds]
        rows.append(dict(zip(COLUMNS, (round(cell, 2) for cell in cells), strict=True)))
    facts = {"network": "photo", "width": width}
    harness.finish("large_pictures", options, rows[1:], columns=COLUMNS, facts=facts)


if __name__ == "__main__":
    main()
