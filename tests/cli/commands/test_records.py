"""`jaxrestore records`, as it is typed."""

import json
import sys
import time

import pytest
from serving.records import kept
from typer.testing import CliRunner

import jaxrestore.serving.records
from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.serving.records import ledger

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app.app, ["records", *map(str, arguments)])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of a server that did two jobs today and one forty days ago."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    home = tmp_path / "jaxrestore"
    with ledger.Ledger(f"sqlite:///{home / 'records.sqlite'}") as jobs:
        for id, days in (("a", 0), ("b", 0), ("c", 40)):
            created = time.time() - days * kept.DAY
            jobs.add(kept.job(id, created=created), kept.FACTS)
            jobs.change(id, {"status": "done", "numbers": {"run_s": 1.5}})
    return home


def test_a_summary_is_printed_of_the_server_that_is_here(home, tmp_path):
    told = run("summary", "--json", tmp_path / "all.json")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("2 jobs since ")
    assert "denoise" in told.output and "\nfailed\n" not in told.output
    found = json.loads((tmp_path / "all.json").read_text())
    assert found["jobs"] == 2 and found["speed"][0]["run_p50"] == 1.5
    assert "3 jobs" in run("summary", "--days", 60).output


def test_a_database_is_a_file_or_a_url(home):
    file = home / "records.sqlite"
    for place in (file, f"sqlite:///{file}"):
        assert "2 jobs" in run("summary", "--database", place).output


def test_rows_are_written_once(home, tmp_path):
    path = tmp_path / "rows.csv"
    written = run("export", path)
    assert written.exit_code == 0 and "3 jobs in " in written.output
    assert path.read_text().count("\n") == 4
    again = run("export", path)
    assert isinstance(again.exception, errors.ConfigError)
    assert "2 jobs" in run("export", path, "--overwrite", "--days", 1).output


def test_records_that_are_not_there_are_not_made(tmp_path):
    told = run("summary", "--database", tmp_path / "none.sqlite")
    assert isinstance(told.exception, errors.NoInputError)
    assert "give the --database of a server" in str(told.exception)
    assert not [*tmp_path.iterdir()]


def test_without_the_extra_one_is_told_what_brings_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "jaxrestore.serving.records.ledger")
    monkeypatch.delattr(jaxrestore.serving.records, "ledger")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    told = run("summary")
    assert isinstance(told.exception, errors.ConfigError)
    assert "sqlalchemy" in str(told.exception)
    assert "pip install 'jaxrestore[web]'" in str(told.exception)


def test_the_page_of_a_server_is_written_as_a_file(home, tmp_path):
    path = tmp_path / "records.html"
    written = run("export", path, "--days", 30)
    assert written.exit_code == 0 and "2 jobs in " in written.output
    text = path.read_text()
    assert "2 jobs from " in text and "<td>denoise</td>" in text
    assert "data:image/svg" in text and "<script" not in text
