"""Pictures that were uploaded, and their masks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.serving import decoding, refusals, uploads
from jaxrestore.serving.buckets import Bucket
from jaxrestore.serving.children import Children
from jaxrestore.serving.quarantine import Quarantine
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.register import Register
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool, checked, new_id
from jaxrestore.serving.values import Image

_MOST_GONE = 10_000


class Pictures:
    """The images that are kept, by id."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        children: Children,
        register: Register,
        *,
        quarantine: Quarantine,
        clock: Callable[[], float],
    ):
        """Holds nothing yet; what is in quarantine is refused."""
        self.all: dict[str, Image] = {}
        self._settings, self._spool, self._children = settings, spool, children
        self._register = register  # of jobs, whose results have room too
        self._quarantine, self._clock = quarantine, clock
        self._rate = Bucket(settings.owner_uploads, clock)
        self._gone: dict[str, None] = {}
        self._limits = decoding.Limits(
            settings.max_pixels,
            settings.max_side,
            settings.min_side,
            settings.max_aspect,
        )

    def get(self, id: str) -> Image:
        """Returns an image; raises 404 and 410."""
        if id not in self.all:
            checked(id, "image")
            gone = id in self._gone
            raise refusals.gone("image") if gone else refusals.not_found("image")
        return self.all[id]

    def facts(self, image: Image) -> dict[str, Any]:
        """Returns what is written down of the image of a job."""
        names = ("format", "bytes", "sha256", "width", "height", "channels", "bits")
        return {name: getattr(image, name) for name in (*names, "alpha")}

    async def add(
        self, owner: str, chunks: AsyncIterator[bytes], stem: str | None
    ) -> Image:
        """Returns the image that was uploaded; see `Service.add_image`."""
        self.check_room(owner)
        self._check_rate(owner)
        most = self._settings.max_bytes
        async with uploads.received(chunks, self._spool.incoming, most) as upload:
            return await self.decoded(owner, upload, stem)

    async def decoded(
        self, owner: str, upload: uploads.Upload, stem: str | None
    ) -> Image:
        """Returns the image in a file that was received."""
        self._quarantine.check(upload.sha256)
        id = new_id()
        place = self._spool.make(Image, id)
        try:
            answer = await self._children.call(
                decoding.decode,
                upload.path,
                self._spool.values(id),
                self._spool.profile(id),
                self._limits,
                self._spool.cells(id),
                seconds=self._settings.decode_s,
            )
            now = self._clock()
            image = Image(
                id=id,
                owner=owner,
                **decoding.Decoded(*answer.value)._asdict(),
                bytes=upload.bytes,
                sha256=upload.sha256,
                stem=uploads.stem(stem),
                created=now,
                expires=now + self._settings.kept_s,
                notices=tuple(
                    said.replace(f"{upload.path}: ", "") for said in answer.notices
                ),
            )
            await asyncio.to_thread(self._spool.keep, image)
        except BaseException:
            self._spool.delete(Image, id)
            raise
        self._spool.weigh(place)
        self.all[id] = image
        return image

    async def add_mask(self, image: Image, chunks: AsyncIterator[bytes]) -> str:
        """Returns the id of a mask; see `Service.add_mask`."""
        self.check_room(image.owner)
        self._check_rate(image.owner)
        id, most = new_id(), self._settings.max_bytes
        async with uploads.received(chunks, self._spool.incoming, most) as upload:
            try:
                await self._children.call(
                    decoding.decode_mask,
                    upload.path,
                    self._spool.mask(image.id, id),
                    image.width,
                    image.height,
                    seconds=self._settings.decode_s,
                )
            finally:
                if image.id not in self.all:  # deleted meanwhile
                    self._spool.delete(Image, image.id)
                    self.get(image.id)
                self._spool.weigh(self._spool.place(Image, image.id))
        return id

    async def mask_share(self, image: Image, mask: str) -> float:
        """Returns how much of an image is missing by a mask; raises 404."""
        path = self._spool.mask(image.id, mask)
        if not path.exists():
            raise refusals.not_found("mask")
        return await asyncio.to_thread(_mean, path)

    def delete(self, id: str) -> None:
        """Deletes an image and what belongs to it, but not its jobs."""
        self.all.pop(id, None)
        self._spool.delete(Image, id)

    def expire(self, needed: Mapping[str, float]) -> None:
        """Deletes images whose time is over, and that no job has `needed` longer."""
        now = self._clock()
        for image in [*self.all.values()]:
            if max(image.expires, needed.get(image.id, 0.0)) <= now:
                self.delete(image.id)
                self._gone[image.id] = None
        while len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def has_room(self, owner: str) -> bool:
        """Whether what is made for an owner may be kept in the spool."""
        try:
            self.check_room(owner)
        except Refusal:
            return False
        return True

    def check_room(self, owner: str) -> None:
        """Raises 507 for a full spool, and 429 where an owner has too much in it."""
        limits, spool = self._settings, self._spool
        if spool.free() < limits.least_free or spool.bytes >= limits.max_spool:
            raise Refusal(
                507,
                "spool_full",
                "The server has no room",
                "There is no room for more pictures now; try again when older ones "
                "have expired.",
                limit=limits.max_spool,
                retry_after=limits.sweep_s,
            )
        every = (*self.all.values(), *self._register)
        own = (spool.place(type(one), one.id) for one in every if one.owner == owner)
        if sum(map(spool.size, own)) >= limits.owner_spool:
            raise Refusal(
                429,
                "own_spool",
                "You have too many pictures here",
                f"Your pictures and results take {limits.owner_spool / 2**30:g} GiB, "
                "which is the most; delete some, or wait until they expire.",
                limit=limits.owner_spool,
                retry_after=limits.sweep_s,
            )

    def _check_rate(self, owner: str) -> None:
        wait = self._rate.take(owner)
        if wait:
            raise Refusal(
                429,
                "too_many_uploads",
                "You upload too much at once",
                f"{self._settings.owner_uploads} uploads a minute are the most; wait a "
                "little.",
                limit=self._settings.owner_uploads,
                retry_after=max(wait, 1.0),
            )


def _mean(path: Path) -> float:
    return float(np.load(path, mmap_mode="r").mean())
