"""An engine that inverts pictures after a while, and a ledger in memory."""

import asyncio
import dataclasses
import io
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from jaxrestore import files
from jaxrestore.serving import values

DENOISE = values.TaskInfo(
    name="denoise",
    label="Remove noise",
    help="Grain and speckles go, edges stay.",
    methods=("network", "prior", "classical"),
    options={
        "type": "object",
        "properties": {"strength": {"type": "number", "minimum": 0, "maximum": 1}},
        "additionalProperties": False,
    },
    networks=(values.Network("fake", "inverter", "CC0-1.0", "5e" * 32),),
)
INPAINT = values.TaskInfo(
    name="inpaint",
    label="Fill holes",
    help="What you paint over is filled in.",
    methods=("network",),
    why_not={"prior": "The fake engine fits nothing."},
    options={"type": "object", "properties": {}, "additionalProperties": False},
    needs_mask=True,
)
ENLARGE = values.TaskInfo(
    name="sr",
    label="Enlarge",
    help="Twice or four times as many pixels a side.",
    methods=("classical",),
    why_not={"network": "No weights for it ship."},
    options={
        "type": "object",
        "properties": {"scale": {"enum": [2, 4]}},
        "additionalProperties": False,
    },
    scales=(2, 4),
)
TASKS = (DENOISE, INPAINT, ENLARGE)


class FakeEngine:
    """Inverts pictures, `steps` times telling how far it is, in `delay` seconds.

    A mask limits what is inverted; `scale` repeats pixels. A picture whose first value
    is `poison` kills the engine. `orders` are all that it was given.
    """

    def __init__(
        self,
        told: Callable[[values.Event], object],
        *,
        delay: float = 0.01,
        steps: int = 2,
        slots: int = 4,
        tasks: tuple[values.TaskInfo, ...] = TASKS,
        poison: int | None = None,
        warm: bool = True,
    ):
        self.told, self.delay, self.steps, self.slots = told, delay, steps, slots
        self.tasks, self.poison, self.warm = tasks, poison, warm
        self.ready, self.alive, self.restarts = False, False, 0
        self.orders: list[values.Order] = []
        self.running: dict[str, asyncio.Task] = {}
        self.finishing: set[str] = set()

    @property
    def status(self) -> values.EngineStatus:
        return values.EngineStatus(
            ready=self.ready,
            alive=self.alive,
            restarts=self.restarts,
            device="fake",
            tasks=self.tasks,
            running=len(self.running),
            slots=self.slots,
        )

    async def start(self) -> None:
        self.alive = True
        if self.warm:
            self.warmed()

    def warmed(self) -> None:
        self.ready = True
        self.told(values.Ready(self.tasks, "fake", 0.0))

    async def stop(self, drain_s: float) -> None:
        running = [*self.running.values()]
        if running and drain_s:
            await asyncio.wait(running, timeout=drain_s)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self.ready = self.alive = False

    def submit(self, order: values.Order) -> None:
        self.orders.append(order)
        self.running[order.job] = asyncio.ensure_future(self._run(order))

    def cancel(self, job: str) -> None:
        if job in self.running:
            self.running.pop(job).cancel()
            self.told(values.Ended(job, values.Status.CANCELLED))

    def finish(self, job: str) -> None:
        self.finishing.add(job)

    def die(self) -> None:
        """Loses all that runs, as an engine does whose process was killed."""
        jobs, self.restarts = [*self.running], self.restarts + 1
        for job in jobs:
            self.running.pop(job).cancel()
        for job in jobs:
            self.told(values.Died(job))

    async def _run(self, order: values.Order) -> None:
        self.told(values.Started(order.job))
        began = time.monotonic()
        source = np.load(order.source)
        if self.poison is not None and int(source.flat[0]) == self.poison:
            await asyncio.sleep(0)
            return self.die()
        for step in range(self.steps):
            if order.job in self.finishing:
                break
            await asyncio.sleep(self.delay / self.steps)
            made = order.preview is not None and order.method == "prior"
            if made:
                write(order.preview, inverted(source, order))
            share = (step + 1) / self.steps
            self.told(values.Progressed(order.job, share, preview=made))
        write(order.destination, inverted(source, order))
        self.running.pop(order.job, None)
        numbers = {"run_s": time.monotonic() - began, "tiles": self.steps}
        if order.method == "network":
            (task,) = (one for one in self.tasks if one.name == order.task)
            for network in task.networks:
                numbers |= {"model": network.name, "weights": network.sha256}
        self.told(values.Ended(order.job, values.Status.DONE, numbers=numbers))


def inverted(source: np.ndarray, order: values.Order) -> np.ndarray:
    """Returns white minus the colours of a picture, alpha as it is, perhaps larger."""
    made = np.iinfo(source.dtype).max - source
    if source.shape[2] in (2, 4):
        made[..., -1] = source[..., -1]
    if order.mask is not None:
        made = np.where(np.load(order.mask)[..., None], made, source)
    scale = order.options.get("scale", 1)
    return made.repeat(scale, 0).repeat(scale, 1)


def write(path, array: np.ndarray) -> None:
    file = io.BytesIO()
    np.save(file, array)
    files.write_bytes(path, file.getvalue())


class MemoryLedger:
    """A ledger that forgets all when its process ends."""

    def __init__(self):
        self.jobs: dict[str, values.Job] = {}
        self.facts: dict[str, Mapping[str, Any]] = {}
        self.history: dict[str, list[values.Status]] = {}
        self.batches: dict[str, values.Batch] = {}
        self.ratings: dict[str, tuple[int, str | None]] = {}
        self.refused: list[tuple[int, str]] = []
        self.models: dict[str, values.Network] = {}

    def add(self, job: values.Job, facts: Mapping[str, Any]) -> None:
        self.jobs[job.id], self.facts[job.id] = job, facts
        self.history[job.id] = [job.status]

    def change(self, job_id: str, fields: Mapping[str, Any]) -> None:
        self.jobs[job_id] = dataclasses.replace(self.jobs[job_id], **fields)
        if "status" in fields:
            self.history[job_id].append(fields["status"])

    def unfinished(self) -> list[values.Job]:
        return [job for job in self.jobs.values() if not job.final]

    def get(self, job_id: str) -> values.Job | None:
        return self.jobs.get(job_id)

    def batch(self, batch: values.Batch) -> None:
        self.batches[batch.id] = batch

    def feedback(self, job_id: str, rating: int, reason: str | None) -> None:
        self.ratings[job_id] = (rating, reason)

    def refusal(self, status: int, code: str) -> None:
        self.refused.append((status, code))

    def networks(self, tasks: Iterable[values.TaskInfo]) -> None:
        self.models |= {one.name: one for task in tasks for one in task.networks}

    def tidy(self) -> None:
        pass
