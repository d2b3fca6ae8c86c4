"""Which network did a job, by the SHA-256 of its weights: in jobs and in totals."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None

_REAL = sa.Double().with_variant(sa.REAL(), "sqlite")
_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SPEEDS = ("queued_p50", "queued_p95", "run_p50", "run_p95")


def upgrade() -> None:
    """Makes the table of networks; of the jobs before nobody knows which it was."""
    op.create_table(
        "model",
        *_columns(sa.Text(), "sha256", "architecture", "license"),
        *_columns(_REAL, "added"),
        sa.PrimaryKeyConstraint("sha256"),
        sqlite_strict=True,
    )
    op.add_column("job", sa.Column("weights", sa.Text(), nullable=True))
    # SQLite cannot change a primary key; the totals of some days are few.
    kept = op.get_bind().execute(sa.text("SELECT * FROM daily")).mappings().all()
    op.drop_table("daily")
    key = ("day", "task", "method", "weights", "size", "status")
    made = op.create_table(
        "daily",
        *_columns(_INTEGER, "day", "jobs", "liked", "disliked"),
        *_columns(sa.Text(), *key[1:]),
        *_columns(_REAL, *_SPEEDS, nullable=True),
        sa.PrimaryKeyConstraint(*key),
        sqlite_strict=True,
    )
    op.bulk_insert(made, [{**row, "weights": ""} for row in kept])


def _columns(kind: Any, *names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, kind, nullable=nullable) for name in names]
