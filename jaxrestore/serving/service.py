"""What the pages and the API call: pictures in, jobs, results out."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore.serving.contracts import Engine, Ledger
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.values import Batch, Event, Image, Job, Status, TaskInfo

Told = Callable[[Event], object]
Watch = Callable[[Job | Refusal], object]


class Result(NamedTuple):
    """A file to be sent: its media type, its name for people, and its entity tag."""

    path: Path
    media_type: str
    name: str
    etag: str


class Picture(NamedTuple):
    """A picture to be shown: the bytes of a file, and its media type."""

    content: bytes
    media_type: str


class Service:
    """The web app without HTTP. Everything runs in one event loop.

    Its coroutines raise `Refusal` for what is not done, 404 for ids that nothing has,
    410 for what has expired. Who may ask for an id is not asked here: whoever knows it.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Callable[[Told], Engine],
        ledger: Ledger,
        *,
        watch: Watch = lambda what: None,
        clock: Callable[[], float] = time.time,
    ):
        """Makes the engine by calling `engine` with what it tells its events.

        `watch` is called, in the event loop, with each job as it changes and each
        refusal of a job or an upload: metrics and logs are made of them.
        """
        self.settings = settings
        self.engine = engine(self.told)
        self.ledger = ledger

    def told(self, event: Event) -> None:
        """Takes what the engine tells."""
        raise NotImplementedError

    async def start(self) -> None:
        """Takes up what an earlier process left, and starts the engine.

        It does not wait until this is warm; see `ready`. Raises `DiskError` for a spool
        that cannot be written, and `ConfigError` for one that another server uses.
        """
        raise NotImplementedError

    async def stop(self, drain_s: float | None = None) -> None:
        """Takes nothing more, lets what runs end within so many seconds, and ends.

        What is queued stays in the spool and in the ledger, for the next start.
        """
        raise NotImplementedError

    def health(self) -> tuple[bool, list[str]]:
        """Returns whether the process is alive, which it is; it never asks the engine."""
        raise NotImplementedError

    def ready(self) -> tuple[bool, list[str]]:
        """Returns whether jobs are taken and done, and else why not, in sentences."""
        raise NotImplementedError

    def gauges(self) -> Mapping[str, float]:
        """Returns numbers of now: `queue_jobs`, `queue_pixels`, `spool_bytes`, ..."""
        raise NotImplementedError

    def tasks(self) -> list[TaskInfo]:
        """Returns what can be done; nothing before the engine is ready once."""
        raise NotImplementedError

    async def add_image(
        self, owner: str, chunks: AsyncIterator[bytes], stem: str | None = None
    ) -> Image:
        """Returns the image that was uploaded, decoded and checked.

        `stem` is the name it had, of which only harmless characters are kept. Refused
        are 413 what is too large, 415 what is no image, 422 what is too small or cannot
        be read faithfully, 429 and 503 too many at once, 507 a full spool.
        """
        raise NotImplementedError

    async def image(self, id: str) -> Image:
        """Returns an image."""
        raise NotImplementedError

    async def images(self, owner: str) -> list[Image]:
        """Returns the images of an owner, the last one first."""
        raise NotImplementedError

    async def preview(self, id: str, side: int | None = None) -> Picture:
        """Returns an image as browsers show it: sRGB, at most `side` px a side."""
        raise NotImplementedError

    async def delete_image(self, id: str) -> None:
        """Deletes an image, and cancels and deletes its jobs."""
        raise NotImplementedError

    async def add_mask(
        self, owner: str, image_id: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Returns the id of a mask: an image file of the image's size, white is missing.

        Refused are 422 another size, one that is empty, and one that leaves nothing.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    async def job(self, id: str) -> Job:
        """Returns a job as it stands now."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def wait(self, id: str, seconds: float) -> Job:
        """Returns a job once it is final, or as it stands after so many seconds."""
        raise NotImplementedError

    def events(self, id: str) -> AsyncIterator[Job]:
        """Yields a job as it stands, and at each change, until it is final.

        A reader that is slow is given the last of several changes.
        """
        raise NotImplementedError

    async def cancel(self, id: str) -> Job:
        """Ends a job, within a tile where it runs; one that has ended stays as it is."""
        raise NotImplementedError

    async def finish(self, id: str) -> Job:
        """Ends a running fit of the prior, whose best picture so far is its result.

        Refused is 409 any other job.
        """
        raise NotImplementedError

    async def delete_job(self, id: str) -> None:
        """Cancels a job and deletes its result; the record without pixels stays."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def result_preview(self, id: str, side: int | None = None) -> Picture:
        """Returns a job's result as browsers show it, at most `side` px a side."""
        raise NotImplementedError

    async def job_preview(self, id: str) -> Picture:
        """Returns the last picture of a fit on its way, or its result.

        Refused is 404 a job without one; `Job.preview` counts them.
        """
        raise NotImplementedError

    async def feedback(self, id: str, rating: int, reason: str | None = None) -> None:
        """Writes down what somebody thinks of a result: 1 or -1."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def batch(self, id: str) -> Batch:
        """Returns a batch; its jobs are asked by their ids, or with `batch_jobs`."""
        raise NotImplementedError

    async def batch_jobs(self, id: str) -> list[Job]:
        """Returns the jobs of a batch, in the order of its files."""
        raise NotImplementedError

    async def batch_zip(
        self, id: str, format: str = "png", *, quality: int | None = None
    ) -> AsyncIterator[bytes]:
        """Returns the parts of a zip file with what is done, and manifest.csv.

        That has a line for each file: its name, what became of it, and why.
        """
        raise NotImplementedError

    async def cancel_batch(self, id: str) -> Batch:
        """Cancels the jobs of a batch that have not ended."""
        raise NotImplementedError

    async def delete_batch(self, id: str) -> None:
        """Cancels a batch, and deletes its images, jobs and results."""
        raise NotImplementedError
