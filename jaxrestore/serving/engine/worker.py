"""The engine's own process: it holds the networks and the device, and nobody's trust.

    python -m jaxrestore.serving.engine.worker

The supervisor writes `messages` to its standard input, and reads them from its standard
output. It ends at once when the first is closed, as it is when the server dies.
"""

import contextlib
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxrestore import errors
from jaxrestore.serving import values
from jaxrestore.serving.engine import failures, messages

_ID = re.compile("([0-9a-f]{8})[0-9a-f]{24}")
_BEAT_S = 1.0
_OFTEN_S = 0.1  # between two words on the progress of a job

Tell = Callable[[Any], object]


class Cancelled(Exception):
    """Somebody has cancelled the job."""


class Worker:
    """Restores what is ordered, each order in a thread of its own.

    What becomes of them is told as `values`, from these threads.
    """

    def __init__(self, begin: messages.Begin, tell: Tell):
        """Finds the weights that there are; loads none. Raises as `offers.files`."""
        # Imported here: the process has a pulse before jax is loaded.
        import jax

        from jaxrestore.serving.engine import offers, shelf, turns

        device = jax.devices()[0]
        kinds = dict.fromkeys((device.platform, device.device_kind))
        self.device = " ".join(kinds)
        self._begin, self._tell = begin, tell
        self._weights = offers.files(begin.models)
        most = 1 if device.platform == "cpu" else turns.MOST
        self._turns, self._beginnings = turns.Turns(most), turns.Turns()
        self._networks = shelf.Shelf(self._weights, self._turns)
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._last = time.monotonic()  # that something ran

    def warm(self) -> None:
        """Compiles all that pictures need, and tells that it is ready.

        What is wrong with weights that cannot be used goes to the log; a task without
        others says that it has none.
        """
        from jaxrestore.serving.engine import offers

        begun = time.monotonic()
        broken = self._networks.warm()
        for name, error in broken.items():
            _say(f"no network {name}: {error}")
        tasks = offers.offered(self._weights, broken)
        self._last = time.monotonic()
        self._tell(values.Ready(tasks, self.device, self._last - begun))

    def take(self, message: Any) -> None:
        """Takes an `Order`, or a `Cancel` or `Finish` of one that runs."""
        if isinstance(message, values.Order):
            running = _Running(message, time.monotonic() + self._begin.run_s)
            with self._lock:
                self._running[message.job] = running
            threading.Thread(target=self._run, args=(running,), daemon=True).start()
            return
        running = self._running.get(message.job)
        if running is not None:
            asked = running.cancelled
            if isinstance(message, messages.Finish):
                asked = running.finishing
            asked.set()
            self._turns.look()
            self._beginnings.look()

    def rest(self) -> None:
        """Lets networks go that nothing has needed for `idle_release_s`."""
        after = self._begin.idle_release_s
        with self._lock:
            idle = not self._running and time.monotonic() - self._last > (after or 0)
        if after is not None and idle:
            self._networks.release()

    def _run(self, running):
        job, begun = running.order.job, time.monotonic()
        self._tell(values.Started(job))
        status, code, detail, numbers = self._outcome(running)
        numbers["run_s"] = time.monotonic() - begun
        numbers["device"] = self.device
        with self._lock:
            del self._running[job]
            self._last = time.monotonic()
        self._tell(values.Ended(job, status, code, detail, numbers))

    def _outcome(self, running):
        from jaxrestore.serving.engine import orders

        work = orders.Work(
            running.order,
            self._networks,
            self._turns,
            self._beginnings,
            check=running.check,
            told=lambda *now: self._progress(running, *now),
            finishing=running.finishing.is_set,
        )
        try:
            orders.fulfil(work)
        except Cancelled:
            return values.Status.CANCELLED, None, None, work.numbers
        except Exception as error:
            known = _of_one_job(error)
            if known is None:
                _say("".join(traceback.format_exception(error)))
                said = "The engine failed in a way that is not foreseen; it is logged."
                return values.Status.FAILED, "engine_error", said, work.numbers
            code, said = failures.of(known)
            if said != str(known):
                _say(f"{running.order.job}: {known}")
            return values.Status.FAILED, code, said, work.numbers
        return values.Status.DONE, None, None, work.numbers

    def _progress(self, running, share, preview):
        now = time.monotonic()
        if preview or share == 1 or now - running.told > _OFTEN_S:
            running.told = now
            self._tell(values.Progressed(running.order.job, share, preview))


class _Running:
    """An order at work, and what is asked of it."""

    def __init__(self, order, until):
        self.order, self.until, self.told = order, until, 0.0
        self.cancelled, self.finishing = threading.Event(), threading.Event()

    def check(self):
        """Raises what ends it."""
        if self.cancelled.is_set():
            raise Cancelled
        if time.monotonic() > self.until:
            said = "It took longer than a job may; give a smaller picture."
            raise failures.TooLong(said)


def _of_one_job(error):
    try:
        return errors.of_one_file(error)
    except Exception:
        return errors.explained(error)


def _say(text):
    """Tells the log, of ids their first eight digits: whoever knows one can see it."""
    with contextlib.suppress(OSError):  # of a terminal that is closed
        print(_ID.sub(r"\1", text), file=sys.stderr, flush=True)


def memory() -> int:
    """Returns how many bytes the process holds, by Linux; 0 elsewhere."""
    place = Path("/proc/self/statm")
    pages = int(place.read_text().split()[1]) if place.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serves its supervisor until its standard input ends."""
    # What libraries print goes to the log; the messages have a file of their own.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(message):
        line = messages.line(message)
        try:
            with lock:
                out.write(line)
        except OSError:
            os._exit(0)  # nobody listens any more

    # A terminal may stop those who write to it from behind (`stty tostop`).
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    begin = messages.read(sys.stdin.buffer.readline())
    with contextlib.suppress(OSError):
        os.nice(begin.priority)
    rest: list[Callable[[], object]] = []

    def beat():
        while True:
            tell(values.Beat(time.time(), memory()))
            for one in rest:
                one()
            time.sleep(_BEAT_S)

    threading.Thread(target=beat, daemon=True).start()
    try:
        worker = Worker(begin, tell)
        worker.warm()
    except Exception as error:
        known = errors.explained(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr, flush=True)
        os._exit(known.exit_code)
    rest.append(worker.rest)
    for line in sys.stdin.buffer:
        worker.take(messages.read(line))
    os._exit(0)


if __name__ == "__main__":
    main()
