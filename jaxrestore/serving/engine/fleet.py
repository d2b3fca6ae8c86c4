"""Several engines, each with a device of its own, as if they were one."""

import asyncio
import dataclasses
from collections.abc import Callable

from jaxrestore.serving import values
from jaxrestore.serving.engine import supervisor
from jaxrestore.serving.settings import Settings


class Fleet:
    """Restores pictures on `settings.devices`, a `supervisor.Engine` each.

    A `contracts.Engine`, which is ready once the first of them is, and goes on with
    those that are left. An order goes to the engine that has the fewest. One that is to
    be alone goes to an engine that has none; until there is such a one, the engine that
    has the fewest is given nothing new. `values.Died` tells of an engine's own jobs.
    """

    def __init__(self, settings: Settings, told: Callable[[values.Event], object]):
        """Starts nothing yet; `told` is called in the event loop."""
        self._told = told
        self._waiting: list[values.Order] = []
        self._given: dict[str, tuple[str, values.Order]] = {}  # to a device, by job
        self._engines = {
            device: supervisor.Engine(settings, self._heard_of, device)
            for device in settings.devices
        }

    @property
    def status(self) -> values.EngineStatus:
        """How they are as a whole, and each by itself; asking costs nothing."""
        devices = self._statuses()
        every = devices.values()
        ready = [one for one in every if one.ready]
        return values.EngineStatus(
            ready=bool(ready),
            alive=any(one.alive for one in every),
            restarts=sum(one.restarts for one in every),
            heartbeat_age_s=max((one.heartbeat_age_s for one in ready), default=0.0),
            device=", ".join(dict.fromkeys(one.device for one in every if one.device)),
            tasks=next((one.tasks for one in every if one.tasks), ()),
            running=sum(one.running for one in every) + len(self._waiting),
            slots=sum(one.slots for one in ready),
            memory=sum(one.memory for one in every),
            devices=devices,
        )

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of each device; None while there is none."""
        return {device: engine.pid for device, engine in self._engines.items()}

    async def start(self) -> None:
        """Begins to warm all up, and returns before they are."""
        await asyncio.gather(*(one.start() for one in self._engines.values()))

    async def stop(self, drain_s: float) -> None:
        """Ends; jobs that run have so many seconds, all the same ones."""
        await asyncio.gather(*(one.stop(drain_s) for one in self._engines.values()))

    def submit(self, order: values.Order) -> None:
        """Takes an order; `values.Ended` or `values.Died` tells what became of it."""
        self._waiting.append(order)
        self._hand_out()

    def cancel(self, job: str) -> None:
        """Ends a job within a tile, and tells; of an unknown one nothing."""
        if job in self._given:
            self._engine_of(job).cancel(job)
        for order in [one for one in self._waiting if one.job == job]:
            self._waiting.remove(order)
            ended = values.Ended(job, values.Status.CANCELLED)
            asyncio.get_running_loop().call_soon(self._told, ended)

    def finish(self, job: str) -> None:
        """Ends a prior's fit, whose best picture so far is the result: `DONE`."""
        if job in self._given:
            self._engine_of(job).finish(job)

    def _engine_of(self, job):
        return self._engines[self._given[job][0]]

    def _statuses(self):
        """How each engine is; one on a CPU beside accelerators is never ready.

        Its own device is not there, and it would take many times as long.
        """
        found = {device: engine.status for device, engine in self._engines.items()}
        if any(one.device not in ("", "cpu") for one in found.values()):
            for device, one in found.items():
                ready = one.ready and one.device != "cpu"
                found[device] = dataclasses.replace(one, ready=ready)
        return found

    def _free(self):
        """The devices that may be given an order, that with the fewest first."""
        lone = {device for device, order in self._given.values() if order.alone}
        found = {
            device: one.running
            for device, one in self._statuses().items()
            if one.ready and one.running < one.slots and device not in lone
        }
        return sorted(found.items(), key=lambda item: item[1])

    def _hand_out(self):
        """Gives the engines what waits, as far as they take it."""
        held = 0  # for orders that are to be alone
        for order in sorted(self._waiting, key=lambda order: not order.alone):
            free = self._free()[held:]
            if not free:
                return
            device, running = free[0]
            if order.alone and running:
                held += 1
                continue
            self._waiting.remove(order)
            self._given[order.job] = device, order
            self._engines[device].submit(order)

    def _heard_of(self, event):
        if isinstance(event, values.Ended | values.Died):
            self._given.pop(event.job, None)
        self._hand_out()
        self._told(event)
