"""What the pages and the API call: pictures in, jobs, results out."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from jaxrestore.serving import options as asked
from jaxrestore.serving.renders import Picture
from jaxrestore.serving.restorations import Restorations, Result
from jaxrestore.serving.values import Batch, Image, Job

__all__ = ["Picture", "Result", "Service"]


class Service(Restorations):
    """The web app without HTTP. Everything runs in one event loop.

    Its coroutines raise `Refusal` for what is not done, 404 for ids that nothing has,
    410 for what has expired. Who may ask for an id is not asked here: whoever knows it.
    Here are batches; `restorations` has single pictures, `lifecycle` the beginning and
    the end.
    """

    async def add_batch(
        self,
        owner: str,
        images: Sequence[str] | AsyncIterator[bytes],
        task: str,
        *,
        method: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Batch:
        """Returns a batch: jobs of images by their ids, or of those in a zip file."""
        with self._counted():
            found = asked.task_of(self.tasks(), task)
            method = asked.method_of(found, method)
            given = asked.checked(found, options or {}, method)
            asked.check_mask(found, masked=False)

            async def add_job(image: Image, batch_id: str) -> Job:
                asked.check_size(found, method, given, image, self.settings)
                self._jobs.quarantine.check(image.sha256)
                job = self._new_job(owner, image.id, found.name, method, given)
                job = dataclasses.replace(job, batch_id=batch_id, source="batch")
                facts = self._pictures.facts(image) | {"mask_share": None}
                return await self._jobs.add(job, facts)

            batch = await self._batches.add(owner, images, found.name, add_job)
            await self._jobs.register.clerk.call(self.ledger.batch, batch)
            return batch

    async def batch(self, id: str) -> Batch:
        """Returns a batch; its jobs are asked by their ids, or with `batch_jobs`."""
        return self._batches.get(id)

    async def batch_jobs(self, id: str) -> list[Job]:
        """Returns the jobs of a batch, in the order of its files."""
        batch = self._batches.get(id)
        return await self._those(self._batches.jobs(batch))

    async def batch_zip(
        self, id: str, format: str = "png", *, quality: int | None = None
    ) -> AsyncIterator[bytes]:
        """Returns the parts of a zip file with what is done, and manifest.csv.

        That has a line for each file: its name, what became of it, and why.
        """
        batch = self._batches.get(id)

        async def rendered(job: Job) -> tuple[bytes, str]:
            found = await self.result(job.id, format, quality=quality)
            with found.open() as file:
                return await asyncio.to_thread(file.read), found.name

        async for part in self._batches.zipped(batch, rendered):
            yield part

    async def cancel_batch(self, id: str) -> Batch:
        """Cancels the jobs of a batch that have not ended."""
        batch = self._batches.get(id)
        self._batches.cancel(batch)
        return batch

    async def delete_batch(self, id: str) -> None:
        """Cancels a batch, and deletes its images, jobs and results."""
        self._batches.delete(self._batches.get(id))
