"""Figures made of the cells' numbers; the input's own score is a line in each.

Each function takes a study, its records (`cells.record`) and options, and returns a
matplotlib figure, or None where the records hold nothing that it could draw. Points are
means over seeds and folds, their bars standard deviations.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore.evaluation import outcome
from jaxrestore.sweeps import cells, figures, grid

Records = Sequence[cells.Record]


def line(
    study: grid.Study,
    records: Records,
    *,
    x: str = "",
    y: str = "last_psnr",
    lines: Sequence[str] = (),
) -> Any:
    """Draws the score `y` against the number `x`, one line for each value of `lines`.

    `x` and `lines` are keys of the arms, or `seed` or `fold`; without `lines`, these
    are all keys of the arms but `x`. `y` is a column of a record, also `TEST:psnr`. The
    input's score is dashed, in the line's colour where lines have different inputs.
    """
    shown = [r for r in records if _is_number(r.get(x)) and r.get(y) is not None]
    if not shown:
        return None
    figure, axes = figures.new_axes()
    inputs = []
    others = dict.fromkeys(key for cell in grid.cells(study) for key in cell.arm)
    grouped = _grouped(study, shown, lines or [key for key in others if key != x])
    for look, (name, own) in zip(figures.looks(), grouped, strict=False):
        places, means, spreads = zip(*_points(own, x, y), strict=True)
        style: dict[str, Any] = {"color": look[0], "marker": look[1], "capsize": 2}
        style |= {"markersize": 4, "linewidth": 1.2, "label": name}
        axes.errorbar(places, means, _bars(spreads), **style)
        inputs.append((figures.input_score(own, y), look[0]))
    figures.draw_inputs(axes, inputs)
    if _spans_decades([record[x] for record in shown]):
        axes.set_xscale("log")
    figures.finish(axes, x, figures.said(y))
    return figure


def history(
    study: grid.Study,
    records: Records,
    folders: Mapping[str, Path],
    *,
    lines: Sequence[str] = (),
) -> Any:
    """Draws PSNR at every evaluation, against epochs or, without epochs, updates.

    One line an arm, or for each value of `lines`. While the learning rate is constant,
    the value at epoch N is what a run of N epochs ends with: the same seed sees the
    same batches, so one run draws the whole axis.
    """
    figure, axes = figures.new_axes()
    inputs, unit = [], "updates"
    grouped = _grouped(study, records, lines or None)
    for look, (name, own) in zip(figures.looks(), grouped, strict=False):
        seen: dict[float, list[float]] = {}
        for record in own:
            unit, points = _evaluations(folders[record["cell"]])
            for place, psnr in points:
                seen.setdefault(place, []).append(psnr)
        if not seen:
            continue
        places = sorted(seen)
        means = [statistics.fmean(seen[place]) for place in places]
        spreads = [figures.spread(seen[place]) for place in places]
        style: dict[str, Any] = {"color": look[0], "marker": ".", "linewidth": 1.2}
        axes.errorbar(places, means, _bars(spreads), label=name, **style)
        inputs.append((figures.input_score(own, "last_psnr"), look[0]))
    if not inputs:
        return None
    figures.draw_inputs(axes, inputs)
    figures.finish(axes, unit, figures.said("last_psnr"))
    return figure


def cost(study: grid.Study, records: Records, *, x: str = "batch_size") -> Any:
    """Draws seconds of an epoch (both halves of a run) and step memory against `x`.

    There is no input's line: it costs nothing.
    """
    from matplotlib.figure import Figure

    shown = [r for r in records if _is_number(r.get(x))]
    panels = (
        ("seconds an epoch", ("epoch_seconds", "late_epoch_seconds")),
        ("step memory, MiB", ("step_mebibytes",)),
    )
    names = {"epoch_seconds": "normal", "late_epoch_seconds": "decay"}
    columns = [key for _, keys in panels for key in keys]
    if all(record.get(key) is None for record in shown for key in columns):
        return None
    figure = Figure((8.0, 3.2), layout="constrained")
    for axes, (title, keys) in zip(figure.subplots(1, 2), panels, strict=True):
        for look, key in zip(figures.looks(), keys, strict=False):
            own = [record for record in shown if record.get(key) is not None]
            if not own:
                continue
            places, means, spreads = zip(*_points(own, x, key), strict=True)
            style: dict[str, Any] = {"color": look[0], "marker": look[1], "capsize": 2}
            style |= {"label": names.get(key, "")}
            axes.errorbar(places, means, _bars(spreads), **style)
        axes.set_xscale("log", base=2)
        axes.set_ylim(bottom=0)
        figures.finish(axes, x, title)
    return figure


def scatter(
    study: grid.Study, records: Records, *, x: str = "psnr", y: str = "cosine"
) -> Any:
    """Draws `y` against `x`, a point a run, their trend line and correlation.

    The input is a pair of dashed lines.
    """
    shown = [r for r in records if r.get(x) is not None and r.get(y) is not None]
    if not shown:
        return None
    figure, axes = figures.new_axes()
    grouped = _grouped(study, shown, None)
    for look, (name, own) in zip(figures.looks(), grouped, strict=False):
        places = [[record[key] for record in own] for key in (x, y)]
        axes.scatter(*places, label=name, color=look[0], marker=look[1], s=18)
    figures.draw_inputs(axes, [(figures.input_score(shown, y), figures.INK)])
    if (found := figures.input_score(shown, x)) is not None:
        axes.axvline(found, color=figures.INK, linestyle="--", linewidth=1)
    figures.draw_trend(
        axes, [record[x] for record in shown], [record[y] for record in shown]
    )
    figures.finish(axes, figures.said(x), figures.said(y))
    return figure


def _evaluations(folder):
    """The unit of a run's length, and (place, PSNR in dB) of each evaluation."""
    rows = outcome.read_history(folder / "metrics.jsonl")
    epochs = cells.epochs(folder)
    scale = epochs / rows[-1]["step"] if epochs and rows else 1
    points = [
        (round(row["step"] * scale, 2), row["evaluation/psnr"])
        for row in rows
        if row.get("evaluation/psnr") is not None
    ]
    return ("epochs" if epochs else "updates"), points


def _grouped(study, records, keys):
    """(label, records) for each combination of `keys`; None: for each arm."""
    found: dict[str, list[cells.Record]] = {}
    for record in records:
        arm = {key: record[key] for key in keys or () if key in record}
        name = record["arm"] if keys is None else grid.label(study, arm)
        found.setdefault(name, []).append(record)
    return list(found.items())


def _points(records, x, y):
    """(place, mean, standard deviation), in order of the place."""
    seen: dict[float, list[float]] = {}
    for record in records:
        seen.setdefault(record[x], []).append(record[y])
    return [
        (at, statistics.fmean(seen[at]), figures.spread(seen[at]))
        for at in sorted(seen)
    ]


def _bars(spreads):
    return list(spreads) if any(spreads) else None


def _is_number(given):
    return isinstance(given, int | float) and not isinstance(given, bool)


def _spans_decades(values):
    return min(values) > 0 and max(values) / min(values) >= 20
