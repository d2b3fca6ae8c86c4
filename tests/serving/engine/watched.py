"""An engine, or several, on fake processes, and all that they tell."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path

from jaxrestore.serving import settings, values
from jaxrestore.serving.engine import fleet, supervisor


class Watched:
    """An engine, and all that it has told."""

    def __init__(self, folder, **options):
        chosen = settings.Settings(folder=folder, **options)
        self.told, self.new = [], asyncio.Event()
        kind = fleet.Fleet if chosen.devices else supervisor.Engine
        self.engine = kind(chosen, self.take)

    def take(self, event):
        if not isinstance(event, values.Beat):
            self.told.append(event)
        self.new.set()

    def order(self, job, task="wait", seconds=0.0, *, alone=False):
        place = Path("x.npy")
        options = {"seconds": seconds}
        order = values.Order(job, "me", task, "network", place, place, options=options)
        order = dataclasses.replace(order, alone=alone)
        self.engine.submit(order)

    def of(self, kind):
        return [event for event in self.told if isinstance(event, kind)]

    def ended(self):
        return {event.job: event.status for event in self.of(values.Ended)}

    async def until(self, true):
        async with asyncio.timeout(20):
            while not true():
                self.new.clear()
                await self.new.wait()


@contextlib.asynccontextmanager
async def running(folder, **options):
    """Yields one that is ready, and ends it afterwards."""
    watched = Watched(folder, **options)
    await watched.engine.start()
    try:
        await watched.until(lambda: watched.engine.status.ready)
        yield watched
    finally:
        await watched.engine.stop(0)


def scenario(folder, steps, **options):
    """Runs steps with one that is ready."""

    async def main():
        async with running(folder, **options) as watched:
            await steps(watched)

    asyncio.run(main())
