"""The web app as a whole: made, started, stopped, and how it is."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from jaxrestore.serving import recovery, refusals
from jaxrestore.serving.batches import Batches
from jaxrestore.serving.children import Children
from jaxrestore.serving.contracts import Engine, Ledger
from jaxrestore.serving.jobs import Jobs
from jaxrestore.serving.pictures import Pictures
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.renders import Renders
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool
from jaxrestore.serving.values import Batch, Event, Image, Job, Ready, Took

_STRAY_S = 600.0  # after which a folder that nobody knows is deleted

Told = Callable[[Event], object]
Watch = Callable[[Job | Refusal | Took], object]


class Lifecycle:
    """What `service.Service` is made of, and its beginning and end."""

    def __init__(
        self,
        settings: Settings,
        engine: Callable[[Told], Engine],
        ledger: Ledger,
        *,
        watch: Watch = lambda what: None,
        clock: Callable[[], float] = time.time,
        children: Children | None = None,
    ):
        """Makes the engine by calling `engine` with what it tells its events.

        `watch` is called, in the event loop, with each job as it changes, each refusal
        of a job or an upload, and what a call of a child took: metrics and logs are
        made of them. `children` are those of somebody else, who ends them; by default
        it has its own.
        """
        self.settings, self.ledger, self._clock = settings, ledger, clock
        self._watch = watch
        self._spool = Spool(settings.spool_folder)
        self._shared = children is not None
        self._children = children or Children(
            settings.decoders,
            settings.decode_memory,
            waiting=settings.max_waiting_decodes,
            watch=watch,
        )
        self._jobs = Jobs(settings, self._spool, ledger, watch=watch, clock=clock)
        self._pictures = Pictures(
            settings,
            self._spool,
            self._children,
            self._jobs.register,
            quarantine=self._jobs.quarantine,
            clock=clock,
        )
        self._batches = Batches(
            settings, self._spool, self._children, self._pictures, self._jobs, clock
        )
        self._renders = Renders(settings, self._children, self._spool)
        self.engine = self._jobs.engine = engine(self.told)
        self._sweeper: asyncio.Task | None = None
        self._open = False

    def told(self, event: Event) -> None:
        """Takes what the engine tells."""
        if isinstance(event, Ready):
            known = self.ledger.networks
            self._jobs.register.clerk.write("", known, event.tasks)
        self._jobs.told(event)

    async def start(self) -> None:
        """Takes up what an earlier process left, and starts the engine.

        It does not wait until this is warm; see `ready`. Raises `DiskError` for a spool
        that cannot be written, and `ConfigError` for one that another server uses.
        """
        self._spool.open()
        parts = (self._jobs, self._pictures, self._batches)
        await recovery.take_up(self._spool, self.ledger, *parts)
        self.sweep()
        await self.engine.start()
        self._sweeper = asyncio.ensure_future(self._sweep_ever())
        self._open = True

    async def drain(self, seconds: float | int | None = None) -> None:
        """Begins no job more, and lets what runs end within so many seconds.

        What there is can still be asked for, until `stop`.
        """
        self._open = False
        await self._jobs.drain(self.settings.drain_s if seconds is None else seconds)

    async def stop(self, drain_s: float | int | None = None) -> None:
        """Takes nothing more, lets what runs end within so many seconds, and ends.

        What is queued stays in the spool and in the ledger, for the next start.
        """
        self._open = False
        if self._sweeper is not None:
            self._sweeper.cancel()
        drain = self.settings.drain_s if drain_s is None else drain_s
        await self._jobs.stop(drain)
        if not self._shared:
            await self._children.close()
        self._spool.close()

    @property
    def unfinished(self) -> int:
        """How many jobs have not ended; after `stop` they wait for the next start."""
        return sum(not job.final for job in self._jobs.register)

    def health(self) -> tuple[bool, list[str]]:
        """Returns that the process is alive; it never asks the engine."""
        return True, []

    def ready(self) -> tuple[bool, list[str]]:
        """Returns whether jobs are taken and done, and else why not, in sentences."""
        status, limits, why = self.engine.status, self.settings, []
        if not self._open:
            why.append("The server is starting or stopping.")
        if not status.alive or not status.ready:
            why.append("The engine is not ready: networks are loaded and compiled.")
        elif status.heartbeat_age_s > limits.heartbeat_s:
            why.append(f"The engine is silent for {status.heartbeat_age_s:.0f} s.")
        if self._spool.folder.exists() and self._spool.free() < limits.least_free:
            why.append("The disk of the spool is nearly full.")
        if self._jobs.register.clerk.broken:
            why.append("The records cannot be written.")
        return not why, why

    def gauges(self) -> Mapping[str, float | int]:
        """Returns numbers of now: `queue_jobs`, `queue_pixels`, `spool_bytes`, ..."""
        return {
            "queue_jobs": len(self._jobs.queue),
            "queue_pixels": self._jobs.queue.pixels,
            "running_jobs": self._jobs.queue.running,
            "spool_bytes": self._spool.bytes,
            "images": len(self._pictures.all),
            "batches": len(self._batches.all),
            "files_at_work": self._children.calls,
        }

    def sweep(self) -> None:
        """Deletes what has expired, and ends what waited or ran too long."""
        now, spool = self._clock(), self._spool
        self._jobs.sweep()
        needed: dict[str, float] = {}
        for job in self._jobs.register:
            until = job.expires if job.final else float("inf")
            needed[job.image_id] = max(needed.get(job.image_id, 0.0), until)
        self._pictures.expire(needed)
        self._batches.expire()
        known = {
            Image: self._pictures.all,
            Job: {job.id for job in self._jobs.register},
        }
        for kind, ids in {**known, Batch: self._batches.all}.items():
            for id in spool.strays(kind, ids, now - _STRAY_S):
                spool.delete(kind, id)

    async def _sweep_ever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.sweep_s)
            self.sweep()
            self._jobs.register.clerk.write("", self.ledger.tidy)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Lets the metrics and the ledger know what is refused."""
        try:
            yield
        except Exception as error:
            refusal = error if isinstance(error, Refusal) else refusals.no_room(error)
            if refusal is None:
                raise
            self._watch(refusal)
            clerk = self._jobs.register.clerk
            clerk.write("", self.ledger.refusal, refusal.status, refusal.code)
            if refusal is error:
                raise
            raise refusal from error
