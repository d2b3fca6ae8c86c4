"""What is written down, by one thread, in the order in which it happened."""

import asyncio
import logging
from collections.abc import Callable
from concurrent import futures
from typing import Any

_LOG = logging.getLogger(__name__)


class Clerk:
    """Calls that block, one after another, each belonging to an id."""

    def __init__(self):
        """Has nothing to write yet."""
        self._thread = futures.ThreadPoolExecutor(1, "clerk")
        self._pending: dict[str, asyncio.Future] = {}
        self.broken: str | None = None  # why the last call failed

    def write(
        self, id: str, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future:
        """Calls a function behind all earlier ones; its error is logged, and kept."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, function, *arguments)
        self._pending[id] = future
        future.add_done_callback(lambda done: self._done(id, done))
        return future

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what a function returns, called behind all earlier ones."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    async def settled(self, id: str) -> None:
        """Returns when nothing of an id is still to be written."""
        while (future := self._pending.get(id)) is not None:
            await asyncio.wait([future])

    async def close(self) -> None:
        """Writes what is still to be written, and ends."""
        await asyncio.to_thread(self._thread.shutdown)

    def _done(self, id: str, future: asyncio.Future) -> None:
        if self._pending.get(id) is future:
            del self._pending[id]
        error = None if future.cancelled() else future.exception()
        self.broken = None if error is None else str(error) or type(error).__name__
        if error is not None:
            _LOG.error("a change could not be written down", exc_info=error)
