"""Figures made of images: contact sheets, gain against detail, train against test.

Where an arm has several runs, the first (seed 0, fold 0) is the one that is shown.
Images that may not be shown (`samples.NOT_SHOWN`) are scored and not drawn.
"""

import csv
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, sharding
from jaxrestore.data import samples
from jaxrestore.evaluation import evaluate, outcome
from jaxrestore.inference import of_runs
from jaxrestore.runs import checkpoints
from jaxrestore.sweeps import cells, figures, grid

SHOWN_ARMS = 10  # columns of a contact sheet; of more arms, evenly through the order

Records = Sequence[cells.Record]


class _Front(NamedTuple):
    """The first images of a source, itself a source."""

    source: Any
    count: int

    def __len__(self):
        return min(self.count, len(self.source))

    def __getitem__(self, index):
        return self.source[index]

    def name(self, position):
        return self.source.name(position)


def sheet(
    study: grid.Study,
    records: Records,
    folders: Mapping[str, Path],
    *,
    count: int = 10,
    y: str = "psnr",
) -> Any:
    """Draws the first `count` test images as rows and the arms as columns.

    The arms stand in the order of their mean score `y`, between the input (the first
    arm's) and the target; below each image is its PSNR. Of many arms `SHOWN_ARMS` are
    drawn, the worst and the best among them.
    """
    from matplotlib.figure import Figure

    ranked = _ranked(records, y)
    if not ranked:
        return None
    steps = np.linspace(0, len(ranked) - 1, min(len(ranked), SHOWN_ARMS))
    chosen = [ranked[round(step)] for step in steps]
    found = [(arm, _restored(folders[run["cell"]], count)) for arm, run in chosen]
    names = [*found[0][1]][:count]
    figure = Figure((1.1 * (len(found) + 2), 1.25 * len(names)), layout="constrained")
    grid_of_axes = figure.subplots(len(names), len(found) + 2, squeeze=False)
    for row, name in zip(grid_of_axes, names, strict=True):
        (left, _, target), scores = found[0][1][name]
        _show(row[0], left, f"{scores['degraded_psnr']:.2f} dB")
        for axes, (_, pictures) in zip(row[1:-1], found, strict=True):
            (_, middle, _), scores = pictures[name]
            _show(axes, middle, f"{scores['restored_psnr']:.2f} dB")
        _show(row[-1], target, name)
    titles = ["input", *(arm for arm, _ in found), "target"]
    for axes, title in zip(grid_of_axes[0], titles, strict=True):
        # Matplotlib's own wrapping looks for spaces, which `key=value` has not.
        axes.set_title(textwrap.fill(title, 22), fontsize=6, color=figures.INK)
    return figure


def gains(
    study: grid.Study,
    records: Records,
    folders: Mapping[str, Path],
    *,
    arms: int = 6,
    y: str = "psnr",
) -> Any:
    """Draws each image's gain in dB against the detail of its target.

    A colour an arm, the best `arms` of them by `y`, each with its trend line. The
    input is the line at 0.
    """
    best = _ranked(records, y)[-arms:]
    if not best:
        return None
    figure, axes = figures.new_axes()
    for look, (arm, run) in zip(figures.looks(), best, strict=False):
        folder = folders[run["cell"]]
        known = details(checkpoints.read_config(folder))
        rows = [row for row in _rows(folder) if row["image"] in known]
        points = [(known[row["image"]], float(row["gain_psnr"])) for row in rows]
        points = [point for point in points if np.isfinite(point).all()]
        if not points:
            continue
        x, gained = zip(*points, strict=True)
        axes.scatter(x, gained, s=12, color=look[0], marker=look[1], label=arm)
        figures.draw_trend(axes, x, gained, arm, colour=look[0])
    figures.draw_inputs(axes, [(0.0, figures.INK)])
    figures.finish(
        axes, "detail of the target, 8-bit levels", figures.said("gain_psnr")
    )
    return figure


def sets(
    study: grid.Study,
    records: Records,
    folders: Mapping[str, Path],
    *,
    test: str = "train",
    y: str = "psnr",
) -> Any:
    """Draws the score on the test images beside that under the test `test`, as bars.

    Dashed lines are the inputs' scores on each set; the legend has each set's mean
    detail, since a set of less detail is an easier one.
    """
    known = [r for r in records if r.get(f"{test}:{y}") is not None]
    if not known:
        return None
    figure, axes = figures.new_axes()
    arms = list(dict.fromkeys(record["arm"] for record in known))
    config = checkpoints.read_config(folders[known[0]["cell"]])
    asked = cells.questions(study, config)[test]
    columns = {
        "test": (y, config),
        test: (f"{test}:{y}", outcome.with_changes(config, asked)),
    }
    inputs = []
    for index, (name, (column, its_config)) in enumerate(columns.items()):
        values = [[r[column] for r in known if r["arm"] == arm] for arm in arms]
        detail = statistics.fmean(details(its_config).values())
        axes.bar(
            np.arange(len(arms)) + 0.4 * index - 0.2,
            [statistics.fmean(own) for own in values],
            0.38,
            yerr=[figures.spread(own) for own in values],
            color=figures.COLOURS[index],
            label=f"{name} images, detail {detail:.1f}",
        )
        inputs.append((figures.input_score(known, column), figures.COLOURS[index]))
    figures.draw_inputs(axes, inputs)
    drawn = [record[column] for record in known for column, _ in columns.values()]
    lowest = min(drawn + [score for score, _ in inputs if score is not None])
    axes.set_ylim(bottom=lowest - 1)
    axes.set_xticks(np.arange(len(arms)), arms, rotation=20, ha="right")
    figures.finish(axes, "", f"{figures.said(y)} (the axis is cut)")
    return figure


def details(config: Mapping[str, Any]) -> dict[str, float]:
    """Returns the `detail` of every target that `config` evaluates, by name."""
    side = config["data"]["evaluation_crop"]
    source = _evaluator(config).source
    found = {}
    for index in range(len(source)):
        element = source[index]
        if element["name"] == source.name(index):
            target = evaluate.centre_crop(element["image"], side)[..., :3]
            found[element["name"]] = detail(target)
    return found


def detail(image: UInt8[np.ndarray, "h w c"]) -> float:
    """Returns the spatial frequency of an image, in 8-bit levels; a flat one has 0.

    The root of the sum of two means: of the squared differences of neighbours down and
    across, over all channels; the root of the energy of `metrics.sharpness`, but for
    the border.

    Source: Eskicioglu, Fisher, "Image quality measures and their performance", IEEE
    Transactions on Communications 1995.
    """
    levels = image.astype(np.float64)
    steps = (np.square(np.diff(levels, axis=axis)) for axis in (0, 1))
    return float(np.sqrt(sum(step.mean() if step.size else 0.0 for step in steps)))


def _ranked(records, y):
    """(arm, its first run) from the lowest to the highest mean score."""
    runs: dict[str, list[cells.Record]] = {}
    for record in records:
        if record.get(y) is not None:
            runs.setdefault(record["arm"], []).append(record)
    mean = lambda arm: statistics.fmean(record[y] for record in runs[arm])
    return [(arm, runs[arm][0]) for arm in sorted(runs, key=mean)]


def _restored(folder, count):
    """By name, input, restored and target of the first images, and their scores."""
    config = checkpoints.read_config(folder)
    evaluator = _evaluator(config)
    evaluator.source = _Front(evaluator.source, count + len(samples.NOT_SHOWN))
    result = evaluator(of_runs.load(folder).apply)
    scores = {row["image"]: row for row in result.rows}
    # A strip is input, restored, target and error side by side.
    return {
        name: (np.split(strip, 4, axis=1)[:3], scores[name])
        for name, strip in result.strips.items()
    }


def _evaluator(config):
    batch = {**config["evaluation"], "batch_size": 1}
    one = sharding.mesh(jax.local_devices()[:1])
    return outcome.evaluator({**config, "evaluation": batch}, one)


def _rows(folder):
    path = folder / "evaluation.csv"
    if not path.is_file():
        raise errors.DamagedError(
            f"{path} is missing, so the run is damaged; score the run again, which "
            "writes it anew"
        )
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _show(axes, picture, text):
    axes.imshow(picture)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(text, fontsize=5, color=figures.INK, labelpad=1)
