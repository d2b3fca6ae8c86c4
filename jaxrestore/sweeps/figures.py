"""How the figures of a study look, and what they share: input lines and trends."""

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxrestore.sweeps import cells

# Source: Okabe, Ito, "Color Universal Design", 2008: told apart by all readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = "#222222"
MARKERS = "osD^vP"
_LEGEND = 24  # entries
_SAME_DB = 0.005  # lines nearer than the two decimals of a table are one

Records = Sequence[cells.Record]


def trend(
    x: Sequence[float] | Float[np.ndarray, " n"],
    y: Sequence[float] | Float[np.ndarray, " n"],
) -> tuple[float, float, float] | None:
    """Returns slope, intercept and Pearson's correlation of the least-squares line.

    None for fewer than three points, or where x or y does not vary.
    """
    across, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(across) < 3 or np.ptp(across) == 0 or np.ptp(up) == 0:
        return None
    from_mean, up_from_mean = across - across.mean(), up - up.mean()
    slope = (from_mean @ up_from_mean) / (from_mean @ from_mean)
    correlation = slope * math.sqrt(
        (from_mean @ from_mean) / (up_from_mean @ up_from_mean)
    )
    return float(slope), float(up.mean() - slope * across.mean()), float(correlation)


def draw_trend(
    axes: Any,
    x: Sequence[float],
    y: Sequence[float],
    name: str = "",
    *,
    colour: str = INK,
) -> None:
    """Draws the trend line of the points, its correlation in the legend."""
    if (found := trend(x, y)) is None:
        return
    slope, start, correlation = found
    ends = np.array([min(x), max(x)])
    label = f"{name} trend, r = {correlation:.2f}".strip()
    axes.plot(ends, start + slope * ends, color=colour, linewidth=1, label=label)


def input_score(records: Records, score: str) -> float | None:
    """Returns the mean score of the input beside a column of the records; of a gain 0.

    `psnr` and `last_psnr` stand beside `input_psnr`, `TEST:psnr` beside
    `TEST:input_psnr`. None for a column that says nothing about images.
    """
    *test, name = score.split(":")
    if name.startswith("gain_"):
        return 0.0
    column = ":".join([*test, f"input_{name.removeprefix('last_')}"])
    known = [r[column] for r in records if r.get(column) is not None]
    return statistics.fmean(known) if known else None


def draw_inputs(axes: Any, inputs: Sequence[tuple[float | None, str]]) -> None:
    """Draws the inputs' scores as dashed lines; one in ink where all are the same."""
    known = [(score, colour) for score, colour in inputs if score is not None]
    if not known:
        return
    scores = [score for score, _ in known]
    if max(scores) - min(scores) < _SAME_DB:
        known = [(statistics.fmean(scores), INK)]
    for index, (score, colour) in enumerate(known):
        label = "input" if not index else ""
        axes.axhline(score, color=colour, linestyle="--", linewidth=1, label=label)


def new_axes() -> tuple[Any, Any]:
    """Returns an empty figure of a column's width and its axes."""
    from matplotlib.figure import Figure

    figure = Figure((5.6, 3.6), layout="constrained")
    return figure, figure.subplots()


def finish(axes: Any, x: str, y: str) -> None:
    """Names the axes, lightens the frame, and shows a legend if there is any label.

    Of very many labels only the input's and the trend's are in it.
    """
    axes.set_xlabel(x, color=INK, fontsize=8)
    axes.set_ylabel(y, color=INK, fontsize=8)
    axes.tick_params(which="both", colors=INK, labelsize=8)
    if axes.get_yscale() == "linear":
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    if len(entries) > _LEGEND:
        entries = [e for e in entries if e[1] == "input" or "trend" in e[1]]
    if entries:
        columns = 1 + len(entries) // 12
        look: dict[str, Any] = {"fontsize": 6 if columns > 1 else 7, "ncols": columns}
        axes.legend(*zip(*entries, strict=True), frameon=False, **look)


def said(score: str) -> str:
    """Returns what an axis calls a column of the records."""
    *test, name = score.split(":")
    words = {
        "psnr": "PSNR, dB",
        "last_psnr": "PSNR at the end, dB",
        "gain_psnr": "gain over the input, dB",
        "ssim": "SSIM",
        "cosine": "cosine similarity",
    }
    return " on ".join([words.get(name, name), *test])


def spread(values: Sequence[float]) -> float:
    """Returns the standard deviation of a sample; 0 for one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def looks() -> Iterator[tuple[str, str]]:
    """Yields (colour, marker) without end; a look comes again after all others."""
    return itertools.cycle(
        (COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)])
        for i in range(len(COLOURS) * len(MARKERS))
    )
