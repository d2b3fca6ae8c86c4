"""What is kept of old records: totals of each day."""

import sqlalchemy as sa

from jaxrestore.serving.records import databases, models, tallies

_KEY = ("day", "task", "method", "weights", "size", "status")
_COUNTED = ("jobs", "liked", "disliked")


def retire(engine: sa.Engine, *, now: float, days: int = 90) -> int:
    """Replaces jobs of more than so many days ago by totals; returns how many.

    Of whole days of UTC, in one transaction; a second call finds nothing to do. With
    the jobs go their ratings, which are counted, and their batches. Refusals of each
    hour become those of the day. Jobs that have not ended stay.
    """
    first = int(now // tallies.DAY) - days  # the oldest day that is kept
    until = float(first * tallies.DAY)
    with databases.writing(engine) as connection:
        found: dict[tuple, list[tallies.Row]] = {}
        for row in tallies.tallied(connection, float("-inf"), until):
            if row["status"] not in models.LIVE:
                key = tuple(row[name] for name in _KEY)
                found.setdefault(key, []).append(row)
        for key, rows in found.items():
            _add(connection, key, rows)
        ended = models.Job.status.not_in(models.LIVE)
        old = sa.delete(models.Job).where(models.Job.created < until, ended)
        connection.execute(old)
        connection.execute(sa.delete(models.Batch).where(models.Batch.created < until))
        _retire_refusals(connection, first * 24)
    return sum(row["jobs"] for rows in found.values() for row in rows)


def _add(connection: sa.Connection, key: tuple, rows: list[tallies.Row]) -> None:
    """Adds jobs to the total of a day; percentiles are those of its first jobs."""
    table = models.Daily
    total = dict(zip(_KEY, key, strict=True))
    counts = {word: sum(row[word] for row in rows) for word in _COUNTED}
    here = [getattr(table, name) == value for name, value in total.items()]
    more = {word: getattr(table, word) + count for word, count in counts.items()}
    if connection.execute(sa.update(table).where(*here).values(more)).rowcount:
        return  # those that ended long after they were ordered
    for name in ("queued", "run"):
        middle, high = tallies.percentiles(tallies.joined(rows, f"{name}_s"))
        total |= {f"{name}_p50": middle, f"{name}_p95": high}
    connection.execute(sa.insert(table).values(**total, **counts))


def _retire_refusals(connection: sa.Connection, until: int) -> None:
    """Counts refusals before an hour under the first hour of their day."""
    table = models.Refusal
    day = (table.hour - table.hour % 24).label("hour")
    asked = sa.select(
        day, table.code, table.why, sa.func.sum(table.count).label("count")
    )
    old = table.hour < until
    asked = asked.where(old).group_by(day, table.code, table.why)
    rows = [dict(row) for row in connection.execute(asked).mappings()]
    connection.execute(sa.delete(table).where(old))
    if rows:
        rows = [{**row, "count": int(row["count"])} for row in rows]
        connection.execute(sa.insert(table), rows)
