"""The networks that come with the package, and how they are scored.

`weights/shipped/TASK.safetensors` holds the weights and `TASK.json` the card of each:
see `weight_files`. The scores of a card say how far the network restores four
photographs it has never seen, beside what needs no training.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrestore import errors, naming
from jaxrestore.inference import jpeg_cells, restorer, trials
from jaxrestore.ops import jpeg_codec
from jaxrestore.weights import weight_files

PROTOCOL = "rgb8"
TOLERANCES = {"psnr": 0.02, "ssim": 0.001}  # dB; without unit

Scores = dict[str, float]
# From a degradation and restorers by name to the mean scores of each, and of `input`.
Judge = Callable[
    [Mapping[str, Any], Mapping[str, trials.Restore], str], dict[str, Scores]
]
Row = dict[str, Any]
Scored = dict[tuple[str, str, str], float]  # level, who, metric


def names() -> list[str]:
    """Returns the tasks for which a network is shipped."""
    return sorted(file.stem for file in _folder().glob("*.safetensors"))


def of_one_size() -> list[str]:
    """Returns the names of those that take a picture alone and keep its size."""
    cards = {name: card(name) for name in names()}
    return [n for n, c in cards.items() if c["takes"] == ["rgb"] and c["scale"] == 1]


def tasks() -> list[str]:
    """Returns the tasks that there are, whether this installation is whole or not."""
    return sorted(trials.TASKS)


def path(name: str) -> Path:
    """Returns the file of weights of a task.

    Raises `ConfigError` for a task without a shipped network, and `DamagedError` when
    the installation lacks a file of it.
    """
    known = {*trials.TASKS, *names()}
    if name not in known:
        raise errors.ConfigError(
            f"no network is shipped for the task {name!r}: "
            f"{naming.nearest(name, known)} For one of your own, give its file of "
            "weights"
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
    """Returns the network of a task, whose name it has.

    Raises `MismatchError` for a damaged file.
    """
    return dataclasses.replace(restorer.load_weights(path(name)), name=name)


def task(name: str) -> trials.Task:
    """Returns what a task asks; raises `ConfigError` for one that is not known."""
    if name not in trials.TASKS:
        raise errors.ConfigError(
            f"there is no task {name!r}: {naming.nearest(name, trials.TASKS)}"
        )
    return trials.TASKS[name]


def measure(network: restorer.Restorer, name: str, judge: Judge) -> list[Row]:
    """Returns a row for each case of a task: `level`, `input`, `classical`, `ours`.

    Each but the level holds the mean psnr (dB) and ssim under `PROTOCOL` that `judge`
    finds. Inputs have 8 bits, as files do, and `ours` is what becomes of a file.
    """
    asked = task(name)
    rows = []
    for level, case in asked.cases.items():
        ours = as_files(network, case.damage)
        restorers = {"classical": asked.classical, "ours": ours}
        rows.append({"level": level, **judge(case.damage, restorers, case.pictures)})
    return rows


def as_files(
    network: restorer.Restorer,
    damage: Mapping[str, Any],
    *,
    strength: float | int | None = None,
) -> trials.Restore:
    """Returns what maps images with this damage to what becomes of them as files.

    Images are [b, h, w, c] in [0, 1] and hold 8 bits; to a network that takes a mask
    their last channel is one. `damage` is the degradation, from which the cells of JPEG
    files are known; `strength` is of `restorer.restore_image`, and says nothing to
    holes.
    """
    masked = "mask" in network.takes

    def of_file(image):
        if masked:
            mask = image[..., -1] > 127
            return restorer.restore_image(network, image[..., :-1], mask=mask)
        cells = _cells(damage)
        return restorer.restore_image(network, image, cells=cells, strength=strength)

    def restore(images):
        levels = np.rint(np.asarray(images) * 255).astype(np.uint8)
        return np.stack([of_file(one) for one in levels]).astype(np.float32) / 255

    return restore


def shortcomings(name: str, rows: list[Row]) -> list[str]:
    """Returns a sentence for each row in which a task's network is not good enough."""
    said = []
    for row in rows:
        least, ours = task(name).cases[row["level"]].least, row["ours"]["psnr"]
        of, asked = "", least
        if isinstance(least, str):
            of, asked = f" of {least}", row[least]["psnr"]
        if ours < asked:
            said.append(f"{name} at {row['level']}: {ours} dB, less than {asked}{of}")
    return said


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
            f"{name} at {level}: {metric} of {method} is {new.get(place)}, its card "
            f"has {old.get(place)}"
        )
    return found, complaints


def _folder() -> Path:
    return Path(__file__).parents[1] / "weights" / "shipped"


def _flat(rows: list[Row]) -> Scored:
    return {
        (str(row["level"]), method, metric): value
        for row in rows
        for method, scores in row.items()
        if method != "level"
        for metric, value in scores.items()
    }


def _alike(new: float | None, old: float | None, tolerance: float) -> bool:
    return new is not None and old is not None and abs(new - old) <= tolerance


def _cells(damage: Mapping[str, Any]) -> list[jpeg_cells.Component]:
    """What a JPEG file with this damage says of its original; of others nothing."""
    if damage["name"] != "jpeg":
        return []
    luma, chroma = np.asarray(jpeg_codec.tables(jnp.asarray(damage["quality"])))
    shared = 2 if damage["subsampling"] == "4:2:0" else 1
    component = jpeg_cells.Component(chroma, shared, shared)
    return [jpeg_cells.Component(luma), component, component]
