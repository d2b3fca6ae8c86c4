"""What the service asks of the engine and of the records, as types.

The service calls an engine in its event loop. It calls a ledger in one thread of its
own, so that a ledger may block, and need not be safe among threads.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from jaxrestore.serving.values import Batch, EngineStatus, Job, Order, TaskInfo


@runtime_checkable
class Engine(Protocol):
    """What restores pictures; it tells a function of its events, in the event loop."""

    @property
    def status(self) -> EngineStatus:
        """How it is now; asking costs nothing."""
        ...

    async def start(self) -> None:
        """Begins to warm up, and returns before it has; `values.Ready` tells."""
        ...

    async def stop(self, drain_s: float | int) -> None:
        """Ends; jobs that run have so many seconds to come to their end."""
        ...

    def submit(self, order: Order) -> None:
        """Takes an order; `values.Ended` or `values.Died` tells what became of it."""
        ...

    def cancel(self, job: str) -> None:
        """Ends a job within a tile; `values.Ended` tells. Ignores an unknown one."""
        ...

    def finish(self, job: str) -> None:
        """Ends a prior's fit, whose best picture so far is the result: `DONE`."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """What is written down of jobs: their state, and what they took. No pixels."""

    def add(self, job: Job, facts: Mapping[str, Any]) -> None:
        """Writes a new job down, to the disk before it returns.

        `facts` are those of its image: `format`, `bytes`, `sha256`, `width`, `height`,
        `channels`, `bits`, `alpha`; and `mask_share`, the part of it that is missing,
        or None.
        """
        ...

    def change(self, job_id: str, fields: Mapping[str, Any]) -> None:
        """Writes down new values of fields of a `Job`, by name.

        They are `status`, `started`, `finished`, `code`, `detail`, `tries`, `numbers`,
        which is whole each time, and `expires`. To the disk where the status is final.
        """
        ...

    def unfinished(self) -> list[Job]:
        """Returns the jobs whose status is not final; their owner need not be right."""
        ...

    def get(self, job_id: str) -> Job | None:
        """Returns a job by its id, also one whose pixels are gone, or None."""
        ...

    def batch(self, batch: Batch) -> None:
        """Writes a batch down."""
        ...

    def feedback(self, job_id: str, rating: int, reason: str | None) -> None:
        """Writes down what somebody thinks of a result: 1 or -1; the last counts."""
        ...

    def refusal(self, status: int, code: str) -> None:
        """Counts something that was refused."""
        ...

    def networks(self, tasks: Iterable[TaskInfo]) -> None:
        """Writes down of which networks tasks are; those that are known stay."""
        ...

    def tidy(self) -> None:
        """Takes out what is no longer needed, such as who ordered what has expired."""
        ...
