"""How the package ends: one line and an exit code for each way things can go.

0 done; 1 a bug (its trace is in a file); 2 usage; 3 no readable input; 5 out of memory;
6 partial; 65 data or training went bad; 66 config or checkpoint mismatch; 74 disk;
130 and 143 interrupted, after a checkpoint was written.
"""

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator

from absl import logging

from jaxrestore import errors

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_PLACE = {errno.EACCES, errno.EPERM, errno.ENOENT}
_PLACE |= {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


def run(task: Callable[[], object]) -> None:
    """Runs `task` and ends the process with the code of what happened."""
    logging.set_verbosity(logging.ERROR)  # jax and orbax tell their inner life by absl
    try:
        task()
    except errors.UserError as error:
        _end(error.exit_code, f"{error}")
    except KeyboardInterrupt:
        _end(130, "interrupted; what the last checkpoint holds is safe")
    except MemoryError:
        _end(5, _OUT_OF_MEMORY)
    except OSError as error:
        if error.errno in _DISK:
            _end(74, f"{error}; free some space, then give the same command again")
        if error.errno in _PLACE:
            _end(74, f"{error}; give a place that can be written")
        _bug(error)
    except Exception as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            _end(5, _OUT_OF_MEMORY)
        if "No space left on device" in str(error):
            _end(74, f"{error}; free some space, then give the same command again")
        _bug(error)


@contextlib.contextmanager
def flags(*names: str) -> Iterator[None]:
    """Spells these arguments, which the library's messages quote, as options.

    Around a command, or a part of one: `` `level` `` becomes --level.
    """
    try:
        yield
    except errors.UserError as error:
        text = str(error)
        for name in names:
            text = text.replace(f"`{name}`", f"--{name.replace('_', '-')}")
        error.args = (text,)
        raise


_OUT_OF_MEMORY = (
    "out of memory; lower config.batch_size or config.crop, raise "
    "config.optimizer.accumulate, or set config.precision to bfloat16"
)


def _bug(error: Exception) -> None:
    handle, path = tempfile.mkstemp(prefix="jaxrestore-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write("".join(traceback.format_exception(error)))
    _end(1, f"a bug: {type(error).__name__}: {error}\nits trace is in {path}")


def _end(code: int, message: str) -> None:
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
