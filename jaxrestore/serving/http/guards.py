"""What stands between the network and the app: pure ASGI, so that streams stay streams.

Each refuses what the app need not see, and answers it as a problem.
"""

import asyncio
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers as HeaderValues
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.serving import refusals
from jaxrestore.serving.http import problems
from jaxrestore.serving.refusals import Refusal

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: "
    "data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
FIXED = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "private, no-store",  # unless an answer says otherwise
}
HSTS = "max-age=31536000"
SAFE = ("GET", "HEAD", "OPTIONS")
# Whoever watches a server may call it by its address, as Kubernetes does.
PROBES = ("/healthz", "/readyz")

MOST_HEADERS = 100
MOST_HEADER_BYTES = 32_768
MOST_ADDRESS = 8_192


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answers a request with a refusal, and has its connection closed.

    `Watching` counts what is noted in the scope's state.
    """
    scope.setdefault("state", {})["refused"] = refusal
    answer = problems.before_routes(scope, refusal, {"connection": "close"})
    await answer(scope, receive, send)


class Headers:
    """Adds to every answer what browsers keep each other out with, and a request's id.

    `secure`: the server is behind TLS, and browsers are told to stay there.
    """

    def __init__(self, app: ASGIApp, secure: bool):
        """Wraps an app."""
        self.app = app
        fixed = {**FIXED, "strict-transport-security": HSTS} if secure else FIXED
        self._fixed = [(name.encode(), text.encode()) for name, text in fixed.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        name = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = name

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ())]
                there = {key.lower() for key, _ in headers}
                headers += [pair for pair in self._fixed if pair[0] not in there]
                headers.append((b"x-request-id", name.encode()))
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, sending)


class Failures:
    """Answers what the app did not expect as a problem, and has it written down.

    `told` gets the error; nothing of it is sent.
    """

    def __init__(self, app: ASGIApp, told: Callable[[Exception], object]):
        """Wraps an app."""
        self.app, self.told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientDisconnect:
            return  # nobody is left to answer
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            if not started:
                await refuse(scope, receive, send, problems.ends())
            raise
        except Exception as error:
            full = refusals.no_room(error)  # as for a form's file, on its way to us
            if full is None or started:
                self.told(error)
            if started:  # the server closes the connection, so that it is noticed
                raise
            await refuse(scope, receive, send, full or problems.unexpected())


class Requests:
    """Refuses requests that no honest client of ours makes, whatever they ask for."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        """Wraps an app; `hosts` are the names that it goes by, `*.` before any."""
        self.app, self.hosts = app, tuple(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = self._look(scope)
        if refusal is not None:
            return await refuse(scope, receive, send, refusal)
        await self.app(scope, receive, send)

    def _look(self, scope: Scope) -> Refusal | None:
        headers = HeaderValues(scope=scope)
        size = sum(len(name) + len(text) for name, text in headers.raw)
        if len(headers.raw) > MOST_HEADERS or size > MOST_HEADER_BYTES:
            told = (
                f"A request has up to {MOST_HEADERS} headers, of {MOST_HEADER_BYTES:,} "
                "bytes in all."
            )
            return Refusal(431, "headers", "The headers are too many", told)
        if (
            len(scope.get("raw_path") or b"") + len(scope["query_string"])
            > MOST_ADDRESS
        ):
            told = f"An address has up to {MOST_ADDRESS:,} characters."
            return Refusal(414, "long_address", "The address is too long", told)
        if scope["http_version"] not in ("1.0", "1.1", "2"):
            told = "This server speaks HTTP/1.1."
            return Refusal(505, "http_version", "Another version of HTTP", told)
        hosts = headers.getlist("host")
        probe = scope["path"] in PROBES and not hosts[1:]
        if not probe and (len(hosts) != 1 or not self._ours(hosts[0])):
            told = (
                f"The server does not go by the name {hosts[0][:80]!r}; whoever runs "
                "it can add it to its names."
                if len(hosts) == 1
                else "A request has one header Host."
            )
            return Refusal(400, "host", "This host is not known", told)
        if headers.get("content-encoding", "identity").lower() != "identity":
            told = "Send the body as it is, without Content-Encoding."
            return Refusal(415, "encoded_body", "The body is encoded", told)
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in scope["path"]):
            told = "The address has control characters in it."
            return Refusal(400, "address", "The address cannot be read", told)
        return None

    def _ours(self, host: str) -> bool:
        name = hostname(host)
        return name is not None and any(
            name == known
            or known == "*"
            or (known.startswith("*.") and name.endswith(known[1:]))
            for known in self.hosts
        )


def hostname(host: str) -> str | None:
    """Returns the name in a header `Host`, without port; None where it has none."""
    if any(letter in host for letter in "/@\\ ?#,"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  it raises for a port that is none
    except ValueError:
        return None
    return parts.hostname


class Origins:
    """Refuses that another site's page changes something here, cookie or not.

    By `Sec-Fetch-Site`, which browsers send, or else by `Origin`. `origins` may.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]):
        """Wraps an app."""
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        unsafe = scope["type"] == "http" and scope["method"] not in SAFE
        if unsafe and self._foreign(HeaderValues(scope=scope)):
            told = "Another site's page may not do this; open this server's own page."
            refusal = Refusal(403, "foreign", "This comes from another site", told)
            return await refuse(scope, receive, send, refusal)
        await self.app(scope, receive, send)

    def _foreign(self, headers: HeaderValues) -> bool:
        origin = headers.get("origin")
        if origin is not None and origin in self.origins:
            return False
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        if origin is None:  # no browser of these years
            return False
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


class Heads:
    """Answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp):
        """Wraps an app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, sending)
        finally:
            scope["route"] = inner.get("route")
