"""A task's options, which are a JSON Schema, as fields of a form, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxrestore.serving.values import TaskInfo

LABELS = {
    "level": "Level",
    "strength": "Strength",
    "scale": "Enlarge by",
    "ensemble": "Average over eight views",
}


@dataclass(frozen=True)
class Field:
    """One option as a form shows it; `kind` is "range", "number", "choice" or "switch".

    `name` is TASK.OPTION, so that the options of all tasks stand in one form.
    `automatic`: left empty, the program chooses. `choices` are values as text.
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
    choices: tuple[str, ...] = ()
    automatic: bool = False


def of_task(task: TaskInfo) -> list[Field]:
    """Returns the fields of a task's options, in the order of its schema."""
    return [_field(task, name, rule) for name, rule in _properties(task).items()]


def options(task: TaskInfo, form: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that a filled form names; what is left as it was is left out.

    Numbers are read as numbers; a text that is none stays a text, so that whoever
    checks options says what is wrong with it.

    Example: a form {"denoise.level": "25"} gives {"level": 25}.
    """
    found: dict[str, Any] = {}
    for field in of_task(task):
        given = form.get(field.name)
        if field.kind == "switch":
            if given is not None:
                found[field.option] = True
        elif isinstance(given, str) and given.strip() not in ("", field.default):
            found[field.option] = _number(given.strip())
    return found


def label(option: str) -> str:
    """Returns what people call an option."""
    return LABELS.get(option, option.replace("_", " ").capitalize())


def written(option: str, value: Any) -> str:
    """Returns an option's value as people read it: "60 %", "yes", "25"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if option == "strength" and isinstance(value, int | float):
        return f"{value:.0%}".replace("%", " %")
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
    choices = tuple(str(c) for w in ways for c in w.get("enum", ()) if c is not None)
    automatic = any(
        "null" in _types(w) or w.get("const") == "auto" or "auto" in w.get("enum", ())
        for w in ways
    )
    default = rule.get("default")
    least, most = merged.get("minimum"), merged.get("maximum")
    if any("boolean" in _types(way) for way in ways):
        kind = "switch"
    elif numeric and choices in ((), ("auto",)):
        whole = option == "strength" and least is not None and most is not None
        kind = "range" if whole and not automatic else "number"
    else:
        kind = "choice"
    return Field(
        name=f"{task.name}.{option}",
        option=option,
        label=rule.get("title") or label(option),
        help=rule.get("description", ""),
        kind=kind,
        default="" if default in (None, "auto", False) else str(default),
        least=least,
        most=most,
        step=_step(kind, merged, least, most),
        choices=tuple(c for c in choices if c != "auto") if kind == "choice" else (),
        automatic=automatic,
    )


def _types(way: Mapping[str, Any]) -> set[str]:
    kind = way.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def _step(kind: str, rule: Mapping[str, Any], least: Any, most: Any) -> str:
    if "integer" in _types(rule):
        return "1"
    if "multipleOf" in rule:
        return str(rule["multipleOf"])
    return str((most - least) / 20) if kind == "range" else "any"
