"""The runs of a study on the disk: their configs, what is done, what was found.

A cell's folder is a run's folder with some files more: `tests.json`, its scores under
the study's tests, and `failed.json` where it failed; of a bug, `failed.txt` has the
trace.
"""

import contextlib
import json
import statistics
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore import config_files, errors, files, naming
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.sweeps import grid
from jaxrestore.training import recipe

Record = dict[str, Any]


def config(study: grid.Study, cell: grid.Cell) -> dict[str, Any]:
    """Returns the plain config that a cell trains with.

    Raises `ConfigError` for a recipe or a key that is not there, with the nearest one,
    and for a value of another type than the recipe's.
    """
    name = cell.arm.get("config", study.config)
    path, made = config_files.load(name)
    changes = {key: given for key, given in cell.arm.items() if key != "config"}
    changes = {**study.overrides, **changes, "seed": cell.seed}
    if study.folds > 1:
        changes["data.split"] = (cell.fold, study.folds, cell.seed)
    if study.budget:
        changes = {**_often(study.budget, made), **changes, "steps": study.budget}
        changes |= {"epochs": 0} if "epochs" in made else {}
    for key, given in changes.items():
        _override(made, key, given, name)
    return config_files.translate(path, made)


def _often(budget, made):
    """How often to look at a run of so many steps; its recipe may count epochs."""
    together = made.steps_per_call
    often = max(together, budget // 10 // together * together)
    return dict.fromkeys(grid.OFTEN, often)


def _override(made, key, given, name):
    section: Any = made
    for part in key.split("."):
        known = list(section) if hasattr(section, "update_from_flattened_dict") else []
        if part not in known:
            hint = naming.nearest(part, known) if known else "it holds no such key."
            raise errors.ConfigError(f"{name} has no key {key!r}: {hint}")
        section = section[part]
    given = tuple(given) if isinstance(given, list) else given
    # A number may become a range, and nothing something.
    loose = isinstance(given, tuple) or isinstance(section, tuple | None)
    if not loose:
        config_files.check_value(made, key, given, key)
    try:
        with made.ignore_type() if loose else contextlib.nullcontext():
            made.update_from_flattened_dict({key: given})
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(
            f"{name}: {key} cannot be {given!r}: {error}"
        ) from error


def groups(configs: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Returns the indices of configs that one program can train, in order.

    Those of a group differ in their `recipe.numbers` alone; so they have one seed and
    one fold, and see the same batches.
    """
    found: dict[str, list[int]] = {}
    for index, made in enumerate(configs):
        nothing = dict.fromkeys(recipe.numbers(made), 0.0)
        rest = json.dumps(recipe.with_numbers(made, nothing), sort_keys=True)
        found.setdefault(rest, []).append(index)
    return list(found.values())


def questions(study: grid.Study, made: Mapping[str, Any]) -> dict[str, grid.Changes]:
    """Returns the tests of a cell with the config `made`, `{key}` filled in.

    Other images (`data.evaluation`) are all of them, whatever part of its own data the
    cell was given. Raises `ConfigError` for a key that is not there, and where the
    training images are asked for by their folder, but come from the package.
    """
    found = {}
    for name, changes in study.tests.items():
        whole = {"data.split": []} if "data.evaluation" in changes else {}
        filled = {key: _filled(given, made) for key, given in changes.items()}
        found[name] = whole | filled
    return found


def _filled(given, made):
    if not (isinstance(given, str) and given.startswith("{") and given.endswith("}")):
        return given
    found: Any = made
    for part in given[1:-1].split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise errors.ConfigError(f"a test asks for {given}, which is no key")
        found = found[part]
    if given == "{data.train}" and found == "embedded":
        raise errors.ConfigError(
            "a test scores the training images, but those of data.train='embedded' "
            "have no folder; name one in `overrides`, as data.train=FOLDER"
        )
    return found


def trained(folder: Path, made: Mapping[str, Any]) -> bool:
    """Returns whether `folder` holds the finished run of exactly this config."""
    if not (folder / "summary.json").is_file():
        return False
    asked = json.loads(json.dumps(made))  # as a file has it: without tuples
    return checkpoints.read_config(folder) == asked


def unanswered(
    folder: Path, tests: Mapping[str, grid.Changes]
) -> dict[str, grid.Changes]:
    """Returns those of the `tests` that the run in `folder` was not scored under."""
    known = _read(folder / "tests.json")
    return {
        name: changes
        for name, changes in tests.items()
        if name not in known or known[name]["changes"] != changes
    }


def answer(folder: Path, name: str, changes: grid.Changes, found: Mapping[str, Any]):
    """Adds what a run `found` under a test to its `tests.json`."""
    known = _read(folder / "tests.json")
    known[name] = {"changes": changes, **found}
    files.write_json(folder / "tests.json", known)


def write_down(folder: Path, error: Exception) -> str:
    """Leaves a cell's `failed.json`, and the trace of a bug; returns its sentence."""
    known, trace = errors.explained(error), folder / "failed.txt"
    folder.mkdir(parents=True, exist_ok=True)
    if known is None:
        files.write_text(trace, "".join(traceback.format_exception(error)))
        said = f"a bug: {type(error).__name__}: {error}; its trace is in {trace}"
    else:
        trace.unlink(missing_ok=True)  # that of an earlier try
        said = str(known)
    files.write_json(folder / "failed.json", {"error": said})
    return said


def record(study: grid.Study, cell: grid.Cell, folder: Path) -> Record:
    """Returns what is known of a finished cell, as one flat row.

    `psnr`, `input_psnr`, `gain_psnr` and so on for every metric of the protocol are of
    the best checkpoint, `last_psnr` of the last step, `NAME:psnr` and so on of a test.
    `seconds` are those of the whole run, `epoch_seconds` and `late_epoch_seconds` as
    `epoch_seconds` has them; `step_mebibytes` is what a compiled step holds a device.
    """
    summary = _read(folder / "summary.json")
    history = outcome.read_history(folder / "metrics.jsonl")
    row: Record = {
        "cell": cell.folder,
        "arm": cell.label,
        **{key: given for key, given in cell.arm.items()},
        "seed": cell.seed,
        "fold": cell.fold,
        "images": summary["images"],
        **_scores(summary),
    }
    last = [line for line in history if line.get("evaluation/psnr") is not None]
    row["last_psnr"] = last[-1]["evaluation/psnr"] if last else None
    row["seconds"] = history[-1]["seconds"] if history else None
    row |= epoch_seconds(history, epochs(folder))
    held = _read(folder / "cost.json").get("step_bytes")
    row["step_mebibytes"] = held / 2**20 if held else None
    tests = _read(folder / "tests.json")
    for name in study.tests:
        if name in tests:
            row |= {f"{name}:{key}": x for key, x in _scores(tests[name]).items()}
    return row


def _scores(summary):
    row = {}
    for name, numbers in summary["metrics"].items():
        row[f"input_{name}"] = numbers["degraded"]
        row[name] = numbers["restored"]
        row[f"gain_{name}"] = numbers["gain"]
    return row


def epochs(folder: Path) -> float:
    """Returns the length of a run in epochs, 0 if it was given in steps."""
    return float(_read(folder / "config.json").get("epochs", 0))


def epoch_seconds(
    history: list[dict[str, Any]], length: float
) -> dict[str, float | None]:
    """Returns the seconds of an epoch in the first and the second half of a run.

    They are `epoch_seconds` and `late_epoch_seconds`: the median time of a step, data
    and device, times the steps of an epoch; evaluations, checkpoints and compiling do
    not count. `length` is the run's in epochs; without one (0) both are None.
    """
    lines = [row for row in history if "time/device" in row]
    halves: tuple[list[float], list[float]] = ([], [])
    for before, row in zip([{"step": 0}, *lines], lines, strict=False):
        seconds = row["time/data"] + row["time/device"]
        late = before["step"] + row["step"] > lines[-1]["step"]
        halves[late].append(seconds / (row["step"] - before["step"]))
    steps = lines[-1]["step"] / length if lines and length else None
    names = ("epoch_seconds", "late_epoch_seconds")
    return {
        name: statistics.median(half) * steps if steps and half else None
        for name, half in zip(names, halves, strict=True)
    }


def _read(path):
    return files.read_json(path) if path.is_file() else {}
