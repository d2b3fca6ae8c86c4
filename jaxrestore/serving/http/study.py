"""The pages of a perceptual study: one page handed out, answers taken in.

No path of a request becomes a path of a file: the page is read once, at the start, and
the key stays where it is. Nothing is kept of raters but their answers. There is no
password: whoever reaches the addresses can answer, also where the web app that hands
them out wants tokens for its own.
"""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware import Middleware

from jaxrestore import errors
from jaxrestore.raters import answers, pages
from jaxrestore.serving.http import bodies, guards, problems, server
from jaxrestore.serving.settings import Settings


def router(folder: Path) -> APIRouter:
    """Returns the routes of the study in a folder: `GET /` and `POST /answers`.

    Answers are checked and appear whole, as `answers.keep` says. Raises `NoInputError`
    without a study in the folder.
    """
    key, path = pages.read_key(folder), folder / pages.PAGE
    if not path.is_file():
        raise errors.NoInputError(f"{path} is missing; make the study again elsewhere")
    page, lock = path.read_bytes(), threading.Lock()
    headers = {"content-security-policy": policy(page), "cache-control": "no-store"}
    found = APIRouter(include_in_schema=False)

    def keep(data: bytes) -> tuple[int, str]:
        try:
            rater = answers.check(key, data, "what was sent")
        except errors.UserError as error:
            return 400, str(error)
        try:
            with lock:
                new = answers.keep(folder, rater.name, data)
        except errors.DiskError as error:  # paths are for who serves the study alone
            print(f"error: {error}", file=sys.stderr, flush=True)
            return 507, "the answers could not be kept; tell who sent you here"
        return 200, "thank you" if new else "these answers are here already"

    @found.get("/")
    async def hand_out() -> Response:
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")

    @found.post("/answers")
    async def take_in(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if not re.fullmatch("[0-9]{1,12}", length):
            status, text = 411, "say Content-Length"
        elif int(length) > answers.MOST_BYTES:
            status, text = 413, f"answers have at most {answers.MOST_BYTES} bytes"
        elif kind.lower() != "application/json":
            # Another site's page cannot send this type without asking first.
            status, text = 415, "answers are application/json"
        else:
            status, text = await asyncio.to_thread(keep, await request.body())
        return Response(text, status, {"cache-control": "no-store"}, "text/plain")

    return found


def policy(page: bytes) -> str:
    """Returns the content security policy of a page: its own script and style alone.

    They stand in the page, which is also opened as a file, and are known by their
    SHA-256.
    """
    known = {}
    for kind in (b"script", b"style"):
        inside = re.findall(rb"<%b>(.*?)</%b>" % (kind, kind), page, re.DOTALL)
        hashes = (base64.b64encode(hashlib.sha256(t).digest()) for t in inside)
        known[kind] = " ".join(f"'sha256-{digest.decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {known[b'script']}; style-src "
        f"{known[b'style']}; img-src data:; connect-src 'self'; form-action 'none'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def create_app(folder: Path) -> FastAPI:
    """Returns an app of the study in a folder and nothing else; raises as `router`."""
    settings = Settings(folder=folder)
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(guards.Headers, secure=False),
            Middleware(bodies.Bodies, settings=settings),
            Middleware(guards.Failures, told=_told),
            Middleware(guards.Requests, hosts=("*",)),
            Middleware(guards.Origins, origins=()),
            Middleware(guards.Heads),
        ],
    )
    problems.install(app)
    app.include_router(router(folder))
    return app


def _told(error: Exception) -> None:
    print(f"error: {error!r}", file=sys.stderr, flush=True)


class Server(uvicorn.Server):
    """Serves the study at one socket; `told` is called once it takes requests."""

    def __init__(
        self, config: uvicorn.Config, ear: socket.socket, told: Callable[[], object]
    ):
        """Serves nothing yet."""
        super().__init__(config)
        self._ear, self._ready = ear, told
        self.port = ear.getsockname()[1]

    def serve_forever(self) -> None:
        """Serves until Ctrl-C, which it raises, or until another thread stops it."""
        asyncio.run(self.serve(sockets=[self._ear]))

    def stop(self) -> None:
        """Ends `serve_forever` of another thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to take requests, and says so."""
        await super().startup(sockets)
        self._ready()


@contextlib.contextmanager
def bound(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    told: Callable[[str], object] = lambda address: None,
) -> Iterator[Server]:
    """Yields a server of the study in a folder that has its port already.

    With the host 0.0.0.0 other machines of the network reach it too; port 0 takes any
    free one. `told` is called with its address once it takes requests. Raises
    `NoInputError` without a study in the folder, and `ConfigError` for a host or port
    that cannot be had.

    >>> with study.bound(Path("study"), told=print) as server:
    ...     server.serve_forever()
    """
    app, settings = create_app(folder), Settings(folder=folder, host=host, port=port)
    with server.listening(settings) as ear:
        address = f"http://{host}:{ear.getsockname()[1]}/"
        config = server.configured(settings, app)
        yield Server(config, ear, lambda: told(address))
