"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = depends_on = None

# What `models` says today may be otherwise tomorrow; a migration stays as it was.
_REAL = sa.Double().with_variant(sa.REAL(), "sqlite")
_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEPT = sa.text("erased IS NULL")
_STATUSES = "'queued', 'running', 'done', 'failed', 'cancelled', 'expired'"


def upgrade() -> None:
    """Makes them."""
    _make_jobs()
    op.create_table(
        "batch",
        *_columns(sa.Text(), "id", "task"),
        *_columns(sa.LargeBinary(), "owner", nullable=True),
        *_columns(_INTEGER, "jobs", "skipped"),
        *_columns(_REAL, "created", "expires"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "feedback",
        *_columns(sa.Text(), "job_id"),
        *_columns(sa.Text(), "reason", nullable=True),
        *_columns(_INTEGER, "rating"),
        *_columns(_REAL, "at"),
        sa.CheckConstraint("rating IN (-1, 1)", name="rating_is_known"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "refusal",
        *_columns(_INTEGER, "hour", "code", "count"),
        *_columns(sa.Text(), "why"),
        sa.PrimaryKeyConstraint("hour", "code", "why"),
        sqlite_strict=True,
    )
    op.create_table(
        "salt",
        *_columns(_INTEGER, "day"),
        *_columns(sa.LargeBinary(), "secret"),
        sa.PrimaryKeyConstraint("day"),
        sqlite_strict=True,
    )
    op.create_table(
        "daily",
        *_columns(_INTEGER, "day", "jobs", "liked", "disliked"),
        *_columns(sa.Text(), "task", "method", "size", "status"),
        *_columns(_REAL, *_SPEEDS, nullable=True),
        sa.PrimaryKeyConstraint("day", "task", "method", "size", "status"),
        sqlite_strict=True,
    )


_SPEEDS = ("queued_p50", "queued_p95", "run_p50", "run_p95")


def _make_jobs() -> None:
    measured = ("queued_s", "run_s", "fill", "mask_share")
    estimated = ("sigma", "blockiness", "sharpness")
    sides = [f"{name}_{end}" for name in estimated for end in ("in", "out")]
    counted = ("in_bytes", "in_width", "in_height", "channels", "bits", "alpha")
    results = ("width", "height", "tiles", "batches")
    known = ("batch_id", "image_id", "mask_id", "in_format", "code", "detail")
    op.create_table(
        "job",
        *_columns(sa.Text(), "id", "source", "task", "method", "options", "status"),
        *_columns(sa.Text(), "version", "more"),
        *_columns(sa.Text(), *known, "model", "device", nullable=True),
        *_columns(sa.LargeBinary(), "owner", nullable=True),
        *_columns(_INTEGER, "tries"),
        *_columns(_INTEGER, *counted, *results, nullable=True),
        *_columns(_REAL, "created", "expires"),
        *_columns(_REAL, "started", "finished", "erased", nullable=True),
        *_columns(_REAL, *measured, *sides, nullable=True),
        sa.CheckConstraint(f"status IN ({_STATUSES})", name="status_is_known"),
        sa.CheckConstraint("source IN ('web', 'api', 'batch')", name="source_is_known"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("job_created", "job", ["created"])
    op.create_index("job_task", "job", ["task", "created"])
    op.create_index("job_status", "job", ["status"])
    op.create_index("job_owner", "job", ["owner", "created"])
    op.create_index(
        "job_kept", "job", ["expires"], sqlite_where=_KEPT, postgresql_where=_KEPT
    )


def _columns(kind: Any, *names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, kind, nullable=nullable) for name in names]
