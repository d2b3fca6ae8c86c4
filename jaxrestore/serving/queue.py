"""Who is served next, how long that takes, and who is refused: numbers, no clock.

Owners take turns: whoever was served longest ago is next, with the oldest of their
jobs. It begins on the device that has the fewest, as those of `engine.fleet` do, which
is shared by all that run there: each of n takes n times as long as alone. What is
learnt, seconds a pixel, is the time that a job would take alone.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jaxrestore.serving.lines import Device, Lines, Waiting
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings

_LEARNT = 0.3  # how much the last job counts
_TOLD = 0.05  # the share from which on a job tells best how long it takes
_UNKNOWN_S = 10.0  # to ask again after, where nothing is known
_LONGEST_S = 600.0


@dataclass
class _Running:
    waiting: Waiting
    device: str
    taken: float = 0.0  # seconds, if it had been alone
    share: float = 0.0


class Forecast(NamedTuple):
    """When a job begins, counted from 1 among those that wait, and ends, if known."""

    position: int | None
    ends: float | None


class Queue:
    """Jobs that wait and run; times are given, and may be of any clock."""

    def __init__(self, settings: Settings):
        """Holds nothing yet; `settings` has the limits."""
        self._settings = settings
        self._lines = Lines(settings.slots)
        self._found: dict[str, Waiting] = {}
        self._running: dict[str, _Running] = {}
        self._cost: dict[tuple[str, str], float] = {}
        self._at = 0.0
        self._forecast: dict[str, Forecast] | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._found)

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    @property
    def pixels(self) -> int:
        """The pixels of all that wait."""
        return sum(one.pixels for one in self._found.values())

    def share(self, devices: tuple[str, ...], now: float) -> None:
        """Is told which devices share the jobs from now on."""
        if devices != self._lines.devices:
            self._pass(now)
            self._lines.devices, self._forecast = devices, None

    def refusal(
        self, owner: str, kind: tuple[str, str], pixels: int, now: float
    ) -> Refusal | None:
        """Returns why one more job is too much now, or None."""
        limits = self._settings
        every = [*self._all()]
        own = [one for one in every if one.owner == owner and not one.batch]
        waiting = [one.pixels for one in own if one.job in self._found]
        if len(own) >= limits.owner_jobs:
            said = f"You have {len(own)} jobs that wait or run, and {limits.owner_jobs}"
            said += " are the most; wait until one ends."
            return self._too_much("own_jobs", said, limits.owner_jobs, own, now)
        if waiting and sum(waiting) + pixels > limits.owner_pixels:
            said = f"{limits.owner_pixels / 1e6:g} megapixels of yours may wait at once"
            said += "; wait until a job ends."
            return self._too_much("own_pixels", said, limits.owner_pixels, own, now)
        if sum(not one.batch for one in every) >= limits.max_jobs:
            said = f"{limits.max_jobs} jobs wait or run, which are the most; try again "
            said += "later."
            return self._too_much("queue_full", said, limits.max_jobs, every, now)
        costs = [self._alone(w) for w in self._found.values() if not w.batch]
        devices = len(self._lines.devices)
        seconds = sum(cost or 0 for cost in costs) / devices
        own_s = self._cost.get(kind, 0) * pixels / devices
        if costs and seconds + own_s > limits.max_queue_s:
            said = f"There is work for {seconds:.0f} s already; try again later."
            return self._too_much("queue_full", said, limits.max_queue_s, every, now)
        return None

    def add(self, one: Waiting, *, first: bool = False) -> None:
        """Lets a job wait, behind its owner's others or ahead of them."""
        line = self._lines.waiting.setdefault(one.owner, [])
        line.insert(0 if first else len(line), one)
        self._found[one.job] = one
        self._forecast = None

    def remove(self, job: str) -> bool:
        """Takes a job out of those that wait; returns whether it was there."""
        one = self._found.pop(job, None)
        if one is None:
            return False
        self._lines.leave(one)
        self._forecast = None
        return True

    def take(self, now: float) -> str | None:
        """Returns the job that begins now, or None."""
        one = self._lines.next([other.waiting for other in self._running.values()])
        if one is None:
            return None
        self._pass(now)
        self._lines.serve(one)
        del self._found[one.job]
        counts = self._counts()
        device = min(self._lines.devices, key=lambda device: counts[device])
        self._running[one.job] = _Running(one, device)
        self._forecast = None
        return one.job

    def progressed(self, job: str, share: float) -> None:
        """Is told how much of a running job is done, 0 to 1."""
        if job in self._running:
            self._running[job].share = share
            self._forecast = None

    def ended(self, job: str, now: float, *, whole: bool) -> None:
        """Is told that a job runs no more; one that is `whole` tells what it took."""
        self._pass(now)
        one = self._running.pop(job, None)
        self._forecast = None
        if one is None or not whole:
            return
        cost = one.taken / one.waiting.work
        known = self._cost.get(one.waiting.kind, cost)
        self._cost[one.waiting.kind] = known + _LEARNT * (cost - known)

    def forecast(self, job: str, now: float) -> Forecast:
        """Returns when a job begins and ends, in seconds by the clock of `now`."""
        if self._forecast is None:
            self._pass(now)
            self._forecast = {job: found for job, found in self._simulated(now)}
        return self._forecast.get(job, Forecast(None, None))

    def waited(self, now: float) -> list[str]:
        """Returns the jobs, not of batches, that have waited too long."""
        since = now - self._settings.max_queued_s
        every = self._found.values()
        return [one.job for one in every if one.since < since and not one.batch]

    def _all(self) -> Iterator[Waiting]:
        yield from self._found.values()
        yield from (one.waiting for one in self._running.values())

    def _pass(self, now: float) -> None:
        """Lets each that runs take its part of the time since then."""
        counts = self._counts()
        for one in self._running.values():
            one.taken += max(now - self._at, 0) / counts[one.device]
        self._at = now

    def _counts(self) -> Counter[str]:
        """How many jobs run on each device."""
        return Counter(one.device for one in self._running.values())

    def _alone(self, one: Waiting) -> float | None:
        cost = self._cost.get(one.kind)
        return None if cost is None else cost * one.work

    def _left(self, one: _Running) -> float | None:
        """The seconds that a running job would still take alone."""
        if one.share >= _TOLD:
            return one.taken * (1 - one.share) / one.share
        whole = self._alone(one.waiting)
        return None if whole is None else max(whole - one.taken, whole * _TOLD)

    def _simulated(self, now: float) -> Iterator[tuple[str, Forecast]]:
        """Lets all that wait be served; nothing is told behind what is not known."""
        lines, position = self._lines.copied(), 0
        running = {job: one.waiting for job, one in self._running.items()}
        lefts = {job: self._left(one) for job, one in self._running.items()}
        places: dict[str, int | None] = dict.fromkeys(lefts)
        known = None not in lefts.values()
        unknown = set() if known else {*lefts}
        devices = {name: Device() for name in (*lines.devices, *self._counts())}
        for job, left in lefts.items():
            devices[self._running[job].device].add(job, left or 0.0)
        for job in unknown:
            left, count = lefts[job], len(devices[self._running[job].device].ends)
            yield job, Forecast(None, None if left is None else now + left * count)
        while running or lines.waiting:
            while (one := lines.next(running.values())) is not None:
                lines.serve(one)
                running[one.job] = one
                position += 1
                places[one.job], cost = position, self._alone(one)
                known = known and cost is not None
                if not known:
                    unknown.add(one.job)
                    yield one.job, Forecast(position, None)
                fewest = min(lines.devices, key=lambda name: len(devices[name].ends))
                devices[fewest].add(one.job, cost or 0.0)
            first = min(devices.values(), key=Device.soonest)
            passed = first.soonest()
            for device in devices.values():
                device.run(passed)
            job = first.end()
            del running[job]
            now += passed
            if job not in unknown:
                yield job, Forecast(places[job], now)

    def _too_much(
        self,
        code: str,
        detail: str,
        limit: float | int,
        behind: list[Waiting],
        now: float,
    ) -> Refusal:
        ends = [self.forecast(one.job, now).ends for one in behind]
        known = [end - now for end in ends if end is not None]
        after = min(max(min(known, default=_UNKNOWN_S), 1), _LONGEST_S)
        status = 429 if code.startswith("own") else 503
        title = "You have too much at once" if status == 429 else "The server is busy"
        return Refusal(status, code, title, detail, limit, math.ceil(after))
