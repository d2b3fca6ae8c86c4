"""Databases opened: their tables, what they promise and what is said of bad ones."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import autogenerate, command, migration
from alembic.config import Config
from serving.records import kept

from jaxrestore import errors
from jaxrestore.serving.records import databases, ledger, models, summaries


def test_the_migrations_make_the_tables_that_the_models_are(url):
    engine = databases.opened(url)
    with engine.connect() as connection:
        context = migration.MigrationContext.configure(connection)
        assert context.get_current_revision() == "0002"
        made = models.Base.metadata
        assert autogenerate.compare_metadata(context, made) == []
        # The comparison sees something.
        less = sa.MetaData()
        for table in [*made.tables.values()][1:]:
            table.to_metadata(less)
        assert autogenerate.compare_metadata(context, less)
        checks = sa.inspect(connection).get_check_constraints("job")
        assert {check["name"] for check in checks} == {
            "status_is_known",
            "source_is_known",
        }
    engine.dispose()


def test_a_database_is_opened_again_as_it_was(url):
    for number in range(2):
        engine = databases.opened(url)
        with databases.writing(engine) as connection:
            row = {"hour": number, "code": 429, "why": "x", "count": 1}
            connection.execute(sa.insert(models.Refusal).values(row))
        engine.dispose()
    engine = databases.opened(url)
    with engine.connect() as connection:
        counted = sa.select(sa.func.count(models.Refusal.hour))
        assert connection.execute(counted).scalar() == 2
    engine.dispose()


def test_what_fails_inside_is_written_not_at_all(url):
    engine = databases.opened(url)
    row = {"hour": 1, "code": 429, "why": "x", "count": 1}
    with pytest.raises(ZeroDivisionError), databases.writing(engine) as connection:
        connection.execute(sa.insert(models.Refusal).values(row))
        raise ZeroDivisionError
    with engine.connect() as connection:
        assert connection.execute(sa.select(models.Refusal)).all() == []
    engine.dispose()


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path):
    engine = databases.opened(f"sqlite:///{tmp_path / 'deep' / 'r.sqlite'}")
    wanted = {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL
    wanted |= {"busy_timeout": 5000, "foreign_keys": 1, "secure_delete": 1}
    with engine.connect() as connection:
        ask = lambda name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
        assert {name: ask(name) for name in wanted} == wanted
        tables = connection.exec_driver_sql("PRAGMA table_list").mappings().all()
    strict = {row["name"] for row in tables if row["strict"]}
    assert strict == {*models.Base.metadata.tables}
    engine.dispose()


@pytest.mark.parametrize(
    "url, error, sentence",
    [
        ("hello", errors.ConfigError, "URL of the records cannot be read"),
        ("mysql://a:secret@h/b", errors.ConfigError, "not kept in mysql; give an URL"),
        ("postgresql+psycopg2://a@h/b", errors.ConfigError, "needs psycopg2"),
        ("sqlite:////proc/none/r.sqlite", errors.DiskError, "/proc/none cannot be"),
    ],
)
def test_a_database_that_cannot_be_is_told_in_a_sentence(url, error, sentence):
    with pytest.raises(error, match=sentence) as raised:
        databases.opened(url)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "r.sqlite"
    path.write_text("a diary, in which there is a lot of text" * 100)
    with pytest.raises(errors.DiskError, match="is not a database"):
        databases.opened(f"sqlite:///{path}")
    assert path.read_text().startswith("a diary")


def test_records_of_a_newer_version_are_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.sqlite'}"
    databases.opened(url).dispose()
    connection = sqlite3.connect(tmp_path / "r.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(errors.MismatchError, match=r"newer jaxrestore .*9999"):
        databases.opened(url)


def test_records_that_must_exist_are_not_made(tmp_path):
    path = tmp_path / "r.sqlite"
    with pytest.raises(errors.NoInputError, match=r"r\.sqlite is missing"):
        databases.opened(f"sqlite:///{path}", existing=True)
    assert not path.exists()


def test_a_server_that_does_not_answer_is_told_without_its_password():
    pytest.importorskip("psycopg")
    with pytest.raises(errors.ConfigError, match="check that it runs") as raised:
        databases.opened("postgresql://ann:secret@127.0.0.1:9/none")
    assert "secret" not in str(raised.value)


def _of_the_first_tables(url):
    """Makes a database of the first revision, with a job and the totals of a day."""
    config = Config()
    places = Path(databases.__file__).parent / "migrations"
    config.set_main_option("script_location", str(places))
    job = {"id": "a", "source": "api", "task": "denoise", "method": "network"}
    job |= {"options": "{}", "status": "done", "version": "0.1.0", "more": "{}"}
    job |= {"created": 20_000.5 * kept.DAY, "expires": 0.0, "tries": 0}
    job |= {"model": "denoise", "run_s": 2.0}
    total = {"day": 19_990, "task": "denoise", "method": "network", "size": ""}
    total |= {"status": "done", "jobs": 7, "liked": 2, "disliked": 1, "run_p50": 3.0}
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(sa.insert(tables.tables["job"]).values(job))
        connection.execute(sa.insert(tables.tables["daily"]).values(total))
    engine.dispose()


def test_records_of_the_first_tables_are_brought_up_to_date(url, clock):
    _of_the_first_tables(url)
    for _ in range(2):
        with ledger.Ledger(url, clock=clock, existing=True) as jobs:
            assert jobs.get("a").numbers == {"model": "denoise", "run_s": 2.0}
            (total,) = kept.rows(jobs, models.Daily)
            found = summaries.summary(jobs.engine, now=clock.now)
    assert (total["weights"], total["jobs"], total["run_p50"]) == ("", 7, 3.0)
    assert found["jobs"] == 8 and found["models"] == []
    (speed,), (rated,) = found["speed"], found["ratings"]
    assert (speed["model"], speed["version"], speed["run_p50"]) == ("denoise", "", 2)
    assert (rated["liked"], rated["disliked"], rated["version"]) == (2, 1, "")
