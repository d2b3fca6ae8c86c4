"""A process with a service that takes jobs until it is killed, or ends what is there.

`python to_be_killed.py FOLDER take` prints the id of each job once it is acknowledged,
with the seed of its picture, which no other job has; `... finish` ends all jobs, and
prints what became of each of those whose ids it reads.
"""

import asyncio
import functools
import itertools
import random
import sys
from pathlib import Path

from serving import fake_engine, pictures_of

from jaxrestore.serving import values
from jaxrestore.serving.records import ledger


async def take(folder: Path):
    async with service(folder, delay=0.02) as running:
        for number in itertools.count():
            owner, seed = f"owner{number}", random.randrange(10**9)
            picture = pictures_of.chunks(pictures_of.png(seed))
            image = await running.add_image(owner, picture)
            job = await running.add_job(owner, image.id, "denoise")
            print(job.id, seed, owner, flush=True)


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
            print(job.status, job.code, bool(whole), flush=True)
        assert running.ledger.unfinished() == []


def service(folder: Path, delay: float):
    return pictures_of.running(
        folder,
        engine=functools.partial(fake_engine.FakeEngine, delay=delay),
        ledger=ledger.Ledger(f"sqlite:///{folder / 'records.sqlite'}"),
        owner_uploads=10_000,
        max_jobs=100_000,
        max_queue_s=1e9,
    )


if __name__ == "__main__":
    work = {"take": take, "finish": finish}[sys.argv[2]]
    asyncio.run(work(Path(sys.argv[1])))
