"""What the records say: how much was asked for, how long it took and how it ended."""

import collections
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from jaxrestore import errors, naming
from jaxrestore.serving import values
from jaxrestore.serving.records import models

DAY = 86_400
GROUPS = ("task", "method", "model", "size")
# Upper ends of the classes of size, in pixels of the input.
SIZES = {
    "< 0.25 MP": 250_000,
    "0.25-1 MP": 1_000_000,
    "1-4 MP": 4_000_000,
    "4-16 MP": 16_000_000,
    "> 16 MP": float("inf"),
}
_FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
_ESTIMATES = ("sigma", "blockiness", "sharpness")
_FINAL = sorted(map(str, values.FINAL))

Row = dict[str, Any]


def size_class(pixels: int | None) -> str:
    """Returns the class of so many pixels, one of `SIZES`; "" if they are unknown."""
    if pixels is None:
        return ""
    return next(name for name, end in SIZES.items() if pixels <= end)


def day_name(day: int) -> str:
    """Returns a day since 1970 as 2026-11-28."""
    return datetime.date.fromordinal(_FIRST_DAY + day).isoformat()


def summary(
    engine: sa.Engine, *, now: float, days: int = 30, group: Sequence[str] = GROUPS
) -> dict[str, Any]:
    """Returns tables of the last so many days of UTC, today among them: lists of rows.

    - `days`: of each day how many jobs ended how, and how much was `refused`;
    - `speed`: by `group`, some of `GROUPS`, of jobs that are done: the 50th and 95th
      percentile of the seconds that they waited and ran, and the mean fill of batches;
    - `errors`: of jobs that failed, by code, and their share of all that ended;
    - `refusals`: by HTTP status and reason, and their share of all that was asked for;
    - `quality`: by task the medians of what `ops.no_reference` tells before and after;
    - `ratings`: by task and method how many were `liked` and `disliked`.

    A number that nothing is known of is None. Raises `ConfigError` for another group.
    """
    for name in group:
        if name not in GROUPS:
            raise errors.ConfigError(
                f"records are not grouped by {name!r}: {naming.nearest(name, GROUPS)}"
            )
    first = int(now // DAY) - days + 1
    with engine.connect() as connection:
        jobs = _jobs(connection, first)
        earlier = _totals(connection, first)
        refused = _refusals(connection, first)
    ended = [job for job in jobs if job["status"] in _FINAL]
    counted = sum(job["jobs"] for job in earlier) + len(ended)
    done = [job for job in jobs if job["status"] == values.Status.DONE]
    return {
        "since": day_name(first),
        "until": day_name(int(now // DAY)),
        "jobs": counted,
        "days": _by_day([*earlier, *ended], refused),
        "speed": [_speed(key, rows) for key, rows in _grouped(done, group)],
        "errors": _errors(ended, counted),
        "refusals": _refused(refused, counted),
        "quality": [_quality(key, rows) for key, rows in _grouped(done, ["task"])],
        "ratings": _ratings([*earlier, *jobs]),
    }


def percentiles(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Returns the 50th and the 95th percentile of what is known, None if nothing is."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    middle, high = np.percentile(known, (50, 95))
    return float(middle), float(high)


def totals(job: Mapping[str, Any]) -> tuple[int, str, str, str, str]:
    """Returns what a job is counted under for good: the key of a row of `daily`."""
    return job["day"], job["task"], job["method"], job["size"], job["status"]


def jobs_between(connection: sa.Connection, since: float, until: float) -> list[Row]:
    """Returns the jobs that were ordered since a time and before another.

    Each with its `day` and `size`, and whether it was `liked` or `disliked`.
    """
    job, feedback = models.Job, models.Feedback
    names = ("id", "task", "method", "model", "status", "code", "created")
    sides = [f"{name}_{end}" for name in _ESTIMATES for end in ("in", "out")]
    measured = ("queued_s", "run_s", "fill", *sides)
    columns = [getattr(job, name) for name in (*names, *measured)]
    asked = (
        sa.select(*columns, (job.in_width * job.in_height).label("pixels"))
        .add_columns(feedback.rating)
        .outerjoin(feedback, feedback.job_id == job.id)
        .where(job.created >= since, job.created < until)
    )
    keys = [*names, *measured, "pixels", "rating"]
    found = []
    for row in connection.execute(asked):
        job = dict(zip(keys, row, strict=True))
        job["day"], job["size"] = int(job["created"] // DAY), size_class(job["pixels"])
        job["liked"], job["disliked"] = job["rating"] == 1, job["rating"] == -1
        job["jobs"] = 1
        found.append(job)
    return found


def _jobs(connection: sa.Connection, first: int) -> list[Row]:
    return jobs_between(connection, float(first * DAY), float("inf"))


def _totals(connection: sa.Connection, first: int) -> list[Row]:
    asked = sa.select(models.Daily.__table__).where(models.Daily.day >= first)
    return [dict(row) for row in connection.execute(asked).mappings()]


def _refusals(connection: sa.Connection, first: int) -> list[Row]:
    table = models.Refusal
    asked = sa.select(table.__table__).where(table.hour >= first * 24)
    return [dict(row) for row in connection.execute(asked).mappings()]


def _grouped(
    jobs: Iterable[Row], group: Sequence[str]
) -> list[tuple[dict[str, str], list[Row]]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for job in jobs:
        found.setdefault(tuple(job[name] or "" for name in group), []).append(job)
    sizes = [*SIZES, ""]
    order = lambda key: [
        str(sizes.index(word)) if name == "size" else word
        for name, word in zip(group, key, strict=True)
    ]
    return [
        (dict(zip(group, key, strict=True)), found[key])
        for key in sorted(found, key=order)
    ]


def _by_day(jobs: Iterable[Row], refused: Iterable[Row]) -> list[Row]:
    counts: dict[int, collections.Counter[str]] = {}
    for job in jobs:
        day = counts.setdefault(job["day"], collections.Counter())
        day[job["status"]] += job["jobs"]
    for row in refused:
        day = counts.setdefault(row["hour"] // 24, collections.Counter())
        day["refused"] += row["count"]
    return [
        {"day": day_name(day), **{k: counts[day][k] for k in (*_FINAL, "refused")}}
        for day in sorted(counts)
    ]


def _speed(key: dict[str, str], jobs: list[Row]) -> Row:
    found: Row = {**key, "jobs": len(jobs)}
    for name in ("queued", "run"):
        middle, high = percentiles(job[f"{name}_s"] for job in jobs)
        found |= {f"{name}_p50": middle, f"{name}_p95": high}
    fills = [job["fill"] for job in jobs if job["fill"] is not None]
    return {**found, "fill": float(np.mean(fills)) if fills else None}


def _errors(ended: Iterable[Row], counted: int) -> list[Row]:
    failed = [job for job in ended if job["status"] == values.Status.FAILED]
    codes = collections.Counter(job["code"] or "unknown" for job in failed)
    return [
        {"code": code, "jobs": count, "share": count / counted}
        for code, count in codes.most_common()
    ]


def _refused(rows: Iterable[Row], counted: int) -> list[Row]:
    found: collections.Counter[tuple[int, str]] = collections.Counter()
    for row in rows:
        found[row["code"], row["why"]] += row["count"]
    asked = counted + found.total()
    return [
        {"code": code, "why": why, "count": count, "share": count / asked}
        for (code, why), count in found.most_common()
    ]


def _quality(key: dict[str, str], jobs: list[Row]) -> Row:
    found: Row = dict(key)
    both = [j for j in jobs if None not in (j["sigma_in"], j["sigma_out"])]
    found["jobs"] = len(both)
    for name in _ESTIMATES:
        for end in ("in", "out"):
            found[f"{name}_{end}"], _ = percentiles(j[f"{name}_{end}"] for j in both)
    return found


def _ratings(jobs: Iterable[Row]) -> list[Row]:
    found = []
    for key, rows in _grouped(jobs, ["task", "method"]):
        liked, disliked = (sum(r[word] for r in rows) for word in ("liked", "disliked"))
        if liked + disliked:
            share = liked / (liked + disliked)
            found.append({**key, "liked": liked, "disliked": disliked, "share": share})
    return found
