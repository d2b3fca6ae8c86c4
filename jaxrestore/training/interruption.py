"""Signals that ask a run to stop: caught, so that the state is saved first."""

import contextlib
import os
import signal
import socket
import threading
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SAVING = (
    "stopping: the state is saved after this step; another Ctrl-C stops now, unsaved"
)
_STOPPED = "error: stopped unsaved; what the last checkpoint holds is safe"
_SECONDS = 1.0  # that Python has to tidy up and end by itself after a second Ctrl-C


class Interruption:
    """Remembers the first SIGTERM or SIGINT that arrives while it is entered.

    It says at once that the state will be saved. A second Ctrl-C ends the process as if
    nothing had been caught, or after a second by force: Python itself hears of a signal
    only when the step that runs is done, or compiled.
    """

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self.signal: int | None = None
        self._before: dict[int, object] = {}
        self._left = threading.Event()

    def __enter__(self) -> "Interruption":
        """Starts to listen."""
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._remember)
        # Python writes the number of a signal here when it arrives, whatever it is at.
        reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno())
        listen = threading.Thread(target=_listen, args=(reader, self._left))
        listen.daemon = True
        listen.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the signals back to whoever had them."""
        self._left.set()
        signal.set_wakeup_fd(self._wakeup)
        self._writer.close()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _listen(reader: socket.socket, left: threading.Event) -> None:
    heard = 0
    with reader:
        while arrived := reader.recv(1):
            number = arrived[0]
            heard += number in _SIGNALS
            if heard == 1 and number in _SIGNALS:
                _say(_SAVING)
            elif heard > 1 and number == signal.SIGINT and not left.wait(_SECONDS):
                # A progress bar has hidden the cursor, and cannot bring it back now.
                _say(("\x1b[?25h" if os.isatty(2) else "") + _STOPPED)
                os._exit(128 + signal.SIGINT)


def _say(text: str) -> None:
    # Not by print: the main thread may be in the middle of one. The first end of line
    # leaves that of a progress bar, or of ^C.
    with contextlib.suppress(OSError):  # nobody reads any more
        os.write(2, f"\n{text}\n".encode())
