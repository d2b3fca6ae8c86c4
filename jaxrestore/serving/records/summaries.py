"""What the records say: how much was asked for, how long it took and how it ended."""

import collections
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from jaxrestore import errors, naming
from jaxrestore.serving import values
from jaxrestore.serving.records import models, tallies
from jaxrestore.serving.records.tallies import DAY, Row

GROUPS = ("task", "method", "model", "version", "size")
_FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
_SIZES = [*tallies.SIZES, ""]
_FINAL = sorted(map(str, values.FINAL))


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
    - `models`: what each network is, and how many jobs it did: its `version` is the
      beginning of the SHA-256 of its weights;
    - `errors`: of jobs that failed, by code, and their share of all that ended;
    - `refusals`: by HTTP status and reason, and their share of all that was asked for;
    - `quality`: by task, method and version the medians of what `ops.no_reference`
      tells before and after;
    - `ratings`: by task, method and version how many were `liked` and `disliked`.

    A number that nothing is known of is None. Raises `ConfigError` for another group.
    """
    for name in group:
        if name not in GROUPS:
            raise errors.ConfigError(
                f"records are not grouped by {name!r}: {naming.nearest(name, GROUPS)}"
            )
    first = int(now // DAY) - days + 1
    with engine.connect() as connection:
        jobs = tallies.tallied(connection, float(first * DAY), float("inf"))
        earlier = _totals(connection, first)
        refused = _refusals(connection, first)
        known = {row.sha256: row for row in connection.execute(sa.select(models.Model))}
    ended = [row for row in jobs if row["status"] in _FINAL]
    done = [row for row in jobs if row["status"] == values.Status.DONE]
    counted = _count([*earlier, *ended])
    by = ("task", "method", "version")
    return {
        "since": day_name(first),
        "until": day_name(int(now // DAY)),
        "jobs": counted,
        "days": _by_day([*earlier, *ended], refused),
        "speed": [_speed(key, rows) for key, rows in _grouped(done, group)],
        "models": _models(done, known),
        "errors": _errors(ended, counted),
        "refusals": _refused(refused, counted),
        "quality": [_quality(key, rows) for key, rows in _grouped(done, by)],
        "ratings": _ratings(_grouped([*earlier, *jobs], by)),
    }


def _totals(connection: sa.Connection, first: int) -> list[Row]:
    asked = sa.select(models.Daily.__table__).where(models.Daily.day >= first)
    return [
        {**row, "version": row["weights"][: tallies.VERSION]}
        for row in connection.execute(asked).mappings()
    ]


def _refusals(connection: sa.Connection, first: int) -> list[Row]:
    table = models.Refusal
    asked = sa.select(table.__table__).where(table.hour >= first * 24)
    return [dict(row) for row in connection.execute(asked).mappings()]


def _count(rows: Iterable[Row]) -> int:
    return sum(row["jobs"] for row in rows)


def _grouped(
    rows: Iterable[Row], group: Sequence[str]
) -> list[tuple[dict[str, str], list[Row]]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in group), []).append(row)
    order = lambda key: [
        str(_SIZES.index(word)) if name == "size" else word
        for name, word in zip(group, key, strict=True)
    ]
    return [
        (dict(zip(group, key, strict=True)), found[key])
        for key in sorted(found, key=order)
    ]


def _by_day(rows: Iterable[Row], refused: Iterable[Row]) -> list[Row]:
    counts: dict[int, collections.Counter[str]] = {}
    for row in rows:
        day = counts.setdefault(row["day"], collections.Counter())
        day[row["status"]] += row["jobs"]
    for row in refused:
        day = counts.setdefault(row["hour"] // 24, collections.Counter())
        day["refused"] += row["count"]
    return [
        {"day": day_name(day), **{k: counts[day][k] for k in (*_FINAL, "refused")}}
        for day in sorted(counts)
    ]


def _speed(key: dict[str, str], rows: list[Row]) -> Row:
    found: Row = {**key, "jobs": _count(rows)}
    for name in ("queued", "run"):
        middle, high = tallies.percentiles(tallies.joined(rows, f"{name}_s"))
        found |= {f"{name}_p50": middle, f"{name}_p95": high}
    fills = tallies.joined(rows, "fill")
    fills = fills[~np.isnan(fills)]
    return {**found, "fill": float(fills.mean()) if fills.size else None}


def _models(done: Iterable[Row], known: dict[str, Any]) -> list[Row]:
    found = []
    rows = [row for row in done if row["weights"]]
    for key, alike in _grouped(rows, ("model", "version", "weights")):
        model = known.get(key.pop("weights"))
        found.append(
            {
                **key,
                "architecture": model.architecture if model else "",
                "jobs": _count(alike),
                "license": model.license if model else "",
            }
        )
    return found


def _errors(ended: Iterable[Row], counted: int) -> list[Row]:
    codes: collections.Counter[str] = collections.Counter()
    for row in ended:
        if row["status"] == values.Status.FAILED:
            codes[row["code"] or "unknown"] += row["jobs"]
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


def _quality(key: dict[str, str], rows: list[Row]) -> Row:
    ends = [tallies.joined(rows, f"sigma_{end}") for end in ("in", "out")]
    both = ~np.isnan(ends).any(0)
    found: Row = {**key, "jobs": int(both.sum())}
    for name in tallies.ESTIMATES:
        for end in ("in", "out"):
            of_both = tallies.joined(rows, f"{name}_{end}")[both]
            found[f"{name}_{end}"], _ = tallies.percentiles(of_both)
    return found


def _ratings(grouped: Iterable[tuple[dict[str, str], list[Row]]]) -> list[Row]:
    found = []
    for key, rows in grouped:
        liked, disliked = (sum(r[word] for r in rows) for word in ("liked", "disliked"))
        if liked + disliked:
            share = liked / (liked + disliked)
            found.append({**key, "liked": liked, "disliked": disliked, "share": share})
    return found
