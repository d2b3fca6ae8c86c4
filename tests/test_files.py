import csv
import errno
import hashlib
import json
import os
import stat
import threading

import pytest

from jaxrestore import errors, files

OLD, NEW = b"old", b"new" * 1000


@pytest.fixture
def path(tmp_path):
    """A file that is there already, alone in its folder."""
    place = tmp_path / "a.json"
    place.write_bytes(OLD)
    return place


def refusing(code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "that can be read and written")],
)
def test_a_write_that_fails_keeps_the_old_file_alone(
    path, monkeypatch, step, code, remedy
):
    monkeypatch.setattr(files.os, step, refusing(code))
    with pytest.raises(errors.DiskError, match=remedy) as caught:
        files.write_bytes(path, NEW)
    assert str(caught.value).startswith(f"{path} cannot be used (")
    assert caught.value.exit_code == 74
    assert path.read_bytes() == OLD and [*path.parent.iterdir()] == [path]


def test_a_kill_before_the_last_step_keeps_the_old_file(path, monkeypatch):
    def killed(*_):
        # The new content is whole on the disk by then, under another name.
        assert {NEW, OLD} == {x.read_bytes() for x in path.parent.iterdir()}
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, NEW)
    assert path.read_bytes() == OLD and [*path.parent.iterdir()] == [path]


def test_the_content_is_on_the_disk_before_it_has_its_name(path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        done = getattr(os, name)
        monkeypatch.setattr(
            files.os, name, lambda *x, n=name, f=done: (order.append(n), f(*x))
        )
    files.write_bytes(path, NEW)
    assert order == ["fsync", "replace"] and path.read_bytes() == NEW


def test_of_two_files_neither_is_replaced_where_one_has_no_room(path, monkeypatch):
    other, done = path.with_name("b"), os.fsync
    calls = iter([done, refusing(errno.ENOSPC)])
    monkeypatch.setattr(files.os, "fsync", lambda handle: next(calls)(handle))
    with pytest.raises(errors.DiskError, match=str(other)):
        files.write_all({path: NEW, other: NEW})
    assert path.read_bytes() == OLD and [*path.parent.iterdir()] == [path]


def test_a_missing_folder_is_named_by_the_path_that_was_asked_for(tmp_path):
    with pytest.raises(errors.DiskError, match=r"no/a\.txt cannot be used \(No "):
        files.write_text(tmp_path / "no" / "a.txt", "")


def test_a_link_stays_and_its_target_is_replaced(path):
    link = path.with_name("link")
    link.symlink_to(path.name)
    files.write_bytes(link, NEW)
    assert link.is_symlink() and path.read_bytes() == NEW


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    files.write_bytes(pipe, NEW)
    reader.join()
    assert got == [NEW] and stat.S_ISFIFO(pipe.stat().st_mode)
    assert [*tmp_path.iterdir()] == [pipe]


def test_a_new_file_may_be_read_by_whoever_may_read_others(tmp_path):
    files.write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(x.stat().st_mode) for x in tmp_path.iterdir()}
    assert len(modes) == 1


def test_what_exists_is_refused_by_its_name(path):
    with pytest.raises(errors.ConfigError, match=r"a\.json exists; .* replace it"):
        files.refuse_existing([path, path.with_name("new")])
    with pytest.raises(errors.ConfigError, match="exists, one of 2 such files; "):
        files.refuse_existing([path, path.parent])
    files.refuse_existing([path.with_name("new"), path.with_name("other")])


def test_writing_to_a_device_replaces_nothing(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    files.refuse_existing([pipe])


def test_text_is_utf_8_with_its_own_line_ends(path):
    files.write_text(path, "±\n1\r\n")
    assert path.read_bytes() == "±\n1\r\n".encode()


def test_json_can_be_read_by_people_and_ends_in_a_newline(path):
    files.write_json(path, {"a": [1, None]})
    assert json.loads(path.read_text()) == {"a": [1, None]}
    assert path.read_text().startswith('{\n  "a": [\n') and path.read_text()[-1] == "\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "missing"),
        (b'{"a": 1', "no JSON"),
        (b"\xff", "no JSON"),
        (b"", "no JSON"),
    ],
)
def test_a_file_of_ours_that_is_gone_or_broken_is_told(path, content, why):
    files.write_json(path, [1])
    assert files.read_json(path) == [1]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.DamagedError, match=f"a\\.json is {why}.*damaged; take"):
        files.read_json(path)


def test_a_line_is_added_and_one_that_a_kill_has_cut_is_ended(tmp_path):
    path = tmp_path / "lines"
    files.append_line(path, "ä")
    files.append_line(path, "b")
    assert path.read_bytes() == "ä\nb\n".encode()
    for cut in (b"", b"\n", b"c", b"c\nd"):
        path.write_bytes(cut)
        files.append_line(path, "e")
        assert path.read_bytes().splitlines() == [*cut.splitlines(), b"e"]
    with pytest.raises(errors.DiskError, match="none/x cannot be used"):
        files.append_line(tmp_path / "none" / "x", "b")


def test_a_csv_has_the_columns_of_all_rows_and_empty_cells(path):
    files.write_csv(path, [{"a": 1}, {"a": 'x,"y"\n', "b": 0.1}])
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert rows == [{"a": "1", "b": ""}, {"a": 'x,"y"\n', "b": "0.1"}]


def test_a_file_has_a_hash_and_a_pipe_none(path, tmp_path):
    assert files.sha256(path) == hashlib.sha256(OLD).hexdigest()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        files.sha256(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        files.sha256(tmp_path / "absent")
