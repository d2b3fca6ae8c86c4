"""Files that are made of arrays in the spool when somebody asks: previews, results."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrestore.image_files import formats
from jaxrestore.serving import decoding, refusals
from jaxrestore.serving.children import Children
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings

FORMATS = ("png", "jpeg", "webp", "tiff", "avif")
# Of previews; others become the next larger one. Above a picture is as it is.
_SIDES = (256, 512, 1024, 2048, 4096, 8192, 16_384)


class Picture(NamedTuple):
    """A picture to be shown: the bytes of a file, and its media type."""

    content: bytes
    media_type: str


class Renders:
    """Makes each file once, in children, also where several ask at once."""

    def __init__(self, settings: Settings, children: Children):
        """Makes nothing yet."""
        self._settings, self._children = settings, children
        self._making: dict[Path, asyncio.Task] = {}

    async def preview(
        self, values: Path, profile: Path, side: int | None, *, kept: bool = True
    ) -> Picture:
        """Returns an array as browsers show it, at most about `side` px a side.

        None is `preview_side`; who compares pictures asks for all of their pixels. It
        is `kept` beside the array, unless that changes. Raises as `Children.call`.
        """
        wanted = side or self._settings.preview_side
        side = next((known for known in _SIDES if known >= wanted), _SIDES[-1])
        own = "" if kept else f"-{secrets.token_hex(4)}"
        kept_in = values.with_name(f"{values.stem}-{side}{own}.preview")

        async def make() -> None:
            await self._children.call(
                decoding.preview,
                values,
                profile,
                kept_in,
                side,
                seconds=self._settings.encode_s,
            )

        with _gone(values):
            await self._once(kept_in, make)
            content = await asyncio.to_thread(kept_in.read_bytes)
        if not kept:
            kept_in.unlink(missing_ok=True)
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
    ) -> Path:
        """Returns a file of an array in a format, which is kept beside it.

        Raises 422 for what the format does not hold, and as `Children.call`.
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

        async def make() -> None:
            await self._children.call(
                decoding.encode,
                values,
                profile,
                place,
                quality,
                bits,
                seconds=self._settings.encode_s,
            )

        with _gone(values):
            await self._once(place, make)
        return place

    async def _once(self, path: Path, make: Callable[[], Awaitable[None]]) -> None:
        if path.exists():
            return
        task = self._making.get(path)
        if task is None:
            task = asyncio.ensure_future(make())
            self._making[path] = task
            task.add_done_callback(lambda done: self._making.pop(path, None))
        await asyncio.shield(task)


@contextlib.contextmanager
def _gone(values: Path) -> Iterator[None]:
    """What fails because the array was deleted meanwhile is 404, and no bug."""
    try:
        yield
    except Exception as error:
        if values.exists():
            raise
        raise refusals.not_found("picture") from error
