"""Who uses the device next: of all who wait, the one whom it has served the least."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

MOST = 8  # tiles a batch, on accelerators
_SHORT = "RESOURCE_EXH"  # as jax says it


class Turns:
    """Lends the device to one caller at a time, each in a thread of its own.

    Owners share its time, not its turns: of those who wait the next one is the owner to
    whom it has given the fewest seconds, and of one owner's calls the first. Who comes
    anew, or again, begins where those are who have got least: nobody saves time up.

    Up to `most` waiting calls of `apply` with one function and one shape, of whatever
    owners, are one batch. On CPUs, where one tile keeps all cores at work, `most` is 1
    (`python -m benchmarks.serving_batches`).

    Source: start-time fair queueing, Goyal, Vin, Cheng, SIGCOMM 1996.
    """

    def __init__(self, most: int = 1, clock: Callable[[], float] = time.perf_counter):
        """Begins idle; `clock` tells seconds."""
        self.most, self._clock = most, clock
        self._changed = threading.Condition()
        self._busy, self._now, self._count = False, 0.0, 0
        self._waiting: list[_Call] = []
        self._seconds: dict[str, float] = {}  # that owners have had

    @contextlib.contextmanager
    def turn(self, owner: str, check: Callable[[], object]) -> Iterator[None]:
        """Inside, the device is the caller's alone.

        `check` is called whenever the wait is looked at; what it raises ends it.
        """
        call = _Call(owner)
        self._wait(call, check)
        with self._charged([call]):
            yield

    def apply(
        self,
        owner: str,
        function: Callable[[Any], Any],
        images: np.ndarray,
        check: Callable[[], object],
        told: Callable[[float], object] = lambda fill: None,
    ) -> np.ndarray:
        """Returns `function(images)`, of images [1, h, w, c], once it is their turn.

        The function may be called with more of this shape, 2, 4 or 8 in all, some of
        other owners and the last ones perhaps without use. Where memory is short for a
        batch, each is computed alone, and later batches have half as many. `check` is
        that of `turn`; `told` is called with the share of the batch's places that were
        of use, 1 without a batch.
        """
        call = _Call(owner, function, images)
        self._wait(call, check)
        if not call.done:
            calls = self._joined(call)
            with self._charged(calls):
                self._compute(calls)
        if call.error is not None:
            raise call.error
        told(call.fill)
        return call.result

    def look(self) -> None:
        """Has all who wait call their `check`."""
        with self._changed:
            self._changed.notify_all()

    def _wait(self, call, check):
        """Returns once it is this call's turn, or somebody has computed it."""
        with self._changed:
            seconds = self._seconds.get(call.owner, 0.0)
            self._seconds[call.owner] = max(seconds, self._now)
            call.number = self._count = self._count + 1
            self._waiting.append(call)
            try:
                check()
                while not call.done and (self._busy or self._next() is not call):
                    self._changed.wait()
                    if not call.taken:
                        check()
            except BaseException:
                self._waiting.remove(call)
                self._changed.notify_all()
                raise
            if not call.done:
                self._waiting.remove(call)
                self._busy, self._now = True, self._seconds[call.owner]

    def _next(self):
        free = (call for call in self._waiting if not call.taken)
        return min(free, key=self._order, default=None)

    def _order(self, call):
        return self._seconds[call.owner], call.number

    def _joined(self, call):
        """The call, and those that wait and can be computed with it."""
        with self._changed:
            alike = [one for one in self._waiting if one.alike(call)]
            others = sorted(alike, key=self._order)[: self.most - 1]
            for one in others:
                one.taken = True
            return [call, *others]

    @contextlib.contextmanager
    def _charged(self, calls):
        """Ends the turn; the owners of the calls have had its seconds."""
        begun = self._clock()
        try:
            yield
        finally:
            with self._changed:
                each = (self._clock() - begun) / len(calls)
                for call in calls:
                    self._seconds[call.owner] += each
                for call in calls[1:]:
                    call.done = True
                    self._waiting.remove(call)
                self._busy = False
                self._forget({call.owner for call in calls})
                self._changed.notify_all()

    def _forget(self, recent):
        """Drops owners who would begin anew where all begin."""
        present = {call.owner for call in self._waiting} | recent
        gone = [o for o, had in self._seconds.items() if had <= self._now]
        for owner in {*gone} - present:
            del self._seconds[owner]

    def _compute(self, calls):
        try:
            made = _batched(calls)
        except Exception as error:
            if len(calls) == 1:
                calls[0].error = error
                return
            if _SHORT in str(error):
                self.most = max(1, self.most // 2)
            for call in calls:
                self._compute([call])
            return
        for call, result in zip(calls, made, strict=True):
            call.result, call.fill = result, len(calls) / _places(calls)


class _Call:
    """Somebody who waits; `taken` by a batch, `done` with it."""

    def __init__(self, owner, function=None, images=None):
        self.owner, self.function = owner, function
        self.number, self.taken, self.done = 0, False, False
        self.images: Any = images
        self.result: Any = None
        self.fill = 1.0
        self.error: Exception | None = None

    def alike(self, other):
        return (
            not self.taken
            and self.function is other.function is not None
            and self.images.shape == other.images.shape
        )


def _places(calls):
    """How many images the batch of some calls has: 1, 2, 4 or 8."""
    return 1 << (len(calls) - 1).bit_length()


def _batched(calls):
    """What becomes of the calls' images, one after another, by one call."""
    if len(calls) == 1:
        return [np.asarray(calls[0].function(calls[0].images))]
    images = [call.images for call in calls]
    images += images[-1:] * (_places(calls) - len(calls))
    made = np.asarray(calls[0].function(np.concatenate(images)))
    return [made[index : index + 1] for index in range(len(calls))]
