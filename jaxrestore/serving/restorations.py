"""One picture, from its upload to the download of what became of it."""

import asyncio
import contextlib
import dataclasses
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore.serving import options as asked
from jaxrestore.serving import refusals
from jaxrestore.serving.lifecycle import Lifecycle
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.renders import Picture
from jaxrestore.serving.spool import new_id
from jaxrestore.serving.values import Image, Job, Status, TaskInfo

_MEDIA_TYPES = {f".{name}": f"image/{name}" for name in ("png", "webp", "avif")}
_MEDIA_TYPES |= {".jpg": "image/jpeg", ".tif": "image/tiff"}
_MOST_REASON = 500  # letters


class Result(NamedTuple):
    """A file to be sent: its media type, its name for people, and its entity tag.

    It is at `path`, unless there was no room for it there: then it is `file`.
    """

    path: Path
    media_type: str
    name: str
    etag: str
    file: io.BytesIO | None = None

    def open(self) -> io.BytesIO | io.BufferedReader:
        """Returns the file, to be read once; `FileNotFoundError`: it is deleted."""
        return self.file or self.path.open("rb")


class Restorations(Lifecycle):
    """The part of `service.Service` that has pictures and their jobs."""

    def tasks(self) -> list[TaskInfo]:
        """Returns what can be done; nothing before the engine is ready once."""
        return [*self.engine.status.tasks]

    async def add_image(
        self, owner: str, chunks: AsyncIterator[bytes], stem: str | None = None
    ) -> Image:
        """Returns the image that was uploaded, decoded and checked.

        `stem` is the name it had, of which only harmless characters are kept. Refused
        are 413 what is too large, 415 what is no image, 422 what is too small or cannot
        be read faithfully, 429 and 503 too many at once, 507 a full spool.
        """
        with self._counted():
            return await self._pictures.add(owner, chunks, stem)

    async def image(self, id: str) -> Image:
        """Returns an image."""
        return self._pictures.get(id)

    async def images(self, owner: str) -> list[Image]:
        """Returns the images of an owner, the last one first."""
        own = [one for one in self._pictures.all.values() if one.owner == owner]
        return sorted(own, key=lambda image: image.created, reverse=True)

    async def preview(self, id: str, side: int | None = None) -> Picture:
        """Returns an image as browsers show it: sRGB, at most `side` px a side."""
        image = self._pictures.get(id)
        values, profile = self._spool.values(id), self._spool.profile(id)
        kept = self._pictures.has_room(image.owner)
        return await self._renders.preview(values, profile, side, kept=kept)

    async def delete_image(self, id: str) -> None:
        """Deletes an image, and cancels and deletes its jobs."""
        image = self._pictures.get(id)
        for job in self._jobs.register:
            if job.image_id == image.id:
                self._jobs.delete(job.id)
        self._pictures.delete(image.id)

    async def add_mask(
        self, owner: str, image_id: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Returns the id of a mask.

        It is an image file of the image's size, and white is missing. Refused
        are 422 another size, one that is empty, and one that leaves nothing.
        """
        with self._counted():
            image = self._pictures.get(image_id)
            return await self._pictures.add_mask(image, chunks)

    async def add_job(
        self,
        owner: str,
        image_id: str,
        task: str,
        *,
        method: str | None = None,
        options: Mapping[str, Any] | None = None,
        mask_id: str | None = None,
        source: str = "api",
    ) -> Job:
        """Returns a job, queued, once it is written down so that it survives a crash.

        `method` is one of the task's `methods`, the first one if not given. Refused are
        422 what the task does not take, 429 and 503 too much at once, with the seconds
        after which to ask again.
        """
        with self._counted():
            image = self._pictures.get(image_id)
            found = asked.task_of(self.tasks(), task)
            method = asked.method_of(found, method)
            given = asked.checked(found, options or {}, method)
            asked.check_mask(found, mask_id is not None)
            asked.check_size(found, method, given, image, self.settings)
            self._jobs.quarantine.check(image.sha256)
            share = None
            if mask_id is not None:
                share = await self._pictures.mask_share(image, mask_id)
            kind = (found.name, method)
            full = self._jobs.queue.refusal(owner, kind, image.pixels, self._clock())
            if full is not None:
                raise full
            self._pictures.check_room(owner)
            job = self._new_job(owner, image.id, found.name, method, given)
            job = dataclasses.replace(job, mask_id=mask_id, source=source)
            facts = self._pictures.facts(image)
            return await self._jobs.add(job, facts | {"mask_share": share})

    async def job(self, id: str) -> Job:
        """Returns a job as it stands now."""
        return await self._jobs.register.get(id)

    async def jobs(
        self,
        owner: str,
        *,
        status: Status | None = None,
        task: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """Returns an owner's jobs, the last one first, and the cursor of the next page.

        The cursor is None where there are no more.
        """
        own = [job for job in self._jobs.register if job.owner == owner]
        own.sort(key=lambda job: (job.created, job.id), reverse=True)
        if cursor is not None:
            after = (
                [job.id for job in own].index(cursor)
                if cursor in {job.id for job in own}
                else len(own)
            )
            own = own[after + 1 :]
        wanted = [
            job
            for job in own
            if status in (None, job.status) and task in (None, job.task)
        ]
        page = wanted[:limit]
        more = page[-1].id if len(wanted) > limit else None
        return await self._those(page), more

    async def wait(self, id: str, seconds: float | int) -> Job:
        """Returns a job once it is final, or as it stands after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, self.settings.max_wait_s)):
                return await self._jobs.register.ended(id)
        return await self.job(id)

    def events(self, id: str) -> AsyncIterator[Job]:
        """Yields a job as it stands, and at each change, until it is final.

        A reader that is slow is given the last of several changes.
        """
        return self._jobs.register.events(id)

    async def cancel(self, id: str) -> Job:
        """Ends a job, within a tile if it runs; one that has ended stays as it is."""
        job = await self.job(id)
        self._jobs.cancel(job.id)
        return await self.job(id)

    async def finish(self, id: str) -> Job:
        """Ends a running fit of the prior, whose best picture so far is its result.

        Refused is 409 any other job.
        """
        job = await self.job(id)
        self._jobs.finish(job.id)
        return await self.job(id)

    async def delete_job(self, id: str) -> None:
        """Cancels a job and deletes its result; the record without pixels stays."""
        job = await self.job(id)
        self._jobs.delete(job.id)

    async def result(
        self,
        id: str,
        format: str = "png",
        *,
        quality: int | None = None,
        bits: int | None = None,
    ) -> Result:
        """Returns the file of a job's result: png, jpeg, webp, tiff or avif.

        `quality` is of JPEG, AVIF and, which then loses something, WebP; `bits` are 16
        where the upload had more than 8 and the format holds them, else 8. Refused are
        409 a job that is not done, and 422 what the format does not hold.
        """
        job = await self._done(id)
        image = self._pictures.all.get(job.image_id)
        made = await self._renders.encoded(
            self._spool.result(id),
            self._spool.profile(job.image_id),
            format,
            quality=quality,
            bits=bits,
            kept=self._pictures.has_room(job.owner),
        )
        name = f"{image.stem if image else 'picture'}.{job.task}-{job.method}"
        kind, suffix = _MEDIA_TYPES[made.path.suffix], made.path.suffix
        etag = f'"{id}-{made.path.name}"'
        return Result(made.path, kind, f"{name}{suffix}", etag, made.file)

    async def result_preview(self, id: str, side: int | None = None) -> Picture:
        """Returns a job's result as browsers show it, at most `side` px a side."""
        job = await self._done(id)
        values, profile = self._spool.result(id), self._spool.profile(job.image_id)
        kept = self._pictures.has_room(job.owner)
        return await self._renders.preview(values, profile, side, kept=kept)

    async def job_preview(self, id: str) -> Picture:
        """Returns the last picture of a fit on its way, or its result.

        Refused is 404 a job without one; `Job.preview` counts them.
        """
        job = await self.job(id)
        if job.status is Status.DONE:
            return await self.result_preview(id)
        values, profile = self._spool.fit(id), self._spool.profile(job.image_id)
        if not job.preview or not values.is_file():
            raise refusals.not_found("preview")
        return await self._renders.preview(values, profile, None, kept=False)

    async def feedback(self, id: str, rating: int, reason: str | None = None) -> None:
        """Writes down what somebody thinks of a result: 1 or -1."""
        job = await self.job(id)
        if rating not in (1, -1):
            detail = f"A rating is 1 or -1, and this one {rating}."
            raise Refusal(422, "rating", "This is no rating", detail)
        reason = reason and reason[:_MOST_REASON]
        await self._jobs.register.clerk.call(
            self.ledger.feedback, job.id, rating, reason
        )

    async def _those(self, jobs: Sequence[Job]) -> list[Job]:
        """Jobs as they stand, without those that are deleted meanwhile."""
        found = []
        for job in jobs:
            with contextlib.suppress(Refusal):
                found.append(await self.job(job.id))
        return found

    async def _done(self, id: str) -> Job:
        job = await self.job(id)
        if job.status is not Status.DONE:
            why = job.detail or f"This job is {job.status}, and has no result."
            raise Refusal(409, "not_done", "There is no result", why)
        if not self._spool.result(id).is_file():
            raise refusals.gone("result")
        return job

    def _new_job(
        self,
        owner: str,
        image_id: str,
        task: str,
        method: str,
        options: Mapping[str, Any],
    ) -> Job:
        now = self._clock()
        expires = now + self.settings.kept_s
        return Job(new_id(), owner, image_id, task, method, now, expires, options)
