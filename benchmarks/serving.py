"""The engine of the web app against the same pictures in a loop of the library.

    taskset -c 0,1 python -m benchmarks.serving [--pictures 200] [--small]

The pictures are of random numbers: of 40 to 700 px a side, grey, in colour and with
alpha, of 8 and 16 bits, for each network that ships, of four owners. The loop calls
`restore_image` for one after another. The engine is the process of the web app with its
four slots; files of arrays go in and come out, as its spool has them. Both run in turn,
round after round, after all programs were compiled; results are equal to the bit.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from jaxrestore.inference import restorer, shipped
from jaxrestore.serving import settings, values
from jaxrestore.serving.engine import supervisor

COLUMNS = ["contestant", "ms", "quartiles", "pictures/s", "megapixels/s", "of the loop"]
_KINDS = [(1, "uint8"), (3, "uint8"), (3, "uint8"), (4, "uint8"), (3, "uint16")]


class Serving:
    """The engine as a contestant: all orders of a round, and what became of them."""

    def __init__(self, folder: Path, runner: asyncio.Runner):
        """Starts it; `wait` waits until it is warm."""
        # As nice as the loop: what else runs on the machine shall not decide.
        chosen = settings.Settings(folder=folder, priority=0)
        self._runner, self._left = runner, set()
        self._new: asyncio.Event | None = None
        self._failed: str | None = None
        self.engine = supervisor.Engine(chosen, self._told)
        self.slots = chosen.slots
        runner.run(self.engine.start())

    def _told(self, event: values.Event) -> None:
        if isinstance(event, values.Died):
            self._left.discard(event.job)
            self._failed = "the engine died"
        if isinstance(event, values.Ended):
            self._left.discard(event.job)
            if event.status != values.Status.DONE:
                self._failed = f"a job is {event.status}: {event.detail}"
        if self._new is not None:
            self._new.set()

    def wait(self, orders: Sequence[values.Order]) -> None:
        """Returns once the engine is warm and has done the orders."""
        self._runner.run(self._done(orders))

    async def _done(self, orders):
        self._new = asyncio.Event()
        while not self.engine.status.ready:
            self._new.clear()
            await self._new.wait()
        self._left = {order.job for order in orders}
        for order in orders:
            self.engine.submit(order)
        while self._left:
            self._new.clear()
            await self._new.wait()
        if self._failed is not None:
            raise RuntimeError(self._failed)

    def seconds(self) -> float:
        """Returns how long its process has computed, by Linux; 0 elsewhere."""
        place = Path(f"/proc/{self.engine.pid}/stat")
        if not place.exists():
            return 0.0
        ticks = place.read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Ends it."""
        self._runner.run(self.engine.stop(0))


def pictures(count: int, most: int) -> list[tuple[str, Any]]:
    """Returns tasks and the pictures for them."""
    generator, made = np.random.default_rng(0), []
    tasks = shipped.of_one_size()
    for number in range(count):
        channels, dtype = _KINDS[number % len(_KINDS)]
        shape = (*generator.integers(40, most, 2), channels)
        white = np.iinfo(dtype).max
        picture = generator.integers(0, white, shape, dtype, endpoint=True)
        made.append((tasks[number % len(tasks)], picture))
    return made


def orders(folder: Path, given: Sequence[tuple[str, Any]]) -> list[values.Order]:
    """Writes the pictures as the spool has them, and returns an order for each."""
    made = []
    for number, (task, picture) in enumerate(given):
        source, destination = (folder / f"{number}.{w}.npy" for w in ("in", "out"))
        np.save(source, picture)
        owner = f"owner {number % 4}"
        made.append(
            values.Order(str(number), owner, task, "network", source, destination)
        )
    return made


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    parser = harness.parser(__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    options = harness.parse(parser, argv)
    count, most = (6, 100) if options.small else (options.pictures, 700)
    given = pictures(count, most)
    networks = {name: shipped.load(name) for name in {task for task, _ in given}}
    loop = lambda: [restorer.restore_image(networks[t], one) for t, one in given]
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        serving, asked = Serving(Path(folder), runner), orders(Path(folder), given)
        try:
            serving.wait(asked)
            for order, expected in zip(asked, loop(), strict=True):
                harness.agree(
                    {"loop": expected, "engine": np.load(order.destination)},
                    tolerance=0,
                )
            contestants = {"loop": loop, "engine": lambda: serving.wait(asked)}
            before, begun = serving.seconds(), time.perf_counter()
            timings = harness.contest(contestants, rounds=options.rounds, warmup=1)
            elapsed = time.perf_counter() - begun
            own = (serving.seconds() - before) / elapsed  # cores, of no stranger
        finally:
            serving.end()
    megapixels = sum(one.shape[0] * one.shape[1] for _, one in given) / 1e6
    shares = np.divide(timings["loop"].seconds, timings["engine"].seconds)
    rows = [
        {
            "contestant": name,
            **timing.record(),
            "others_cores": max(0.0, timing.others - own),
            "pictures/s": count / timing.median,
            "megapixels/s": megapixels / timing.median,
            "of the loop": float(np.median(shares)) if name == "engine" else 1.0,
        }
        for name, timing in timings.items()
    ]
    facts = {"pictures": count, "megapixels": megapixels, "slots": serving.slots}
    harness.finish("serving", options, rows, columns=COLUMNS, facts=facts)


if __name__ == "__main__":
    main()
