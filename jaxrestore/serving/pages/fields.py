"""A task's options, which are a JSON Schema, as fields of a form, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxrestore.serving.values import Image, TaskInfo

_SHARES = tuple((f"{n / 10:g}", f"{10 * n} %") for n in range(10, 0, -1))


@dataclass(frozen=True)
class Field:
    """One option as a form shows it; `kind` is "range", "number", "choice" or "switch".

    `name` is TASK.OPTION, so that the options of all tasks stand in one form.
    `automatic`: left empty, the program chooses. `choices` are values, each with what
    people call it. `methods` are those that take the option; none stands for all.
    """

    name: str
    option: str
    label: str
    help: str
    kind: str
    default: str = ""
    least: float | int | None = None
    most: float | int | None = None
    step: str = "any"
    choices: tuple[tuple[str, str], ...] = ()
    automatic: bool = False
    methods: tuple[str, ...] = ()


def of_task(task: TaskInfo, image: Image | None = None) -> list[Field]:
    """Returns the fields of a task's options, in the order of its schema.

    Those that do nothing for the `image` are left out, where there is one already.
    """
    return [
        _field(task, name, rule)
        for name, rule in _properties(task).items()
        if image is None or image.cells or not rule.get("x-cells")
    ]


def options(
    task: TaskInfo,
    form: Mapping[str, Any],
    method: str | None = None,
    image: Image | None = None,
) -> dict[str, Any]:
    """Returns the options that a filled form names; what was left alone is left out.

    So is what the `method`, the task's first if None, does not take, and what does
    nothing for the `image`. Numbers are read as numbers; a text that is none stays a
    text, so that whoever checks options says what is wrong with it.

    Example: a form {"denoise.level": "25"} gives {"level": 25}.
    """
    method = method or next(iter(task.methods), "")
    found: dict[str, Any] = {}
    for field in of_task(task, image):
        given = form.get(field.name)
        if field.methods and method not in field.methods:
            continue
        if field.kind == "switch":
            if (given is not None) != bool(field.default):
                found[field.option] = given is not None
        elif isinstance(given, str) and given.strip() not in ("", field.default):
            found[field.option] = _number(given.strip())
    return found


def label(option: str, task: TaskInfo | None) -> str:
    """Returns what people call an option of a task."""
    rule = _properties(task).get(option, {}) if task else {}
    return rule.get("title") or option.replace("_", " ").capitalize()


def written(option: str, value: Any) -> str:
    """Returns an option's value as people read it: "60 %", "yes", "25"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if option == "strength" and isinstance(value, int | float):
        return f"{100 * value:.0f} %"
    return f"{value}"


def _properties(task: TaskInfo) -> Mapping[str, Any]:
    return task.options.get("properties", {})


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _field(task: TaskInfo, option: str, rule: Mapping[str, Any]) -> Field:
    ways = [dict(way) for way in rule.get("anyOf", rule.get("oneOf", [rule]))]
    numeric = next((w for w in ways if _types(w) & {"number", "integer"}), {})
    merged = {**rule, **numeric}
    choices = tuple((str(c), str(c)) for w in ways for c in w.get("enum", ()))
    default = rule.get("default")
    least, most = merged.get("minimum"), merged.get("maximum")
    if any("boolean" in _types(way) for way in ways):
        kind = "switch"
    elif choices:
        kind = "choice"
    elif (least, most) == (0, 1):  # a share, of which people say per cent
        kind = "choice" if default is None else "range"
        choices = _SHARES if default is None else ()
    else:
        kind = "number"
    return Field(
        name=f"{task.name}.{option}",
        option=option,
        label=label(option, task),
        help=rule.get("description", ""),
        kind=kind,
        default="" if default in (None, False) else str(default),
        least=least,
        most=most,
        step="0.05" if kind == "range" else _step(merged),
        choices=choices,
        automatic=default is None and kind != "switch",
        methods=tuple(rule.get("x-methods", ())),
    )


def _types(way: Mapping[str, Any]) -> set[str]:
    kind = way.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def _step(rule: Mapping[str, Any]) -> str:
    whole = "integer" in _types(rule)
    return str(rule.get("multipleOf", 1 if whole else "any"))
