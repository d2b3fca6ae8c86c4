"""`jaxrestore compare`: arms side by side on the images that all of them were asked.

The images are the units of every interval and test (`significance`).
"""

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, files, images, sharding
from jaxrestore.comparing import images as compared_images
from jaxrestore.comparing import runs as compared_runs
from jaxrestore.comparing import significance, tables
from jaxrestore.data import samples
from jaxrestore.evaluation import outcome, summaries
from jaxrestore.inference import of_runs

FILES = ("comparison.json", "comparison.csv", "comparison.md", "strips.png")
INPUT = "input"

Rows = list[dict[str, Any]]


class Comparison(NamedTuple):
    """`document` is ready for JSON; `rows` has an image, an arm and a seed each.

    `strips` [h, w, 3] has a row an image: input, the arms in order, target.
    """

    document: dict[str, Any]
    rows: Rows
    strips: UInt8[np.ndarray, "h w 3"] | None


def compare(
    places: Sequence[str], *, step: str = "last", strips: int = 8
) -> Comparison:
    """Returns what the runs in `places` make of the images that all were asked.

    Places and `step` are those of `compared_runs.arms`. The first `strips` images are
    drawn, of each arm the first seed's, none that may not be shown. Raises what
    `compared_runs.arms` raises, `NoInputError` when the images are gone, and
    `TrainingError` for a network that puts out what is not finite.
    """
    arms, unfinished = compared_runs.arms(places, step=step)
    if INPUT in (arm.label for arm in arms):
        raise errors.ConfigError(
            f"{INPUT!r} is what every arm is compared with; give the arm another NAME"
        )
    config = arms[0].runs[0].config
    evaluator = outcome.evaluator(config, sharding.mesh(jax.local_devices()[:1]))
    kept = strips + len(samples.NOT_SHOWN)
    given = compared_images.measure(evaluator.questions(), None, pictures=kept)
    found = {arm.label: _measured(evaluator, arm, kept) for arm in arms}
    losses = {label: _losses(own) for label, own in found.items()}
    counts = {key: int((~np.isnan(x)).sum()) for key, x in given.values.items()}
    document = {
        "images": len(given.names),
        "step": step,
        "question": compared_runs.question(config),
        "unfinished": unfinished,
        "measured_images": counts,
        INPUT: _means(given),
        "arms": [_arm(arm, found[arm.label]) for arm in arms],
        "best": _best(losses),
        "tests": _tests(losses, itertools.combinations(losses, 2)),
        "tests_of_input": _tests(
            {**losses, INPUT: _losses([given])}, ((label, INPUT) for label in losses)
        ),
        "level": significance.LEVEL,
        "resamples": significance.RESAMPLES,
        "flips": significance.FLIPS,
        "environment": outcome.environment(),
    }
    columns = [given, *(own[0] for own in found.values())]
    return Comparison(document, _rows(arms, given, found), _strips(columns, strips))


def _measured(evaluator, arm, kept):
    """What each run of an arm measures; pictures of the first one."""
    found = []
    for run in arm.runs:
        restore = of_runs.load(run.folder, run.step).apply
        asked = evaluator.questions()
        try:
            own = compared_images.measure(asked, restore, pictures=kept)
        except errors.TrainingError as error:
            place = f"{run.folder}, step {run.step}"
            raise errors.TrainingError(f"{place}: {error}") from None
        found.append(own)
        kept = 0
    return found


def _losses(measured):
    """Of each measure the losses [seeds, images]."""
    return {
        key: compared_images.loss(key, np.stack([own.values[key] for own in measured]))
        for key in measured[0].values
    }


def _means(measured):
    return {key: _mean(values) for key, values in measured.values.items()}


def _mean(values):
    """The mean over the images that have pixels to measure; None if not finite."""
    known = values[~np.isnan(values)]
    return summaries.finite(known.mean()) if len(known) else None


def _arm(arm, measured):
    runs = [
        {**compared_runs.facts(run), "measures": _means(own)}
        for run, own in zip(arm.runs, measured, strict=True)
    ]
    measures = {}
    for key in runs[0]["measures"]:
        seeds = [run["measures"][key] for run in runs]
        known = None not in seeds
        measures[key] = {
            "mean": statistics.fmean(seeds) if known else None,
            "std": statistics.stdev(seeds) if known and len(seeds) > 1 else None,
        }
    return {"label": arm.label, "measures": measures, "runs": runs}


def _best(losses):
    """The arm with the least mean loss for each measure whose means are finite."""
    found = {}
    for key in next(iter(losses.values())):
        means = {label: own[key][:, _known(own[key])] for label, own in losses.items()}
        means = {label: own.mean() for label, own in means.items() if own.size}
        # An infinite mean, of one exact image, says nothing of the others.
        if means and np.isfinite([*means.values()]).all():
            found[key] = min(means, key=means.__getitem__)
    return found


def _known(values):
    """Which images have the pixels that are measured; it is the same for all arms."""
    return ~np.isnan(values[0])


def _tests(losses, pairs):
    """A row for each measure and pair, the better one first; adjusted together."""
    found = []
    for pair, key in itertools.product(pairs, next(iter(losses.values()))):
        both = [losses[label][key] for label in pair]
        both = [values[:, _known(values)] for values in both]
        # An infinite PSNR has no difference from another one.
        if not all(own.size and np.isfinite(own).all() for own in both):
            continue
        order = np.argsort([values.mean() for values in both], kind="stable")
        result = significance.paired(*(both[i] for i in order))
        better, worse = (pair[i] for i in order)
        names = {"measure": key, "better": better, "worse": worse}
        found.append({**names, **result._asdict()})
    adjusted = significance.holm([test["p"] for test in found])
    for test, p in zip(found, adjusted, strict=True):
        test |= {"p_holm": p, "established": p < significance.LEVEL}
    return found


def _rows(arms, given, found) -> Rows:
    columns = [(INPUT, "", given)]
    for arm in arms:
        for run, own in zip(arm.runs, found[arm.label], strict=True):
            columns.append((arm.label, run.config["seed"], own))
    return [
        {
            "image": name,
            "arm": label,
            "seed": seed,
            **{key: values[index] for key, values in own.values.items()},
        }
        for index, name in enumerate(given.names)
        for label, seed, own in columns
    ]


def _strips(columns, count):
    """The first images that may be shown, as rows of pictures, white where smaller."""
    names = [name for name in columns[0].pictures if name not in samples.NOT_SHOWN]
    rows = []
    for name in names[:count]:
        panels = [own.pictures[name][0] for own in columns]
        panels.append(columns[0].pictures[name][1])
        rows.append(np.concatenate([_colour(panel) for panel in panels], 1))
    if not rows:
        return None
    width = max(row.shape[1] for row in rows)
    pad = lambda row: ((0, 0), (0, width - row.shape[1]), (0, 0))
    return np.concatenate([np.pad(r, pad(r), constant_values=255) for r in rows])


def _colour(picture):
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def write(output: Path, found: Comparison) -> None:
    """Writes `FILES` to the folder `output`; without pictures, no `strips.png`.

    The table of `comparison.csv` has an empty cell where an image has no such pixel.
    """
    output.mkdir(parents=True, exist_ok=True)
    files.write_json(output / FILES[0], found.document)
    rows = [{k: "" if x != x else x for k, x in row.items()} for row in found.rows]
    files.write_csv(output / FILES[1], rows)
    text = tables.text(found.document)
    if found.strips is None:
        # An older comparison's would stand beside another one's numbers.
        (output / FILES[3]).unlink(missing_ok=True)
    else:
        images.encode(found.strips, output / FILES[3])
        order = " | ".join(
            [INPUT, *(arm["label"] for arm in found.document["arms"]), "target"]
        )
        text += f"\n![{order}]({FILES[3]})\n"
    files.write_text(output / FILES[2], text)
