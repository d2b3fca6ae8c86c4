import json

import pytest

from jaxrestore import errors
from jaxrestore.collection import ledger

SETTINGS = {"network": "n", "options": {"strength": None}}


def _done(output, key, size=1):
    return ledger.Done("a.jpg", output, key, size, "result")


def _begin(out, settings=SETTINGS, **options):
    ledger.refuse_other(out, settings, **options)
    with ledger.alone(out):
        return ledger.begin(out, settings)


def test_a_collection_is_begun_and_gone_on_with(tmp_path):
    out, other = tmp_path / "new" / "out", {**SETTINGS, "options": {"strength": 1}}
    assert _begin(out, other) == 1
    assert _begin(out) == 1  # nothing was done with the others
    ledger.add(out, 1, [_done("a.png", "key")])
    assert _begin(out, {**SETTINGS, "weights": "moved.pth"}) == 2
    assert ledger.settings(out)["network"] == "n"
    with pytest.raises(errors.ConfigError, match=r"other settings \(options\)"):
        _begin(out, other)
    assert _begin(out, other, overwrite=True) == 2
    assert ledger.settings(out)["options"] == {"strength": 1}


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "mine.png").write_text("mine")
    with pytest.raises(errors.ConfigError, match="no collection; give an empty folder"):
        _begin(tmp_path)
    with pytest.raises(errors.NoInputError, match="holds no collection"):
        ledger.settings(tmp_path)
    assert [*tmp_path.iterdir()] == [tmp_path / "mine.png"]
    assert _begin(tmp_path, overwrite=True) == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.DiskError, match="Not a directory"):
        _begin(tmp_path / "file" / "out")


def test_a_collection_of_another_version_is_refused(tmp_path):
    _begin(tmp_path)
    place = tmp_path / ".collection" / "settings.json"
    place.write_text(json.dumps({"format": "jaxrestore collection 7"}))
    for look in (ledger.settings, _begin):
        with pytest.raises(errors.MismatchError, match="collection 7"):
            look(tmp_path)


def test_one_run_at_a_time(tmp_path):
    _begin(tmp_path)
    with (
        ledger.alone(tmp_path),
        pytest.raises(errors.ConfigError, match="another run is restoring"),
        ledger.alone(tmp_path),
    ):
        pass
    with ledger.alone(tmp_path):  # it has ended
        pass


def test_a_table_takes_the_last_row_of_a_result(tmp_path):
    _begin(tmp_path)
    # Written in another order than that of the runs, of which 10 follows 9.
    ledger.add(tmp_path, 10, [_done("a.png", "third"), _done("b.png", "b")])
    ledger.add(tmp_path, 9, [_done("a.png", "second"), _done("c.png", "c")])
    ledger.add(tmp_path, 1, [_done("a.png", "first")])
    rows = [*ledger.rows(tmp_path)]
    assert [row.key for row in rows] == ["first", "second", "c", "third", "b"]
    by_key, by_size = ledger.table(
        rows,
        lambda row: (row.output, row.key),
        lambda row: (row.output, str(row.size)),
    )
    assert by_key.holds("a.png", "third") and by_key.holds("c.png", "c")
    assert not by_key.holds("a.png", "first") and not by_key.holds("a.png", "second")
    assert by_size.holds("b.png", "1") and len(by_key.fingerprints) == 3


def test_a_table_of_nothing_is_empty(tmp_path):
    _begin(tmp_path)
    (table,) = ledger.table(ledger.rows(tmp_path), lambda row: (row.output,))
    assert not len(table.fingerprints) and not table.holds("a.png")


def test_a_damaged_file_is_left_out_with_a_notice(tmp_path):
    _begin(tmp_path)
    ledger.add(tmp_path, 1, [_done("a.png", "key")] * 2)
    (part,) = (tmp_path / ".collection" / "done").iterdir()
    part.write_text(part.read_text()[:-9])
    ledger.add(tmp_path, 2, [_done("b.png", "key")])
    with pytest.warns(errors.Notice, match="is damaged"):
        rows = [*ledger.rows(tmp_path)]
    assert [row.output for row in rows] == ["b.png"]


def test_the_report_is_sorted_and_replaces_the_one_before(tmp_path):
    assert ledger.reported(tmp_path) == []
    failed = [ledger.Failed(name, "content", "why") for name in ("b", "a")]
    place = ledger.report(tmp_path, failed)
    assert [json.loads(line)["source"] for line in place.read_text().splitlines()] == [
        "a",
        "b",
    ]
    ledger.report(tmp_path, failed[:1])
    assert ledger.reported(tmp_path) == failed[:1]
    place.write_text("{")
    with pytest.raises(errors.DamagedError, match="restore the collection again"):
        ledger.reported(tmp_path)
