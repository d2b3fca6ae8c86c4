"""What is kept of old records: totals of each day."""

import sqlalchemy as sa

from jaxrestore.serving import values
from jaxrestore.serving.records import databases, models, summaries

_COUNTED = ("jobs", "liked", "disliked")


def retire(engine: sa.Engine, *, now: float, days: int = 90) -> int:
    """Replaces jobs of more than so many days ago by totals; returns how many.

    Of whole days of UTC, in one transaction; a second call finds nothing to do. With
    the jobs go their ratings, which are counted, and their batches. Refusals of each
    hour become those of the day. Jobs that have not ended stay.
    """
    first = int(now // summaries.DAY) - days  # the oldest day that is kept
    until = float(first * summaries.DAY)
    with databases.writing(engine) as connection:
        found: dict[tuple, list[summaries.Row]] = {}
        for job in summaries.jobs_between(connection, float("-inf"), until):
            if job["status"] in values.FINAL:
                found.setdefault(summaries.totals(job), []).append(job)
        for key, jobs in found.items():
            _add(connection, key, jobs)
        ended = models.Job.status.not_in(models.LIVE)
        old = sa.delete(models.Job).where(models.Job.created < until, ended)
        connection.execute(old)
        connection.execute(sa.delete(models.Batch).where(models.Batch.created < until))
        _retire_refusals(connection, first * 24)
    return sum(map(len, found.values()))


def _add(connection: sa.Connection, key: tuple, jobs: list[summaries.Row]) -> None:
    """Adds jobs to the total of a day; percentiles are those of its first jobs."""
    table = models.Daily
    row = dict(zip(("day", "task", "method", "size", "status"), key, strict=True))
    counts = {word: sum(job[word] for job in jobs) for word in _COUNTED}
    here = [getattr(table, name) == value for name, value in row.items()]
    more = {word: getattr(table, word) + count for word, count in counts.items()}
    if connection.execute(sa.update(table).where(*here).values(more)).rowcount:
        return  # those that ended long after they were ordered
    queued = summaries.percentiles(job["queued_s"] for job in jobs)
    run = summaries.percentiles(job["run_s"] for job in jobs)
    row |= {**counts, "queued_p50": queued[0], "queued_p95": queued[1]}
    row |= {"run_p50": run[0], "run_p95": run[1]}
    connection.execute(sa.insert(table).values(row))


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
