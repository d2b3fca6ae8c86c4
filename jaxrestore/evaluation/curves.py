"""The curves of a run: lines against training steps, drawn as SVG for a page.

They follow the reader's light or dark theme. A value that is not finite is left out.
"""

import io
import itertools
import math
import re
from typing import Any, NamedTuple

BUCKETS = 200  # of a curve; a longer one is drawn as medians within their range
BESIDE_TITLE = 28  # letters of a legend

# Matplotlib draws in stand-ins; the page has one colour of each name for each theme.
COLOURS = ("ink", "blue", "orange", "green", "purple", "gold")
STAND_INS = ("#00f000", "#00f001", "#00f002", "#00f003", "#00f004", "#00f005")
INK, BLUE, ORANGE, GREEN, PURPLE, GOLD = STAND_INS

History = list[dict[str, Any]]


class Curve(NamedTuple):
    """One line of a figure: its panel, its key in the history and its look."""

    panel: str
    key: str
    label: str
    colour: str
    dash: str = "-"


HOLE = "PSNR in holes, dB"
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
    Curve(HOLE, "evaluation/degraded_hole_psnr", "input", ORANGE, "--"),
    Curve(HOLE, "evaluation/hole_psnr", "output", BLUE),
    Curve("SSIM", "evaluation/degraded_ssim", "input", ORANGE, "--"),
    Curve("SSIM", "evaluation/ssim", "output", BLUE),
)

# What precedes the label of an objective's row.
_ROW = re.compile(r"generator/(?:restored/|(?=[^/]+/))")


def objective(history: History) -> list[Curve]:
    """Returns a curve for every row of the objective, in the order of appearance.

    Only rows of other outputs than the restored image say which: `latent/kl_gaussian`.
    """
    keys = dict.fromkeys(key for row in history for key in row if _ROW.match(key))
    colours = (BLUE, ORANGE, GREEN, PURPLE, GOLD)
    looks = itertools.cycle(itertools.product(("-", "--", ":", "-."), colours))
    return [
        Curve(OBJECTIVE, key, _ROW.sub("", key), colour, dash)
        for key, (dash, colour) in zip(keys, looks, strict=False)
    ]


def series(history: History, key: str) -> tuple[list[int], list[float]]:
    """Returns the steps and values of the rows in which `key` has a finite value."""
    found = [row for row in history if row.get(key) is not None]
    found = [row for row in found if math.isfinite(row[key])]
    return [row["step"] for row in found], [float(row[key]) for row in found]


def _buckets(steps: list[int], values: list[float]) -> list[tuple[int, list[float]]]:
    """Returns at most `BUCKETS` pairs: the first step, its values sorted."""
    width = math.ceil(len(steps) / BUCKETS)
    starts = range(0, len(steps), width)
    return [(steps[i], sorted(values[i : i + width])) for i in starts]


def figure(prefix: str, curves: tuple[Curve, ...], history: History) -> dict[str, Any]:
    """Returns `panels` (titles, top to bottom) and `svg`: one axis of steps for all."""
    from matplotlib.figure import Figure

    drawn = {}
    for curve in curves:
        steps, values = series(history, curve.key)
        if steps:
            drawn.setdefault(curve.panel, []).append((curve, _buckets(steps, values)))
    if not drawn:
        return {"panels": [], "svg": ""}
    drawing = Figure((4.7, 0.4 + 1.3 * len(drawn)), layout="constrained")
    grid = drawing.subplots(len(drawn), sharex=True, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(grid, drawn.items(), strict=True):
        _panel(axes, title, lines)
    grid[-1].set_xlabel("training step", color=INK, fontsize=8)
    return {"panels": list(drawn), "svg": _svg(drawing, prefix)}


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
    # The title stands over a legend that leaves it no room beside itself.
    letters = sum(len(curve.label) for curve, _ in lines)
    beside = len(lines) <= 3 and letters <= BESIDE_TITLE
    pad = 5 if beside else 5 + 11 * math.ceil(len(lines) / 3)
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
