"""Signals that ask a run to stop: caught, so that the state is saved first."""

import signal
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Remembers the first SIGTERM or SIGINT that arrives while it is entered.

    A second Ctrl-C ends the process at once, as if nothing had been caught.
    """

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        """Starts to listen."""
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
