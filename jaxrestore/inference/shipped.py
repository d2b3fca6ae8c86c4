"""The networks that come with the package, and how they are scored.

`weights/shipped/TASK.safetensors` holds the weights and `TASK.json` the card of each:
see `weight_files`. The scores of a card say how far the network restores four
photographs it has never seen, beside what needs no training.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrestore import errors, naming
from jaxrestore.inference import classical, jpeg_cells, restorer
from jaxrestore.ops import jpeg_codec
from jaxrestore.weights import weight_files

PROTOCOL = "rgb8"
TOLERANCES = {"psnr": 0.02, "ssim": 0.001}  # dB; without unit

Restore = Callable[[Any], Any]
Scores = dict[str, float]
# From a degradation and restorers by name to the mean scores of each, and of `input`.
Judge = Callable[[Mapping[str, Any], Mapping[str, Restore], str], dict[str, Scores]]
Level = float | int | str
Row = dict[str, Any]
Scored = dict[tuple[str, str, str], float]  # level, who, metric


class Case(NamedTuple):
    """What a network is asked: to restore four pictures, and how well at least.

    `pictures` are a name of `comparing.shipped.PICTURES` and `damage` the config's
    degradation. `least` is a PSNR in dB or whose PSNR is not undercut: that of `input`
    or of `classical`.
    """

    pictures: str
    damage: dict[str, Any]
    least: str | float


class Task(NamedTuple):
    """What a network is asked, by what it is called, and who competes.

    A level is a number, of photographs with that much damage; `unit` says what it is.
    Everything else is called by words.
    """

    unit: str
    classical: Restore
    cases: Mapping[Level, Case]


def names() -> list[str]:
    """Returns the tasks for which a network is shipped."""
    return sorted(file.stem for file in _folder().glob("*.safetensors"))


def tasks() -> list[str]:
    """Returns the tasks that there are, whether this installation is whole or not."""
    return sorted(_TASKS)


def path(name: str) -> Path:
    """Returns the file of weights of a task.

    Raises `ConfigError` for a task without a shipped network, and `DamagedError` when
    the installation lacks a file of it.
    """
    known = {*_TASKS, *names()}
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


def task(name: str) -> Task:
    """Returns what a task asks; raises `ConfigError` for one that is not known."""
    if name not in _TASKS:
        raise errors.ConfigError(
            f"there is no task {name!r}: {naming.nearest(name, _TASKS)}"
        )
    return _TASKS[name]


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
) -> Restore:
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


def _chain(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"name": "chain", "stages": [*stages]}


def _noise(sigma: float | int, **look: Any) -> dict[str, Any]:
    return {"name": "noise", "kind": "gaussian", "level": sigma / 255, **look}


def _noisy(sigma: float | int, **look: Any) -> dict[str, Any]:
    return _chain(_noise(sigma, **look), _CLEAN)


def _jpeg(quality: int, subsampling: str = "4:2:0") -> dict[str, Any]:
    return {"name": "jpeg", "quality": quality, "subsampling": subsampling}


def _holes(kind: str) -> dict[str, Any]:
    return {"name": "holes", "kinds": {kind: 1.0}}


def _photographs(
    damages: Mapping[Level, dict[str, Any]], least: str = "classical"
) -> dict[Level, Case]:
    return {
        level: Case("photographs", damage, least) for level, damage in damages.items()
    }


def _unusual(damage: dict[str, Any], word: str, least: str | float) -> dict[str, Case]:
    """What is drawn, not photographed, with the same damage."""
    return {f"{kind}, {word}": Case(kind, damage, least) for kind in _DRAWN}


_CLEAN = {"name": "eight_bit"}
_DRAWN = (
    "saturated patches",
    "pale patches",
    "drawings",
    "text",
    "dithered",
    "beside magenta",
)
_HARMLESS = 40.0  # dB: nobody sees what is less
_GRAINS = ("blurred", "enlarged", "mosaiced", "chroma")
_NOISE: dict[Level, Case] = {
    **_photographs({sigma: _noisy(sigma) for sigma in (15, 25, 50)}),
    "clean": Case("photographs", _CLEAN, _HARMLESS),
    "sigma 2": Case("photographs", _noisy(2), _HARMLESS),
    **{
        f"{kind}, sigma 25": Case(kind, _noisy(25), "classical")
        for kind in ("grey photographs", "negatives", "white", "black")
    },
    **_unusual(_CLEAN, "clean", _HARMLESS),
    **_unusual(_noisy(15), "sigma 15", "input"),
}
_NOISE_OF_FILES = _photographs(
    {
        "equal in all channels, sigma 25": _noisy(25, grey=1.0),
        **{f"{grain}, sigma 25": _noisy(25, grain=grain) for grain in _GRAINS},
        **{
            f"sigma 20, then JPEG {quality}": _chain(_noise(20), _jpeg(quality))
            for quality in (75, 85, 100)
        },
    }
)
_COMPRESSED: dict[Level, Case] = {
    **_photographs({quality: _jpeg(quality) for quality in (10, 20, 40)}),
    "clean": Case("photographs", _CLEAN, _HARMLESS),
    **_photographs(
        {f"{quality}, 4:4:4": _jpeg(quality, "4:4:4") for quality in (85, 95, 100)},
        "input",
    ),
    **_unusual(_jpeg(85), "85", "input"),
}
_SHUFFLED = _photographs(
    {rate: {"name": "pixel_shuffle", "rate": rate} for rate in (0.05, 0.15, 0.4)}
)
_HOLES: dict[Level, Case] = {
    **_photographs({kind: _holes(kind) for kind in ("strokes", "box", "both")}),
    # A smooth surface is hard to beat where nothing has texture.
    "drawings, strokes": Case("drawings", _holes("strokes"), "input"),
}
_TASKS = {
    "denoise": Task("sigma of 255", classical.non_local_means, _NOISE),
    "jpeg": Task("quality", classical.unchanged, _COMPRESSED),
    "photo": Task(
        "sigma of 255", classical.non_local_means, {**_NOISE, **_NOISE_OF_FILES}
    ),
    "pixel_shuffle": Task("rate", classical.vector_median, _SHUFFLED),
    "inpaint": Task("hole", classical.biharmonic, _HOLES),
}
