"""What the web process and its engine's process write to each other: lines of JSON.

Nothing is unpickled on either side, and pixels never pass: they are in files.
"""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrestore import errors
from jaxrestore.serving import values

LONGEST = 2**22  # bytes of a line: the tasks of many networks are some


@dataclasses.dataclass(frozen=True)
class Begin:
    """The first line that the engine's process is given.

    `models` is a folder of weights beside those that ship; the rest is of `Settings`.
    """

    models: Path | None
    slots: int
    priority: int
    run_s: float
    idle_release_s: float | None


@dataclasses.dataclass(frozen=True)
class Cancel:
    """A job is to end within a tile."""

    job: str


@dataclasses.dataclass(frozen=True)
class Finish:
    """A fit of the prior is to end with its best picture so far."""

    job: str


KINDS = {
    kind.__name__: kind
    for kind in (
        Begin,
        values.Order,
        Cancel,
        Finish,
        values.Ready,
        values.Started,
        values.Progressed,
        values.Ended,
        values.Beat,
    )
}


def line(message: Any) -> bytes:
    """Returns a message of one of `KINDS` as a line.

    >>> line(Cancel("1f"))
    b'["Cancel", {"job": "1f"}]\\n'
    """
    content = [type(message).__name__, _plain(message)]
    return json.dumps(content).encode() + b"\n"


def read(line: bytes) -> Any:
    """Returns the message of a line; raises `DamagedError` for one that has none.

    >>> read(b'["Finish", {"job": "1f"}]')
    Finish(job='1f')
    """
    try:
        kind, content = json.loads(line)
        return _made(KINDS[kind], content)
    except (ValueError, KeyError, TypeError) as error:
        raise errors.DamagedError(
            f"the engine's process wrote {line[:80]!r}, which is no message; start the "
            "server again"
        ) from error


def _plain(value):
    """The value as JSON has it."""
    if dataclasses.is_dataclass(value):
        named = dataclasses.fields(value)
        return {one.name: _plain(getattr(value, one.name)) for one in named}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _made(kind, value):
    """The value of this type, of what JSON has."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        kinds = [one for one in inside if one is not type(None)]
        return None if value is None else _made(kinds[0], value)
    if origin is tuple:
        return tuple(_made(inside[0], one) for one in value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        made = {name: _made(hints[name], one) for name, one in value.items()}
        return kind(**made)  # type: ignore
    if isinstance(kind, type) and issubclass(kind, Path | enum.Enum):
        return kind(value)
    return value
