"""Files that are made of arrays in the spool when somebody asks: previews, results."""

import asyncio
import contextlib
import io
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrestore.image_files import formats
from jaxrestore.serving import decoding, refusals
from jaxrestore.serving.children import Children
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool

FORMATS = ("png", "jpeg", "webp", "tiff", "avif")
# Of previews; others become the next larger one. Above a picture is as it is.
_SIDES = (256, 512, 1024, 2048, 4096, 8192, 16_384)
_MOST_HELD = 2**28  # bytes of results that are not on the disk, beside the first


class Picture(NamedTuple):
    """A picture to be shown: the bytes of a file, and its media type."""

    content: bytes
    media_type: str


class Encoded(NamedTuple):
    """A file of a result: the path where it is kept, or itself, where it is not."""

    path: Path
    file: io.BytesIO | None = None


class Renders:
    """Makes each file once, in children, also where several ask at once.

    Where the disk has no room for it a file is held in memory until it is sent.
    """

    def __init__(self, settings: Settings, children: Children, spool: Spool):
        """Makes nothing yet; what is kept is counted in the `spool`."""
        self._settings, self._children, self._spool = settings, children, spool
        self._making: dict[Path, asyncio.Task[bytes]] = {}
        self._held: weakref.WeakKeyDictionary[io.BytesIO, int] = (
            weakref.WeakKeyDictionary()
        )

    async def preview(
        self, values: Path, profile: Path, side: int | None, *, kept: bool = True
    ) -> Picture:
        """Returns an array as browsers show it, at most about `side` px a side.

        None is `preview_side`; who compares pictures asks for all of their pixels. It
        is `kept` beside the array, unless that changes or has no room. Raises as
        `Children.call`.
        """
        wanted = side or self._settings.preview_side
        side = next((known for known in _SIDES if known >= wanted), _SIDES[-1])
        place = values.with_name(f"{values.stem}-{side}.preview")
        asked = (decoding.preview, values, profile, place, side, kept)
        with _gone(values):
            content = await self._once(place, *asked)
            content = content or await asyncio.to_thread(place.read_bytes)
        png = content.startswith(b"\x89PNG")
        return Picture(content, "image/png" if png else "image/jpeg")

    async def encoded(
        self,
        values: Path,
        profile: Path,
        format: str,
        *,
        quality: int | None = None,
        bits: int | None = None,
        kept: bool = True,
    ) -> Encoded:
        """Returns a file of an array in a format, which is `kept` beside it.

        Raises 422 for what the format does not hold, 507 where there is no room for it,
        and as `Children.call`.
        """
        name = {"jpg": "jpeg", "tif": "tiff"}.get(format, format)
        if name not in FORMATS:
            raise Refusal(
                422,
                "no_format",
                "There is no such format",
                f"Results come as {', '.join(FORMATS)}; {format[:20]!r} is none of "
                "them.",
            )
        suffix = formats.FORMATS[name].suffixes[0]
        place = values.with_name(f"{values.stem}-{quality or 0}-{bits or 0}{suffix}")
        with _gone(values):
            asked = (decoding.encode, values, profile, place, quality, bits, kept)
            content = await self._once(place, *asked)
        return Encoded(place, self._hold(content) if content else None)

    async def _once(self, path: Path, *asked) -> bytes:
        """Nothing where the file is there, or made; its content where it is not."""
        if path.exists():
            return b""
        task = self._making.get(path)
        if task is None:
            task = asyncio.ensure_future(self._made(path.parent, *asked))
            self._making[path] = task
            task.add_done_callback(lambda done: self._making.pop(path, None))
        return await asyncio.shield(task)

    async def _made(self, place: Path, *asked) -> bytes:
        seconds = self._settings.encode_s
        answer = await self._children.call(*asked, seconds=seconds)
        self._spool.weigh(place)
        return answer.value

    def _hold(self, content: bytes) -> io.BytesIO:
        """The content as a file, unless those on their way have the memory."""
        held = sum(self._held.values())
        if held and held + len(content) > _MOST_HELD:
            raise Refusal(
                507,
                "disk_full",
                "The server has no room",
                "There is no room for results on the disk of the server, and too many "
                "are on their way from its memory; ask again in a moment.",
                retry_after=5,
            )
        file = io.BytesIO(content)
        self._held[file] = len(content)
        return file


@contextlib.contextmanager
def _gone(values: Path) -> Iterator[None]:
    """What fails because the array was deleted meanwhile is 404, and no bug."""
    try:
        yield
    except Exception as error:
        if values.exists():
            raise
        raise refusals.not_found("picture") from error
