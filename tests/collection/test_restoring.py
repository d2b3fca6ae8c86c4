import contextlib
import errno
import json
import os

import numpy as np
import pytest

from jaxrestore import errors, files, images
from jaxrestore.collection import keys, ledger, listing, restoring, worker
from jaxrestore.inference import folders, plans

OUTPUTS = {"a.png", "below/b.png", "below/c.png", "below/deeper/d.png"}


def _results(out):
    found = {p.relative_to(out): p for p in out.rglob("*.png")}
    return {name.as_posix(): path.read_bytes() for name, path in found.items()}


def _counts(outcome):
    return outcome.inputs, outcome.done, outcome.there, outcome.failed


def test_results_are_those_of_a_folder_and_the_report_names_the_rest(
    restore, pictures, halving, tmp_path
):
    seen = []
    outcome = restore(progress=lambda *count: seen.append(count))
    assert _counts(outcome) == (5, 4, 0, 1) and seen == [(5, 5)]
    plan = plans.planned([pictures], tmp_path / "folder")
    folders.restore_all(halving(halving.place), plan.places)
    assert _results(tmp_path / "out") == _results(tmp_path / "folder")
    assert {*_results(tmp_path / "out")} == OUTPUTS
    (failed,) = ledger.reported(tmp_path / "out")
    assert failed.source == "e.png" and failed.reason.startswith("this is no PNG")
    assert outcome.reasons == {"e.png": failed.reason}
    before = images.decode(pictures / "a.png")
    after = images.decode(tmp_path / "out" / "a.png")
    np.testing.assert_allclose(after, before / 2, atol=0.51)


def test_a_second_run_does_nothing_and_loads_no_network(restore, halving, tmp_path):
    restore()
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.png")}
    halving.loaded = 0
    (tmp_path / "pictures" / "e.png").unlink()
    assert _counts(restore()) == (4, 0, 4, 0) and not halving.loaded
    assert written == {p: p.stat().st_mtime_ns for p in written}
    assert ledger.reported(tmp_path / "out") == []


def test_what_is_missing_or_has_changed_is_done_again(restore, pictures, tmp_path):
    restore()
    whole = _results(tmp_path / "out")
    (tmp_path / "out" / "a.png").unlink()
    cut = tmp_path / "out" / "below" / "c.png"
    cut.write_bytes(cut.read_bytes()[:-1])
    assert _counts(restore()) == (5, 2, 2, 1)
    assert _results(tmp_path / "out") == whole
    # The same size and the same time: the content counts.
    source, status = pictures / "a.png", (pictures / "a.png").stat()
    content = source.read_bytes()
    (pictures / "e.png").write_bytes(content)
    images.encode(255 - images.decode(source), source)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _counts(restore()) == (5, 2, 3, 0)
    assert _results(tmp_path / "out")["e.png"] == whole["a.png"]
    # Back again: what stands there is of the other content.
    source.write_bytes(content)
    assert _counts(restore()) == (5, 1, 4, 0)
    assert _results(tmp_path / "out") == {**whole, "e.png": whole["a.png"]}


def test_other_weights_or_options_are_refused_or_replace(restore, halving, tmp_path):
    restore()
    whole = _results(tmp_path / "out")
    with pytest.raises(errors.ConfigError, match=r"other settings \(options\)"):
        restore(options=keys.Options(strength=0.5))
    halving.place.write_bytes(b"another half")
    with pytest.raises(errors.ConfigError, match=r"other settings \(network\)"):
        restore()
    half = keys.Options(strength=0.5)
    assert _counts(restore(options=half, overwrite=True)) == (5, 4, 0, 1)
    assert _results(tmp_path / "out") != whole
    assert _counts(restore(options=half)) == (5, 0, 4, 1)


@pytest.mark.parametrize("writes", range(1, 12))
def test_a_run_that_is_killed_anywhere_goes_on(restore, tmp_path, monkeypatch, writes):
    """Killed at the n-th time that something is written, or moved to its place."""
    restore()
    whole = _results(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "whole")
    left, write, replace = [writes], files._write_out, os.replace

    def counted(step):
        def count(*places):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return step(*places)

        return count

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(files, "_write_out", counted(write))
        patch.setattr(os, "replace", counted(replace))
        restore()
    assert left[0] <= 0
    assert all(whole[k] == v for k, v in _results(tmp_path / "out").items())
    outcome = restore()
    assert outcome.done + outcome.there == 4 and outcome.failed == 1
    assert _results(tmp_path / "out") == whole


def test_a_worker_says_of_each_line_what_became_of_it(restore, pictures, tmp_path):
    lines = []

    def watched(plan, job, table):
        for part in plan.parts:
            text = part.read_text().splitlines()
            lines.extend(zip(text, worker.Worker(job, table)(text), strict=True))
            yield [told for _, told in lines]

    restore(carry=watched)
    for line, told in lines:
        one = worker.Told(*json.loads(told))
        entry = listing.of_line(line)
        assert one.source == entry.source
        assert one.content == keys.of_file(pictures / entry.source)
        assert (one.state == worker.DONE) == (tmp_path / "out" / entry.output).exists()


def test_a_worker_goes_on_where_one_was_killed(restore, halving):
    """Ray hands the same lines to another one, which finds the rows of the first."""

    def carried(plan, job, table):
        (part,) = plan.parts
        lines = sorted(part.read_text().splitlines())
        worker.Worker(job, table)(lines[:3])
        loaded.append(halving.loaded)
        yield worker.Worker(job, table)(lines[:3])
        loaded.append(halving.loaded)
        yield worker.Worker(job, table)(lines[3:])

    loaded = []
    assert _counts(restore(carry=carried)) == (5, 4, 0, 1) and loaded == [1, 1]


def test_pictures_that_nobody_answers_for_are_told(restore):
    with pytest.raises(errors.PartialError, match="0 of 5 pictures were answered for"):
        restore(carry=lambda *job: (line for line in []))


@pytest.mark.parametrize("killed", [worker.ATTEMPTS - 1, worker.ATTEMPTS])
def test_a_picture_that_ends_its_workers_is_given_up(restore, here, tmp_path, killed):
    entry = listing.Entry("below/c.png", "below/c.png")
    mark = keys.of_bytes(listing.line(entry).encode())

    def carried(plan, job, table):
        for number in range(killed):  # what a killed worker leaves behind
            (ledger.room(tmp_path / "out", "attempts") / f"{mark}-{number}").mkdir()
        return here(plan, job, table)

    outcome = restore(carry=carried)
    given_up = killed == worker.ATTEMPTS
    assert _counts(outcome) == (5, 4 - given_up, 0, 1 + given_up)
    why = outcome.reasons.get("below/c.png", "")
    assert ("it has ended 3 workers" in why) == given_up
    assert restore().reasons.keys() == {"e.png"}  # the next run begins anew


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.TrainingError("not finite"), "not finite"),
        (ZeroDivisionError("none"), "ZeroDivisionError: none"),
        (MemoryError(), "it needs more memory than there is"),
        (OSError(errno.ENAMETOOLONG, "long"), "long; give a shorter name"),
    ],
)
def test_whatever_a_picture_meets_is_its_reason(restore, monkeypatch, error, said):
    def fail(*places, **options):
        raise error

    monkeypatch.setattr(folders, "restore_file", fail)
    outcome = restore()
    assert outcome.failed == 5 and said in outcome.reasons["a.png"]


def test_a_place_that_is_taken_is_one_of_its_pictures(restore, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "below").write_text("in the way")
    outcome = restore(overwrite=True)
    assert (
        _counts(outcome) == (5, 1, 0, 4) and "below" in outcome.reasons["below/b.jpg"]
    )


@pytest.mark.parametrize("raw", [True, False])
def test_a_disk_that_is_full_ends_the_run(restore, monkeypatch, raw):
    def fail(*places, **options):
        full = OSError(errno.ENOSPC, "No space left on device", "out")
        raise full if raw else errors.disk_error(full, "out") from full

    monkeypatch.setattr(folders, "restore_file", fail)
    with pytest.raises(errors.DiskError, match="free some space"):
        restore()


def test_a_source_that_cannot_be_read_is_named(restore, pictures):
    (pictures / "gone.png").symlink_to(pictures / "nowhere")
    assert "it cannot be read" in restore().reasons["gone.png"]


@pytest.mark.filterwarnings("always")
def test_what_is_not_written_is_said_once(restore, monkeypatch):
    monkeypatch.setattr(folders, "behind", lambda place, **options: ["EXIF"])
    with pytest.warns(errors.Notice, match=r"left behind is EXIF \(of 4\)"):
        restore()


def test_a_machine_with_other_weights_or_other_folders_ends_the_run(
    restore, halving, pictures
):
    def elsewhere(**changes):
        def carried(plan, job, table):
            text = plan.parts[0].read_text().splitlines()
            yield worker.Worker(job._replace(**changes), table)(text)

        return carried

    with pytest.raises(errors.MismatchError, match="not the network that the run"):
        restore(carry=elsewhere(network="another"))
    with pytest.raises(errors.MismatchError, match="under the same path"):
        restore(carry=elsewhere(source=pictures / "nowhere"))
    with pytest.raises(errors.MismatchError, match="must be on all machines"):
        restore(carry=elsewhere(destination=pictures / "nowhere"))


def test_options_of_no_use_end_the_run(restore):
    with pytest.raises(errors.ConfigError, match="`strength` is 2"):
        restore(options=keys.Options(strength=2))


def test_folders_that_cannot_be_meant_are_refused(restore, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.NoInputError, match="holds no pictures"):
        restore(tmp_path / "empty")
    with pytest.raises(errors.NoInputError, match="does not exist"):
        restore(tmp_path / "nowhere")
    with pytest.raises(errors.ConfigError, match="lies in"):
        restore(tmp_path)
    with pytest.raises(errors.NoInputError, match="is no file; give the path of weigh"):
        restore(weights=tmp_path / "nowhere")
    with pytest.raises(errors.ConfigError, match="no network is shipped"):
        restoring.restore(pictures, tmp_path / "out", task="shrapen")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_listed_is_told(restore, pictures, monkeypatch):
    scan, closed = os.scandir, pictures / "below"

    def refuse(place):
        if str(place) == str(closed):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(errors.Notice, match=r"1 left out:\n.*below: cannot be listed"):
        assert restore().inputs == 2
