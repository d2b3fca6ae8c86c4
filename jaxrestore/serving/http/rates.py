"""How often a client may ask; and its open streams."""

import asyncio
import contextlib
from collections.abc import Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.serving.buckets import Bucket
from jaxrestore.serving.http import problems
from jaxrestore.serving.http.guards import PROBES, SAFE, refuse
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings

_STREAMS = ("/events", "/live")


class Rates:
    """Refuses clients who ask too often (429): anything, and uploads.

    By token or address: a session costs nothing, so that it is no limit of its own.
    """

    def __init__(self, app: ASGIApp, settings: Settings):
        """Wraps an app."""
        requests, uploads = settings.address_requests, settings.address_uploads
        self.app = app
        self.requests, self.uploads = Bucket(requests), Bucket(uploads)
        self._most = {"requests": requests, "uploads": uploads}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            return await self.app(scope, receive, send)
        client = scope["state"]["caller"].client
        waits, what = self.requests.take(client), "requests"
        if not waits and scope["method"] not in SAFE and _uploads(scope["path"]):
            waits, what = self.uploads.take(client), "uploads"
        if waits:
            refusal = _too_often(what, self._most[what], waits)
            return await refuse(scope, receive, send, refusal)
        await self.app(scope, receive, send)


def _uploads(path: str) -> bool:
    return path.endswith(("/images", "/restore", "/batches", "/masks")) or path in (
        "/",
        "/batch",
    )


def _too_often(what: str, most: int, waits: float) -> Refusal:
    told = f"You may make {most:g} {what} a minute; wait a little."
    title = f"Too many {what}"
    return Refusal(429, f"too_many_{what}", title, told, limit=most, retry_after=waits)


class Streams:
    """Counts what a client follows (429 beyond), and ends it with the server.

    What streams is told by its address: it ends in `/events` or `/live`.
    """

    def __init__(self, app: ASGIApp, most: int, life: Lifetime):
        """Wraps an app; streams are counted in `life`, and end with it."""
        self.app, self._most, self._ending = app, most, life.ending
        self._open = life.streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or not scope["path"].endswith(_STREAMS):
            return await self.app(scope, receive, send)
        client = scope["state"]["caller"].client
        if self._open[client] >= self._most:
            return await refuse(scope, receive, send, _too_many_streams(self._most))
        place = contextlib.ExitStack()
        place.enter_context(self._place(client))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                place.close()  # before it is known: who hears of it may ask again
            await send(message)

        with place:
            await self._until_it_ends(scope, receive, sending)

    @contextlib.contextmanager
    def _place(self, client: str) -> Iterator[None]:
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    async def _until_it_ends(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        streaming = asyncio.ensure_future(self.app(scope, receive, sending))
        ended = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({streaming, ended}, return_when="FIRST_COMPLETED")
            if streaming.done():
                return streaming.result()
        finally:
            ended.cancel()
            streaming.cancel()
            await asyncio.gather(streaming, ended, return_exceptions=True)
        if started:
            await send({"type": "http.response.body"})
        else:
            await refuse(scope, receive, send, problems.ends())


def _too_many_streams(most: int) -> Refusal:
    return Refusal(
        429,
        "too_many_streams",
        "Too many open streams",
        f"You may follow {most} jobs at once; close one, or ask for the job itself now "
        "and then.",
        limit=float(most),
        retry_after=5.0,
    )
