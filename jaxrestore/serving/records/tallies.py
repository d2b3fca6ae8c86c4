"""Jobs of some days, counted and measured by what they have in common.

They are read in parts, of which arrays are left: a million jobs are some 100 MB.
"""

import collections
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from jaxrestore.serving.records import models

DAY = 86_400
VERSION = 8  # digits of a SHA-256 by which networks of one name are told apart
ESTIMATES = ("sigma", "blockiness", "sharpness")
# Upper ends of the classes of size, in pixels of the input.
SIZES = {
    "< 0.25 MP": 250_000,
    "0.25-1 MP": 1_000_000,
    "1-4 MP": 4_000_000,
    "4-16 MP": 16_000_000,
    "> 16 MP": float("inf"),
}
_CLASSES = (*SIZES, "")  # of pixels that are not known
_WORDS = ("task", "method", "model", "weights", "status", "code")
_SIDES = [f"{name}_{end}" for name in ESTIMATES for end in ("in", "out")]
_NUMBERS = ("queued_s", "run_s", "fill", *_SIDES)
_PART = 2_000  # jobs that are read at once: other threads have a turn between two

Row = dict[str, Any]


def tallied(connection: sa.Connection, since: float, until: float) -> list[Row]:
    """Returns a row of all jobs that are alike, ordered since a time, before another.

    Alike are those of one `day` since 1970, `size`, `task`, `method`, `model`,
    `version`, `weights`, `status` and `code`, words that may be "". A row has how many
    `jobs` they are, how many were `liked` and `disliked`, and of each number that is
    measured an array [jobs], which holds NaN where it was not.
    """
    found: dict[tuple, list[np.ndarray]] = collections.defaultdict(list)
    # Of SQLite they come one by one anyway.
    streamed = connection.dialect.name != "sqlite"
    options = {"stream_results": streamed, "max_row_buffer": _PART}
    asked = _asked(since, until).execution_options(**options)
    for part in connection.execute(asked).partitions(_PART):
        created, pixels, *columns = zip(*part, strict=True)
        days = (np.array(created) // DAY).astype(int).tolist()
        # Pixels that are not known are NaN, which comes after all numbers.
        classes = np.searchsorted([*SIZES.values()], np.array(pixels, float)).tolist()
        words = columns[: len(_WORDS)]
        numbers = np.array(columns[len(_WORDS) :], float)
        for key, places in _alike(zip(days, classes, *words, strict=True)):
            found[key].append(numbers[:, places])
    return [_row(key, np.concatenate(parts, 1)) for key, parts in found.items()]


def percentiles(numbers: np.ndarray) -> tuple[float | None, float | None]:
    """Returns the 50th and the 95th percentile of numbers that are not NaN, or None."""
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return None, None
    middle, high = np.percentile(known, (50, 95))
    return float(middle), float(high)


def joined(rows: Sequence[Row], name: str) -> np.ndarray:
    """Returns a number of all jobs of some rows, one at least."""
    return np.concatenate([row[name] for row in rows])


def _asked(since: float, until: float) -> sa.Select:
    job, feedback = models.Job, models.Feedback
    columns = [getattr(job, name) for name in (*_WORDS, *_NUMBERS)]
    return (
        sa.select(job.created, job.in_width * job.in_height, *columns, feedback.rating)
        .outerjoin(feedback, feedback.job_id == job.id)
        .where(job.created >= since, job.created < until)
    )


def _alike(keys: Iterable[tuple]) -> Iterable[tuple[tuple, np.ndarray]]:
    """Each key, and the places at which it stands."""
    codes: dict[tuple, int] = {}
    coded = np.array([codes.setdefault(key, len(codes)) for key in keys])
    ends = np.bincount(coded).cumsum()[:-1]
    return zip(codes, np.split(coded.argsort(kind="stable"), ends), strict=True)


def _row(key: tuple, numbers: np.ndarray) -> Row:
    day, size, *words = key
    row: Row = {"day": day, "size": _CLASSES[size]}
    row |= dict(zip(_WORDS, (word or "" for word in words), strict=True))
    row |= dict(zip((*_NUMBERS, "rating"), numbers, strict=True))
    rating = row.pop("rating")
    counts = {"liked": (rating == 1).sum(), "disliked": (rating == -1).sum()}
    row |= {"jobs": rating.size, **{name: int(n) for name, n in counts.items()}}
    return {**row, "version": row["weights"][:VERSION]}
