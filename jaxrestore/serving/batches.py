"""Several pictures restored in the same way, and their results in one file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from jaxrestore.serving import archives, refusals, uploads
from jaxrestore.serving.children import Children
from jaxrestore.serving.jobs import Jobs
from jaxrestore.serving.pictures import Pictures
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool, checked, new_id
from jaxrestore.serving.values import Batch, Image, Job, Status

_PARTS = 2**20  # bytes that are sent at once


class Batches:
    """The batches that are kept, by id."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        children: Children,
        pictures: Pictures,
        jobs: Jobs,
        clock: Callable[[], float],
    ):
        """Holds nothing yet."""
        self.all: dict[str, Batch] = {}
        self._settings, self._spool, self._children = settings, spool, children
        self._pictures, self._jobs, self._clock = pictures, jobs, clock
        self._making: set[str] = set()  # owners

    def get(self, id: str) -> Batch:
        """Returns a batch; raises 404."""
        if id not in self.all:
            checked(id, "batch")
            raise refusals.not_found("batch")
        return self.all[id]

    def jobs(self, batch: Batch) -> list[Job]:
        """Returns the jobs of a batch that are kept, in the order of its files."""
        found = (self._jobs.register.now(id) for id in batch.jobs)
        return [job for job in found if job is not None]

    async def add(
        self,
        owner: str,
        images: Sequence[str] | AsyncIterator[bytes],
        task: str,
        add_job: Callable[[Image, str], Awaitable[Job]],
    ) -> Batch:
        """Returns a batch, whose jobs are made by `add_job` of an image and its id.

        Files that are no pictures are skipped, and those of a zip file that no job
        comes of are deleted; see `Service.add_batch`.
        """
        self._check_room(owner)
        self._making.add(owner)
        skipped: dict[str, str] = {}
        unpacked: list[Image] = []
        try:
            if isinstance(images, Sequence):
                found = self._known(images)
            else:
                found = await self._unpacked(owner, images, skipped, unpacked)
            return await self._made(owner, found, task, add_job, skipped)
        finally:
            self._making.discard(owner)
            needed = {job.image_id for job in self._jobs.register}
            for image in unpacked:  # of which nobody knows the others
                if image.id not in needed:
                    self._pictures.delete(image.id)

    async def zipped(
        self,
        batch: Batch,
        rendered: Callable[[Job], Awaitable[tuple[bytes, str]]],
    ) -> AsyncIterator[bytes]:
        """Yields a zip file of what is done, and of manifest.csv.

        `rendered` returns of a job that is done the file of its result, and its name.
        """
        packing, rows = archives.Packing(), []
        for job in self.jobs(batch):
            image = self._pictures.all.get(job.image_id)
            row = {"file": "", "picture": image.stem if image else "", **_row(job)}
            if job.status is Status.DONE:
                try:
                    content, name = await rendered(job)
                    row["file"] = packing.free(name)
                    part = await asyncio.to_thread(packing.put, row["file"], content)
                    for start in range(0, len(part), _PARTS):
                        yield part[start : start + _PARTS]
                except (Refusal, FileNotFoundError) as error:
                    row["why"] = str(error)
            rows.append(row)
        for name, why in batch.skipped.items():
            rows.append({"picture": name, "status": "skipped", "why": why})
        if not rows:
            rows.append({"picture": "", "status": "empty"})
        yield packing.put("manifest.csv", archives.table(rows))
        yield packing.end()

    def cancel(self, batch: Batch) -> None:
        """Cancels the jobs of a batch that have not ended."""
        for id in batch.jobs:
            self._jobs.cancel(id)

    def delete(self, batch: Batch) -> None:
        """Cancels a batch, and deletes its images, its jobs and itself."""
        images = {job.image_id for job in self.jobs(batch)}
        for job in self._jobs.register:
            if job.image_id in images:  # of the batch or not: without it they are lost
                self._jobs.delete(job.id)
        for id in images:
            self._pictures.delete(id)
        self.all.pop(batch.id, None)
        self._spool.delete(Batch, batch.id)

    def expire(self) -> None:
        """Deletes batches whose time is over and whose jobs are gone."""
        now = self._clock()
        for batch in [*self.all.values()]:
            if batch.expires <= now and not self.jobs(batch):
                self.all.pop(batch.id, None)
                self._spool.delete(Batch, batch.id)

    def _check_room(self, owner: str) -> None:
        open_ones = [b for b in self.all.values() if self._is_at_work(b)]
        own = owner in self._making or any(b.owner == owner for b in open_ones)
        most = self._settings.max_batches
        if own or len(open_ones) + len(self._making) >= most:
            said = (
                "You have a batch at work; wait until it ends."
                if own
                else (
                    f"{most} batches are at work, which are the most; try again later."
                )
            )
            raise Refusal(
                429 if own else 503,
                "own_batch" if own else "too_many_batches",
                "There is a batch at work already" if own else "The server is busy",
                said,
                limit=1 if own else most,
                retry_after=60,
            )
        self._pictures.check_room(owner)

    def _is_at_work(self, batch: Batch) -> bool:
        return any(not job.final for job in self.jobs(batch))

    def _known(self, ids: Sequence[str]) -> list[Image]:
        most = self._settings.max_batch_images
        if not ids or len(ids) > most:
            raise Refusal(
                422,
                "batch_size",
                "The batch has no fitting size",
                f"A batch has 1 to {most} pictures, and this one {len(ids)}.",
                limit=most,
            )
        return [self._pictures.get(id) for id in ids]

    async def _unpacked(
        self,
        owner: str,
        chunks: AsyncIterator[bytes],
        skipped: dict[str, str],
        unpacked: list[Image],
    ) -> list[Image]:
        limits, incoming = self._settings, self._spool.incoming
        seconds = limits.decode_s
        async with uploads.received(chunks, incoming, limits.max_batch_bytes) as upload:
            answer = await self._children.call(
                archives.listed,
                upload.path,
                limits.max_batch_images,
                limits.max_batch_bytes,
                limits.max_zip_ratio,
                seconds=seconds,
            )
            members = [archives.Member(*one) for one in answer.value]
            room = asyncio.Semaphore(limits.decoders)  # others come between

            async def taken(member: archives.Member) -> Image:
                path = incoming / new_id()
                arguments = (upload.path, member.index, path, limits.max_bytes)
                async with room:
                    self._pictures.check_room(owner)
                    try:
                        await self._children.call(
                            archives.unpack, *arguments, seconds=seconds
                        )
                        one = await asyncio.to_thread(uploads.of_file, path)
                        image = await self._pictures.decoded(owner, one, member.name)
                        unpacked.append(image)
                        return image
                    finally:
                        path.unlink(missing_ok=True)

            made = await asyncio.gather(*map(taken, members), return_exceptions=True)
        found = [image for image in made if isinstance(image, Image)]
        for member, one in zip(members, made, strict=True):
            if isinstance(one, Refusal) and one.status < 500 and one.status != 429:
                skipped[_unused(skipped, uploads.shown(member.name))] = str(one)
            elif isinstance(one, BaseException):  # of the server, not of the file
                raise one
        if not found:
            why = "; ".join(f"{name}: {said}" for name, said in [*skipped.items()][:3])
            raise Refusal(
                422, "no_pictures", "There is no picture in the zip file", why
            )
        return found

    async def _made(
        self,
        owner: str,
        images: Sequence[Image],
        task: str,
        add_job: Callable[[Image, str], Awaitable[Job]],
        skipped: Mapping[str, str],
    ) -> Batch:
        id, jobs, skipped = new_id(), [], dict(skipped)
        refused: Refusal | None = None
        try:
            for image in images:
                try:
                    jobs.append((await add_job(image, id)).id)
                except Refusal as error:
                    refused = error
                    skipped[_unused(skipped, image.stem)] = str(error)
            if refused is not None and not jobs:
                raise refused
            now = self._clock()
            expires = now + self._settings.kept_s
            batch = Batch(id, owner, task, tuple(jobs), now, expires, skipped)
            place = self._spool.make(Batch, id)
            await asyncio.to_thread(self._spool.keep, batch)
        except BaseException:  # nobody is told of them
            for job in jobs:
                self._jobs.delete(job)
            self._spool.delete(Batch, id)
            raise
        self._spool.weigh(place)
        self.all[id] = batch
        return batch


def _row(job: Job) -> dict[str, Any]:
    numbers = ("width", "height", "queued_s", "run_s")
    told = {"status": str(job.status), "task": job.task, "method": job.method}
    told |= {name: job.numbers.get(name, "") for name in numbers}
    return {**told, "why": job.detail or ""}


def _unused(known: Mapping[str, str], name: str) -> str:
    count, wanted = 1, name
    while wanted in known:
        count += 1
        wanted = f"{name} ({count})"
    return wanted
