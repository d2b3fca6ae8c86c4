"""The server: uvicorn with our protocol, one process, and an end that loses nothing."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from jaxrestore import errors, tables
from jaxrestore.serving import values
from jaxrestore.serving.http import app as apps
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.http.protocol import protocol
from jaxrestore.serving.settings import Settings, own_weights
from jaxrestore.weights import weight_files

_LAST = 5  # seconds for answers that are under way when all jobs have ended
_KEEP_ALIVE = 20
_NOTICE = 1.0  # seconds in which balancers see that it is not ready
_BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def check(settings: Settings) -> None:
    """Refuses a server that everyone can reach and that asks nobody for a token.

    Raises `ConfigError`; and, of a folder of networks, as `own_weights` and
    `weight_files.check`.
    """
    if settings.models is not None:
        for name, file in own_weights(settings.models).items():
            weight_files.check(file)
            card = weight_files.read_card(file)
            if values.task_of(name) == values.ENLARGE:
                _check_scale(name, file, card)
    if apps.is_local(settings) or settings.socket or settings.tokens_file:
        return
    if not settings.insecure_public:
        raise errors.ConfigError(
            f"`host` {settings.host} lets other machines in, and nobody would be asked "
            "for a token; give a `tokens_file`, or `insecure_public` if all who reach "
            "this machine may use it"
        )


def _check_scale(name: str, file: Path, card: Mapping[str, Any]) -> None:
    """Refuses a network that does not enlarge as its name says, or needs more."""
    if len(card["takes"]) > 1:
        raise errors.ConfigError(
            f"`models` {file} takes {' and '.join(card['takes'])}, and what enlarges "
            "takes a picture alone; give it another name"
        )
    if name != f"sr_x{card['scale']}":
        raise errors.ConfigError(
            f"`models` {file} makes sides {card['scale']} times as long; call it "
            f"sr_x{card['scale']}.safetensors"
        )


def serve(
    settings: Settings, app: FastAPI, told: Callable[[str], object] = print
) -> None:
    """Serves the app until SIGTERM, SIGHUP or Ctrl-C, then ends as `Server` does.

    `told` is called with one line, where the server is, once it takes requests. Raises
    `Interrupted` at the end; `ConfigError` for an address that cannot be had; and what
    starting the service raises.
    """
    check(settings)
    with listening(settings) as ear:

        def ready():
            # What is here stays: looking through it again would stop all answers.
            gc.collect()
            gc.freeze()
            told(_where(settings, ear))

        server = Server(configured(settings, app), app, ready)
        asyncio.run(server.serve(sockets=[ear]))
    said = _farewell(server.hurried, app.state.service.unfinished)
    raise errors.Interrupted(said, server.signal)


def configured(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """Returns how uvicorn serves the app: its parser, its limits, without its logs."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Config(
        app,
        http=protocol(settings),
        ws="none",
        lifespan="off",  # `Server` does it, so that its errors are told as ours
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.socket or settings.proxies),
        # A proxy alone reaches the socket.
        forwarded_allow_ips="*" if settings.socket else [*settings.proxies],
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_LAST,
        backlog=_BACKLOG,
    )


class Server(uvicorn.Server):
    """Ends in order: at the first signal it is not ready and takes no new jobs.

    What runs has `drain_s` seconds to end, and is still answered for in this time. What
    waits stays in the spool for the next start. A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], Any]):
        """Serves `app`; `ready` is called once it takes requests."""
        super().__init__(config)
        self._app, self._ready = app, ready
        self._draining: asyncio.Task[None] | None = None
        self.signal: int = signal.SIGTERM
        self.hurried = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until a signal comes, or in another thread until `should_exit`."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                ignored = signal.getsignal(number) is signal.SIG_IGN
                if number == signal.SIGHUP and ignored:
                    continue  # as by nohup
                loop.add_signal_handler(number, self.handle_exit, number, None)
        async with self._app.router.lifespan_context(self._app):
            await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to take requests, and says so."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begins to end, or ends at once where it has begun to."""
        self.signal = sig
        if self._draining is not None:
            self.hurried = self.should_exit = self.force_exit = True
            self._draining.cancel()
            return
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        lifetime: Lifetime = self._app.state.lifetime
        lifetime.draining = True
        try:
            notice = min(_NOTICE, self._app.state.settings.drain_s)
            draining = self._app.state.service.drain()
            await asyncio.gather(draining, asyncio.sleep(notice))
        finally:
            lifetime.ending.set()
            self.should_exit = True


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Yields the socket at which it listens; a Unix one is removed afterwards.

    Raises `ConfigError` where it cannot be had.
    """
    place = settings.socket
    ear = _unix(place) if place is not None else _tcp(settings)
    try:
        yield ear
    finally:
        ear.close()
        if place is not None:
            place.unlink(missing_ok=True)


def _tcp(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, number, _, address = found[0]
        ear = socket.socket(family, kind, number)
    except OSError as error:
        raise _no_address(f"`host` {host}", error) from error
    try:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(address)
    except OSError as error:
        ear.close()
        raise _no_address(f"`port` {port} of {host}", error) from error
    ear.setblocking(False)
    return ear


def _unix(place: Path) -> socket.socket:
    """A socket for us and our group; one that a server left behind is replaced."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if place.is_socket() and not _answers(place):
            place.unlink()
        before = os.umask(0o117)
        try:
            ear.bind(str(place))
        finally:
            os.umask(before)
    except OSError as error:
        ear.close()
        raise _no_address(f"`socket` {place}", error) from error
    ear.setblocking(False)
    return ear


def _answers(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mouth:
        return mouth.connect_ex(str(place)) == 0


def _no_address(what: str, error: OSError) -> errors.ConfigError:
    why = error.strerror or str(error)
    return errors.ConfigError(
        f"{what} cannot be listened at ({why}); give another, or end what uses it"
    )


def _where(settings: Settings, ear: socket.socket) -> str:
    if settings.socket is not None:
        return f"serving at the socket {settings.socket}; Ctrl-C ends it"
    host, port = ear.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return f"serving at http://{host}:{port}; Ctrl-C ends it"


def _farewell(hurried: bool, unfinished: int) -> str:
    said = "ended at once" if hurried else "ended"
    waits = "waits" if unfinished == 1 else "wait"
    jobs = f"; {tables.counted(unfinished, 'job')} {waits} for the next start"
    return f"{said}{jobs if unfinished else ''}"
