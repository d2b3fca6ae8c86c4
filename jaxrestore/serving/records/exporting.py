"""The records as tables for other programs: CSV, and Parquet where pyarrow is there."""

import importlib
import io
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jaxrestore import errors, files
from jaxrestore.serving.records import models

# What is nobody's business, and ids, by which pictures can be had until they expire.
_KEPT_BACK = {"id", "batch_id", "owner", "image_id", "mask_id", "detail"}
SUFFIXES = (".csv", ".parquet")


def rows(engine: sa.Engine, *, since: float = 0.0) -> list[dict[str, Any]]:
    """Returns the jobs that were ordered since a time, the oldest first.

    Each with all columns of its row that tell of no person, and its `rating` and
    `reason`.
    """
    table, feedback = models.Job.__table__, models.Feedback
    columns = [column for column in table.c if column.name not in _KEPT_BACK]
    asked = (
        sa.select(*columns, feedback.rating, feedback.reason)
        .outerjoin(feedback, feedback.job_id == models.Job.id)
        .where(models.Job.created >= since)
        .order_by(models.Job.created, models.Job.id)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(asked).mappings()]


def csv(engine: sa.Engine, *, since: float = 0.0) -> bytes:
    """Returns `rows` as a CSV file, in UTF-8; a file of no jobs has no columns."""
    return _csv(rows(engine, since=since))


def write(engine: sa.Engine, path: Path, *, since: float = 0.0) -> int:
    """Writes `rows` to a .csv or .parquet file; returns how many they are.

    Raises `ConfigError` for another suffix and where pyarrow is missing, `DiskError` as
    `files.write_bytes` does.
    """
    if path.suffix not in SUFFIXES:
        raise errors.ConfigError(
            f"{path} ends in {path.suffix!r}; records are written as .csv or .parquet"
        )
    found = rows(engine, since=since)
    parquet = path.suffix == ".parquet"
    files.write_bytes(path, _parquet(found) if parquet else _csv(found))
    return len(found)


def _csv(found: list[dict[str, Any]]) -> bytes:
    return files.csv_text(found).encode()


def _parquet(found: list[dict[str, Any]]) -> bytes:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise errors.ConfigError(
            "Parquet needs pyarrow, which is not installed; pip install "
            "'jaxrestore[parquet]' brings it, and CSV needs nothing"
        ) from error
    kinds = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    columns = {
        **{c.name: c.type.python_type for c in models.Job.__table__.c},
        **{c.name: c.type.python_type for c in models.Feedback.__table__.c},
    }
    kept = [name for name in columns if name not in {*_KEPT_BACK, "job_id", "at"}]
    schema = pyarrow.schema([(name, kinds[columns[name]]) for name in kept])
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(found, schema), file)
    return file.getvalue()
