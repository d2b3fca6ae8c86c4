"""The web app, put together: `create_app`."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from jaxrestore import __version__
from jaxrestore.serving import keys
from jaxrestore.serving.http import (
    description,
    docs,
    guards,
    health,
    idempotency,
    problems,
    sessions,
    tokens,
)
from jaxrestore.serving.http.api import (
    batches,
    events,
    images,
    jobs,
    records,
    restore,
    tasks,
)
from jaxrestore.serving.http.bodies import Bodies
from jaxrestore.serving.http.callers import Callers
from jaxrestore.serving.http.lifetime import Ending, Lifetime
from jaxrestore.serving.http.rates import Rates, Streams
from jaxrestore.serving.http.watching import Watching
from jaxrestore.serving.logs import Log
from jaxrestore.serving.metrics import Metrics
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings

ABOUT = """Upload a picture (`/images`), have something done to it (`/jobs`), fetch
what came of it (`/jobs/{id}/result`). Ids are secrets: whoever knows one may use it.
Pictures are deleted after a while. Errors are problem details (RFC 9457)."""
_ROUTERS = (images, jobs, events, restore, batches, tasks, records, health, docs)
_EXPOSED = ("Location", "Retry-After", "Content-Disposition", "ETag", "X-Request-ID")


def create_app(
    settings: Settings,
    service: Service,
    *,
    metrics: Metrics | None = None,
    log: Log | None = None,
) -> FastAPI:
    """Returns the app: the API and what guards it; `pages.site.install` adds pages.

    It starts the service, and stops it at its end. `metrics` are counted, and requests
    written to `log`. What `app.state.closing` holds is called at its end, and
    `app.state.records`, a `recorded.Records`, is what `/records` shows. Raises what
    `tokens.read` does, and `DiskError` for a folder that cannot be written.

    >>> app = create_app(Settings(folder=Path("served")), service)
    """
    lifetime, counts = Lifetime(), metrics or Metrics()
    known = tokens.read(settings.tokens_file) if settings.tokens_file else ()
    signed = sessions.Sessions(keys.of(settings.folder), settings.secure)
    app = FastAPI(
        title="jaxrestore",
        version=__version__,
        description=ABOUT,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[
            Middleware(guards.Headers, secure=settings.secure),
            Middleware(Watching, metrics=counts, log=log),
            Middleware(Bodies, settings=settings),
            Middleware(guards.Failures, told=_told(log)),
            *_entrance(settings),
            Middleware(Callers, sessions=signed, known=known, local=is_local(settings)),
            Middleware(Rates, settings=settings),
            Middleware(Ending, lifetime=lifetime),
            Middleware(Streams, most=settings.owner_streams, life=lifetime),
            Middleware(guards.Heads),
        ],
    )
    app.state.settings, app.state.service = settings, service
    app.state.lifetime, app.state.tokens, app.state.sessions = lifetime, known, signed
    app.state.metrics, app.state.records = counts, None
    app.state.answers = idempotency.Answers(settings.kept_s)
    app.state.closing = []
    problems.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    description.install(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await app.state.service.start()
    try:
        yield
    finally:
        app.state.lifetime.ending.set()
        await app.state.service.stop(0)
        for close in app.state.closing:
            close()


def _entrance(settings: Settings) -> list[Middleware]:
    """What looks at where a request comes from, and at nothing else."""
    cross = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    return [
        Middleware(guards.Requests, hosts=settings.hosts),
        *([cross] if settings.origins else []),
        Middleware(guards.Origins, origins=settings.origins),
    ]


def is_local(settings: Settings) -> bool:
    """Whether nobody but who sits at this machine can reach the server."""
    return settings.socket is None and settings.host in (
        "127.0.0.1",
        "::1",
        "localhost",
    )


def _told(log: Log | None) -> Callable[[Exception], object]:
    """What is told of a bug."""
    if log is not None:
        return lambda error: log.note("a bug", error)
    return lambda error: logging.getLogger(__name__).error("a bug", exc_info=error)
