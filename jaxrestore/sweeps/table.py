"""The table of a study: one row an arm, as CSV, Markdown and LaTeX.

Numbers stand as papers print them: dB with two decimals, similarities with four, and
mean ± standard deviation where an arm has several runs.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrestore import files, tables
from jaxrestore.sweeps import cells, grid

# Column of a record, heading, decimals, whether the sign is shown.
COLUMNS = (
    ("input_psnr", "input PSNR, dB", 2, False),
    ("psnr", "PSNR, dB", 2, False),
    ("gain_psnr", "gain, dB", 2, True),
    ("last_psnr", "last PSNR, dB", 2, False),
    ("cosine", "cosine", 4, False),
    ("ssim", "SSIM", 4, False),
    ("seconds", "seconds", 0, False),
    ("step_mebibytes", "step memory, MiB", 0, False),
)
NOTE = (
    "PSNR, gain, cosine and SSIM are of the best checkpoint, last PSNR of the last "
    "step; mean ± standard deviation over n runs (seeds and folds)."
)


def write(output: Path, study: grid.Study, records: Sequence[cells.Record]) -> None:
    """Writes `table.csv` (every cell), and `summary.csv`, `.md` and `.tex` (arms)."""
    files.write_csv(output / "table.csv", records)
    arms = summarize(study, records)
    files.write_csv(output / "summary.csv", arms)
    headings, rows = printed(study, arms)
    note = NOTE.replace("±", "+-")
    text = f"{tables.markdown(headings, rows)}\n\n{NOTE}\n"
    files.write_text(output / "summary.md", text)
    text = f"{tables.latex(headings, rows)}\n% {note}\n"
    files.write_text(output / "summary.tex", text)


def summarize(
    study: grid.Study, records: Sequence[cells.Record]
) -> list[dict[str, Any]]:
    """Returns a row an arm, in the study's order: `arm`, its values, `n`, the numbers.

    Each number has its mean under its own name and, after `_std`, its standard
    deviation over the runs (of a sample: divided by n - 1), None where n is 1. A number
    that a run lacks leaves that run out; without any it is None.
    """
    names = [column for column, *_ in _columns(study)]
    by_arm: dict[str, list[cells.Record]] = {}
    for record in records:
        by_arm.setdefault(record["arm"], []).append(record)
    found = []
    for cell in {cell.label: cell for cell in grid.cells(study)}.values():
        runs = by_arm.get(cell.label, [])
        row: dict[str, Any] = {"arm": cell.label, **cell.arm, "n": len(runs)}
        for name in names:
            known = [run[name] for run in runs if run.get(name) is not None]
            row[name] = statistics.fmean(known) if known else None
            row[f"{name}_std"] = statistics.stdev(known) if len(known) > 1 else None
        found.append(row)
    return found


def _columns(study):
    tests = [(f"{name}:gain_psnr", f"gain on {name}, dB") for name in study.tests]
    return [*COLUMNS, *((column, heading, 2, True) for column, heading in tests)]


def printed(
    study: grid.Study, arms: Sequence[dict[str, Any]]
) -> tuple[list[str], list[list[str]]]:
    """Returns headings and rows of text; a column without any number is left out."""
    keys = dict.fromkeys(key for cell in grid.cells(study) for key in cell.arm)
    columns = [
        column
        for column in _columns(study)
        if any(arm[column[0]] is not None for arm in arms)
    ]
    headings = ["arm", *keys, "n", *(heading for _, heading, *_ in columns)]
    rows = []
    for arm in arms:
        values = ["" if key not in arm else _plain(arm[key]) for key in keys]
        numbers = [
            number(arm[name], arm[f"{name}_std"], decimals, signed=signed)
            for name, _, decimals, signed in columns
        ]
        rows.append([arm["arm"], *values, str(arm["n"]), *numbers])
    return headings, rows


def number(
    mean: float | None, deviation: float | None, decimals: int, *, signed: bool = False
) -> str:
    """Returns `22.31 ± 0.12`, or the mean alone where there is no deviation; or `-`."""
    if mean is None or not math.isfinite(mean):
        return "-"
    text = f"{mean:{'+' if signed else ''}.{decimals}f}"
    return text if deviation is None else f"{text} ± {deviation:.{decimals}f}"


def _plain(given):
    return f"{given:g}" if isinstance(given, float) else str(given)
