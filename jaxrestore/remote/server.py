"""A web app elsewhere, asked by HTTP, again where it is busy or has gone for a while.

What it answers is judged here: a sentence of its own for what it refuses, printable and
short, since nobody knows who runs it.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jaxrestore import __version__, errors

PATIENCE = 600.0  # seconds that it may be away, or busy
_PAUSES = (0.25, 8.0)  # seconds between two tries, from and up to
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# What is worth another try, besides what says when: too many requests; and what stands
# before a server says of one that is gone, or begins.
_AGAIN = (429, 502, 503, 504)


class Answer(NamedTuple):
    """What a server has said: the status, the body, and this as JSON, if it is that."""

    status: int
    content: bytes
    json: Any


class Refused(errors.UserError):
    """What a server does not do: its `status`, a word `code`, and its sentence."""

    def __init__(self, status: int, code: str, said: str):
        """Keeps what it is given; the message is what was said."""
        super().__init__(said)
        self.status, self.code = status, code


class Server:
    """A web app at an URL, for several threads at once.

    `transport` is one of httpx's; None is the network.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patience: float | int = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        transport: Any = None,
    ):
        """Asks nothing yet. Raises `ConfigError` for what is no URL of a server."""
        self.url = checked(url, token)
        self._patience, self._clock = patience, clock
        self._stopped = threading.Event()
        self._known = False  # it has answered once
        self._client = _client(self.url, token, transport)

    def __enter__(self) -> "Server":
        """Returns itself; its connections are closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes its connections."""
        self._client.close()

    def stop(self) -> None:
        """Has all threads that wait for it end: `pause` raises `ServerError`."""
        self._stopped.set()

    def pause(self, seconds: float | int) -> None:
        """Waits; raises `ServerError` where `stop` was called."""
        if self._stopped.wait(seconds):
            raise errors.ServerError(f"{self.url} is not waited for any more")

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        wait: int | None = None,
        patience: float | int | None = None,
    ) -> Answer:
        """Returns what it answers to a request below its URL, with a status below 300.

        `wait` seconds it may wait for the end of a job (`Prefer`, RFC 7240).

        It is asked again for `patience` seconds while it is busy, after the time that
        it says, and, once it has answered at all, while it cannot be reached; a POST
        that it has done already it does not do again. Raises `Refused` for what it does
        not do, `ConfigError` where it wants a token or stands elsewhere, and
        `ServerError` where it is not there or makes no sense.
        """
        more = {"idempotency-key": uuid.uuid4().hex} if method == "POST" else {}
        if wait is not None:
            more["prefer"] = f"wait={wait}"
        if content is not None:
            more["content-type"] = "application/octet-stream"
        sent = {"content": content, "json": json, "params": params, "headers": more}
        end = self._clock() + (self._patience if patience is None else patience)
        pause, most = _PAUSES
        while True:
            status, headers, body = self._once(method, path, sent)
            again = status in _AGAIN or "retry-after" in headers
            if status and not again:
                self._known = True
                return self._judged(status, headers, body)
            if not (status or self._known):
                raise errors.ServerError(
                    f"{self.url} cannot be reached ({printable(body)}); check the "
                    "address, and that a server runs there"
                )
            seconds = max(pause, _seconds(headers.get("retry-after", "")))
            if self._clock() + seconds > end:
                why = printable(_problem(body)[1] or "it does not answer")
                raise errors.ServerError(f"{self.url} has no time for this ({why})")
            self.pause(seconds)
            pause = min(2 * pause, most)

    def _once(
        self, method: str, path: str, sent: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """A status, headers and a body; 0 and why, where the connection fails."""
        import httpx

        try:
            answer = self._client.request(method, path, **sent)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            return 0, {}, why.encode(errors="replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise errors.ServerError(
                f"{self.url} answers what nobody can read ({printable(str(error))})"
            ) from error
        return answer.status_code, answer.headers, answer.content

    def _judged(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        if status < 300:
            return Answer(status, body, _read(headers, body))
        if status < 400:
            there = printable(headers.get("location", "elsewhere"))
            raise errors.ConfigError(
                f"{self.url} sends whoever asks to {there}; give that address"
            )
        code, said = _problem(body)
        if status in (401, 403):
            raise errors.ConfigError(
                f"{self.url} wants another token ({printable(said or 'it says no')}); "
                "give `token`, or set JAXRESTORE_TOKEN"
            )
        if not said:
            raise errors.ServerError(
                f"{self.url} answers with HTTP {status} and no reason; check that it "
                "is the address of a web app of this package"
            )
        raise Refused(status, code, printable(said))


def checked(url: str, token: str | None) -> str:
    """Returns the URL of a server without a slash at its end.

    Raises `ConfigError` for what is none, and for a token that everybody between here
    and there could read.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query:
        raise errors.ConfigError(
            f"{printable(url)} is no address of a server; give one such as "
            "https://restore.example.com, or http://127.0.0.1:8080"
        )
    if parts.username is not None:
        raise errors.ConfigError(
            "the address of a server holds no name or password; give a token, by "
            "`token` or JAXRESTORE_TOKEN"
        )
    if token and parts.scheme == "http" and host not in _LOOPBACK:
        raise errors.ConfigError(
            f"{url} has no encryption, so that others could read the token; give an "
            "address that begins with https://"
        )
    return url.rstrip("/")


def _client(url: str, token: str | None, transport: Any) -> Any:
    try:
        import httpx
    except ImportError as error:
        raise errors.ConfigError(
            "what asks servers is not installed; pip install 'jaxrestore[web]'"
        ) from error

    headers = {"user-agent": f"jaxrestore/{__version__}"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        return httpx.Client(
            base_url=f"{url}/api/v1/",
            headers=headers,
            timeout=httpx.Timeout(60, connect=10),
            transport=transport,
        )
    except (UnicodeEncodeError, httpx.InvalidURL) as error:
        raise errors.ConfigError(
            f"the address or the token has letters that neither can have ({error})"
        ) from error


def _read(headers: Mapping[str, str], body: bytes) -> Any:
    import json

    if "json" not in headers.get("content-type", ""):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _problem(body: bytes) -> tuple[str, str]:
    """The code and the sentence of a problem (RFC 9457); "" where it is none."""
    import json

    try:
        found = json.loads(body)
        return str(found.get("code", "")), str(found.get("detail", ""))
    except (ValueError, AttributeError):
        return "", ""


def _seconds(text: str) -> float:
    """What Retry-After asks for in seconds; a date is not read, an hour is the most."""
    return min(float(text), 3600.0) if text.isdecimal() else 0.0


def printable(text: str | bytes) -> str:
    """Returns at most 300 letters of a text, none of which steers a terminal."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:300])
    return " ".join(plain.split()).rstrip(".")
