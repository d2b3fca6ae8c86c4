"""Finished runs as the arms of a comparison: seeds together, each arm with a label."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxrestore import errors, files, naming, networks
from jaxrestore.data import pipeline, resizing
from jaxrestore.degradations import batched
from jaxrestore.evaluation import outcome
from jaxrestore.fitting import state
from jaxrestore.runs import checkpoints
from jaxrestore.sweeps import cells, grid
from jaxrestore.training import recipe

STEPS = ("last", "best")
_WORDS = 3  # keys in a label; where arms differ in more, a folder tells them apart
_KL = "generator/latent/kl_gaussian"


class Run(NamedTuple):
    """A finished run, and the step of it whose checkpoint is compared.

    `label` is what its sweep calls its arm, empty for a run of no sweep.
    """

    folder: Path
    config: dict[str, Any]
    step: int
    label: str = ""


class Arm(NamedTuple):
    """Runs whose configs differ in the seed alone, in the order of their seeds."""

    label: str
    runs: list[Run]


def arms(places: Sequence[str], *, step: str = "last") -> tuple[list[Arm], list[str]]:
    """Returns the arms of `places`, each a run's folder or a sweep's, and what lacks.

    What lacks are the cells of the sweeps that are not finished. `NAME=FOLDER` says
    what an arm is called, or what comes before the labels of a sweep. Without it a
    sweep's arms have the labels of its own table, others those of `labels`. Of each run
    the last step is taken, or the `best` one, see `STEPS`.

    Raises `MismatchError` for a folder that holds no finished run; `ConfigError` for
    another `step`, fewer than two arms, one run given twice, one name for two configs,
    and arms whose `question` is not the same.
    """
    if step not in STEPS:
        raise errors.ConfigError(f"`step` {step!r}: {naming.nearest(step, STEPS)}")
    groups: dict[tuple[str, str], list[Run]] = {}
    unfinished = []
    for text in places:
        found, missing = _folders(text)
        unfinished += missing
        for name, label, folder in found:
            run = _run(folder, step, label)
            alike = json.dumps({**run.config, "seed": None}, sort_keys=True)
            groups.setdefault((name, alike), []).append(run)
    runs = [sorted(own, key=lambda run: run.config["seed"]) for own in groups.values()]
    _check_runs(runs)
    names = _names([name for name, _ in groups], [own[0] for own in runs])
    return [Arm(*both) for both in zip(names, runs, strict=True)], unfinished


def _folders(text):
    """The (name, label, folder) of the runs of a text; unfinished cells."""
    name, equals, place = text.partition("=")
    if not (name and equals and place) or Path(text).exists():
        name, place = "", text  # cells are called KEY=VALUE,...
    folder = Path(place)
    if not (folder / "sweep.json").is_file():
        return [(name, "", folder)], []
    study = grid.study(files.read_json(folder / "sweep.json"))
    found, missing = [], []
    for cell in grid.cells(study):
        home = folder / cell.folder
        if (home / "summary.json").is_file():
            found.append((name and f"{name} {cell.label}", cell.label, home))
        else:
            missing.append(str(home))
    if not found:
        raise errors.MismatchError(
            f"{folder} is a sweep without a finished run; the same call of "
            "`jaxrestore sweep` goes on with it"
        )
    return found, missing


def _run(folder, step, label):
    config = checkpoints.read_config(folder)
    if not (folder / "summary.json").is_file():
        raise errors.MismatchError(
            f"{folder} is not finished: it has no summary.json. The command that "
            "started it goes on with it."
        )
    last = checkpoints.steps(folder)[-1]
    taken = last if step == "last" else checkpoints.best_step(folder)
    return Run(folder, config, taken, label)


def _check_runs(runs: list[list[Run]]) -> None:
    for own in runs:
        for one, other in itertools.pairwise(own):
            if one.config["seed"] == other.config["seed"]:
                raise errors.ConfigError(
                    f"{one.folder} and {other.folder} have one config and one seed; "
                    "leave one of them out"
                )
    if len(runs) < 2:
        raise errors.ConfigError(
            "a comparison needs two arms, but runs that differ in nothing but their "
            "seed are one; give another run, or each as NAME=FOLDER to compare seeds"
        )
    first = runs[0][0]
    for other, *_ in runs[1:]:
        asked = question(first.config), question(other.config)
        if changed := list(recipe.differences(*asked)):
            raise errors.ConfigError(
                f"{first.folder} and {other.folder} were asked different questions, "
                f"so their scores cannot be compared: {'; '.join(changed)}"
            )


def question(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a config asks its network: which images, how large, damaged how.

    How a loss weighs the damaged pixels does not belong to it, nor how a network is
    scored (`evaluation.statistics`, `evaluation.protocol`).
    """
    data = config["data"]
    keys = ["layout", "direction", "colors", "split", "evaluation_crop"]
    keys += ["train", "include"] if len(data["split"]) else ["evaluation"]
    asked = {f"data.{key}": data[key] for key in keys}
    if data["preprocess"] in (resizing.SQUARE, *resizing.WIDTH):
        asked |= {"data.preprocess": data["preprocess"], "crop": config["crop"]}
    damage = dict(config["degradation"] or {"name": None})
    damage.pop("weight", None)
    asked["evaluation.seed"] = config["evaluation"]["seed"]
    return {**asked, "degradation": damage}


def _names(given, firsts):
    """What each arm is called; those without a given name are called by `labels`."""
    made = labels([run.config for run in firsts])
    chosen = []
    for name, label, run in zip(given, made, firsts, strict=True):
        by_folder = f"{run.config['generator']['name']} {run.folder}"
        chosen.append(name or run.label or label or by_folder)
    for index, name in enumerate(chosen):
        if name in chosen[:index]:
            one, other = firsts[chosen.index(name)], firsts[index]
            raise errors.ConfigError(
                f"{one.folder} and {other.folder} would both be called {name!r}, but "
                "differ in more than the seed; give each as NAME=FOLDER"
            )
    return chosen


def labels(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the generator's name for each config, and what it has of its own.

    That are the keys in which configs with the same generator differ, spelt as in a
    sweep's table: `fcn objective.restored.l1=1`. An empty text where they are many.
    """
    found = []
    for config in configs:
        name = config["generator"]["name"]
        rivals = [other for other in configs if other["generator"]["name"] == name]
        lines = [x for other in rivals for x in recipe.differences(config, other)]
        keys = sorted({line.partition(": ")[0] for line in lines} - {"seed"})
        words = [f"{key}={_value(config, key)}" for key in keys]
        found.append(" ".join([name, *words]) if len(words) <= _WORDS else "")
    return found


def _value(config, key):
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return f"{config:g}" if isinstance(config, float) else str(config)


def facts(run: Run) -> dict[str, Any]:
    """Returns what a run says of itself: sizes, its length in steps, its speed, its KL.

    `seconds_a_step` and `seconds_an_epoch` are those of `cells.epoch_seconds`; an epoch
    of a run whose length was given in steps is known where its training images are.
    `kl` is the divergence in nats that a variational run logged last, None for another.
    """
    history = outcome.read_history(run.folder / "metrics.jsonl")
    lines = [row["step"] for row in history if "time/device" in row]
    summary = files.read_json(run.folder / "summary.json")
    seconds = lambda length: cells.epoch_seconds(history, length)["epoch_seconds"]
    logged = [row[_KL] for row in history if row.get(_KL) is not None]
    return {
        "folder": str(run.folder),
        "seed": run.config["seed"],
        "step": run.step,
        "generator_parameters": summary["parameters"]["generator"],
        "discriminator_parameters": _discriminator_parameters(run.config),
        "seconds_a_step": seconds(float(lines[-1])) if lines else None,
        "seconds_an_epoch": seconds(_epochs(run, lines[-1])) if lines else None,
        "kl": logged[-1] if logged else None,
    }


def _epochs(run, steps):
    """How many epochs so many steps are; 0 where that cannot be known."""
    if given := cells.epochs(run.folder):
        return given
    try:
        images = pipeline.image_count(run.config["data"])
    except errors.UserError:  # the images are gone, or without end
        return 0.0
    return steps * run.config["batch_size"] / images


def _discriminator_parameters(config):
    if config["adversarial"] is None:
        return None
    model = networks.build("Discriminator", config["discriminator"])
    colors = networks.channels(networks.build("Generator", config["generator"]))
    side, key = config["crop"], jax.random.key(0)

    def start():
        target = degraded = jax.numpy.zeros((1, side, side, colors))
        if config["degradation"] is not None:
            keys = batched.image_keys(key, 1)
            degraded = batched.degrade(keys, target, recipe=config["degradation"])
        return model.init(key, target, degraded, train=False)["params"]

    return state.count_parameters(jax.eval_shape(start))
