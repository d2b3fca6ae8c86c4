"""Plots and tables of records, for pages and for other programs."""

import csv
import io
import sys
from xml.etree import ElementTree

import pytest
from serving.records import kept

from jaxrestore import errors
from jaxrestore.serving.records import exporting, plots, summaries

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def full(jobs, clock):
    """A ledger of four jobs of two tasks."""
    for number, task in enumerate(("denoise", "denoise", "jpeg", "sr")):
        jobs.add(kept.job(f"secret{number}", task=task), kept.FACTS)
        numbers = {"queued_s": 0.5, "run_s": 2.0 + number, "model": "u<net"}
        numbers |= {"sigma_in": 20.0, "sigma_out": 2.0}
        jobs.change(f"secret{number}", {"status": "done", "numbers": numbers})
    jobs.feedback("secret0", 1, None)
    jobs.feedback("secret1", -1, "too_smooth")
    return jobs


def _drawn(jobs, clock, name, **options):
    summary = summaries.summary(jobs.engine, now=clock.now)
    return ElementTree.fromstring(plots.draw(name, summary, **options))


@pytest.mark.parametrize("name", plots.names())
def test_a_plot_has_neither_scripts_nor_styles_nor_links(full, clock, name):
    for part in _drawn(full, clock, name).iter():
        assert part.tag not in (f"{SVG}script", f"{SVG}style", f"{SVG}image")
        for key, value in part.attrib.items():
            attribute = key.rpartition("}")[2]
            assert attribute != "style" and not attribute.startswith("on")
            assert attribute != "href" or value.startswith("#")
            assert "url(" not in value or value.startswith("url(#")


@pytest.mark.parametrize("name", plots.names())
def test_a_plot_shows_more_than_that_there_is_nothing(jobs, full, clock, name):
    count = lambda drawn: sum(1 for _ in drawn.iter(f"{SVG}path"))
    full_ = count(_drawn(full, clock, name))
    empty = plots.draw(name, {t: [] for t in ("speed", "quality", "ratings")})
    assert full_ > count(ElementTree.fromstring(empty))


def test_colours_are_those_of_the_page(full, clock):
    drawn = ElementTree.tostring(_drawn(full, clock, "noise", dark=True)).decode()
    assert plots.DARK.paper in drawn and plots.LIGHT.paper not in drawn


def test_a_plot_that_is_none_is_told():
    with pytest.raises(errors.ConfigError, match="no plot 'noises'"):
        plots.draw("noises", {})


def test_rows_are_exported_without_what_tells_of_people(full, clock):
    told = b"".join(exporting.csv_parts(full.engine))
    rows = [*csv.DictReader(io.StringIO(told.decode()))]
    assert [row["task"] for row in rows] == ["denoise", "denoise", "jpeg", "sr"]
    assert rows[0]["run_s"] == "2.0" and rows[0]["in_width"] == "640"
    assert [row["rating"] for row in rows] == ["1", "-1", "", ""]
    assert rows[1]["reason"] == "too_smooth"
    assert b"secret" not in told
    assert not {"owner", "image_id", "detail", "id"} & rows[0].keys()
    assert exporting.rows(full.engine, since=clock.now + 1) == []


def test_a_file_of_rows_is_written(full, tmp_path):
    path = tmp_path / "records.csv"
    assert exporting.write(full.engine, path) == 4
    assert path.read_bytes() == b"".join(exporting.csv_parts(full.engine))
    with pytest.raises(errors.ConfigError, match=r"'.xls'; .* \.csv or \.parquet"):
        exporting.write(full.engine, tmp_path / "records.xls")


def test_without_pyarrow_one_is_told_what_brings_it(full, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(errors.ConfigError, match=r"jaxrestore\[parquet\]"):
        exporting.write(full.engine, tmp_path / "records.parquet")
    assert not [*tmp_path.glob("*.parquet")]


@pytest.mark.parametrize("part", [1, 2, 3, 4, 5000])
def test_rows_that_are_read_in_parts_are_all_there_in_order(full, monkeypatch, part):
    whole = exporting.rows(full.engine)
    monkeypatch.setattr(exporting, "_PART", part)
    assert exporting.rows(full.engine) == whole and len(whole) == 4


def test_a_parquet_file_holds_the_same_rows(full, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is missing")
    monkeypatch.setattr(exporting, "_PART", 3)
    path = tmp_path / "records.parquet"
    assert exporting.write(full.engine, path) == 4
    table = parquet.read_table(path)
    assert table.to_pylist() == exporting.rows(full.engine)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["task"], kinds["run_s"]) == ("string", "double")
    assert (kinds["in_width"], kinds["license"]) == ("int64", "string")
