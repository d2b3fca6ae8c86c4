"""What the web app's records take that hold a million jobs of ninety days.

    python -m benchmarks.records [--small] [--database URL]

The jobs are drawn at random, of three tasks, two versions of a network, all sizes. Each
question is asked once by itself, and once in a thread of an event loop, of which the
longest pause is told: so long a request may wait that is answered in between. `retire`
makes totals of the oldest day, and so comes last. Without a URL it is SQLite in a
temporary folder.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from benchmarks import harness
from jaxrestore.serving import values
from jaxrestore.serving.records import (
    databases,
    exporting,
    ledger,
    models,
    retention,
    rows,
    summaries,
)

COLUMNS = ["question", "seconds", "longest pause, ms"]
DAY, DAYS, JOBS, PART = 86_400, 90, 1_000_000, 10_000
NOW = 20_000.5 * DAY
TASKS = ("denoise", "jpeg", "photo")
ENDS = ("done", "failed", "cancelled")


def jobs(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yields so many rows of jobs in parts, and some that wait."""
    draw = np.random.default_rng(0)
    facts = {"format": "JPEG", "bytes": 10**6, "channels": 3, "bits": 8, "alpha": False}
    for start in range(0, count, PART):
        part = []
        for number in range(start, min(start + PART, count)):
            created = NOW - DAY * (DAYS - 0.5) * (1 - number / count)
            task, side = TASKS[draw.integers(3)], int(draw.integers(100, 5000))
            numbers = {name: draw.random() for name in ("queued_s", "run_s", "fill")}
            for name in ("sigma", "blockiness", "sharpness"):
                numbers |= {f"{name}_{end}": draw.random() for end in ("in", "out")}
            numbers |= {"model": task, "weights": "ab"[number * 2 // count] * 64}
            numbers |= {"tiles": 9, "batches": 3, "device": "cpu"}
            status = values.Status(ENDS[draw.choice(3, p=(0.95, 0.03, 0.02))])
            job = values.Job(
                *(f"{number:032x}", "", f"{number:032x}", task, "network"),
                *(created, created + 1800, {"strength": 0.5}),
                status=status if number < count - 10 else values.Status.QUEUED,
                started=created,
                finished=created + 1,
                code="out_of_memory" if status == "failed" else None,
                numbers=numbers,
            )
            row = rows.of_job(job, {**facts, "width": side, "height": side})
            gone = created < NOW - 1800
            part.append({**row, "owner": None, "erased": created if gone else None})
        yield part


def fill(engine: sa.Engine, count: int) -> None:
    """Writes so many jobs, of which one in a hundred is rated."""
    for part in jobs(count):
        rated = [
            {"job_id": row["id"], "rating": 1, "reason": None, "at": row["created"]}
            for row in part[::100]
        ]
        with databases.writing(engine) as connection:
            connection.execute(sa.insert(models.Job), part)
            connection.execute(sa.insert(models.Feedback), rated)


def asked(question: Callable[[], object]) -> tuple[float, float]:
    """Returns how long a question takes, and the longest pause of a loop meanwhile."""

    async def beside() -> float:
        longest, thread = 0.0, asyncio.ensure_future(asyncio.to_thread(question))
        while not thread.done():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)
        await thread
        return longest

    begun = time.perf_counter()
    question()
    seconds = time.perf_counter() - begun
    return seconds, asyncio.run(beside())


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    parser = harness.parser(__doc__)
    parser.add_argument("--database", help="a URL of an empty database")
    options = harness.parse(parser, argv)
    count = 2_000 if options.small else JOBS
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{Path(folder) / 'records.sqlite'}"
        days = iter(range(DAYS - 2, 0, -1))
        with ledger.Ledger(url, clock=lambda: NOW) as kept:
            fill(kept.engine, count)
            told = lambda days: summaries.summary(kept.engine, now=NOW, days=days)
            questions = {
                "records of 30 days": lambda: json.dumps(told(30)),
                "records of 90 days": lambda: json.dumps(told(DAYS)),
                "CSV of 90 days": lambda: sum(
                    map(len, exporting.csv_parts(kept.engine))
                ),
                "unfinished": kept.unfinished,
                "tidy": kept.tidy,
                "retire": lambda: retention.retire(
                    kept.engine, now=NOW, days=next(days)
                ),
            }
            found = {name: asked(question) for name, question in questions.items()}
    records = [
        dict(zip(COLUMNS, (name, seconds, 1000 * pause), strict=True))
        for name, (seconds, pause) in found.items()
    ]
    facts = {"jobs": count, "days": DAYS}
    harness.finish("records", options, records, columns=COLUMNS, facts=facts)


if __name__ == "__main__":
    main()
