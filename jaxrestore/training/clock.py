"""Where the time of a run goes."""

import contextlib
import time
from collections.abc import Iterator

_PARTS: tuple[str, ...] = ("data", "evaluation", "checkpoint")


class Clock:
    """Counts the seconds of the host's named parts; the rest is the device's."""

    def __init__(self, *, spent: float = 0.0):
        """Starts counting; `spent` seconds went before, in the run resumed here."""
        self._mark = time.perf_counter()
        self._begin = self._mark - spent
        self._spent = dict.fromkeys(_PARTS, 0.0)
        self._whole = dict.fromkeys(("device", *_PARTS), 0.0)

    @property
    def total(self) -> float:
        """Seconds that the run has taken."""
        return time.perf_counter() - self._begin

    @contextlib.contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Counts what happens inside as `part`: data, evaluation or checkpoint."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._spent[part] += time.perf_counter() - started

    def interval(self) -> dict[str, float]:
        """Returns the seconds since the last call, by part."""
        now = time.perf_counter()
        wall = now - self._mark
        times = {"device": wall - sum(self._spent.values()), **self._spent}
        for part, seconds in times.items():
            self._whole[part] += seconds
        self._mark = now
        self._spent = dict.fromkeys(_PARTS, 0.0)
        return times

    def shares(self) -> dict[str, tuple[float, float]]:
        """Returns for each part its seconds so far and its share of the whole."""
        self.interval()
        whole = sum(self._whole.values())
        return {
            part: (seconds, seconds / whole) for part, seconds in self._whole.items()
        }
