"""A process with a service that takes jobs until it is killed, or ends what is there.

`python to_be_killed.py FOLDER take` prints the id of each job once it is acknowledged,
with the seed of its picture; `... finish` ends all jobs, and prints what became of each
of those whose ids it reads.
"""

import asyncio
import functools
import json
import os
import sys
from pathlib import Path

from serving import fake_engine, pictures_of

from jaxrestore.serving import values


class FileLedger(fake_engine.MemoryLedger):
    """A ledger whose lines are on the disk before it returns."""

    def __init__(self, path: Path):
        super().__init__()
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        self._path = None
        for line in lines:
            id, fields = json.loads(line)
            if "status" in fields:
                fields["status"] = values.Status(fields["status"])
            if id not in self.jobs:
                super().add(values.Job(**fields), {})
            else:
                super().change(id, fields)
        if path.exists():  # what was killed while it wrote a line
            os.truncate(path, sum(len(line) + 1 for line in lines))
        self._path = path

    def add(self, job, facts):
        super().add(job, facts)
        names = ("id", "image_id", "task", "method", "created", "expires")
        kept = {name: getattr(job, name) for name in names} | {"owner": "hashed"}
        self._append(job.id, kept)

    def change(self, job_id, fields):
        super().change(job_id, fields)
        self._append(job_id, dict(fields))

    def _append(self, id, fields):
        with self._path.open("ab") as file:
            file.write(json.dumps([id, fields]).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


async def take(folder: Path):
    async with service(folder, delay=0.02) as running:
        images = {
            seed: await running.add_image(
                "me", pictures_of.chunks(pictures_of.png(seed))
            )
            for seed in range(3)
        }
        seed = 0
        while True:
            owner = f"owner{seed}"
            image = images[seed % len(images)]
            job = await running.add_job(owner, image.id, "denoise")
            print(job.id, seed % len(images), owner, flush=True)
            seed += 1


async def finish(folder: Path):
    async with service(folder, delay=0.001) as running:
        for line in sys.stdin:
            id, seed, owner = line.split()
            job = await running.wait(id, 30)
            whole = job.status == values.Status.DONE and job.owner == owner
            if whole:
                made = await running.result(id)
                found = pictures_of.decoded(made.path.read_bytes())
                whole = (found == 255 - pictures_of.array(int(seed))).all()
            print(job.status, bool(whole), flush=True)
        assert running.ledger.unfinished() == []


def service(folder: Path, delay: float):
    return pictures_of.running(
        folder,
        engine=functools.partial(fake_engine.FakeEngine, delay=delay),
        ledger=FileLedger(folder / "ledger.jsonl"),
        owner_uploads=10_000,
        max_jobs=100_000,
        max_queue_s=1e9,
    )


if __name__ == "__main__":
    work = {"take": take, "finish": finish}[sys.argv[2]]
    asyncio.run(work(Path(sys.argv[1])))
