"""How often a client may do something, as buckets that fill again."""

import time
from collections import OrderedDict
from collections.abc import Callable

_CLIENTS = 10_000  # that are remembered


class Bucket:
    """Lets each client do something so many times a minute, that many at once.

    Clients who have not asked for longest are forgotten beyond 10,000.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic):
        """Makes a bucket that is full for everyone."""
        self._most, self._clock = float(a_minute), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Returns 0 where they may, and else the seconds after which they may.

        >>> bucket = buckets.Bucket(1, clock=lambda: 0.0)
        >>> bucket.take("a"), bucket.take("a"), bucket.take("b")
        (0.0, 60.0, 0.0)
        """
        now = self._clock()
        left, then = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._most / 60)
        waits = 0.0 if left >= 1 else (1 - left) * 60 / self._most
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return waits
