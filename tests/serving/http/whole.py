"""The whole app on a fake engine: no network, no jax, the rest is real."""

import contextlib
import dataclasses

import httpx
from serving import fake_engine

from jaxrestore.serving.http.app import create_app
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings

LOCAL = "http://localhost"


def settings(folder, **changes):
    """Settings for tests: any port, few children."""
    plain = Settings(folder=folder, port=0, decoders=1, least_free=0, drain_s=2.0)
    return dataclasses.replace(plain, **changes)


def app(settings, **engine):
    """The app, whose engine is `FakeEngine` with these options."""
    service = Service(
        settings,
        lambda told: fake_engine.FakeEngine(told, **engine),
        fake_engine.MemoryLedger(),
    )
    return create_app(settings, service)


@contextlib.asynccontextmanager
async def client(made, address="127.0.0.1", **more):
    """Yields httpx's client of an app that is started, and ended afterwards."""
    transport = httpx.ASGITransport(made, client=(address, 1))
    async with (
        made.router.lifespan_context(made),
        httpx.AsyncClient(transport=transport, base_url=LOCAL, **more) as to,
    ):
        yield to
