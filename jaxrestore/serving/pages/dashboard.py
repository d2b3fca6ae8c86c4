"""`/records`: how much was asked for, how long it took, how it ended."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from jaxrestore.serving.pages import static_files, words
from jaxrestore.serving.pages.templating import page, text
from jaxrestore.serving.refusals import Refusal

router = APIRouter(include_in_schema=False)
WINDOWS = (1, 7, 30, 90)  # days

# Of the tables that `records.summaries.summary` returns: title, and columns by key.
_SPEED = {
    "task": "Task",
    "method": "Method",
    "model": "Network",
    "version": "Version",
    "size": "Size",
    "jobs": "Jobs",
    "queued_p50": "Waited, median",
    "queued_p95": "95\N{NO-BREAK SPACE}%",
    "run_p50": "Computed, median",
    "run_p95": "95\N{NO-BREAK SPACE}%",
    "fill": "Batches filled",
}
_MODELS = {
    "model": "Network",
    "version": "Version",
    "architecture": "Architecture",
    "jobs": "Jobs",
    "license": "Licence",
}
_QUALITY = {
    "task": "Task",
    "method": "Method",
    "version": "Version",
    "jobs": "Jobs",
    "sigma_in": "Noise before",
    "sigma_out": "after",
    "blockiness_in": "Blockiness before",
    "blockiness_out": "after",
    "sharpness_in": "Sharpness before",
    "sharpness_out": "after",
}
_RATINGS = {
    "task": "Task",
    "method": "Method",
    "version": "Version",
    "liked": "Better",
    "disliked": "Not better",
    "share": "Share of better",
}
_ERRORS = {"code": "Code", "jobs": "Jobs", "share": "Of all"}
_REFUSALS = {"code": "Status", "why": "Reason", "count": "Times", "share": "Of all"}
TABLES = {
    "speed": ("How long it takes", _SPEED),
    "models": ("Networks", _MODELS),
    "quality": ("What it changes, medians of estimates", _QUALITY),
    "ratings": ("What people say", _RATINGS),
    "errors": ("What failed", _ERRORS),
    "refusals": ("What was refused", _REFUSALS),
}
# Of a table the plot of `records.plots` that goes with it.
_PLOTS = {"speed": "times", "quality": "noise", "ratings": "ratings"}
_STYLES = ("vendor/pico.min.css", "app.css")

Plots = Mapping[str, tuple[str, str]]  # addresses, for light pages and for dark ones


@router.get("/records")
async def records(
    request: Request, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> Response:
    """The numbers of so many days, from `app.state.records`, a function of days."""
    summarised = getattr(request.app.state, "records", None)
    if summarised is None:
        raise Refusal(
            404,
            "no_records",
            "There are no records",
            "This server was started without a database for them.",
        )
    found = await asyncio.to_thread(summarised, days)
    plots = {}
    for name in _PLOTS.values():
        light = f"/api/v1/records/plots/{name}.svg?days={days}"
        plots[name] = light, f"{light}&dark=true"
    more = {"layout": "base.html", "days": days, "windows": WINDOWS}
    return page(request, "records.html", {**_shown(found, plots), **more})


def file(summary: Mapping[str, Any], draw: Callable[..., bytes]) -> str:
    """Returns the page of a summary as one HTML file that needs nothing beside it.

    `draw` is `records.plots.draw`.
    """
    plots = {
        name: (
            _embedded(draw(name, summary)),
            _embedded(draw(name, summary, dark=True)),
        )
        for name in _PLOTS.values()
    }
    styles = [(static_files.STATIC / name).read_text() for name in _STYLES]
    more = {"layout": "file.html", "days": None, "windows": (), "styles": styles}
    return text("records.html", {**_shown(summary, plots), **more})


def tables(summary: Mapping[str, Any], plots: Plots) -> list[dict[str, Any]]:
    """Returns the tables that are not empty, with `title`, `plot`, `head`, `rows`.

    `plot` are those of its addresses in `plots`, None of a table without one.
    """
    return [
        {
            "title": title,
            "plot": plots[_PLOTS[name]] if name in _PLOTS else None,
            "head": list(columns.values()),
            "rows": [[_text(key, row.get(key)) for key in columns] for row in found],
        }
        for name, (title, columns) in TABLES.items()
        if (found := summary.get(name))
    ]


def bars(days: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns what the plot of jobs a day shows: bars of 0 to 100 from the ground.

    `most` is what 100 stands for; each of `bars` has `day`, the heights `done` and
    `other`, and `said`, the same in words.
    """
    others = ("failed", "cancelled", "expired", "refused")
    sums = [day["done"] + sum(day.get(name, 0) for name in others) for day in days]
    most = max(sums, default=0) or 1
    made = []
    for day, total in zip(days, sums, strict=True):
        said = ", ".join(
            f"{day[name]} {name}" for name in ("done", *others) if day.get(name)
        )
        part = {"day": day["day"], "said": said or "nothing"}
        height = 100 * day["done"] / most
        made.append({**part, "done": height, "other": 100 * total / most - height})
    return {"most": most, "bars": made}


def _shown(summary: Mapping[str, Any], plots: Plots) -> dict[str, Any]:
    found = {"summary": summary, "bars": bars(summary["days"])}
    return {**found, "tables": tables(summary, plots)}


def _embedded(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _text(key: str, value: Any) -> str:
    if value is None or value == "":
        return "\N{EN DASH}"
    if key in ("share", "fill"):
        return f"{100 * value:.1f} %"
    if key.endswith(("_p50", "_p95")):
        return words.duration(value)
    return f"{value:.3g}" if isinstance(value, float) else f"{value}"
