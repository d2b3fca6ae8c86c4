"""Jobs that wait, by owners who take turns; and devices, which jobs share."""

import dataclasses
import heapq
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

_LEAST_PIXELS = 2**16  # smaller pictures take about as long
_MOST_OWNERS = 10_000  # whose turns are remembered


class Waiting(NamedTuple):
    """A job that waits; what its `kind`, task and method, costs is learnt.

    `long` ones, fits of the prior, have half of the slots at most. One that runs
    `alone` has died with the engine before: it has all slots of a device.
    """

    job: str
    owner: str
    kind: tuple[str, str]
    pixels: int
    since: float
    batch: bool = False
    long: bool = False
    alone: bool = False

    @property
    def work(self) -> int:
        """The pixels that it counts for."""
        return max(self.pixels, _LEAST_PIXELS)


@dataclass
class Lines:
    """The jobs of each owner in their order, and whose turn it is."""

    slots: int  # of a device
    devices: tuple[str, ...] = ("",)
    waiting: dict[str, list[Waiting]] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    turn: int = 0

    def next(self, running: Collection[Waiting]) -> Waiting | None:
        """Returns who is served next beside those, where there is room."""
        most = self.slots * len(self.devices)
        left = most - sum(self.slots if one.alone else 1 for one in running)
        if left < 1:
            return None
        none_long = sum(one.long for one in running) >= max(most // 2, 1)
        order = sorted(self.waiting, key=lambda owner: self.served.get(owner, -1))
        for owner in order:
            for one in self.waiting[owner]:
                if not (one.long and none_long):
                    return one if left >= self.slots or not one.alone else None
        return None

    def serve(self, one: Waiting) -> None:
        """Takes somebody out of the line, whose turn this was."""
        self.leave(one)
        self.turn += 1
        self.served.pop(one.owner, None)
        self.served[one.owner] = self.turn
        while len(self.served) > _MOST_OWNERS:
            del self.served[next(iter(self.served))]

    def leave(self, one: Waiting) -> None:
        """Takes somebody out of the line."""
        line = self.waiting[one.owner]
        line.remove(one)
        if not line:
            del self.waiting[one.owner]

    def copied(self) -> "Lines":
        """Returns lines that can be served to see what would be."""
        lines = {owner: [*line] for owner, line in self.waiting.items()}
        return dataclasses.replace(self, waiting=lines, served=dict(self.served))


@dataclass
class Device:
    """Jobs that share a device: `ends` are by a clock of what one alone would get."""

    clock: float = 0.0
    ends: list[tuple[float, str]] = field(default_factory=list)

    def add(self, job: str, seconds: float) -> None:
        """Begins a job that would take so long alone."""
        heapq.heappush(self.ends, (self.clock + seconds, job))

    def soonest(self) -> float:
        """Returns after how many seconds the first job ends."""
        if not self.ends:
            return math.inf
        return max(self.ends[0][0] - self.clock, 0.0) * len(self.ends)

    def run(self, seconds: float) -> None:
        """Lets so many seconds pass."""
        self.clock += seconds / max(len(self.ends), 1)

    def end(self) -> str:
        """Ends the first job, which it returns."""
        return heapq.heappop(self.ends)[1]
