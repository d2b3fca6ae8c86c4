"""The records of a server, as its pages and its API show them."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxrestore.serving.records import exporting, plots, summaries
from jaxrestore.serving.records.ledger import Ledger

_FRESH_S = 30.0


class Records:
    """Reads the records of a ledger; each method takes a moment, so in a thread."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time):
        """Reads those of `ledger`."""
        self._ledger, self._clock = ledger, clock
        self._lock = threading.Lock()
        self._told: dict[Any, tuple[float, dict[str, Any]]] = {}

    def __call__(
        self, days: int, group: Sequence[str] = summaries.GROUPS
    ) -> dict[str, Any]:
        """Returns the tables of the last so many days; see `summaries.summary`.

        For half a minute they are those of the last time: a page and its plots are of
        one moment, and who asks again and again costs nothing.
        """
        asked, now, engine = (days, *group), self._clock(), self._ledger.engine
        with self._lock:
            self._told = {k: v for k, v in self._told.items() if now - v[0] < _FRESH_S}
            if asked not in self._told:
                self._ledger.flush()
                made = summaries.summary(engine, now=now, days=days, group=group)
                self._told[asked] = now, made
            return self._told[asked][1]

    def plot(self, name: str, days: int, *, dark: bool) -> bytes:
        """Returns a plot of the last so many days as SVG; see `plots.draw`."""
        return plots.draw(name, self(days), dark=dark)

    def csv(self, days: int) -> Iterator[bytes]:
        """Yields the jobs of the last so many days as a CSV file, without owners."""
        since = self._clock() - days * summaries.DAY
        return exporting.csv_parts(self._ledger.engine, since=since)
