"""What can go wrong for a user, each with the exit code a script can act on.

The message of each is one sentence or two: what, where, why, and what to do about it.
"""

import errno
import os
import sys
from collections.abc import Iterable, Mapping

_FULL = {errno.ENOSPC, errno.EDQUOT}
_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}
_PLACE |= {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


class UserError(Exception):
    """Something the user can mend; shown without a traceback."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a value or an argument that cannot be meant."""

    exit_code = 2


class NoInputError(UserError):
    """No readable input: an empty, missing or wholly damaged folder or file."""

    exit_code = 3


class ImageError(UserError):
    """An image that cannot be read, or not faithfully."""

    exit_code = 3


class OutOfMemoryError(UserError):
    """The memory of the machine or of its accelerator does not suffice."""

    exit_code = 5


class PartialError(UserError):
    """The work is done but for some inputs, which the message names."""

    exit_code = 6


class TrainingError(UserError):
    """Data or training went bad; the same command would go bad again."""

    exit_code = 65


class MismatchError(UserError):
    """A config or checkpoint that does not belong to this run."""

    exit_code = 66


class DamagedError(UserError):
    """A run, a sweep or the installation lacks a file of its own, or has it broken."""

    exit_code = 66


class ServerError(UserError):
    """A server that is asked for something is not there, has no time, or is no such."""

    exit_code = 69


class DiskError(UserError):
    """The disk is full, or a place on it cannot be written."""

    exit_code = 74


class Interrupted(UserError):
    """A signal asked the run to stop; its state was saved first."""

    def __init__(self, message: str, signal_number: int):
        """Keeps the signal: the exit code is 128 + its number, as shells have it."""
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Notice(UserWarning):
    """Something that stops nothing, but that the user should know; one sentence."""


def explained(error: Exception) -> UserError | None:
    """Returns what the user can mend about any error, as a sentence; None for a bug.

    A file that is missing is a bug here: where the user named it, or it belongs to a
    run, whoever reads it says so.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return OutOfMemoryError(
            "out of memory; lower config.batch_size or config.crop, raise "
            "config.optimizer.accumulate, or set config.precision to bfloat16"
        )
    if isinstance(error, OSError) and error.errno in _FULL | _PLACE:
        return disk_error(error, error.filename)
    if "No space left on device" in str(error):  # as other libraries raise it
        return DiskError(f"{error}; {_MAKE_ROOM}")
    return _no_device()


def _no_device() -> ConfigError | None:
    """Returns the sentence for a jax that has no device of the platform asked for."""
    asked, jax = os.environ.get("JAX_PLATFORMS"), sys.modules.get("jax")
    if not asked or jax is None:
        return None
    try:
        jax.devices()  # its errors have no class of their own; so it is asked again
    except Exception as error:
        why = str(error).partition(" (set JAX_PLATFORMS")[0].rstrip(".")
        why = why or "there is no such device here, or jax lacks what drives it"
        return ConfigError(
            f"jax cannot use JAX_PLATFORMS={asked} ({why}); unset JAX_PLATFORMS, or "
            "set it to cpu; GPUs need pip install 'jaxrestore[cuda]'"
        )
    return None


_MAKE_ROOM = "free some space, then give the same command again"


def disk_error(error: OSError, where: object) -> DiskError:
    """Returns the sentence for a path, or None, that the system refused."""
    why = error.strerror or str(error)
    remedy = "give a place that can be read and written"
    if error.errno in _FULL:
        remedy = _MAKE_ROOM
    elif error.errno == errno.ENAMETOOLONG:
        remedy = "give a shorter name"
    said = why if where is None else f"{where} cannot be used ({why})"
    return DiskError(f"{said}; {remedy}")


def of_one_file(error: Exception) -> UserError:
    """Returns as a sentence what one file of many has met, and others need not meet.

    Raises anything else: a full disk, a server that is gone, an interrupt, a bug.
    """
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return OutOfMemoryError(
            "it needs more memory than there is; make it smaller, or take a machine "
            "with more"
        )
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in _FULL
    if isinstance(error, OSError) and not full:
        return disk_error(error, error.filename)
    of_all = full or isinstance(error, Interrupted | ServerError)
    if of_all or not isinstance(error, UserError):
        raise error
    return error


def raise_partial(skipped: Mapping[str, str], what: str) -> None:
    """Raises `PartialError` with up to ten of `skipped`, if there are any.

    `skipped` has a reason for each name, `what` says what became of them.
    """
    if not skipped:
        return
    raise PartialError(listed(skipped, what))


def listed(reasons: Mapping[str, str], what: str) -> str:
    """Returns how many names there are, and lines of up to ten with their reasons.

    >>> print(errors.listed({"a.png": "it is no image"}, "left out"))
    1 left out:
      a.png: it is no image
    """
    shown = [f"{name}: {reason}" for name, reason in [*reasons.items()][:10]]
    more = [f"and {len(reasons) - 10} more"] if len(reasons) > 10 else []
    return "\n  ".join([f"{len(reasons)} {what}:", *shown, *more])


def some(names: Iterable[str], shown: int = 5) -> str:
    """Returns the first of the names, with commas, and how many more there are.

    >>> errors.some("abcd", 2)
    'a, b and 2 more'
    """
    names = [*names]
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
