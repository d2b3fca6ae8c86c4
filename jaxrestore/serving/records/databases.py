"""Databases of records: SQLite in a file, PostgreSQL by its URL, brought up to date.

What is committed is on the disk: SQLite keeps a write-ahead log that is flushed with
each transaction (`synchronous=FULL`), PostgreSQL does so unless it is told otherwise.
What is deleted does not stay in the file of SQLite (`secure_delete`, `forget`).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import event, exc

from jaxrestore import errors

_BUSY_MS = 5000  # to wait for another process that writes
_LOCK = 0x6A_72_65_63  # of PostgreSQL's advisory locks: who holds it writes
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"busy_timeout={_BUSY_MS}",
    "foreign_keys=ON",
    "secure_delete=ON",
)


def opened(url: str, *, existing: bool = False) -> sa.Engine:
    """Returns SQLAlchemy's engine of a database, its tables as this version has them.

    `url` is SQLAlchemy's, such as "sqlite:///records.sqlite" or
    "postgresql://user@host/name"; a file of SQLite is made, unless it must be
    `existing`. Raises `ConfigError` for an URL that cannot be meant, a driver that is
    missing and a server that does not answer; `NoInputError` for a file
    that is missing; `DiskError` for one that cannot be written; `MismatchError` for
    tables of a newer jaxrestore.
    """
    with _explained(url):
        kind = sa.make_url(url).get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise errors.ConfigError(
                f"records are not kept in {kind}; give an URL of sqlite or postgresql"
            )
        engine = sa.create_engine(url, pool_pre_ping=kind != "sqlite")
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine, existing)
        try:
            _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yields a connection whose changes are durable afterwards, all of them or none.

    Nobody else writes in the meantime, so that what is read first is still so. Raises
    `DiskError` where the database cannot be written: its disk is full, it is gone, or
    another process has written for too long.
    """
    try:
        with _alone(engine) as connection:
            yield connection
    except exc.OperationalError as error:
        said = " ".join(str(error.orig).split())
        raise errors.DiskError(
            f"the records cannot be written ({said:.200}); see whether their disk is "
            "full and their database is there, then try again"
        ) from error


def forget(engine: sa.Engine) -> None:
    """Empties SQLite's log, in which what was deleted still stands.

    Not while somebody reads, who is not waited for: the next call will.
    """
    if engine.dialect.name == "sqlite":
        at_once = ("busy_timeout=0", "wal_checkpoint(TRUNCATE)")
        with contextlib.closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            for pragma in (*at_once, f"busy_timeout={_BUSY_MS}"):
                cursor.execute(f"PRAGMA {pragma}").fetchall()


@contextlib.contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yields a connection in a transaction beside which nobody writes."""
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection


def _prepare_sqlite(engine: sa.Engine, existing: bool) -> None:
    file = engine.url.database
    if file and file != ":memory:":
        path = Path(file)
        if existing and not path.is_file():
            raise errors.NoInputError(
                f"{path} is missing; give the `database` of a server, its file "
                "records.sqlite or its URL"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        # Readable for us alone; SQLite gives its log the rights of the file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    def connected(connection: Any, record: object) -> None:
        del record
        connection.isolation_level = None  # transactions begin below
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()

    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        # A transaction that reads first could not write once another process has.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _migrate(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Tells what is wrong with a database or its URL, without the password in it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise errors.ConfigError(
            f"the URL of the records needs {error.name}, which is not installed; for "
            "PostgreSQL pip install 'jaxrestore[postgresql]' brings it"
        ) from error
    except OSError as error:
        raise errors.disk_error(error, error.filename) from error
    except Exception as error:
        if isinstance(error, CommandError):
            raise errors.MismatchError(
                f"the records are of a newer jaxrestore ({error}); install that one, "
                "or give another database"
            ) from error
        if isinstance(error, exc.ArgumentError):
            raise errors.ConfigError(
                "the URL of the records cannot be read; it is like "
                "sqlite:///records.sqlite or postgresql://user@host/name"
            ) from error
        if not isinstance(error, exc.DBAPIError):
            raise
        place = sa.make_url(url)
        said = " ".join(str(error.orig).split())
        why = f"{place.render_as_string()} cannot be used ({said:.200})"
        if place.get_backend_name() == "sqlite":
            remedy = "give a place on a disk of this machine that can be written"
            raise errors.DiskError(f"{why}; {remedy}") from error
        remedy = "check that it runs, and who may connect"
        raise errors.ConfigError(f"{why}; {remedy}") from error
