"""How the package ends: one line and an exit code for each way things can go.

0 done; 1 a bug (its trace is in a file); 2 usage; 3 no readable input; 5 out of memory;
6 partial; 65 data or training went bad; 66 config or checkpoint mismatch, or a
damaged run; 69 a server that is not there; 74 disk; 129, 130 and 143 interrupted, after
a checkpoint was written; 141 the reader of a pipe went away.
"""

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator

from absl import logging

from jaxrestore import errors
from jaxrestore.cli import progress


def run(task: Callable[[], object]) -> None:
    """Runs `task` and ends the process with the code of what happened."""
    logging.set_verbosity(logging.ERROR)  # jax and orbax tell their inner life by absl
    warnings.formatwarning = _formatted
    _print_any_name()
    try:
        task()
    except BrokenPipeError:
        # Whoever reads, as `| head`, has enough; Python would complain as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        _end(130, "interrupted; what the last checkpoint holds is safe")
    except Exception as error:
        known = errors.explained(error)
        if known is None:
            _bug(error)
        else:
            _end(known.exit_code, str(known))


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an interrupt: nothing on the way takes it for an error of a file."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Inside, the first SIGTERM is raised as `Terminated`; a second one kills.

    So what has to be tidied up or told is. Ends as `errors.Interrupted`. In another
    thread than the main one, to which signals come, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def end(number, frame):
        signal.signal(signal.SIGTERM, before)
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    except Terminated:
        raise errors.Interrupted("stopped", signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_any_name() -> None:
    """Lets results name files that the encoding cannot spell, as errors do already."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def flags(*names: str) -> Iterator[None]:
    """Spells these arguments, which the library's messages quote, as options.

    Around a command, or a part of one: `` `level` `` becomes --level.
    """
    try:
        yield
    except errors.UserError as error:
        error.args = (spelled(str(error), *names),)
        raise


def spelled(text: str, *names: str) -> str:
    """Returns the text of the library with these arguments as options."""
    for name in names:
        text = text.replace(f"`{name}`", f"--{name.replace('_', '-')}")
    return text


_plainly = warnings.formatwarning


def _formatted(message, category, *place):
    """A notice as one line; what other libraries warn of, with its place."""
    if issubclass(category, errors.Notice):
        return f"{progress.cleared()}note: {message}\n"
    return _plainly(message, category, *place)


def _bug(error: Exception) -> None:
    handle, path = tempfile.mkstemp(prefix="jaxrestore-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write("".join(traceback.format_exception(error)))
    _end(1, f"a bug: {type(error).__name__}: {error}\nits trace is in {path}")


def _end(code: int, message: str) -> None:
    with contextlib.suppress(OSError):  # of a terminal that is closed
        print(f"{progress.cleared()}error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
