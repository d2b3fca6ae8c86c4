"""Small pictures, as bytes of files, and a service on a fake engine."""

import asyncio
import contextlib
import functools
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from serving import fake_engine

from jaxrestore import images
from jaxrestore.serving import service, settings
from jaxrestore.serving.children import Children


def array(seed: int = 0, height: int = 16, width: int = 24, channels: int = 3, **more):
    """Returns a picture of its own for each seed."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return values.astype(more.get("dtype", np.uint8))


def png(seed: int = 0, **shape: Any) -> bytes:
    """Returns `array` as a PNG file."""
    return images.encoded(array(seed, **shape), ".png")


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """Returns a Pillow image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


async def chunks(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """Yields bytes in small parts, as they come over a network."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def decoded(content: bytes) -> np.ndarray:
    """Returns what is in a file, with its own channels and bits."""
    return images.read(content).values


@functools.cache
def children() -> Children:
    """Returns the children of all services of a process: to start some takes time."""
    return Children(2, 2**31)


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    engine: Callable[..., Any] = fake_engine.FakeEngine,
    ledger: Any = None,
    clock: Callable[[], float] | None = None,
    **limits: Any,
) -> AsyncIterator[Any]:
    """Gives a service that is started, on a fake engine; `limits` are settings."""
    more: dict[str, Any] = {} if clock is None else {"clock": clock}
    made = service.Service(
        settings.Settings(folder, **{"least_free": 0, **limits}),
        engine,
        ledger or fake_engine.MemoryLedger(),
        children=children(),
        **more,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop(0)


def run(coroutine, seconds: int = 60) -> Any:
    """Returns what a coroutine returns, within so many seconds."""

    async def limited():
        async with asyncio.timeout(seconds):
            return await coroutine

    return asyncio.run(limited())
