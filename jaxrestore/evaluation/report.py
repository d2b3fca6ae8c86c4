"""One HTML file that shows a run: scores, curves, pictures, time, config.

The file needs nothing beside it: figures are inline SVG that follows the reader's
light or dark theme, pictures are data URIs, and its one line of script, which moves a
slider, is the only one that its policy lets run. `report.html` holds every sentence and
all layout; here are the numbers, their order and the drawing.
`None` is how a score says "infinite" (an image equal to its target) or "not defined".
"""

import base64
import hashlib
import importlib.resources
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from jaxrestore import files, images
from jaxrestore.evaluation import curves, hole_shares
from jaxrestore.evaluation import strips as pictures

WORST = 5
EQUAL_DB = 0.05  # a PSNR gain within it is the identity's, as far as anyone can see
PNG_LIMIT = 200_000  # bytes a line of a strip; four noisy panels of 256 px take 540 000
PNG, JPEG = "data:image/png;base64,", "data:image/jpeg;base64,"
SCRIPT = """const slider = document.querySelector(".compare input");
slider.addEventListener("input", () =>
  slider.parentNode.style.setProperty("--cut", slider.value + "%"));"""


class Run(NamedTuple):
    """All that a report tells: plain values, as the run folder's JSON files hold them.

    `summary` is summary.json, `history` the rows of metrics.jsonl, `rows` one dict an
    image. All strips have the same `panels`. An image without a strip is scored and not
    shown, those of `withheld` on purpose: they are photographs of people.
    """

    title: str
    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    strips: dict[str, UInt8[np.ndarray, "h w 3"]]
    history: curves.History
    config: dict[str, Any]
    environment: dict[str, Any]
    panels: tuple[str, ...] = pictures.PANELS
    withheld: frozenset[str] = frozenset()


def write(path: Path, run: Run) -> None:
    """Writes the report to `path`, and the strips as PNG into `strips` beside it.

    Each file appears whole or not at all.
    """
    files.write_text(path, _page(run))
    folder = path.parent / "strips"
    if run.strips:
        folder.mkdir(exist_ok=True)
    for name, strip in zip(file_names(run.strips), run.strips.values(), strict=True):
        files.write_bytes(folder / name, images.encoded(strip, ".png"))


def file_names(names: Iterable[str]) -> list[str]:
    """Returns a PNG's name for each image: plain letters, no two alike.

    >>> report.file_names(["cats/a.jpg", "cats a.jpg"])
    ['cats_a.png', 'cats_a_2.png']
    """
    found: dict[str, int] = {}
    made = []
    for name in names:
        stem = re.sub(r"[^\w-]+", "_", re.sub(r"\.\w{3,4}$", "", name))[:80] or "image"
        found[stem.lower()] = count = found.get(stem.lower(), 0) + 1
        made.append(f"{stem}_{count}.png" if count > 1 else f"{stem}.png")
    return made


def _page(run: Run) -> str:
    import jinja2

    strict: dict[str, Any] = {"autoescape": True, "undefined": jinja2.StrictUndefined}
    pages = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, **strict)
    template = importlib.resources.files("jaxrestore.evaluation").joinpath(
        "report.html"
    )
    objective = curves.objective(run.history)
    films = {name: _film(strip, run.panels) for name, strip in run.strips.items()}
    rows = sorted(run.rows, key=_sortable_gain)
    worst = next((row["image"] for row in rows if row["image"] in films), None)
    holes = run.summary.get("holes")
    digest = hashlib.sha256(SCRIPT.encode()).digest()
    return pages.from_string(template.read_text("utf-8")).render(
        run=run,
        equal=EQUAL_DB,
        rows=rows,
        holes=hole_shares.occupied(holes) if holes else (),
        hole_notes=hole_shares.notes(holes) if holes else (),
        ends=_ends(run.strips[worst], run.panels) if worst else (),
        script=SCRIPT,
        script_hash=f"sha256-{base64.b64encode(digest).decode()}",
        scales=_scales(),
        worst=WORST,
        films=films,
        white=round(255 / pictures.DEVIATION_GAIN),
        shrunk=any(uri.startswith(JPEG) for film in films.values() for _, uri in film),
        latent=any(line.key.endswith("/kl_gaussian") for line in objective),
        adversary=any(
            key.startswith("discriminator/") for row in run.history for key in row
        ),
        medians=len(run.history) > curves.BUCKETS,
        players=curves.figure("players", curves.PLAYERS, run.history),
        quality=curves.figure("quality", (*curves.QUALITY, *objective), run.history),
        skipped=[row["step"] for row in run.history if row.get("generator/skipped")],
        times=_times(run.history),
        speeds=curves.series(run.history, "images_per_second")[1],
        config=dict(_flat(run.config)),
    )


def _sortable_gain(row: dict[str, Any]) -> float:
    """Returns the gain in dB; where an infinite PSNR leaves none, its direction."""
    if row.get("gain_psnr") is not None:
        return float(row["gain_psnr"])
    return math.inf if row.get("restored_psnr") is None else -math.inf


def _film(
    strip: UInt8[np.ndarray, "h w 3"], panels: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str]]:
    """The lines of a strip, as (names of the panels, data URI)."""
    return [(heads, _picture(line)) for heads, line in pictures.lines(strip, panels)]


def _ends(
    strip: UInt8[np.ndarray, "h w 3"], panels: tuple[str, ...]
) -> tuple[str, ...]:
    """The first two panels of a strip, input and restored, as data URIs."""
    width = strip.shape[1] // len(panels)
    return tuple(_picture(strip[:, i * width : (i + 1) * width]) for i in (0, 1))


def _scales() -> str:
    """What the error map's colours are."""
    gain, white = pictures.ERROR_GAIN, round(127.5 / pictures.ERROR_GAIN)
    return (
        f"Error: restored less target, {gain} times larger around grey. Grey is none, "
        f"white is {white} of 255 too bright or more, black as much too dark."
    )


def _picture(strip: UInt8[np.ndarray, "h w 3"]) -> str:
    """Returns a data URI: an exact PNG, or a JPEG where that would be too large."""
    data = images.encoded(strip, ".png")
    if len(data) <= PNG_LIMIT:
        return PNG + base64.b64encode(data).decode()
    return JPEG + base64.b64encode(images.encoded(strip, ".jpg")).decode()


def _times(history: curves.History) -> dict[str, float]:
    """Returns seconds by part; `other` is the wall time that no part accounts for."""
    parts = ("data", "device", "evaluation", "checkpoint")
    times = {
        part: math.fsum(curves.series(history, f"time/{part}")[1]) for part in parts
    }
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
