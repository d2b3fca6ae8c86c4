"""Which plots a study has, and where they go: PNG and SVG in its folder `plots`.

A plot is a mapping: its `kind`, perhaps its file's `name`, perhaps `only`, {key: value}
that the arms shown must have, and options of the function that draws it: `line`,
`history`, `cost` and `scatter` (see `curves`), `sheet`, `gains`, `sets` (`pictures`).
"""

import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore import errors, files, naming
from jaxrestore.sweeps import cells, curves, grid, pictures

DPI = 150  # of the PNG files
_OURS = ("kind", "name", "only")  # of a plot; the rest goes to its function


def default(study: grid.Study) -> list[dict[str, Any]]:
    """Returns plots that suit any study: a line for each key of numbers, and the rest.

    The rest are the histories, cosine against PSNR, the contact sheet and the gains.
    """
    numbers = [
        key
        for key, values in study.grid.items()
        if len(values) > 1 and all(type(x) in (int, float) for x in values)
    ]
    lines = [
        {"kind": "line", "x": key, "lines": [o for o in study.grid if o != key]}
        for key in numbers
    ]
    others = ("history", "scatter", "sheet", "gains")
    return [*lines, *({"kind": kind} for kind in others)]


def check(study: grid.Study) -> None:
    """Raises `ConfigError` for a plot of an unknown kind, or with an unknown option."""
    for plot in study.plots:
        draw = _function(str(plot.get("kind")))
        known = [
            name
            for name, parameter in inspect.signature(draw).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        for option in set(plot) - {*_OURS, *known}:
            raise errors.ConfigError(
                f"plot {plot['kind']} has no option {option!r}: "
                f"{naming.nearest(option, known)}"
            )


def draw(
    output: Path,
    study: grid.Study,
    records: Sequence[cells.Record],
    folders: Mapping[str, Path],
) -> list[Path]:
    """Draws the plots of a study (else those of `default`); returns the PNG files.

    `folders` has each cell's folder by its name. A plot for which the records have no
    numbers is left out.
    """
    (output / "plots").mkdir(exist_ok=True)
    written = []
    for index, plot in enumerate(study.plots or default(study), start=1):
        options = {key: x for key, x in plot.items() if key not in _OURS}
        function = _function(plot["kind"])
        has_folders = "folders" in inspect.signature(function).parameters
        places = (folders,) if has_folders else ()
        only = plot.get("only", {}).items()
        chosen = [r for r in records if all(r.get(k) == x for k, x in only)]
        figure = function(study, chosen, *places, **options)
        if figure is None:
            continue
        name = plot.get("name", f"{study.name}_{index:02d}_{plot['kind']}")
        for suffix in (".svg", ".png"):
            path = output / "plots" / f"{name}{suffix}"
            drawn = io.BytesIO()
            figure.savefig(drawn, format=suffix.removeprefix("."), dpi=DPI)
            files.write_bytes(path, drawn.getvalue())
        written.append(path)
    return written


def _function(kind: str) -> Callable[..., Any]:
    known = {
        "line": curves.line,
        "history": curves.history,
        "cost": curves.cost,
        "scatter": curves.scatter,
        "sheet": pictures.sheet,
        "gains": pictures.gains,
        "sets": pictures.sets,
    }
    if kind not in known:
        raise errors.ConfigError(f"no plot {kind!r}: {naming.nearest(kind, known)}")
    return known[kind]
