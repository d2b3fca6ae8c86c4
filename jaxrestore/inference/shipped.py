"""The networks that come with the package, and how they are scored.

`jaxrestore/weights/TASK.safetensors` holds the weights and `TASK.json` the card of each
(see `weight_files`). The scores of a card say how far the network restores four
photographs it has never seen, beside what needs no training.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore import errors, naming
from jaxrestore.inference import classical, restorer
from jaxrestore.weights import weight_files

PROTOCOL = "rgb8"
TOLERANCES = {"psnr": 0.02, "ssim": 0.001}  # dB; without unit

Restore = Callable[[Any], Any]
Scores = dict[str, float]
# From a degradation and restorers by name to the mean scores of each, and of `input`.
Judge = Callable[[Mapping[str, Any], Mapping[str, Restore]], dict[str, Scores]]
Row = dict[str, Any]
Scored = dict[tuple[float | int, str, str], float]  # level, who, metric


class Task(NamedTuple):
    """What a network is asked: levels of damage, and who competes.

    `damage` is the config's degradation of a level; `unit` says what a level is.
    """

    unit: str
    levels: tuple[float | int, ...]
    damage: Callable[[float | int], dict[str, Any]]
    classical: Restore


def names() -> list[str]:
    """Returns the tasks for which a network is shipped."""
    return sorted(file.stem for file in _folder().glob("*.safetensors"))


def path(name: str) -> Path:
    """Returns the file of weights of a task.

    Raises `ConfigError` for a task without a shipped network, and `DamagedError` when
    the installation lacks a file of it.
    """
    known = {*_TASKS, *names()}
    if name not in known:
        raise errors.ConfigError(
            f"no network is shipped for the task {name!r}: "
            f"{naming.nearest(name, known)} For one of your own, take its `weights` "
            "or `checkpoint`"
        )
    weights = _folder() / f"{name}.safetensors"
    for file in (weights, weight_files.card_path(weights)):
        if not file.is_file():
            raise errors.DamagedError(
                f"{file}, a file of jaxrestore itself, is missing; install it anew"
            )
    return weights


def card(name: str) -> dict[str, Any]:
    """Returns the card of a task's network: data, steps, scores, licence."""
    return weight_files.read_card(path(name))


def load(name: str) -> restorer.Restorer:
    """Returns the network of a task; raises `MismatchError` for a damaged file."""
    return restorer.load_weights(path(name))


def task(name: str) -> Task:
    """Returns what a task asks; raises `ConfigError` for one that is not known."""
    if name not in _TASKS:
        raise errors.ConfigError(
            f"there is no task {name!r}: {naming.nearest(name, _TASKS)}"
        )
    return _TASKS[name]


def measure(network: restorer.Restorer, name: str, judge: Judge) -> list[Row]:
    """Returns a row for each level of a task: `level`, `input`, `classical`, `ours`.

    Each but the level holds the mean psnr (dB) and ssim under `PROTOCOL` that `judge`
    finds. Inputs have 8 bits, as files do.
    """
    asked = task(name)
    rows = []
    for level in asked.levels:
        restorers = {"classical": asked.classical, "ours": network.apply}
        rows.append({"level": level, **judge(asked.damage(level), restorers)})
    return rows


def verify(name: str, judge: Judge) -> tuple[list[Row], list[str]]:
    """Returns what `measure` finds for a shipped network, and what its card has else.

    A complaint for each score that is further from the card's than `TOLERANCES`, and
    for each that only one of both has. Raises `MismatchError` for weights that are not
    those of the card.
    """
    network, stored = load(name), card(name)
    found = measure(network, stored["task"], judge)
    new, old = _flat(found), _flat(stored["scores"])
    complaints = []
    for place in sorted({*new, *old}):
        if _alike(new.get(place), old.get(place), TOLERANCES[place[2]]):
            continue
        level, method, metric = place
        complaints.append(
            f"{name} at {level:g}: {metric} of {method} is {new.get(place)}, its card "
            f"has {old.get(place)}"
        )
    return found, complaints


def _folder() -> Path:
    return Path(__file__).parents[1] / "weights" / "shipped"


def _flat(rows: list[Row]) -> Scored:
    return {
        (row["level"], method, metric): value
        for row in rows
        for method, scores in row.items()
        if method != "level"
        for metric, value in scores.items()
    }


def _alike(new: float | None, old: float | None, tolerance: float) -> bool:
    return new is not None and old is not None and abs(new - old) <= tolerance


def _noisy(sigma: float | int) -> dict[str, Any]:
    noise = {"name": "noise", "kind": "gaussian", "level": sigma / 255}
    return {"name": "chain", "stages": [noise, {"name": "eight_bit"}]}


def _compressed(quality: float | int) -> dict[str, Any]:
    return {"name": "jpeg", "quality": int(quality), "subsampling": "4:2:0"}


def _shuffled(rate: float | int) -> dict[str, Any]:
    return {"name": "pixel_shuffle", "rate": rate}


_TASKS = {
    "denoise": Task("sigma of 255", (15, 25, 50), _noisy, classical.non_local_means),
    "jpeg": Task("quality", (10, 20, 40), _compressed, classical.unchanged),
    "pixel_shuffle": Task(
        "rate", (0.05, 0.15, 0.4), _shuffled, classical.vector_median
    ),
}
