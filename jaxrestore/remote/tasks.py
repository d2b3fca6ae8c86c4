"""What a web app elsewhere can do, and whether it is what somebody asks for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxrestore import errors, naming
from jaxrestore.remote.server import PATIENCE, Refused, Server, printable

_LOOK = 2.0  # seconds between two looks at a server that begins


@dataclass(frozen=True)
class Task:
    """A task: the `methods` at hand, the best one first, and `why_not` the others.

    `options` has the JSON Schema of each by its name; `hashes` are the SHA-256 of its
    networks' weights.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    why_not: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]]
    needs_mask: bool
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """The tasks of a server by name, and the bytes that a picture may have there."""

    tasks: Mapping[str, Task]
    max_bytes: float


def asked(server: Server, clock: Callable[[], float] = time.monotonic) -> Offer:
    """Returns what a server offers, once its engine is ready.

    Raises as `Server.ask`, and `ServerError` for one that is not ready for long.
    """
    end = clock() + PATIENCE
    while not (offer := _asked(server)).tasks:
        if clock() > end:
            raise errors.ServerError(
                f"{server.url} has not begun to work for {PATIENCE / 60:g} minutes; "
                "whoever runs it may know why"
            )
        server.pause(_LOOK)
    return offer


def _asked(server: Server) -> Offer:
    try:
        found = server.ask("GET", "tasks").json
        tasks = [_task(one) for one in found["tasks"]]
        limit = float(found["limits"]["max_bytes"])
    except (Refused, TypeError, ValueError, LookupError, AttributeError) as error:
        why = f" ({error})" if isinstance(error, Refused) else ""
        raise errors.ServerError(
            f"{server.url} answers with no list of tasks{why}; check that it is the "
            "address of a web app of this package, of this version"
        ) from error
    return Offer({task.name: task for task in tasks}, limit)


def _task(one: Mapping[str, Any]) -> Task:
    return Task(
        name=printable(one["name"]),
        label=printable(one["label"]),
        methods=tuple(map(printable, one["methods"])),
        why_not={printable(n): printable(why) for n, why in one["why_not"].items()},
        options=one["params"].get("properties", {}),
        needs_mask=bool(one["needs_mask"]),
        hashes=tuple(printable(network["sha256"]) for network in one["networks"]),
    )


def check(
    offer: Offer,
    name: str,
    options: Mapping[str, Any],
    *,
    method: str | None = None,
    masked: bool = False,
) -> Task:
    """Returns the task of a name; raises `ConfigError` where it is not to be had so.

    `options` are those that are given, `method` is that of the task's, the best one if
    not given, and `masked` says whether there is a mask.
    """
    task = offer.tasks.get(name)
    if task is None:
        raise errors.ConfigError(
            f"`task` is {name!r}, which the server does not have; "
            f"{naming.nearest(name, offer.tasks)}"
        )
    if not task.methods:
        why = "; ".join(task.why_not.values()) or "it says no more"
        raise errors.ConfigError(f"the server cannot do {name} now ({why})")
    if method is not None and method not in task.methods:
        why = task.why_not.get(method, naming.nearest(method, task.methods))
        raise errors.ConfigError(f"`method` of {name} cannot be {method!r}: {why}")
    if task.needs_mask != masked:
        says = "takes no mask; leave" if masked else "needs a mask, white where it is "
        says += " `mask` out" if masked else "missing; give `mask`"
        raise errors.ConfigError(f"{name} {says}")
    for option, value in options.items():
        _check(task, option, value, method or task.methods[0])
    return task


def fingerprint(task: Task, method: str | None) -> str:
    """Returns what tells one way to restore from another: a network by its weights.

    >>> tasks.fingerprint(task, "prior")
    'denoise by prior'
    """
    by = method or task.methods[0]
    if by == "network" and task.hashes:
        return "+".join(task.hashes)
    return f"{task.name} by {by}"


def _check(task: Task, option: str, value: Any, method: str) -> None:
    if option not in task.options:
        raise errors.ConfigError(
            f"`{option}` is nothing that {task.name} takes; leave it out"
        )
    rule = task.options[option]
    if method not in rule.get("x-methods", [method]):
        raise errors.ConfigError(
            f"`{option}` is nothing that {task.name} takes with the method {method}; "
            "leave it out"
        )
    least, most = rule.get("minimum", value), rule.get("maximum", value)
    choices = rule.get("enum", [value])
    if not least <= value <= most:
        raise errors.ConfigError(f"`{option}` is {value}; it is {least} to {most}")
    if value not in choices:
        there = " or ".join(map(str, choices))
        raise errors.ConfigError(f"`{option}` is {value}; it is {there}")
