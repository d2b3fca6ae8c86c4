"""What is told of work on many files: a line that is written over, and the last one."""

import math
import sys
import time
from collections.abc import Sequence

from jaxrestore import tables

_OFTEN = 0.1  # seconds between two lines


def on_terminal() -> bool:
    """Returns whether somebody sees lines that are written over."""
    return sys.stderr.isatty()


def line(text: str) -> None:
    """Writes over the line before, on a terminal alone."""
    if on_terminal():
        print(f"{cleared()}{text}", end="", file=sys.stderr, flush=True)


def cleared() -> str:
    """Returns what removes the line before, on a terminal alone."""
    return "\r\x1b[K" if on_terminal() else ""


def compiling(what: str) -> None:
    """Says what is compiled first and for which device, on a terminal alone."""
    if on_terminal():
        import jax  # which finds its devices here: seconds, where there are GPUs

        line(f"{what}: compiling for {jax.devices()[0].device_kind}")


def clock(seconds: float | int) -> str:
    """Returns a time in minutes, or in seconds where it is less than half a minute."""
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{round(seconds)} s"


def number(value: float | int) -> str:
    """Returns a number of at least three digits that count.

    >>> number(0.01234), number(1234.5)
    ('0.0123', '1,234')
    """
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def speed(pixels: int, seconds: float) -> str:
    """Returns how much was done in which time, and how much that is a second.

    >>> speed(3_000_000, 2.0)
    '3 MP in 2 s, 1.5 MP/s'
    """
    millions = pixels / 1e6
    a_second = number(millions / seconds) if seconds else "-"
    return f"{number(millions)} MP in {number(seconds)} s, {a_second} MP/s"


class Meter:
    """How many of some files are done, as a line; by their pixels, not by their count.

    `sizes` has the pixels of each file, in the order in which they come.
    """

    def __init__(self, sizes: Sequence[int]):
        """Begins before the first file."""
        self._sizes, self._total = sizes, sum(sizes)
        self._files = self._pixels = 0
        self._first: tuple[float, float] | None = None
        self._told = -math.inf

    def within(self, share: float | int) -> None:
        """Tells that this share of a file is done."""
        if time.monotonic() > self._told + _OFTEN:
            line(self._text(self._pixels + share * self._sizes[self._files]))

    def next(self) -> None:
        """Tells that a file is done."""
        self._pixels += self._sizes[self._files]
        self._files += 1
        if time.monotonic() > self._told + _OFTEN:
            line(self._text(self._pixels))

    def _text(self, pixels: float | int) -> str:
        self._told = now = time.monotonic()
        text = f"{self._files} of {tables.counted(len(self._sizes), 'image')}, "
        text += f"{number(pixels / 1e6)} of {number(self._total / 1e6)} MP"
        if self._first is None:  # what was compiled, was compiled before
            self._first = now, pixels
        begun, before = self._first
        if pixels > before and now > begun:
            a_second = (pixels - before) / (now - begun)
            left = clock((self._total - pixels) / a_second)
            text += f", {number(a_second / 1e6)} MP/s, {left} left"
        return text
