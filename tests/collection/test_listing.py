import os
from pathlib import Path

import pytest

from jaxrestore import folders
from jaxrestore.collection import listing
from jaxrestore.inference import plans


def _entries(root):
    return [*listing.entries(root, folders.walk(root, {}))]


def test_results_are_called_as_restore_calls_them(pictures, tmp_path):
    for name in ("a.jpg", "below/f.jpg", "below/f.png/g.png"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes((pictures / "a.png").read_bytes())
    plan = plans.planned([pictures], tmp_path / "out")
    expected = {
        (p.source.relative_to(pictures), p.destination.relative_to(tmp_path / "out"))
        for p in plan.places.values()
    }
    found = {(Path(e.source), Path(e.output)) for e in _entries(pictures)}
    assert found == expected and len(found) == 8
    assert (Path("below/f.jpg"), Path("below/f.jpg.png")) in found


def test_folders_are_listed_when_they_are_asked_for(pictures, monkeypatch):
    listed, scan = [], os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda place: listed.append(place) or scan(place)
    )
    found = listing.entries(pictures, folders.walk(pictures, {}))
    assert next(found).source == "a.png" and len(listed) == 1
    assert len([*found]) == 4 and len(listed) == 3


@pytest.mark.parametrize("count", [0, 1, 3, 7, 70])
def test_a_plan_has_each_entry_once(tmp_path, monkeypatch, count):
    monkeypatch.setattr(listing, "LINES", 3)
    monkeypatch.setattr(listing, "SHARE", 5)
    entries = [listing.Entry(f"{n}.jpg", f"{n}.png") for n in range(count)]
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "of_a_killed_run").write_text("")
    plan = listing.plan(iter(entries), tmp_path / "plan")
    assert plan.count == count and {*plan.parts} == {*(tmp_path / "plan").iterdir()}
    parts = [part.read_text().splitlines() for part in plan.parts]
    assert [listing.of_line(line) for part in parts for line in part] == entries
    lengths = [len(part) for part in parts]
    assert (
        lengths[:-1]
        == [3, 3, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 10][: max(len(parts) - 1, 0)]
    )


def test_a_line_is_ascii_whatever_a_file_is_called():
    entry = listing.Entry('ü\n"\udcff.png', "ü.png")
    line = listing.line(entry)
    assert line.isascii() and "\n" not in line and listing.of_line(line) == entry
