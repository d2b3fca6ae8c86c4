"""One HTML file that shows a run: scores, curves, pictures, time, config.

The file needs nothing beside it: figures are inline SVG that follows the reader's
light or dark theme, pictures are data URIs, and there is no script. `report.html` holds
every sentence and all layout; here are the numbers, their order and the drawing.
`None` is how a score says "infinite" (an image equal to its target) or "not defined".
"""

import base64
import importlib.resources
import io
import itertools
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from jaxrestore import images

WORST = 5
EQUAL_DB = 0.05  # a PSNR gain within it is the identity's, as far as anyone can see
BUCKETS = 200  # of a curve; a longer one is drawn as medians within their range
PNG_LIMIT = 200_000  # bytes a strip; four noisy panels of 256 px take 540 000
PNG, JPEG = "data:image/png;base64,", "data:image/jpeg;base64,"

# Matplotlib draws in stand-ins; the page has one colour of each name for each theme.
COLOURS = ("ink", "blue", "orange", "green", "purple", "gold")
STAND_INS = ("#00f000", "#00f001", "#00f002", "#00f003", "#00f004", "#00f005")
INK, BLUE, ORANGE, GREEN, PURPLE, GOLD = STAND_INS

History = list[dict[str, Any]]


class Run(NamedTuple):
    """All that a report tells: plain values, as the run folder's JSON files hold them.

    `summary` is summary.json, `history` the rows of metrics.jsonl, `rows` one dict an
    image. An image without a strip must not be shown: the report says so, no more.
    """

    title: str
    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    strips: dict[str, UInt8[np.ndarray, "h w 3"]]
    history: History
    config: dict[str, Any]
    environment: dict[str, Any]


class Curve(NamedTuple):
    """One line of a figure: its panel, its key in the history and its look."""

    panel: str
    key: str
    label: str
    colour: str
    dash: str = "-"


LOGIT, ACCURACY = "Discriminator logit", "Discriminator accuracy"
NORM, RATE, OBJECTIVE = "Gradient norm", "Learning rate", "Objective rows"
PLAYERS = (
    Curve("Loss", "generator/loss", "generator", BLUE),
    Curve("Loss", "generator/adversarial", "adversarial part", PURPLE, ":"),
    Curve("Loss", "discriminator/loss", "discriminator", ORANGE, "--"),
    Curve(LOGIT, "discriminator/logit_real", "real", GREEN),
    Curve(LOGIT, "discriminator/logit_fake", "fake", PURPLE, "--"),
    Curve(ACCURACY, "discriminator/accuracy_real", "real", GREEN),
    Curve(ACCURACY, "discriminator/accuracy_fake", "fake", PURPLE, "--"),
    Curve(NORM, "generator/grad_norm", "generator", BLUE),
    Curve(NORM, "discriminator/grad_norm", "discriminator", ORANGE, "--"),
    Curve(RATE, "generator/rate", "generator", BLUE),
    Curve(RATE, "discriminator/rate", "discriminator", ORANGE, "--"),
)
QUALITY = (
    Curve("PSNR, dB", "evaluation/degraded_psnr", "input", ORANGE, "--"),
    Curve("PSNR, dB", "evaluation/psnr", "output", BLUE),
    Curve("PSNR, dB", "train/psnr", "output in training", GREEN, ":"),
    Curve("SSIM", "evaluation/degraded_ssim", "input", ORANGE, "--"),
    Curve("SSIM", "evaluation/ssim", "output", BLUE),
)


def write(path: Path, run: Run) -> None:
    """Writes the report to `path`, whole or not at all."""
    page = _page(run)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _page(run: Run) -> str:
    import jinja2

    strict: dict[str, Any] = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    pages = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, **strict)
    template = importlib.resources.files("jaxrestore.evaluation").joinpath(
        "report.html"
    )
    objective = _objective(run.history)
    pictures = {name: _picture(strip) for name, strip in run.strips.items()}
    return pages.from_string(template.read_text("utf-8")).render(
        run=run,
        equal=EQUAL_DB,
        rows=sorted(run.rows, key=_sortable_gain),
        worst=WORST,
        pictures=pictures,
        shrunk=any(uri.startswith(JPEG) for uri in pictures.values()),
        adversary=any(
            key.startswith("discriminator/") for row in run.history for key in row
        ),
        medians=len(run.history) > BUCKETS,
        players=_figure("players", PLAYERS, run.history),
        quality=_figure("quality", (*QUALITY, *objective), run.history),
        skipped=[row["step"] for row in run.history if row.get("generator/skipped")],
        times=_times(run.history),
        speeds=_series(run.history, "images_per_second")[1],
        config=dict(_flat(run.config)),
    )


def _sortable_gain(row: dict[str, Any]) -> float:
    """Returns the gain in dB; where an infinite PSNR leaves none, its direction."""
    if row.get("gain_psnr") is not None:
        return float(row["gain_psnr"])
    return math.inf if row.get("restored_psnr") is None else -math.inf


def _picture(strip: UInt8[np.ndarray, "h w 3"]) -> str:
    """Returns a data URI: an exact PNG, or a JPEG where that would be too large."""
    data = images.encoded(strip, ".png")
    if len(data) <= PNG_LIMIT:
        return PNG + base64.b64encode(data).decode()
    return JPEG + base64.b64encode(images.encoded(strip, ".jpg")).decode()


def _objective(history: History) -> list[Curve]:
    """Returns a curve for every row of the objective, in the order of appearance."""
    start = "generator/restored/"
    keys = dict.fromkeys(key for row in history for key in row if key.startswith(start))
    colours = (BLUE, ORANGE, GREEN, PURPLE, GOLD)
    looks = itertools.cycle(itertools.product(("-", "--", ":", "-."), colours))
    return [
        Curve(OBJECTIVE, key, key.removeprefix(start), colour, dash)
        for key, (dash, colour) in zip(keys, looks, strict=False)
    ]


def _series(history: History, key: str) -> tuple[list[int], list[float]]:
    """Returns the steps and values of the rows in which `key` has a finite value."""
    found = [row for row in history if row.get(key) is not None]
    found = [row for row in found if math.isfinite(row[key])]
    return [row["step"] for row in found], [float(row[key]) for row in found]


def _buckets(steps: list[int], values: list[float]) -> list[tuple[int, list[float]]]:
    """Returns at most `BUCKETS` pairs: the first step, its values sorted."""
    width = math.ceil(len(steps) / BUCKETS)
    starts = range(0, len(steps), width)
    return [(steps[i], sorted(values[i : i + width])) for i in starts]


def _figure(prefix: str, curves: tuple[Curve, ...], history: History) -> dict[str, Any]:
    """Returns `panels` (titles, top to bottom) and `svg`: one axis of steps for all."""
    from matplotlib.figure import Figure

    drawn = {}
    for curve in curves:
        if (series := _series(history, curve.key))[0]:
            drawn.setdefault(curve.panel, []).append((curve, _buckets(*series)))
    if not drawn:
        return {"panels": [], "svg": ""}
    figure = Figure((4.7, 0.4 + 1.3 * len(drawn)), layout="constrained")
    grid = figure.subplots(len(drawn), sharex=True, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(grid, drawn.items(), strict=True):
        _panel(axes, title, lines)
    grid[-1].set_xlabel("training step", color=INK, fontsize=8)
    return {"panels": list(drawn), "svg": _svg(figure, prefix)}


def _panel(axes: Any, title: str, lines: list[tuple[Curve, list]]) -> None:
    from matplotlib.ticker import LogLocator

    for curve, buckets in lines:
        steps = [step for step, _ in buckets]
        low, high = [seen[0] for _, seen in buckets], [seen[-1] for _, seen in buckets]
        middle = [seen[len(seen) // 2] for _, seen in buckets]
        style: dict[str, Any] = {"color": curve.colour, "linestyle": curve.dash}
        style |= {"marker": "." if len(steps) < 30 else "", "markersize": 4}
        axes.plot(steps, middle, label=curve.label, linewidth=1.2, **style)
        if low != high:
            axes.fill_between(steps, low, high, color=curve.colour, alpha=0.2, lw=0)
    if title == ACCURACY:
        axes.set_ylim(-0.04, 1.04)
        axes.axhline(0.5, color=INK, linewidth=0.8, alpha=0.5)
    least = min(values[0] for _, buckets in lines for _, values in buckets)
    most = max(values[-1] for _, buckets in lines for _, values in buckets)
    if title in (NORM, RATE, OBJECTIVE) and least >= 0 < most:
        axes.set_yscale("log", nonpositive="mask")  # a rate may end at zero
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    pad = (
        5 if len(lines) <= 3 else 5 + 11 * math.ceil(len(lines) / 3)
    )  # over the legend
    axes.set_title(title, loc="left", pad=pad, color=INK, size=9, weight="bold")
    axes.tick_params(which="both", colors=INK, labelsize=8)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.spines[:].set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    look: dict[str, Any] = {"ncols": 3, "frameon": False, "borderpad": 0, "fontsize": 8}
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), labelcolor=INK, **look)


def _svg(figure: Any, prefix: str) -> str:
    """Returns the figure as an `<svg>` that may stand beside others in one page."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| id="[\w.]+_\d+"', "", text)
    text = text.replace("DejaVuSans", prefix)  # glyph ids: unique to the figure
    for stand_in, name in zip(STAND_INS, COLOURS, strict=True):
        text = text.replace(stand_in, f"var(--{name})")
    return text


def _times(history: History) -> dict[str, float]:
    """Returns seconds by part; `other` is the wall time that no part accounts for."""
    parts = ("data", "device", "evaluation", "checkpoint")
    times = {part: math.fsum(_series(history, f"time/{part}")[1]) for part in parts}
    wall = max((float(row["seconds"]) for row in history), default=0.0)
    return times | {"other": max(0.0, wall - sum(times.values()))}


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields dotted keys and their values as text; an empty dict is a value too."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"{prefix}{key}", text
