"""`jaxrestore restore` for many files: again, after a kill, and what it tells."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app, progress
from jaxrestore.inference import manifests, restorer

RUNNER = CliRunner()
SIZE = (24, 31, 3)  # as in the tests of the protocols: compiled once


def run(*words, **options):
    return RUNNER.invoke(app.app, ["restore", *map(str, words)], **options)


def _folder(path, count):
    """A folder of `count` pictures of noise, some of them below another folder."""
    draw = np.random.default_rng(0)
    for index in range(count):
        place = path / ("below" if index % 3 else ".") / f"{index:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        images.encode(draw.integers(0, 256, SIZE, np.uint8), place)
    return path


def _times(folder):
    """When each file was written."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in paths}


def _contents(folder):
    """The bytes of each result; the manifest is none."""
    paths = [path for path in folder.rglob("*.png")]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


# Again


def test_a_second_run_builds_no_network_and_changes_nothing(
    halving, tmp_path, monkeypatch
):
    pictures, out = _folder(tmp_path / "in", 6), tmp_path / "out"
    words = (pictures, "-o", out, "--weights", "x")
    assert "6 images in" in run(*words).output
    before = _times(out)
    monkeypatch.setattr(restorer, "load_weights", None)
    for more in ((), ("--overwrite",), ("--skip-existing",)):
        again = run(*words, *more)
        assert again.exit_code == 0, again.exception
        assert f"0 images in {out}, 6 more were there\n" == again.stdout
    assert _times(out) == before


def test_what_is_missing_is_restored_and_what_has_changed_only_if_it_is_said(
    halving, tmp_path
):
    pictures, out = _folder(tmp_path / "in", 6), tmp_path / "out"
    words = (pictures, "-o", out, "--weights", "x")
    run(*words)
    before = _contents(out)
    (out / "003.png").unlink()
    again = run(*words)
    assert f"1 image in {out}, 5 more were there" in again.output
    assert _contents(out) == before
    images.encode(np.zeros(SIZE, np.uint8), pictures / "000.png")
    again = run(*words)
    assert isinstance(again.exception, errors.ConfigError)
    told = str(again.exception)
    assert "000.png exists" in told and "000: its source is another now" in told
    assert "--overwrite" in told and _contents(out) == before
    with pytest.warns(errors.Notice, match="another now") as notices:
        assert run(*words, "--skip-existing").exit_code == 0
    assert "1 kept as they are; --overwrite" in str(notices[0].message)
    assert _contents(out) == before
    assert f"1 image in {out}, 5 more" in run(*words, "--overwrite").output
    assert not images.decode(out / "000.png").any()
    assert f"0 images in {out}, 6 more" in run(*words).output


def test_a_bad_file_is_told_each_time(halving, tmp_path):
    pictures, out = _folder(tmp_path / "in", 2), tmp_path / "out"
    (pictures / "text.png").write_text("no picture")
    for counted in ("2 images in", f"0 images in {out}, 2 more were there"):
        result = run(pictures, "-o", out, "--weights", "x")
        assert isinstance(result.exception, errors.PartialError)
        assert "1 skipped:\n  text: " in str(result.exception)
        assert counted in result.output


@pytest.mark.parametrize(
    "option", [("--strength", "0.5"), ("--weights", "y"), ("--bit-depth", "16")]
)
def test_other_options_make_other_results(halving, tmp_path, option):
    pictures, out = _folder(tmp_path / "in", 2), tmp_path / "out"
    words = (pictures, "-o", out)
    assert run(*words, "--weights", "x").exit_code == 0
    words += option if "--weights" in option else (*option, "--weights", "x")
    assert "one of 2 such files" in str(run(*words).exception)
    assert f"2 images in {out}: " in run(*words, "--overwrite").output
    assert f"0 images in {out}, 2 more" in run(*words).output


def test_a_run_beside_another_one_into_its_folder_mixes_nothing(halving, tmp_path):
    pictures, out, told = _folder(tmp_path / "in", 2), tmp_path / "out", []
    words = (pictures, "-o", out, "--weights", "x")

    def meanwhile(images):
        if not told:
            told.append(run(*words, "--strength", "0.5", "--overwrite").exception)
        return images / 2

    halving(meanwhile)
    assert run(*words).exit_code == 0
    assert isinstance(told[0], errors.ConfigError)
    assert "another run is restoring to" in str(told[0])
    assert f"0 images in {out}, 2 more were there" in run(*words).output


# After a kill

SCRIPT = """
import os, signal
from jaxrestore.cli import app
from jaxrestore.inference import folders

written, count = folders.written, []

def killed(*result, **options):
    count.append(result)
    if len(count) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    written(*result, **options)

folders.written = killed
app.main()
"""


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(shelf, tmp_path):
    weights, out = shelf / "jpeg.safetensors", tmp_path / "out"
    words = (_folder(tmp_path / "in", 6), "-o", out, "--weights", weights)
    command = [sys.executable, "-c", SCRIPT, "restore", *map(str, words)]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(_contents(out)) == 3
    assert f"3 images in {out}, 3 more were there" in run(*words).output
    whole = tmp_path / "whole"
    run(*words[:2], whole, *words[3:])
    assert _contents(whole) == _contents(out) and len(_contents(out)) == 6
    # Killed between a result and its line: it is there, and nobody knows of what.
    lines = (out / manifests.NAME).read_text().splitlines(keepends=True)
    (out / manifests.NAME).write_text("".join(lines[:-1]))
    assert "--skip-existing" in str(run(*words).exception)
    with pytest.warns(errors.Notice, match="nothing tells what it was made of"):
        assert "0 images in" in run(*words, "--skip-existing").output


@pytest.mark.slow
def test_two_hundred_pictures_twice_and_with_a_kill_in_the_middle(tmp_path):
    pictures, out, whole = _folder(tmp_path / "in", 200), tmp_path / "out", "whole"
    script = "from jaxrestore.cli import app; app.main()"

    def command(place):
        words = ("restore", pictures, "-o", place, "--task", "denoise")
        return [sys.executable, "-c", script, *map(str, words)]

    killed = subprocess.Popen(command(out), stderr=subprocess.DEVNULL)
    while len(_contents(out)) < 100:
        assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert 100 <= len(_contents(out)) < 200
    subprocess.run([*command(out), "--skip-existing"], check=True)
    subprocess.run(command(tmp_path / whole), check=True)
    assert _contents(out) == _contents(tmp_path / whole)
    before = _times(out)
    again = subprocess.run(command(out), check=True, capture_output=True, text=True)
    assert again.stdout == f"0 images in {out}, 200 more were there\n"
    assert _times(out) == before


# What is taken


def test_a_pattern_is_ours_where_the_shell_has_left_it(halving, tmp_path):
    pictures, out = _folder(tmp_path / "in", 6), tmp_path / "out"
    assert (
        f"2 images in {out}" in run(pictures / "*", "-o", out, "--weights", "x").output
    )
    result = run(pictures / "*.jpg", "-o", out, "--weights", "x")
    assert isinstance(result.exception, errors.NoInputError)
    assert "no file matches" in str(result.exception)


def test_folders_below_are_taken_unless_it_is_said(halving, tmp_path):
    pictures, out = _folder(tmp_path / "in", 6), tmp_path / "out"
    words = (pictures, "-o", out, "--weights", "x")
    assert f"2 images in {out}:" in run(*words, "--no-recursive").output
    assert f"4 images in {out}, 2 more" in run(*words, "--recursive").output


def test_a_terminal_is_told_at_once_what_is_loaded_and_compiled(
    halving, tmp_path, monkeypatch
):
    pictures, lines = _folder(tmp_path / "in", 1), []
    halving(lambda images: lines.append("at work") or images / 2)
    monkeypatch.setattr(progress, "line", lines.append)
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    run(pictures, "-o", tmp_path / "out", "--weights", "x")
    assert lines[:3] == ["loading x", "stand_in: compiling for cpu", "at work"]


# Scores


def test_results_are_scored_against_a_reference(halving, tmp_path):
    pictures, out = _folder(tmp_path / "in", 4), tmp_path / "out"
    truth, factors = tmp_path / "truth", (0.4, 1.0, 0.7)
    for name, factor in zip(("000", "below/001", "003"), factors, strict=True):
        (truth / name).parent.mkdir(parents=True, exist_ok=True)
        image = images.decode(pictures / f"{name}.png") * factor
        images.encode(np.rint(image).astype(np.uint8), truth / f"{name}.bmp")
    report = tmp_path / "report.json"
    words = (pictures, "-o", out, "--weights", "x", "--reference", truth)
    result = run(*words, "--json", report)
    assert isinstance(result.exception, errors.PartialError)
    assert "1 not scored:\n  below/002: it has no reference" in str(result.exception)
    table = [line.split() for line in result.stdout.splitlines()]
    assert table[0] == ["rgb8", "psnr", "ssim", "input", "psnr", "input", "ssim"]
    assert [line[0] for line in table[1:5]] == ["000", "003", "below/001", "mean"]
    assert table[3][3:] == ["inf", "1.0000"]  # the input is its reference
    told = {one["image"]: one for one in json.loads(report.read_text())["images"]}
    assert table[1][1] == f"{told['000']['scores']['restored_psnr']:.2f}"
    assert told["below/001"]["scores"]["degraded_psnr"] is None
    assert "scores" not in told["below/002"]
    # What is there already is scored too.
    again = run(*words, "--overwrite")
    assert "0 images in" in again.output
    assert again.stdout.splitlines()[:5] == result.stdout.splitlines()[:5]


def test_a_reference_of_another_size_or_of_none_is_told(halving, tmp_path):
    pictures, truth = _folder(tmp_path / "in", 1), tmp_path / "truth.png"
    words = (pictures / "000.png", "-o", tmp_path / "out.png", "--weights", "x")
    missing = run(*words, "--reference", truth)
    assert isinstance(missing.exception, errors.NoInputError)
    assert not (tmp_path / "out.png").exists()
    images.encode(np.zeros((7, 5, 3), np.uint8), truth)
    result = run(*words, "--reference", truth)
    assert isinstance(result.exception, errors.PartialError)
    assert "000: " in str(result.exception) and "its target 5x7" in str(
        result.exception
    )
    assert (tmp_path / "out.png").exists()


# The report


def test_what_became_of_each_file_is_told_as_json(halving, tmp_path):
    pictures, out = _folder(tmp_path / "in", 2), tmp_path / "out"
    (pictures / "text.png").write_text("no picture")
    (pictures / "notes.txt").write_text("no picture")
    report = tmp_path / "new" / "report.json"
    words = (pictures, "-o", out, "--weights", "x", "--strength", "0.5")
    with pytest.warns(errors.Notice, match="1 left out"):
        run(*words, "--json", report)
    told = json.loads(report.read_text())
    assert told["settings"]["strength"] == 0.5 and told["settings"]["weights"] == "x"
    assert told["weights_sha256"] == "of x"
    assert [*told["left_out"]] == [str(pictures / "notes.txt")]
    first, second, text = told["images"]
    assert first["image"] == "000" and first["status"] == "restored"
    assert first["source"] == str(pictures / "000.png")
    assert first["output"] == str(out / "000.png")
    assert first["megapixels"] == SIZE[0] * SIZE[1] / 1e6 and first["seconds"] > 0
    assert told["megapixels"] == first["megapixels"] + second["megapixels"]
    assert text["status"] == "skipped" and "no PNG" in text["why"]
    with pytest.warns(errors.Notice):
        run(*words, "--json", report)  # of the same results: it is replaced
    told = json.loads(report.read_text())
    assert [one["status"] for one in told["images"]] == ["there", "there", "skipped"]


@pytest.mark.parametrize("held", ["no JSON", "[]", '{"images": []}', "another's"])
def test_a_file_that_is_no_report_of_these_results_is_not_replaced(
    halving, tmp_path, held
):
    pictures, report = _folder(tmp_path / "in", 1), tmp_path / "report.json"
    report.write_text(held)
    if held == "another's":
        other = (pictures, "-o", tmp_path / "other", "--weights", "x")
        run(*other, "--json", report, "--overwrite")
    words = (pictures, "-o", tmp_path / "out", "--weights", "x", "--json", report)
    before = report.read_bytes()
    assert "report.json exists" in str(run(*words).exception)
    assert report.read_bytes() == before
    assert run(*words, "--overwrite").exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_ends_early_has_a_report_of_what_it_has_done(
    halving, tmp_path, number
):
    pictures, seen = _folder(tmp_path / "in", 3), []
    before = signal.getsignal(signal.SIGTERM)

    def interrupted(images):
        seen.append(images)
        if len(seen) == 2:
            signal.raise_signal(number)
        return images

    halving(interrupted)
    report = tmp_path / "report.json"
    words = (pictures, "-o", tmp_path / "out", "--weights", "x", "--json", report)
    done = run(*words).exception
    assert isinstance(done, errors.Interrupted) and done.exit_code == 128 + number
    assert str(done).startswith("interrupted; 1 of 3 images restored in ")
    assert "the same command restores the rest" in str(done)
    told = [one["status"] for one in json.loads(report.read_text())["images"]]
    assert told == ["restored", "not reached", "not reached"]
    assert signal.getsignal(signal.SIGTERM) is before
