"""Every job that is kept, and the only way in which one changes.

A change is checked, made at once and written down behind it; whoever asks is told of it
when it is on the disk.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from jaxrestore.serving import refusals
from jaxrestore.serving.clerk import Clerk
from jaxrestore.serving.contracts import Ledger
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.spool import Spool, checked
from jaxrestore.serving.values import NEXT, Job, Status

# What of a job is written down as it changes; `share`, `position` and such are not.
_WRITTEN = ("status", "started", "finished", "code", "detail", "tries", "numbers")


class Register:
    """Jobs by their id. Iterating yields them, in the order in which they came."""

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        *,
        watch: Callable[[Job], object] = lambda job: None,
        seen: Callable[[Job], Job] = lambda job: job,
    ):
        """Holds nothing yet. `watch` is called with each job as its status changes.

        `seen` returns a job with its place and the time left, as people are shown it.
        """
        self.clerk = Clerk()
        self._jobs: dict[str, Job] = {}
        self._bells: dict[str, asyncio.Event] = {}  # of any change
        self._ends: dict[str, asyncio.Event] = {}  # of the last one
        self._spool, self._ledger = spool, ledger
        self._watch, self._seen = watch, seen

    def __iter__(self):
        """Yields the jobs as they are now; the register may change meanwhile."""
        return iter([*self._jobs.values()])

    def now(self, id: str) -> Job | None:
        """Returns a job as it stands, written down or not, or None."""
        return self._jobs.get(id)

    async def get(self, id: str) -> Job:
        """Returns a job as it stands and is written down; raises 404 and 410."""
        await self.clerk.settled(id)
        if id in self._jobs:
            return self._seen(self._jobs[id])
        known = await self.clerk.call(self._ledger.get, checked(id, "job"))
        raise refusals.gone("job") if known else refusals.not_found("job")

    async def events(self, id: str) -> AsyncIterator[Job]:
        """Yields a job at each change, until it is final or deleted."""
        last = None
        while True:
            bell = self._bells.setdefault(id, asyncio.Event())
            try:
                job = await self.get(id)
            except Refusal:
                self._bells.pop(id, None)
                if last is None:
                    raise
                return
            if job != last:
                yield job
            if job.final:
                return
            last = job
            await bell.wait()

    async def ended(self, id: str) -> Job:
        """Returns a job once it is final; raises 404 and 410."""
        while not (job := await self.get(id)).final:
            # Nothing runs between the look and this, so that no end is missed.
            await self._ends.setdefault(id, asyncio.Event()).wait()
        return job

    async def add(self, job: Job, facts: Mapping[str, Any]) -> None:
        """Takes a new job, and returns once it is written down.

        Raises 507 where it cannot be; it is forgotten then.
        """
        self._jobs[job.id] = job
        try:
            await self.clerk.write(job.id, self._write_new, job, facts)
        except Exception as error:
            self.forget(job.id)
            refusal = refusals.no_room(error)
            if refusal is None:
                raise
            raise refusal from error
        self._watch(job)

    def keep(self, job: Job) -> None:
        """Takes a job of an earlier process, of which nothing is written."""
        self._jobs[job.id] = job

    def move(self, job: Job, fields: Mapping[str, Any]) -> Job:
        """Returns a job with new values of fields; its status may go on as `NEXT` says.

        Raises `RuntimeError` where it may not: that is a bug.
        """
        moved = dataclasses.replace(job, **fields)
        if moved.status not in NEXT[job.status]:
            raise RuntimeError(f"no job goes from {job.status} to {moved.status}")
        self._jobs[job.id] = moved
        written = self.clerk.write(job.id, self._write, moved)
        written.add_done_callback(lambda done: self.ring(job.id))
        self._watch(moved)
        return moved

    def progressed(self, job: Job, share: float, *, preview: bool) -> None:
        """Takes how much of a job is done, which is not written down."""
        share = min(max(job.share, share), 1.0)
        preview_count = job.preview + preview
        fields = {"share": share, "preview": preview_count}
        self._jobs[job.id] = dataclasses.replace(job, **fields)
        if preview:
            self._spool.weigh(self._spool.place(Job, job.id))
        self.ring(job.id)

    def forget(self, id: str) -> None:
        """Deletes a job and its pixels; what is written in the ledger stays."""
        self._jobs.pop(id, None)
        self.clerk.write(id, self._spool.delete, Job, id)
        self.ring(id)

    def ring(self, id: str) -> None:
        """Lets those that wait for a change of a job look again."""
        job, bells = self._jobs.get(id), [self._bells]
        if job is None or job.final:
            bells.append(self._ends)
        for those in bells:
            if (bell := those.pop(id, None)) is not None:
                bell.set()

    def ring_waiting(self) -> None:
        """Lets those look again who wait for jobs that wait: each has another place."""
        for id in [*self._bells]:
            job = self._jobs.get(id)
            if job is not None and job.status is Status.QUEUED:
                self.ring(id)

    def _write_new(self, job: Job, facts: Mapping[str, Any]) -> None:
        place = self._spool.make(Job, job.id)
        self._spool.keep(job)
        self._spool.weigh(place)
        self._ledger.add(job, facts)

    def _write(self, job: Job) -> None:
        fields = {name: getattr(job, name) for name in (*_WRITTEN, "expires")}
        self._ledger.change(job.id, fields)
        if job.final and self._spool.place(Job, job.id).is_dir():
            self._spool.keep(job)
            self._spool.weigh(self._spool.place(Job, job.id))
