"""`-`: a picture from the standard input, or to the standard output."""

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from jaxrestore import errors, files

WORD = "-"


@contextlib.contextmanager
def as_files(
    sources: Sequence[Path], output: str, *, suffix: str | None = None
) -> Iterator[tuple[Sequence[Path], str, Callable[[str], str]]]:
    """Inside, files stand for `-`; what was written to one is written out at the end.

    It has the format of `suffix`, or that of the picture, PNG if none is written. What
    is printed inside goes to the standard error then. Messages name the streams, and so
    does a text by the last of what is given. Raises `ConfigError` for `-` beside
    others, and for one that is closed or a terminal.
    """
    reads, writes = Path(WORD) in sources, output == WORD
    if not (reads or writes):
        yield sources, output, str
        return
    _check(sources, output)
    with tempfile.TemporaryDirectory() as home:
        place = re.compile(re.escape(f"{home}{os.sep}") + r"([a-z ]+)(\.[a-z]+)?")
        spelled = lambda text: place.sub(r"\1", text)
        with _named(spelled):
            if reads:
                sources = [Path(home, "the standard input")]
                files.write_bytes(sources[0], sys.stdin.buffer.read())
            if not writes:
                yield sources, output, spelled
                return
            written = Path(home, f"the standard output{suffix or _suffix(sources[0])}")
            with contextlib.redirect_stdout(_Spelling(spelled)):
                yield sources, str(written), spelled
            sys.stdout.buffer.write(written.read_bytes())
            sys.stdout.buffer.flush()


class _Spelling(io.TextIOBase):
    """The standard error, but for some spelling."""

    def __init__(self, spelled: Callable[[str], str]):
        self._spelled = spelled

    def write(self, text: str) -> int:
        return sys.stderr.write(self._spelled(text))


def _check(sources: Sequence[Path], output: str) -> None:
    reads, writes = Path(WORD) in sources, output == WORD
    from jaxrestore.inference import sources as given

    several = sources[0].is_dir() or given.is_pattern(sources[0])
    if len(sources) > 1 or (writes and several):
        raise errors.ConfigError(
            "- stands for one picture; give one file, or a folder for several"
        )
    if reads and (output.endswith(("/", os.sep)) or Path(output).is_dir()):
        raise errors.ConfigError(
            f"a picture from the standard input has no name to have in {output}; give "
            "a file, or -"
        )
    if reads and (why := _unusable(sys.stdin)):
        raise errors.ConfigError(
            f"the standard input is {why}; give it a picture, as by < IN.png"
        )
    if writes and (why := _unusable(sys.stdout)):
        raise errors.ConfigError(
            f"the standard output is {why}; lead it to a file, as by > OUT.png"
        )


def _unusable(stream: TextIO | None) -> str:
    """Why no picture goes through a stream of Python's, which is None if closed."""
    if stream is None:
        return "closed"
    return "a terminal" if stream.isatty() else ""


def _suffix(source: Path) -> str:
    from jaxrestore import image_headers, images
    from jaxrestore.image_files import formats

    kind, _ = image_headers.format_and_size(source, images.FORMATS)
    suffixes = {one.kind: one.suffixes[0] for one in formats.FORMATS.values()}
    return {**suffixes, "MPO": ".jpg"}.get(kind, ".png")


@contextlib.contextmanager
def _named(spelled: Callable[[str], str]) -> Iterator[None]:
    """Inside, notices and errors are spelled."""
    show = warnings.showwarning

    def shown(message, category, *place):
        show(spelled(str(message)), category, *place)

    warnings.showwarning = shown
    try:
        yield
    except errors.UserError as error:
        error.args = (spelled(str(error)),)
        raise
    finally:
        warnings.showwarning = show
