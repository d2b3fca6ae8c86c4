"""Scores of single images as means, their spread, and what ranks a checkpoint."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The PSNR where rounding to 8 bits is the only error, which has a variance of 1/12.
EXACT_DB = 10 * math.log10(12 * 255**2)

_HOLE = "degraded_hole_psnr"  # NaN for an image without a hole
_SCORES = ("degraded_", "restored_", "gain_")


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the means over images and the spread of the gain, for every metric.

    `median`, `p05` (5th percentile) and `ci95` (normal approximation of the mean's
    95 % interval, [None, None] for one image) describe the gain over images. They and
    the means are of those `images`, so many, whose numbers are finite before and after:
    the PSNR of an exact one is not. `share_better_than_input` counts images whose PSNR
    rose. Every other column of numbers has its mean under its own name, of finite
    numbers. What no image has is None.
    """
    names = [name.removeprefix("gain_") for name in rows[0] if name.startswith("gain_")]
    metrics = {}
    for name in names:
        parts = ("degraded", "restored", "gain")
        found = np.array([[row[f"{part}_{name}"] for row in rows] for part in parts])
        before, after, risen = found[:, np.isfinite(found).all(0)]
        metrics[name] = {
            "degraded": finite_mean(before),
            "restored": finite_mean(after),
            **_spread(risen),
            "images": len(risen),
        }
    better = np.mean([row["gain_psnr"] > 0 for row in rows])
    others = [
        name
        for name, value in rows[0].items()
        if isinstance(value, float) and not name.startswith(_SCORES)
    ]
    return {
        "metrics": metrics,
        "share_better_than_input": float(better),
        **{name: finite_mean([row[name] for row in rows]) for name in others},
        "images": len(rows),
    }


def _spread(gain):
    if not len(gain):
        nothing = dict.fromkeys(("gain", "median", "p05"))
        return {**nothing, "ci95": [None, None]}
    mean, interval = gain.mean(), [None, None]
    if len(gain) > 1:  # one image says nothing of how others differ
        half = 1.96 * gain.std(ddof=1) / math.sqrt(len(gain))
        interval = [float(mean - half), float(mean + half)]
    return {
        "gain": float(mean),
        "median": float(np.median(gain)),
        "p05": float(np.percentile(gain, 5)),
        "ci95": interval,
    }


def distribution(values: Sequence[float]) -> dict[str, float | int | None]:
    """Returns `median` and `p05` of the defined values, and `mean` of the finite ones.

    `p05` is the 5th percentile; `images` counts the finite ones, and `infinite` the
    infinite ones. A number that is not finite is None.
    """
    defined = np.array([value for value in values if not np.isnan(value)])
    middle = fifth = np.nan
    if len(defined):
        with np.errstate(invalid="ignore"):  # infinite PSNR: no percentile near it
            middle, fifth = np.median(defined), np.percentile(defined, 5)
    infinite = int(np.isinf(defined).sum())
    return {
        "mean": finite_mean(defined),
        "median": finite(middle),
        "p05": finite(fifth),
        "images": len(defined) - infinite,
        "infinite": infinite,
    }


def ranking(rows: list[dict[str, Any]]) -> float:
    """Returns the mean PSNR in dB by which checkpoints are ranked; NaN if one is NaN.

    Where lost pixels were scored apart it is theirs, `hole_psnr`, over the images that
    have any: the others are known, and whoever uses the network keeps them. No image
    counts more than `EXACT_DB`: one that is restored exactly, whose PSNR is infinite,
    would otherwise decide alone.
    """
    holes = [row for row in rows if not math.isnan(row.get(_HOLE, math.nan))]
    name = "restored_hole_psnr" if holes else "restored_psnr"
    values = [row[name] for row in holes or rows]
    return float(np.mean(np.minimum(values, EXACT_DB)))


def of_finite(numbers: Mapping[str, Any], images: int) -> str:
    """Returns the clause that a metric's mean needs; empty where all images count."""
    if numbers["images"] == images:
        return ""
    return f" (means of the {numbers['images']} of {images} images where it is finite)"


def gain(before: np.ndarray | float, after: np.ndarray | float) -> np.ndarray:
    """Returns `after - before`; 0 for equal ones, as a perfect input left perfect."""
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    same = before == after  # infinities too, whose difference is NaN
    return np.where(same, 0, after - np.where(same, 0, before))


def finite_mean(values: Sequence[float] | np.ndarray) -> float | None:
    """Returns the mean of the finite ones of `values`; None where there are none."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def finite(value: Any) -> float | None:
    """Returns the number, or None for one that JSON cannot hold: NaN or infinite."""
    return float(value) if np.isfinite(value) else None
