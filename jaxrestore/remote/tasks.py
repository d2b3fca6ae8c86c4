"""What a web app elsewhere can do, and whether it is what somebody asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxrestore import errors, naming
from jaxrestore.remote.server import Refused, Server, printable


@dataclass(frozen=True)
class Task:
    """A task: the `methods` at hand, the best one first, and `why_not` the others.

    `options` has the JSON Schema of each by its name; `sha256` is that of the network's
    weights, "" without one.
    """

    name: str
    label: str
    methods: tuple[str, ...]
    why_not: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]]
    needs_mask: bool
    sha256: str


@dataclass(frozen=True)
class Offer:
    """The tasks of a server by name, and the bytes that a picture may have there."""

    tasks: Mapping[str, Task]
    max_bytes: float


def asked(server: Server) -> Offer:
    """Returns what a server offers; raises as `Server.ask`."""
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
        sha256=printable(one["sha256"] or ""),
    )


def check(offer: Offer, name: str, options: Mapping[str, Any], masked: bool) -> Task:
    """Returns the task of a name; raises `ConfigError` where it is not to be had so.

    `options` are those that are given, `masked` says whether a mask is.
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
    if task.needs_mask != masked:
        says = "needs a mask, white where it is missing" if not masked else "has none"
        raise errors.ConfigError(
            f"{name} {says}; {'leave `mask` out' if masked else 'give `mask`'}"
        )
    for option, value in options.items():
        _check(task, option, value)
    return task


def _check(task: Task, option: str, value: Any) -> None:
    if option not in task.options:
        known = [f"`{one}`" for one in ("level", "strength", "scale")]
        has = [word for word in known if word.strip("`") in task.options]
        raise errors.ConfigError(
            f"{task.name} has no `{option}`; leave it out"
            + (f"; it has {' and '.join(has)}" if has else "")
        )
    rule = task.options[option]
    least, most = rule.get("minimum", value), rule.get("maximum", value)
    choices = rule.get("enum", [value])
    if not least <= value <= most:
        raise errors.ConfigError(f"`{option}` is {value}; it is {least} to {most}")
    if value not in choices:
        there = " or ".join(map(str, choices))
        raise errors.ConfigError(f"`{option}` is {value}; it is {there}")
