"""What a study asks: a recipe, the values to try, and the questions to each run.

A study is plain values, so that a file can hold it. Its *arms* are what is compared,
its *cells* the runs of each arm: one for each seed and fold.
"""

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxrestore import config_keys, errors, naming

LONGEST_NAME = 120  # characters of a cell's folder; file systems stop at 255 bytes
# The labels of the pixelation study; a study's `words` may say others.
WORDS = {"batch_size": "BS{}", "n_epochs": "N{}", "n_epochs_decay": "D{}"}
# How often a run is looked at: in steps, or in epochs if its length is.
OFTEN = config_keys.intervals()
_LENGTHS = ("n_epochs", "n_epochs_decay", "epochs", "steps")

Changes = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Study:
    """A study; every field but `name` and `config` may be left out.

    `grid` maps keys of the config to lists of values, all combinations of which are
    arms; `arms` lists further ones as mappings, each perhaps with a `label`. The key
    `config` stands for another recipe than `config`. Each arm has `seeds` runs (0, 1,
    ...) on each of `folds` parts of the data; `overrides` are common to all, and a
    `budget` of updates other than 0 takes the place of every recipe's own length.
    `tests` maps a name to changes of the evaluation, under which each run is scored
    too; `{key}` there is the run's own value of that key. `plots` are what `plots`
    draws. `words` says how a label is spelt: {key: "BS{}"}, or {key: {value: text}}.
    """

    name: str
    config: str
    grid: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    arms: list[Changes] = dataclasses.field(default_factory=list)
    seeds: int = 1
    folds: int = 1
    overrides: Changes = dataclasses.field(default_factory=dict)
    budget: int = 0
    tests: dict[str, Changes] = dataclasses.field(default_factory=dict)
    plots: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    words: dict[str, Any] = dataclasses.field(default_factory=dict)


class Cell(NamedTuple):
    """One run of a study: its folder's name, its arm's label and what it changes."""

    folder: str
    label: str
    arm: Changes
    seed: int
    fold: int


def study(values: Mapping[str, Any]) -> Study:
    """Returns the study that plain `values` describe, without tuples, as JSON has it.

    Raises `ConfigError` for a field that is unknown, missing or of another type, and
    for a study without a run.
    """
    known = [field.name for field in dataclasses.fields(Study)]
    for name in values:
        if name not in known:
            hint = naming.nearest(name, known)
            raise errors.ConfigError(f"a study has no {name!r}: {hint}")
    for name in ("name", "config"):
        if not isinstance(values.get(name), str):
            raise errors.ConfigError(f"a study needs {name!r}, a text")
    plain = json.loads(json.dumps(dict(values)))
    pattern = Study(plain["name"], plain["config"])
    for name, given in plain.items():
        kind = type(getattr(pattern, name))
        if type(given) is not kind:
            raise errors.ConfigError(
                f"study {plain['name']}: {name} is {given!r}; it must be of type "
                f"{kind.__name__}"
            )
    made = Study(**plain)
    _check_values(made)
    return made


def _check_values(made):
    for name, least in (("seeds", 1), ("folds", 1), ("budget", 0)):
        if getattr(made, name) < least:
            raise errors.ConfigError(
                f"study {made.name}: {name} is {getattr(made, name)}; it must be at "
                f"least {least}"
            )
    for key, values in made.grid.items():
        if not isinstance(values, list) or not values:
            raise errors.ConfigError(
                f"study {made.name}: grid {key} is {values!r}; list the values to try"
            )
    ours = {"seed": "seeds", "data.split": "folds"}
    varied = {*made.grid, *itertools.chain(*made.arms)}
    for key in sorted({*varied, *made.overrides}):
        if key in varied and key in made.overrides:
            raise errors.ConfigError(
                f"study {made.name}: {key} is what its arms differ in; it cannot be "
                "set for all of them"
            )
        if key in ours:
            raise errors.ConfigError(
                f"study {made.name}: {key} is set by the study; give it {ours[key]}"
            )


def changed(
    made: Study,
    *,
    overrides: Mapping[str, Any] | None = None,
    seeds: int = 0,
    folds: int = 0,
    budget: int = 0,
) -> Study:
    """Returns the study with other values for all its runs; 0 leaves a count as it is.

    A budget of updates also drops how often the study's own runs are evaluated, logged
    and saved: it may have counted epochs. Raises as `study`.
    """
    common = {k: x for k, x in made.overrides.items() if not budget or k not in OFTEN}
    counts = {"seeds": seeds, "folds": folds, "budget": budget}
    given = {name: count for name, count in counts.items() if count}
    overrides = {**common, **(overrides or {})}
    return study({**dataclasses.asdict(made), "overrides": overrides, **given})


def arms(made: Study) -> list[Changes]:
    """Returns the changes of each arm, those of the grid in its order, first."""
    keys, values = list(made.grid), list(made.grid.values())
    found = []
    if keys or not made.arms:
        found = [
            dict(zip(keys, row, strict=True)) for row in itertools.product(*values)
        ]
    return found + made.arms


def cells(made: Study) -> list[Cell]:
    """Returns the runs of a study; no two have one folder.

    Raises `ConfigError` when two arms are the same or are called the same.
    """
    found = []
    for arm in arms(made):
        changes = {key: given for key, given in arm.items() if key != "label"}
        text = str(arm.get("label", "")) or label(made, changes)
        for seed, fold in itertools.product(range(made.seeds), range(made.folds)):
            parts = {**changes, "seed": seed}
            if made.folds > 1:
                parts["fold"] = f"{fold + 1}of{made.folds}"
            found.append(Cell(folder_name(parts), text, changes, seed, fold))
    for what in ("folder", "label"):
        seen: dict[str, Cell] = {}
        for cell in found:
            other = seen.setdefault(getattr(cell, what), cell)
            if other is not cell and (what == "folder" or other.arm != cell.arm):
                raise errors.ConfigError(
                    f"study {made.name}: two arms are {getattr(cell, what)!r}; give "
                    "each arm once, with a label of its own"
                )
    return found


def label(made: Study, changes: Mapping[str, Any]) -> str:
    """Returns what tables and plots call an arm, as `BS64 N40 D40`.

    With a budget, lengths that the arm asks for are not among the words.
    """
    kept = {k: x for k, x in changes.items() if not made.budget or k not in _LENGTHS}
    words = [word(made, key, given) for key, given in kept.items()]
    return " ".join(text for text in words if text) or made.name


def word(made: Study, key: str, given: Any) -> str:
    """Returns how a label spells one value; by default `key=value`."""
    form = {**WORDS, **made.words}.get(key)
    if isinstance(form, Mapping):
        return str(form.get(_text(given), f"{key}={_text(given)}"))
    return form.format(_text(given)) if form is not None else f"{key}={_text(given)}"


def folder_name(parts: Mapping[str, Any]) -> str:
    """Returns `batch_size=1,lr=0.0002,seed=0`: readable, and safe for file systems.

    Where it would be too long, or characters had to go, a hash of all of it ends it.
    """
    whole = ",".join(f"{key}={_text(given)}" for key, given in parts.items())
    safe = re.sub(r"[^\w=,.+-]+", "-", whole)
    if safe == whole and len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{safe[: LONGEST_NAME - 9]}-{digest}"


def _text(given):
    if isinstance(given, float):
        return f"{given:.12g}"
    return given if isinstance(given, str) else json.dumps(given)
