"""Whether what a job asks for is what a task can do."""

import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.values import METHODS, Image, TaskInfo


def task_of(tasks: Sequence[TaskInfo], name: str) -> TaskInfo:
    """Returns the task of a name; raises 503 before there are any, and 422."""
    if not tasks:
        raise Refusal(
            503,
            "starting",
            "The server is starting",
            "The networks are still being loaded; try again in a minute.",
            retry_after=30,
        )
    found = {task.name: task for task in tasks}
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        said = f"There is no task {name[:40]!r}"
        said += f"; {near[0]!r} may be meant" if near else ""
        raise _unfit("no_task", f"{said}. There are {', '.join(found)}.")
    return found[name]


def method_of(task: TaskInfo, method: str | None) -> str:
    """Returns the method, the task's first one if none is given; raises 422."""
    if method is None and task.methods:
        return task.methods[0]
    if method in task.methods:
        return str(method)
    if method is not None and method not in METHODS:
        known = ", ".join(METHODS)
        raise _unfit("no_method", f"There is no method {method[:40]!r}, but {known}.")
    why = task.why_not.get(method or METHODS[0], "Nothing that does it is at hand.")
    raise _unfit("no_method", f"{task.label}: {why}")


def checked(task: TaskInfo, options: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Returns the options of a job; raises 422 with what the task's schema says.

    So it does for an option that other methods alone take, and for a `scale` that no
    network has.
    """
    given = _plain(dict(options))
    schema = dict(task.options) or {"type": "object", "additionalProperties": False}
    for error in _validator(json.dumps(schema)).iter_errors(given):
        where = ".".join(map(str, error.instance_path))
        said = f"{where}: {error.message}" if where else error.message
        raise _unfit("options", f"The options of {task.label!r} are wrong: {said}.")
    rules = schema.get("properties", {})
    for name in given:
        if method not in rules[name].get("x-methods", [method]):
            said = f"{task.label} takes no {name} with the method {method}"
            raise _unfit("options", f"{said}; leave it out.")
    scales = {network.scale for network in task.networks}
    scale = given.get("scale", _scale(task))
    if method == "network" and "scale" in rules and scale not in scales:
        known = " or ".join(map(str, sorted(scales)))
        said = f"{task.label}: a network does it {known} times, and not {scale} times"
        raise _unfit("options", f"{said}; choose one of these, or another method.")
    return given


def _scale(task: TaskInfo) -> int:
    """What sides grow by if nothing is said."""
    asked = task.options.get("properties", {}).get("scale", {})
    return asked.get("default", task.scales[0] if task.scales else 1)


@functools.lru_cache(64)
def _validator(schema: str) -> Any:
    # Imported here: the values and the queue are used without it.
    import jsonschema_rs

    return jsonschema_rs.validator_for(json.loads(schema))


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options with 2.0 as 2, which is the same number in JSON; refuses what no text is.

    A lone surrogate can be escaped in JSON, and written nowhere.
    """
    try:
        json.dumps(options, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _unfit("options", "The options have letters that no text has.") from error
    return {
        name: int(one) if isinstance(one, float) and one.is_integer() else one
        for name, one in options.items()
    }


def check_mask(task: TaskInfo, masked: bool) -> None:
    """Raises 422 for a mask that is missing, or of no use."""
    if task.needs_mask and not masked:
        raise _unfit("no_mask", f"{task.label} needs a mask, white where to fill.")
    if masked and not task.needs_mask:
        raise _unfit("mask", f"{task.label} takes no mask; leave it out.")


def check_size(
    task: TaskInfo,
    method: str,
    options: Mapping[str, Any],
    image: Image,
    settings: Settings,
) -> None:
    """Raises 413 where the result would have more pixels than the method may make."""
    scale = options.get("scale", _scale(task))
    pixels, most = image.pixels * scale * scale, settings.max_result_pixels
    others = "a smaller scale, or a part of the picture"
    if method == "prior" and not task.needs_mask:  # holes are filled piece by piece
        most = min(most, settings.max_fit_pixels)
        others += ", or another method"
    if pixels > most:
        raise Refusal(
            413,
            "result_too_large",
            "The result would be too large",
            f"The result would have {pixels / 1e6:.1f} megapixels, and {most / 1e6:g} "
            f"are the most; take {others}.",
            limit=most,
        )


def _unfit(code: str, detail: str) -> Refusal:
    return Refusal(422, code, "The job cannot be done so", detail)
