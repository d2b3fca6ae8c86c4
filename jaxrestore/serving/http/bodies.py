"""Bodies: how large, how slow they may be, and what becomes of one that is not read."""

import asyncio
import contextlib
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.raters.answers import MOST_BYTES
from jaxrestore.serving.http import problems
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings

_GRACE = 5.0  # seconds before a rate is a rate
_FORM = 2**20  # bytes of a form beside its files
_SMALL = 2**18  # bytes of JSON, and of forms without files
_LEFT = 2**20  # bytes that are read of a body that nobody wants
_LEFT_S = 2.0


def limit(settings: Settings, path: str, media: str) -> int:
    """Returns how many bytes a body may have, by where it goes and what it is."""
    media = media.partition(";")[0].strip().lower()
    if path.endswith("/answers"):
        return MOST_BYTES
    if media.endswith("json") or media == "application/x-www-form-urlencoded":
        return _SMALL
    if "batch" in path:
        return settings.max_batch_bytes + _FORM
    files = 2 if path.endswith("/restore") else 1  # a picture and a mask
    return files * settings.max_bytes + _FORM


class Bodies:
    """Ends bodies that are too large (413) or too slow (408), and says so.

    A body has `body_s` seconds, longer where it may be larger than `max_bytes`, and
    `body_rate` bytes a second. What counts is the time that is spent waiting for it,
    not that in which the server is busy. Whoever reads it is given the refusal, and
    whatever is answered then, the refusal is sent. An answer before the end of a body
    closes the connection, after a moment in which the client can read it.
    """

    def __init__(self, app: ASGIApp, settings: Settings):
        """Wraps an app."""
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body = _Body(self.settings, scope, receive, send)
        if body.refusal is not None:
            return await body.refuse()
        try:
            await self.app(scope, body.receive, body.send)
        except Refusal as error:
            if error is not body.refusal:
                raise
        if body.refusal is not None and not body.started:
            await body.refuse()


class _Body:
    """One request: what of its body came, and what was answered."""

    def __init__(self, settings: Settings, scope: Scope, receive: Receive, send: Send):
        headers = Headers(scope=scope)
        self._scope, self._receive, self._send = scope, receive, send
        self._most = limit(settings, scope["path"], headers.get("content-type", ""))
        share = max(1.0, self._most / (settings.max_bytes + _FORM))
        self._seconds, self._rate = settings.body_s * share, settings.body_rate
        self._asks = "expect" in headers  # it waits until it is told to go on
        self._waited, self._came = 0.0, 0
        self.complete = self.started = self._replaced = False
        self.refusal: Refusal | None = None
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._most:
            self.refusal = _too_large(self._most)

    async def receive(self) -> Message:
        """Returns what comes next, or raises the refusal."""
        if self.complete:
            return await self._receive()
        if self.refusal is not None:
            raise self.refusal
        try:
            message = await self._next(self._left())
        except TimeoutError:
            return self._end(_too_slow(self._seconds, self._rate))
        if self._came > self._most:
            return self._end(_too_large(self._most))
        return message

    async def _next(self, seconds: float) -> Message:
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        finally:
            self._waited += time.monotonic() - began
        self._came += len(message.get("body", b""))
        ends = not message.get("more_body", False)
        self.complete = message["type"] == "http.disconnect" or ends
        return message

    def _left(self) -> float:
        """The seconds for which more may be waited."""
        slow = max(_GRACE, self._came / self._rate)
        return max(0.0, min(self._seconds, slow) - self._waited)

    def _end(self, refusal: Refusal) -> Message:
        if self.started:  # it is too late to say so
            self.complete = True
            return {"type": "http.disconnect"}
        self.refusal = refusal
        raise refusal

    async def refuse(self) -> None:
        """Sends the refusal."""
        assert self.refusal is not None
        answer = problems.before_routes(self._scope, self.refusal)
        await answer(self._scope, self._receive, self._sending)

    async def send(self, message: Message) -> None:
        """Sends an answer, or the refusal in its place."""
        if self._replaced:
            return
        if self.refusal is not None and not self.started:
            self._replaced = True
            return await self.refuse()
        await self._sending(message)

    async def _sending(self, message: Message) -> None:
        """Sends an answer; before the end of a body it is the last one."""
        if message["type"] == "http.response.start":
            self.started = True
            if not self._done():
                headers = [*message.get("headers", ())]
                if (b"connection", b"close") not in headers:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
        elif not message.get("more_body", False) and not self._done():
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._send(message)

    def _done(self) -> bool:
        """Whether no more of the body will come: it has ended, or there is none."""
        headers = Headers(scope=self._scope)
        sends = "transfer-encoding" in headers or (
            headers.get("content-length", "0") != "0"
        )
        return self.complete or not sends

    async def _drain(self) -> None:
        """Reads on for a moment: a closed socket would throw the answer away."""
        late = self.refusal is not None and self.refusal.status == 408
        if self._asks or late:
            return
        most = self._came + _LEFT
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEFT_S):
                while not self.complete and self._came < most:
                    await self._next(_LEFT_S)


def _too_large(most: int) -> Refusal:
    told = f"The body has more than {most:,} bytes; make the picture smaller."
    return Refusal(413, "too_many_bytes", "That is too large", told, limit=float(most))


def _too_slow(seconds: float, rate: int) -> Refusal:
    told = (
        f"The body did not come within {seconds:g} s, or was slower than {rate:,} "
        "bytes a second; try again with a better connection."
    )
    return Refusal(408, "too_slow", "The upload was too slow", told)
