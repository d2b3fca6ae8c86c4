"""The rows of jobs: where each is while it lives, and what it took afterwards.

What a method has written is on the disk when it returns, but for refusals, which are
counted for a while first: whoever floods a server must not keep its disk busy.

Nobody can tell from a row who ordered it: owners are written as an HMAC-SHA-256 under a
secret of the day, which is thrown away after the next day, and are taken out when the
job expires. So are its ids of images and the sentence in `detail`.
"""

import collections
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from jaxrestore.serving import values
from jaxrestore.serving.records import databases, models, retention, rows

_DAY, _HOUR = 86_400, 3_600
_FLUSH_S = 10  # after which refusals are written, with the next one


class Ledger:
    """A `contracts.Ledger` in a database, for any number of threads.

    `url` and `existing` are those of `databases.opened`, which says what is raised;
    jobs are kept for so many `days`, then totals of them; `clock` returns the seconds
    since 1970. Writing raises `DiskError` where it cannot be.

    >>> with ledger.Ledger("sqlite:////srv/jaxrestore/records.sqlite") as jobs:
    ...     jobs.add(job, {"width": 640, "height": 480, "bits": 8})
    ...     waiting = jobs.unfinished()
    """

    def __init__(
        self,
        url: str,
        *,
        existing: bool = False,
        days: int = 90,
        clock: Callable[[], float] = time.time,
    ):
        """Opens the database, and brings its tables up to date or makes them."""
        self.engine = databases.opened(url, existing=existing)
        self._clock, self._days = clock, days
        self._refused: collections.Counter[tuple[int, int, str]] = collections.Counter()
        self._lock = threading.Lock()
        self._flushed = clock()

    def __enter__(self) -> "Ledger":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Writes what is counted, and lets go of the database."""
        self.flush()
        self.engine.dispose()

    def add(self, job: values.Job, facts: Mapping[str, Any]) -> None:
        """Writes a new job down; `facts` are those that `contracts.Ledger` tells of.

        Raises `ValueError` for an id that is taken and a source that is none.
        """
        row = rows.of_job(job, facts)
        with databases.writing(self.engine) as connection:
            row["owner"] = self._known_as(connection, job.owner)
            try:
                connection.execute(sa.insert(models.Job).values(row))
            except exc.IntegrityError as error:
                raise ValueError(f"job {job.id}: {error.orig}") from error

    def change(self, job_id: str, fields: Mapping[str, Any]) -> None:
        """Writes down new values of fields of a job, as `contracts.Ledger` has them.

        A job that has ended stays as it ended: only its `numbers` and `expires` change,
        and where its status becomes `EXPIRED` its owner and such go, as by `tidy`.
        Raises `ValueError` for a field that never changes, `KeyError` for a job that is
        not there.
        """
        if unknown := {*fields} - {*rows.CHANGING, "status", "numbers"}:
            raise ValueError(f"{sorted(unknown)} of a job never change")
        row = {name: fields[name] for name in rows.CHANGING if name in fields}
        row |= rows.measured(fields["numbers"]) if "numbers" in fields else {}
        here = models.Job.id == job_id
        with databases.writing(self.engine) as connection:
            now = connection.execute(sa.select(models.Job.status).where(here)).scalar()
            if now is None:
                raise KeyError(f"there is no job {job_id}")
            status = str(fields.get("status", now))
            if now not in values.FINAL:
                row["status"] = status
            else:
                fixed = {*rows.CHANGING} - {"expires"}
                row = {name: row[name] for name in row if name not in fixed}
                if status == values.Status.EXPIRED:
                    row |= _forgotten(self._clock())
            if row:
                connection.execute(sa.update(models.Job).where(here).values(row))

    def get(self, job_id: str) -> values.Job | None:
        """Returns a job by its id, or None; `EXPIRED` once its pixels are gone."""
        found = self._jobs(models.Job.id == job_id)
        return found[0] if found else None

    def unfinished(self) -> list[values.Job]:
        """Returns the jobs whose status is not final, the oldest first.

        Their owner is the word under which the ledger knows it.
        """
        return self._jobs(models.Job.status.in_(models.LIVE))

    def batch(self, batch: values.Batch) -> None:
        """Writes a batch down: how many jobs it has, and how many files it skips."""
        row: dict[str, Any] = {"id": batch.id, "task": batch.task}
        row |= {"jobs": len(batch.jobs), "skipped": len(batch.skipped)}
        row |= {"created": batch.created, "expires": batch.expires}
        with databases.writing(self.engine) as connection:
            row["owner"] = self._known_as(connection, batch.owner)
            connection.execute(sa.insert(models.Batch).values(row))

    def feedback(self, job_id: str, rating: int, reason: str | None) -> None:
        """Writes down what somebody thinks of a result, 1 or -1; the last one counts.

        Raises `ValueError` for another rating, and for a job that is not there.
        """
        row = {"job_id": job_id, "rating": rating, "reason": reason}
        earlier = sa.delete(models.Feedback).where(models.Feedback.job_id == job_id)
        later = sa.insert(models.Feedback).values(**row, at=self._clock())
        try:
            with databases.writing(self.engine) as connection:
                connection.execute(earlier)
                connection.execute(later)
        except exc.IntegrityError as error:
            raise ValueError(f"{rating} on job {job_id}: {error.orig}") from error

    def refusal(self, status: int, code: str) -> None:
        """Counts something that was refused, by HTTP's status and its word.

        It is on the disk within seconds of the next one, or after `flush`.
        """
        now = self._clock()
        with self._lock:
            self._refused[int(now // _HOUR), status, code] += 1
            waiting = now - self._flushed < _FLUSH_S
        if not waiting:
            self.flush()

    def flush(self) -> None:
        """Writes the refusals that are counted and not yet written."""
        with self._lock:
            counted, self._refused = self._refused, collections.Counter()
            self._flushed = self._clock()
        if not counted:
            return
        table = models.Refusal
        with databases.writing(self.engine) as connection:
            for (hour, code, why), count in counted.items():
                row = {"hour": hour, "code": code, "why": why}
                here = [getattr(table, name) == value for name, value in row.items()]
                more = sa.update(table).where(*here).values(count=table.count + count)
                if not connection.execute(more).rowcount:
                    connection.execute(sa.insert(table).values(**row, count=count))

    def networks(self, tasks: Iterable[values.TaskInfo]) -> None:
        """Writes down the networks of tasks; those that are known stay.

        Each is known by the SHA-256 of its weights, as `numbers` of jobs have it.
        """
        here = {network.sha256: network for task in tasks for network in task.networks}
        with databases.writing(self.engine) as connection:
            known = {*connection.scalars(sa.select(models.Model.sha256))}
            new = [
                {
                    "sha256": sha256,
                    "architecture": network.architecture,
                    "license": network.license,
                    "added": self._clock(),
                }
                for sha256, network in here.items()
                if sha256 not in known
            ]
            if new:
                connection.execute(sa.insert(models.Model), new)

    def tidy(self) -> None:
        """Takes out what is no longer needed; to be called each minute.

        Owners and ids of images of jobs that have ended and expired go, as do those of
        batches; jobs that are older than the `days` of the ledger become totals.
        """
        now, job, batch = self._clock(), models.Job, models.Batch
        over = [
            job.erased.is_(None),
            job.expires <= now,
            job.status.not_in(models.LIVE),
        ]
        old = [batch.owner.is_not(None), batch.expires <= now]
        with databases.writing(self.engine) as connection:
            connection.execute(sa.update(batch).where(*old).values(owner=None))
            connection.execute(sa.update(job).where(*over).values(_forgotten(now)))
        retention.retire(self.engine, now=now, days=self._days)
        self.flush()
        databases.forget(self.engine)

    def _jobs(self, where: Any) -> list[values.Job]:
        asked = sa.select(models.Job.__table__).where(where)
        asked = asked.order_by(models.Job.created, models.Job.id)
        with self.engine.connect() as connection:
            return [rows.job(row) for row in connection.execute(asked).mappings()]

    def _known_as(self, connection: sa.Connection, owner: str) -> bytes:
        """An owner under the secret of the day, which is made where it is the first."""
        day, table = int(self._clock() // _DAY), models.Salt
        known = sa.select(table.secret).where(table.day == day)
        secret = connection.execute(known).scalar()
        if secret is None:
            secret = secrets.token_bytes(32)
            connection.execute(sa.insert(table).values(day=day, secret=secret))
            connection.execute(sa.delete(table).where(table.day < day - 1))
        return _mixed(owner, secret)


def _mixed(owner: str, salt: bytes) -> bytes:
    return hmac.digest(salt, owner.encode(), hashlib.sha256)


def _forgotten(now: float) -> dict[str, Any]:
    return {"erased": now} | dict.fromkeys(("owner", "image_id", "mask_id", "detail"))
