"""The records as tables for other programs: CSV, and Parquet where pyarrow is there."""

import contextlib
import csv
import importlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jaxrestore import errors, files
from jaxrestore.serving.records import models

# What is nobody's business, and ids, by which pictures can be had until they expire.
_KEPT_BACK = {"id", "batch_id", "owner", "image_id", "mask_id", "detail"}
_COLUMNS = [
    *(c for c in models.Job.__table__.c if c.name not in _KEPT_BACK),
    *(models.Model.__table__.c[name] for name in ("architecture", "license")),
    *(models.Feedback.__table__.c[name] for name in ("rating", "reason")),
]
_NAMES = [column.name for column in _COLUMNS]
_PART = 5_000  # jobs that are read at once

Part = Sequence[Sequence[Any]]


def rows(engine: sa.Engine, *, since: float = 0.0) -> list[dict[str, Any]]:
    """Returns the jobs that were ordered since a time, the oldest first.

    Each with all columns of its row that tell of no person, the `architecture` and
    `license` of its network, and its `rating` and `reason`.
    """
    return [row for part in _parts(engine, since) for row in _named(part)]


def csv_parts(engine: sa.Engine, *, since: float = 0.0) -> Iterator[bytes]:
    """Yields `rows` as the parts of a CSV file, in UTF-8, names of columns first."""
    yield _lines([_NAMES])
    for part in _parts(engine, since):
        yield _lines(part)


def write(engine: sa.Engine, path: Path, *, since: float = 0.0) -> int:
    """Writes `rows` to a .csv or .parquet file; returns how many they are.

    Raises `ConfigError` for another suffix and where pyarrow is missing, `DiskError` as
    `files.write_bytes` does.
    """
    if path.suffix not in _FORMATS:
        raise errors.ConfigError(
            f"{path} ends in {path.suffix!r}; records are written as .csv or .parquet, "
            "and their summary as .html"
        )
    file, count = io.BytesIO(), 0
    with _FORMATS[path.suffix](file) as add:
        for part in _parts(engine, since):
            add(part)
            count += len(part)
    files.write_bytes(path, file.getvalue())
    return count


def _parts(engine: sa.Engine, since: float) -> Iterator[Part]:
    """Rows of `_COLUMNS`, each part in a transaction of its own.

    Who downloads them slowly holds up nobody that writes.
    """
    job, feedback, model = models.Job, models.Feedback, models.Model
    asked = (
        sa.select(*_COLUMNS, job.id.label("last"))
        .outerjoin(model, model.sha256 == job.__table__.c["weights"])
        .outerjoin(feedback, feedback.job_id == job.id)
        .order_by(job.created, job.id)
        .limit(_PART)
    )
    here: Any = job.created >= since
    while True:
        with engine.connect() as connection:
            part = connection.execute(asked.where(here)).all()
        yield [row[:-1] for row in part]
        if len(part) < _PART:
            return
        here = sa.tuple_(job.created, job.id) > (part[-1].created, part[-1].last)


def _named(part: Part) -> list[dict[str, Any]]:
    return [dict(zip(_NAMES, row, strict=True)) for row in part]


def _lines(part: Part) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(part)
    return text.getvalue().encode()


@contextlib.contextmanager
def _csv(file: io.BytesIO) -> Iterator[Callable[[Part], object]]:
    file.write(_lines([_NAMES]))
    yield lambda part: file.write(_lines(part))


@contextlib.contextmanager
def _parquet(file: io.BytesIO) -> Iterator[Callable[[Part], object]]:
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise errors.ConfigError(
            "Parquet needs pyarrow, which is not installed; pip install "
            "'jaxrestore[parquet]' brings it, and CSV needs nothing"
        ) from error
    kinds = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    named = [(column.name, kinds[column.type.python_type]) for column in _COLUMNS]
    schema = pyarrow.schema(named)
    with parquet.ParquetWriter(file, schema) as writer:
        yield lambda part: writer.write_table(
            pyarrow.Table.from_pylist(_named(part), schema)
        )


_FORMATS = {".csv": _csv, ".parquet": _parquet}
