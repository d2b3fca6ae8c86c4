"""What can go wrong for a user, each with the exit code a script can act on.

The message of each is one sentence or two: what, where, why, and what to do about it.
"""

from collections.abc import Mapping


class UserError(Exception):
    """Something the user can mend; shown without a traceback."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a value or an argument that cannot be meant."""

    exit_code = 2


class NoInputError(UserError):
    """No readable input: an empty, missing or wholly damaged folder or file."""

    exit_code = 3


class PartialError(UserError):
    """The work is done but for some inputs, which the message names."""

    exit_code = 6


class TrainingError(UserError):
    """Data or training went bad; the same command would go bad again."""

    exit_code = 65


class MismatchError(UserError):
    """A config or checkpoint that does not belong to this run."""

    exit_code = 66


class DiskError(UserError):
    """The disk is full, or a place on it cannot be written."""

    exit_code = 74


class Interrupted(UserError):
    """A signal asked the run to stop; its state was saved first."""

    def __init__(self, message: str, signal_number: int):
        """Keeps the signal: the exit code is 128 + its number, as shells have it."""
        super().__init__(message)
        self.exit_code = 128 + signal_number


def raise_partial(skipped: Mapping[str, str], what: str) -> None:
    """Raises `PartialError` with up to ten of `skipped`, if there are any.

    `skipped` has a reason for each name, `what` says what became of them.
    """
    if not skipped:
        return
    shown = [f"{name}: {reason}" for name, reason in [*skipped.items()][:10]]
    more = [f"and {len(skipped) - 10} more"] if len(skipped) > 10 else []
    raise PartialError("\n  ".join([f"{len(skipped)} {what}:", *shown, *more]))
