"""Plots of a summary, as SVG that a strict content security policy lets through.

Neither scripts nor styles are in them: what matplotlib says as styles stands as
attributes. A page shows them as images.
"""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxrestore import errors, naming

WIDTH, HEIGHT = 6.4, 2.8  # inches of 72 px


Rows = list[dict[str, Any]]


class Colours(NamedTuple):
    """What a plot is drawn in: for pages with dark letters, or with light ones."""

    ink: str
    paper: str
    lines: tuple[str, ...]


LIGHT = Colours("#1f2937", "#ffffff", ("#0072b2", "#d55e00"))
DARK = Colours("#e5e7eb", "#13171f", ("#56b4e9", "#e69f00"))


def names() -> list[str]:
    """Returns which plots there are."""
    return [*_PLOTS]


def draw(name: str, summary: Mapping[str, Any], *, dark: bool = False) -> bytes:
    """Returns a plot of what `summaries.summary` returns, as the bytes of an SVG file.

    `name` is one of `names`. Where there is nothing to show it says so. Raises
    `ConfigError` for another name.

    >>> svg = plots.draw("times", summaries.summary(engine, now=time.time()))
    """
    if name not in _PLOTS:
        raise errors.ConfigError(f"no plot {name!r}: {naming.nearest(name, names())}")
    from matplotlib.figure import Figure

    colours = DARK if dark else LIGHT
    figure = Figure((WIDTH, HEIGHT), layout="constrained", facecolor=colours.paper)
    axes = figure.subplots()
    chosen, title, plot = _PLOTS[name]
    axes.set_title(title, loc="left", color=colours.ink, size=9, weight="bold")
    if rows := chosen(summary):
        plot(axes, rows, colours)
        _legend(axes, colours)
    else:
        axes.text(0.5, 0.5, "nothing yet", ha="center", color=colours.ink)
        axes.set(xticks=[], yticks=[])
    axes.set_facecolor(colours.paper)
    axes.tick_params(which="both", colors=colours.ink, labelsize=8)
    axes.spines[:].set_color(colours.ink)
    axes.spines[["top", "right"]].set_visible(False)
    return _plain(figure)


def _times(axes: Any, rows: Rows, colours: Colours) -> None:
    kinds = (("queued", "waiting"), ("run", "running"))
    for place, (kind, label) in enumerate(kinds):
        known = [(n, r) for n, r in enumerate(rows) if r[f"{kind}_p50"] is not None]
        middle = [max(row[f"{kind}_p50"], 1e-3) for _, row in known]
        high = [max(row[f"{kind}_p95"], 1e-3) for _, row in known]
        at = [n + 0.3 * (place - 0.5) for n, _ in known]
        colour = colours.lines[place]
        axes.hlines(at, middle, high, color=colour, linewidth=2)
        axes.plot(middle, at, "o", color=colour, markersize=5, label=label)
    axes.set_xscale("log")
    _label(axes, rows)


def _noise(axes: Any, rows: Rows, colours: Colours) -> None:
    for place, (end, label) in enumerate((("in", "before"), ("out", "after"))):
        sigmas = [row[f"sigma_{end}"] for row in rows]
        at = [n + 0.38 * (place - 0.5) for n in range(len(rows))]
        axes.barh(at, sigmas, height=0.36, color=colours.lines[place], label=label)
    _label(axes, rows)


def _ratings(axes: Any, rows: Rows, colours: Colours) -> None:
    for place, (word, sign) in enumerate((("liked", 1), ("disliked", -1))):
        counts = [sign * row[word] for row in rows]
        axes.barh(range(len(rows)), counts, color=colours.lines[place], label=word)
    axes.xaxis.set_major_formatter(lambda value, place: f"{abs(value):g}")
    _label(axes, rows)


def _label(axes: Any, rows: Rows) -> None:
    """Puts what each row is of beside it, the first one uppermost."""
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
    axes.invert_yaxis()


# Of each plot what it shows of a summary, its title, and what draws it.
_PLOTS: dict[str, tuple[Callable[..., Rows], str, Callable[..., None]]] = {
    "times": (
        lambda found: [r for r in found["speed"] if r["run_p50"] is not None][:12],
        "seconds: median, 95th percentile",
        _times,
    ),
    "noise": (
        lambda found: [row for row in found["quality"] if row["jobs"]],
        "estimated noise, of 255 levels",
        _noise,
    ),
    "ratings": (lambda found: found["ratings"], "ratings", _ratings),
}


def _named(row: Mapping[str, str]) -> str:
    # Whoever has a version is a network.
    how = row.get("version") or row.get("method")
    words = (row.get("task"), row.get("model"), how, row.get("size"))
    return " ".join(dict.fromkeys(filter(None, words)))


def _legend(axes: Any, colours: Colours) -> None:
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1)}
    look: dict[str, Any] = {"ncols": 5, "frameon": False, "fontsize": 8}
    axes.legend(labelcolor=colours.ink, borderpad=0, **place, **look)


def _plain(figure: Any) -> bytes:
    """A figure as SVG, its styles as attributes, without what tells of its making."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    # The one rule of its style sheet holds for all that is drawn.
    rule = re.search(r"<style[^>]*>\*\{(.*?)\}</style>", text, re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    if rule is not None:
        text = text.replace("<svg ", f"<svg {_attributes(rule[1])} ", 1)
    text = re.sub(r'style="([^"]*)"', lambda found: _attributes(found[1]), text)
    return text.encode()


def _attributes(style: str) -> str:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return " ".join(f'{name.strip()}="{value.strip()}"' for name, _, value in pairs)
