"""The records of a server, as its pages and its API show them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxrestore.serving.records import exporting, plots, summaries
from jaxrestore.serving.records.ledger import Ledger


class Records:
    """Reads the records of a ledger; each method takes a moment, so in a thread."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time):
        """Reads those of `ledger`."""
        self._ledger, self._clock = ledger, clock

    def __call__(
        self, days: int, group: Sequence[str] = summaries.GROUPS
    ) -> dict[str, Any]:
        """Returns the tables of the last so many days; see `summaries.summary`."""
        self._ledger.flush()
        now, engine = self._clock(), self._ledger.engine
        return summaries.summary(engine, now=now, days=days, group=group)

    def plot(self, name: str, days: int, *, dark: bool) -> bytes:
        """Returns a plot of the last so many days as SVG; see `plots.draw`."""
        return plots.draw(name, self(days), dark=dark)

    def csv(self, days: int) -> bytes:
        """Returns the jobs of the last so many days as a CSV file, without owners."""
        since = self._clock() - days * summaries.DAY
        return exporting.csv(self._ledger.engine, since=since)
