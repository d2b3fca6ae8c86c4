"""The web app as people use it: 64 at once, each with pictures of their own.

    taskset -c 0,1 python -m benchmarks.serving_load [--minutes 10] [--small]

It is the real one, `jaxrestore serve`, on loopback, with its networks and records, and
room for half as many jobs as there are people, so that it refuses all the time. Each of
them has a token, uploads a picture, has it restored by one of the networks that ship,
asking again when the server says so, and compares the result with that of the library,
to the byte. Another process asks for `/healthz` and orders jobs meanwhile, and measures
how long answers take, of a client that is not busy itself. Memory is the resident one
of all processes of the server.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import http.client
import io
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from benchmarks import harness
from jaxrestore.inference import restorer, shipped

COLUMNS = ["answers", "count", "ms", "p99", "most"]
API = "/api/v1"
_BUSY = (429, 503)
_PAUSE_S = 0.05  # between two questions of the one who measures
_MANY = ("owner_uploads", "address_uploads", "address_requests")


@dataclasses.dataclass
class Person:
    """Somebody with a token, and what became of their pictures."""

    token: str
    number: int
    right: int = 0
    wrong: int = 0
    failed: int = 0
    uploads: list[float] = dataclasses.field(default_factory=list)

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request says."""
        return {"authorization": f"Bearer {self.token}"}


@contextlib.contextmanager
def served(folder: Path, people: Sequence[Person]) -> Iterator[tuple[Any, str]]:
    """Yields the server's process and its address, once its networks are compiled."""
    tokens = folder / "tokens"
    hashes = (hashlib.sha256(one.token.encode()).hexdigest() for one in people)
    tokens.write_text("".join(f"{one} user\n" for one in hashes))
    command = [sys.executable, "-m", "jaxrestore", "serve", "--port", "0"]
    command += ["--folder", str(folder / "served"), "--tokens-file", str(tokens)]
    limits = {**dict.fromkeys(_MANY, 10**9), "max_jobs": max(len(people) // 2, 1)}
    for key, value in limits.items():
        command += ["--set", f"{key}={value}"]
    place = folder / "log"
    with (
        place.open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, text=True) as process,
    ):
        try:
            yield process, _ready(process, place)
        finally:
            process.terminate()


def _ready(process, log):
    """The address, which the server says in its log."""
    while not (found := re.search(r"serving at (http://[\w.:]+)", log.read_text())):
        if process.poll() is not None:
            raise RuntimeError(f"the server did not start: {log.read_text()}")
        time.sleep(0.1)
    while httpx.get(f"{found[1]}/readyz").status_code != 200:
        time.sleep(0.5)
    return found[1]


def pictures(count: int, most: int) -> list[tuple[str, bytes, np.ndarray]]:
    """Returns tasks, PNG files, and what the library makes of them."""
    draw = np.random.default_rng(0)
    tasks = shipped.of_one_size()
    networks = {name: shipped.load(name) for name in tasks}
    made = []
    for number in range(count):
        shape = (*draw.integers(24, most, 2), 3)
        picture = draw.integers(0, 255, shape, np.uint8, endpoint=True)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        task = tasks[number % len(tasks)]
        restored = restorer.restore_image(networks[task], picture)
        made.append((task, file.getvalue(), restored))
    return made


async def use(place: str, person: Person, given: Sequence[Any], until: float) -> None:
    """Restores one picture after another, and counts what came back."""
    async with httpx.AsyncClient(
        base_url=place, headers=person.headers, timeout=120
    ) as to:
        turn = person.number
        while time.monotonic() < until:
            task, sent, expected = given[turn % len(given)]
            turn += 1
            begun = time.monotonic()
            image = await _patient(to, f"{API}/images", content=sent)
            person.uploads.append(time.monotonic() - begun)
            asked = {"image_id": image["id"], "task": task}
            job = await _patient(to, f"{API}/jobs", json=asked)
            while job["status"] in ("queued", "running"):
                wait = {"prefer": "wait=20"}
                job = (await to.get(job["links"]["self"], headers=wait)).json()
            if job["status"] == "done":
                found = (await to.get(job["links"]["result"])).content
                back = np.asarray(Image.open(io.BytesIO(found)))
                same = np.array_equal(back, expected)
                person.right += same
                person.wrong += not same
            else:
                person.failed += 1
            await to.delete(f"{API}/images/{image['id']}")


async def _patient(to, path, **body):
    """What the server makes, asked for again when it says so."""
    while (answer := await to.post(path, **body)).status_code in _BUSY:
        await asyncio.sleep(float(answer.headers["retry-after"]))
    return answer.raise_for_status().json()


def measure(place: str, token: str, picture: bytes, ended: Any, found: Any) -> None:
    """Asks, again and again until `ended`, and hands over what each answer took."""
    where = urlsplit(place)
    to = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    took: dict[str, list[float]] = {"/healthz": [], "refused": [], "taken": []}

    def ask(method, path, body=None, kind="application/json"):
        headers = {"authorization": f"Bearer {token}", "content-type": kind}
        begun = time.perf_counter()
        to.request(method, path, body, headers)
        answer = to.getresponse()
        said = answer.read()
        return answer.status, said, time.perf_counter() - begun

    _, said, _ = ask("POST", f"{API}/images", picture, "image/png")
    order = json.dumps({"image_id": json.loads(said)["id"], "task": "denoise"})
    while not ended.wait(_PAUSE_S):
        took["/healthz"].append(ask("GET", "/healthz")[2])
        status, said, seconds = ask("POST", f"{API}/jobs", order)
        took["refused" if status in _BUSY else "taken"].append(seconds)
        if status not in _BUSY:
            ask("DELETE", f"{API}/jobs/{json.loads(said)['id']}")
    found.put(took)


def resident(pid: int) -> int:
    """Returns the bytes of a process and its children, as Linux tells them."""
    total, left = 0, [pid]
    while left:
        one = left.pop()
        with contextlib.suppress(OSError):
            for part in Path(f"/proc/{one}/task").iterdir():
                left += map(int, (part / "children").read_text().split())
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


async def all_at_once(
    place: str, people: Sequence[Person], given: Sequence[Any], seconds: float, pid: int
) -> list[int]:
    """Returns the server's memory, second by second, while all use it."""
    until, memory = time.monotonic() + seconds, []

    async def watch():
        while True:
            memory.append(resident(pid))
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(use(place, one, given, until) for one in people))
    watching.cancel()
    return memory


def row(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    """Returns a row of the table: medians and what most were below."""
    if not seconds:
        return {"answers": name, "count": 0}
    median, p99, most = (1e3 * float(np.quantile(seconds, q)) for q in (0.5, 0.99, 1))
    return {
        "answers": name,
        "count": len(seconds),
        "ms": median,
        "p99": p99,
        "most": most,
    }


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    parser: argparse.ArgumentParser = harness.parser(__doc__)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10)
    options = harness.parse(parser, argv)
    users, minutes = (4, 0.1) if options.small else (options.users, options.minutes)
    given = pictures(users, 48 if options.small else 160)
    people = [Person(f"person {number}", number) for number in range(users + 1)]
    *people, measuring = people
    context = multiprocessing.get_context("spawn")
    ended, found = context.Event(), context.Queue()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), [*people, measuring]) as (process, place),
    ):
        asked = (place, measuring.token, given[0][1], ended, found)
        meter = context.Process(target=measure, args=asked, daemon=True)
        meter.start()
        memory = asyncio.run(
            all_at_once(place, people, given, 60 * minutes, process.pid)
        )
        ended.set()
        took = found.get(timeout=60)
    minute = 2 if options.small else 60
    parts = memory[minute : 2 * minute], memory[-minute:]
    early, late = (float(np.median(part)) for part in parts)
    uploads = [seconds for one in people for seconds in one.uploads]
    facts = {
        "users": users,
        "minutes": minutes,
        "right": sum(one.right for one in people),
        "wrong": sum(one.wrong for one in people),
        "failed": sum(one.failed for one in people),
        "fewest of a user": min(one.right for one in people),
        "MiB in the second minute": early / 2**20,
        "MiB in the last minute": late / 2**20,
        "growth": late / early - 1,
    }
    rows = [row(name, seconds) for name, seconds in took.items()]
    rows.append(row("uploads of the others", uploads))
    harness.finish("serving_load", options, rows, columns=COLUMNS, facts=facts)


if __name__ == "__main__":
    main()
