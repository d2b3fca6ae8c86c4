"""HTTP/1.1 on a connection: uvicorn's protocol, and the deadlines that it lacks.

It waits for the headers of a request, and for a client to read an answer, as long as it
takes; keeps headers of any size; adds trailers to the headers of a request that is
answered already; and has no limit of connections but one that answers in plain text.
"""

import asyncio
import http
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jaxrestore.serving.http import guards, problems
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings

MOST_HEAD = 65_536  # bytes, before the headers of a request have ended
MOST_CONNECTIONS = 1024
LAST = 0.5  # seconds, when the server ends


class Protocol(HttpToolsProtocol):
    """A connection that ends where its client is slow, or sends no end of headers."""

    settings: Settings
    _deadline: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _bytes, _complete = 0, False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            told = "The server has as many connections as it takes; try again."
            title = "Too many connections"
            self._end(Refusal(503, "connections", title, told, retry_after=1.0))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what it waited for."""
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sends, and counts it until the headers have ended."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._complete and not self.transport.is_closing():
            self._bytes += len(data)
            if self._bytes > MOST_HEAD:
                told = f"A request has up to {MOST_HEAD:,} bytes of headers."
                title = "The headers are too many"
                self._end(Refusal(431, "headers", title, told))

    def on_message_begin(self) -> None:
        """Begins to wait for headers, also of a further request."""
        super().on_message_begin()
        self._complete = False
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header, but no trailer: the app has read the headers by then."""
        if not self._complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hands the request over."""
        self._stop()
        self._bytes, self._complete = 0, True
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Begins to wait for the client to read."""
        super().pause_writing()
        if self._reader is None:
            seconds = self.settings.write_s
            self._reader = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def shutdown(self) -> None:
        """Ends, after a moment in which a request that is on its way can come."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST, super().shutdown)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        told = "The request is not HTTP/1.1 as RFC 9112 has it."
        self._end(Refusal(400, "no_http", "That is no request", told))

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.settings.header_s, self._late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        told = f"The headers did not come within {self.settings.header_s:g} s."
        self._deadline = None
        self._end(Refusal(408, "too_slow", "The request was too slow", told))

    def _end(self, refusal: Refusal) -> None:
        """Answers, unless that were taken for another answer, and closes."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_written(refusal))
        elif cycle.more_body and not cycle.response_started and not self.pipeline:
            cycle.disconnected = True  # what is wrong is its body
            cycle.message_event.set()
            self.transport.write(_written(refusal))
        self.transport.close()


def _written(refusal: Refusal) -> bytes:
    """An answer as it goes over the wire."""
    content = json.dumps(problems.fields(refusal)).encode()
    headers: dict[str, Any] = {
        "content-type": problems.MEDIA,
        "content-length": len(content),
        "connection": "close",
        **guards.FIXED,
        **problems.headers(refusal),
    }
    phrase = http.HTTPStatus(refusal.status).phrase
    lines = [f"HTTP/1.1 {refusal.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def protocol(settings: Settings) -> type[Protocol]:
    """Returns the protocol with these settings, as uvicorn takes one."""
    return type("Protocol", (Protocol,), {"settings": settings})
