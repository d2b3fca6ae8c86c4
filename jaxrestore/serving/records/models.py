"""The tables of the records; `migrations/` makes them.

A row of `job` is the job's state while it lives and a record of it afterwards. No row
holds pixels, names of files, EXIF or addresses. Times are seconds since 1970, UTC.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import orm

from jaxrestore.serving import values

# Of jobs that have not ended: few, and an index finds them. All others are what is not
# one of these, which no index is used for, so that one of times is.
LIVE = sorted(str(status) for status in values.Status if status not in values.FINAL)
# What is measured of a job, and of which type; `Job.numbers` has them by these names.
MEASURED = {
    "model": str,  # its name, of a network
    "weights": str,  # of a network, their SHA-256: a row of `Model`
    "queued_s": float,  # waiting for the device
    "run_s": float,  # on the device
    "width": int,  # of the result
    "height": int,
    "tiles": int,
    "batches": int,
    "fill": float,  # share of the places in batches that held a tile, mean
    "device": str,
    "sigma_in": float,  # see `ops.no_reference`
    "sigma_out": float,
    "blockiness_in": float,
    "blockiness_out": float,
    "sharpness_in": float,
    "sharpness_out": float,
}

# Of 8 bytes in both: strict tables of SQLite know other words than PostgreSQL.
Real = sa.Double().with_variant(sa.REAL(), "sqlite")
Integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STRICT = ({"sqlite_strict": True},)
_KEPT = sa.text("erased IS NULL")
_TYPES: dict[type, Any] = {float: Real, int: Integer, str: sa.Text}


class Base(orm.DeclarativeBase):
    """All tables; strict ones in SQLite, whose columns hold their type and no other."""

    type_annotation_map: ClassVar = {float: Real, int: Integer, str: sa.Text}


def _one_of(column: str, words: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


class Batch(Base):
    """Jobs that were ordered together."""

    __tablename__ = "batch"
    __table_args__ = _STRICT

    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    owner: orm.Mapped[bytes | None]  # as of a job
    task: orm.Mapped[str]
    jobs: orm.Mapped[int]
    skipped: orm.Mapped[int]  # files
    created: orm.Mapped[float]
    expires: orm.Mapped[float]


class Job(Base):
    """A picture restored, or not; `owner`, `image_id` and `detail` until it expires."""

    __tablename__ = "job"
    __table_args__ = (
        _one_of("status", values.Status),
        _one_of("source", values.SOURCES),
        sa.Index("job_created", "created"),
        sa.Index("job_task", "task", "created"),
        sa.Index("job_status", "status"),
        sa.Index("job_owner", "owner", "created"),
        sa.Index("job_kept", "expires", sqlite_where=_KEPT, postgresql_where=_KEPT),
        *_STRICT,
    )

    id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    batch_id: orm.Mapped[str | None]  # its row of `batch` may come after it
    owner: orm.Mapped[bytes | None]  # see `ledger.Ledger.known_as`
    image_id: orm.Mapped[str | None]
    mask_id: orm.Mapped[str | None]
    source: orm.Mapped[str]
    task: orm.Mapped[str]
    method: orm.Mapped[str]
    options: orm.Mapped[str]  # JSON
    in_format: orm.Mapped[str | None]
    in_bytes: orm.Mapped[int | None]
    in_width: orm.Mapped[int | None]
    in_height: orm.Mapped[int | None]
    channels: orm.Mapped[int | None]
    bits: orm.Mapped[int | None]
    alpha: orm.Mapped[int | None]
    mask_share: orm.Mapped[float | None]
    status: orm.Mapped[str]
    code: orm.Mapped[str | None]
    detail: orm.Mapped[str | None]
    tries: orm.Mapped[int]
    created: orm.Mapped[float]
    started: orm.Mapped[float | None]
    finished: orm.Mapped[float | None]
    expires: orm.Mapped[float]
    erased: orm.Mapped[float | None]  # when its pixels, owner and words went
    version: orm.Mapped[str]  # of jaxrestore
    more: orm.Mapped[str]  # JSON: numbers without a column of their own


for _name, _type in MEASURED.items():
    setattr(Job, _name, orm.mapped_column(_TYPES[_type], nullable=True))


class Model(Base):
    """A network that there was here, by the SHA-256 of its weights."""

    __tablename__ = "model"
    __table_args__ = _STRICT

    sha256: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    architecture: orm.Mapped[str]
    license: orm.Mapped[str]
    added: orm.Mapped[float]


class Feedback(Base):
    """What the one who ordered a job thinks of its result: 1 is good, -1 is not."""

    __tablename__ = "feedback"
    __table_args__ = (
        sa.CheckConstraint("rating IN (-1, 1)", name="rating_is_known"),
        *_STRICT,
    )

    job_id: orm.Mapped[str] = orm.mapped_column(
        sa.ForeignKey("job.id", ondelete="CASCADE"), primary_key=True
    )
    rating: orm.Mapped[int]
    reason: orm.Mapped[str | None]
    at: orm.Mapped[float]


class Refusal(Base):
    """How often an hour somebody was refused something, by HTTP status and reason."""

    __tablename__ = "refusal"
    __table_args__ = _STRICT

    hour: orm.Mapped[int] = orm.mapped_column(primary_key=True)  # since 1970
    code: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    why: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    count: orm.Mapped[int]


class Salt(Base):
    """The secret of a day, under which owners are known; see `ledger`."""

    __tablename__ = "salt"
    __table_args__ = _STRICT

    day: orm.Mapped[int] = orm.mapped_column(primary_key=True)  # since 1970
    secret: orm.Mapped[bytes]


class Daily(Base):
    """What is left of jobs after 90 days: totals of a day, task, network and size."""

    __tablename__ = "daily"
    __table_args__ = _STRICT

    day: orm.Mapped[int] = orm.mapped_column(primary_key=True)  # since 1970
    task: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    method: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    weights: orm.Mapped[str] = orm.mapped_column(primary_key=True)  # "": none
    size: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    status: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    jobs: orm.Mapped[int]
    queued_p50: orm.Mapped[float | None]
    queued_p95: orm.Mapped[float | None]
    run_p50: orm.Mapped[float | None]
    run_p95: orm.Mapped[float | None]
    liked: orm.Mapped[int]
    disliked: orm.Mapped[int]
