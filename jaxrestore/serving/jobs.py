"""Jobs between those who ask, the queue and the engine."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np

from jaxrestore.serving import lines, queue, values
from jaxrestore.serving.contracts import Engine, Ledger
from jaxrestore.serving.quarantine import Quarantine
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.register import Register
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool
from jaxrestore.serving.values import Job, Status

_LOG = logging.getLogger(__name__)
_MOST_TRIES = 2  # that may end with the engine, or the server, dead
_DIED = "The {} stopped while it worked on this picture, for the second time; the "
_DIED += "picture may be what stops it, so it is not tried again."
_LONG = "The work took longer than {:g} s, which is the most; make the picture smaller."
_WAITED = "The job waited longer than {:g} s, so it was dropped; try again later."
_RESTARTED = "The server was restarted, and the picture is not there any more; upload "
_RESTARTED += "it again."


class Jobs:
    """What decides who runs, and what becomes of whom."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        ledger: Ledger,
        *,
        watch: Callable[[Job], object],
        clock: Callable[[], float],
    ):
        """Has no engine yet: `engine` is set before anything else is called."""
        self.engine: Engine
        self.register = Register(spool, ledger, watch=watch, seen=self._seen)
        self.queue = queue.Queue(settings)
        self.quarantine = Quarantine(settings.folder, clock)
        self._settings, self._spool, self._clock = settings, spool, clock
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._with_engine: set[str] = set()
        self._tasks: set[asyncio.Task] = set()
        self._taking = True

    async def add(self, job: Job, facts: Mapping[str, Any]) -> Job:
        """Returns a new job once it is written down; it may wait or run by then.

        `facts` are those of `contracts.Ledger.add`. Raises as `Register.add`.
        """
        # At once, so that others that come meanwhile see that it is there.
        self._wait(job, facts)
        try:
            await self.register.add(job, facts)
        except Exception:
            self.queue.remove(job.id)
            raise
        self.fill()
        return self._seen(self.register.now(job.id) or job)

    def fill(self) -> None:
        """Hands jobs to the engine while it has slots."""
        status = self.engine.status
        self.queue.share(status.sharing, self._clock())
        while self._taking and status.ready and status.alive:
            if len(self._with_engine) >= status.slots:
                return
            id = self.queue.take(self._clock())
            if id is None:
                return
            self._with_engine.add(id)
            self._begin(self._submit(id))

    def told(self, event: values.Event) -> None:
        """Takes what the engine tells."""
        if isinstance(event, values.Beat | values.Started):
            return self.fill()  # one that was silent, and so got nothing, is back
        if isinstance(event, values.Progressed):
            job = self.register.now(event.job)
            if job is not None and job.status is Status.RUNNING:
                self.queue.progressed(job.id, event.share)
                self.register.progressed(job, event.share, preview=event.preview)
            return
        if isinstance(event, values.Ended | values.Died):
            ended = event if isinstance(event, values.Ended) else None
            whole = ended is not None and ended.status is Status.DONE
            self._leave(event.job, whole=whole)
            job = self.register.now(event.job)
            if job is not None and job.status is Status.RUNNING:
                self._again(job, "engine") if ended is None else self._end(job, ended)
        self.fill()

    def cancel(self, id: str) -> None:
        """Ends a job that has not ended; the engine has its slot within a tile."""
        job = self.register.now(id)
        if job is not None and not job.final:
            self._stop(job, Status.CANCELLED, None, None)

    def finish(self, id: str) -> None:
        """Ends a fit of the prior with its best picture; raises 409 for another job."""
        job = self.register.now(id)
        if job is None or job.status is not Status.RUNNING or job.method != "prior":
            raise Refusal(
                409,
                "not_running",
                "There is nothing to stop",
                "Only a fit of the prior that runs can be stopped with what it has.",
            )
        self.engine.finish(id)

    def delete(self, id: str) -> None:
        """Cancels a job and deletes its pixels; its record stays."""
        self.cancel(id)
        self._facts.pop(id, None)
        self.register.forget(id)

    def sweep(self) -> None:
        """Ends what waited or ran too long, and deletes what has expired."""
        now, limits = self._clock(), self._settings
        for id in self.queue.waited(now):
            detail = _WAITED.format(limits.max_queued_s)
            job = self.register.now(id)
            if job is not None and job.status is Status.QUEUED:
                self._stop(job, Status.EXPIRED, "waited_too_long", detail)
        for job in self.register:
            began = job.started if job.status is Status.RUNNING else None
            if began is not None and now - began > limits.run_s:
                detail = _LONG.format(limits.run_s)
                self._stop(job, Status.FAILED, "too_long", detail)
            elif job.final and job.expires <= now:
                self.delete(job.id)

    def take_up(self, job: Job, facts: Mapping[str, Any] | None) -> None:
        """Takes a job of an earlier process: it is kept, waits again, or fails.

        `facts` are those of its image, None where that is gone. One that runs ran when
        the process was killed, which counts as the death of an engine does.
        """
        self.register.keep(job)
        if job.final:
            return
        if facts is None:
            self._final(job, Status.FAILED, "server_restarted", _RESTARTED, {})
        elif job.status is Status.RUNNING:
            self._facts[job.id] = facts
            self._again(job, "server")
        else:
            self._wait(job, facts)

    async def drain(self, seconds: float | int) -> None:
        """Begins nothing more, and waits until nothing runs, or so many seconds."""
        self._taking = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(job.status is Status.RUNNING for job in self.register):
                    await asyncio.sleep(0.05)

    async def stop(self, drain_s: float | int) -> None:
        """Lets what runs end within so many seconds; others wait for the next start."""
        self._taking = False
        await self.engine.stop(drain_s)
        for task in [*self._tasks]:
            task.cancel()
        for job in self.register:
            if job.status is Status.RUNNING:
                fields = {"status": Status.QUEUED, "started": None, "share": 0.0}
                self.register.move(job, fields)
        await self.register.clerk.close()

    def _wait(self, job: Job, facts: Mapping[str, Any], *, first: bool = False) -> None:
        self._facts[job.id] = facts
        one = lines.Waiting(
            job.id,
            job.owner,
            (job.task, job.method),
            facts["width"] * facts["height"],
            job.created,
            batch=job.batch_id is not None,
            long=job.method == "prior",
            alone=job.tries > 0,
        )
        self.queue.add(one, first=first)
        self.register.ring_waiting()

    def _start(self, job: Job) -> None:
        """Lets a job that waited run, unless its picture is in quarantine meanwhile."""
        try:
            self.quarantine.check(self._facts[job.id]["sha256"])
        except Refusal as refusal:
            return self._stop(job, Status.FAILED, refusal.code, refusal.detail)
        fields = {"status": Status.RUNNING, "started": self._clock()}
        self.register.move(job, fields)
        self.register.ring_waiting()

    async def _submit(self, id: str) -> None:
        """Hands a job to the engine once it is written down that it is begun."""
        await self.register.clerk.settled(id)
        job = self.register.now(id)
        if job is not None and job.status is Status.QUEUED:
            self._start(job)
            await self.register.clerk.settled(id)
            job = self.register.now(id)
        if job is None or job.status is not Status.RUNNING:  # cancelled meanwhile
            self._leave(id, whole=False)
            return self.fill()
        mask = self._spool.mask(job.image_id, job.mask_id) if job.mask_id else None
        said = self._spool.cells(job.image_id)
        order = values.Order(
            job.id,
            job.owner,
            job.task,
            job.method,
            source=self._spool.values(job.image_id),
            destination=self._spool.result(id),
            mask=mask,
            cells=said if said.is_file() else None,
            preview=self._spool.fit(id),
            alone=job.tries > 0,
            options=job.options,
        )
        try:
            self.engine.submit(order)
        except Exception as error:  # as where it has just died
            _LOG.error("the engine took no order", exc_info=error)
            self.told(values.Died(id))

    def _leave(self, id: str, *, whole: bool) -> None:
        """The engine has a slot again; `whole`: what it took tells about others."""
        self._with_engine.discard(id)
        self.queue.ended(id, self._clock(), whole=whole)
        self.register.ring_waiting()

    def _end(self, job: Job, event: values.Ended) -> None:
        numbers = {**self._times(job), **event.numbers}
        code, detail, status = event.code, event.detail, event.status
        if status is Status.DONE:
            try:
                made = np.load(self._spool.result(job.id), mmap_mode="r")
                numbers |= {"height": made.shape[0], "width": made.shape[1]}
            except (OSError, ValueError) as error:
                _LOG.error("a result cannot be read", exc_info=error)
                status, code = Status.FAILED, "no_result"
                detail = "The result could not be written; try again later."
        if status is Status.FAILED:
            code = code or "failed"
            detail = detail or "The picture could not be restored."
        self._final(job, status, code, detail, numbers)

    def _again(self, job: Job, died: str) -> None:
        """Lets a job wait once more whose engine, or server, died, or gives it up."""
        tries = job.tries + 1
        if tries < _MOST_TRIES:
            fields = {"status": Status.QUEUED, "started": None, "share": 0.0}
            moved = self.register.move(job, {**fields, "tries": tries})
            return self._wait(moved, self._facts[job.id], first=True)
        self.quarantine.add(self._facts[job.id]["sha256"])
        self.register.clerk.write("", self.quarantine.write)
        job = dataclasses.replace(job, tries=tries)
        # How long a server was away nobody knows.
        numbers = self._times(job) if died == "engine" else {}
        detail = _DIED.format(died)
        self._final(job, Status.FAILED, f"{died}_restarted", detail, numbers)

    def _stop(
        self, job: Job, status: Status, code: str | None, detail: str | None
    ) -> None:
        self.queue.remove(job.id)
        self._final(job, status, code, detail, self._times(job))
        if job.id in self._with_engine:
            self.engine.cancel(job.id)
        self.register.ring_waiting()

    def _final(
        self,
        job: Job,
        status: Status,
        code: str | None,
        detail: str | None,
        numbers: Mapping[str, Any],
    ) -> None:
        now = self._clock()
        fields = {
            "status": status,
            "code": code,
            "detail": detail,
            "numbers": numbers,
            "share": 1.0 if status is Status.DONE else job.share,
            "tries": job.tries,
            "finished": now,
            "expires": now + self._settings.kept_s,
        }
        self._facts.pop(job.id, None)
        self.register.move(job, fields)

    def _times(self, job: Job) -> dict[str, Any]:
        now = self._clock()
        times = {"queued_s": (job.started or now) - job.created}
        return times | ({"run_s": now - job.started} if job.started else {})

    def _seen(self, job: Job) -> Job:
        """The job with its place and the time left, where it has one."""
        if job.final:
            return job
        now = self._clock()
        position, ends = self.queue.forecast(job.id, now)
        left = None if ends is None else max(ends - now, 0.0)
        return dataclasses.replace(job, position=position, eta_s=left)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
