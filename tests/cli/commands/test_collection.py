import json

import pytest
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app
from jaxrestore.collection import cluster, worker

RUNNER = CliRunner()


def run(*words):
    return RUNNER.invoke(app.app, ["collection", *map(str, words)])


@pytest.fixture
def here(monkeypatch, halving):
    """The cluster is this process, and every file of weights halves."""

    def carry(plan, job, table, *, address, workers):
        carry.asked = (address, workers, job)
        for part in plan.parts:
            yield worker.Worker(job, table)(part.read_text().splitlines())

    monkeypatch.setattr(cluster, "run", carry)
    return carry


@pytest.fixture
def weights(tmp_path):
    place = tmp_path / "x.safetensors"
    place.write_bytes(b"whatever")
    return place


def test_a_folder_is_restored_and_verified(here, pictures, weights, tmp_path):
    out = tmp_path / "out"
    options = ("--weights", weights, "--workers", 3, "--address", "auto")
    result = run(pictures, out, *options, "--strength", 0.5)
    assert result.exit_code == 0, result.output
    assert f"2 pictures in {out}, 0 more were there, 0 failed" in result.output
    assert here.asked[:2] == ("auto", 3) and here.asked[2].options.strength == 0.5
    assert images.decode(out / "colour.png").shape == (9, 12, 3)
    result = run(pictures, out, "--verify")
    assert f"{out} is whole: 2 = 2 done + 0 failed" in result.output
    (out / "colour.png").unlink()
    wrong = run(pictures, out, "--verify").exception
    assert isinstance(wrong, errors.PartialError)
    assert "2 = 1 done + 0 failed + 1 missing or changed" in str(wrong)
    assert "colour.png: its result, colour.png, is missing" in str(wrong)
    assert "delete results that have changed since they were written" in str(wrong)
    again = run(pictures, out, *options, "--strength", 0.5)
    assert "1 picture in" in again.output and "1 more were there" in again.output


def test_bad_pictures_are_a_failure_beyond_a_share(here, pictures, weights, tmp_path):
    (pictures / "text.png").write_text("no picture")
    words = (pictures, tmp_path / "out", "--weights", weights)
    many = run(*words).exception
    assert isinstance(many, errors.PartialError)
    assert "1 of 3 pictures could not be restored, more than" in str(many)
    assert "text.png: this is no PNG" in str(many)
    few = run(*words, "--max-bad-fraction", 0.34)
    assert few.exit_code == 0 and "2 more were there, 1 failed" in few.output
    (row,) = (tmp_path / "out" / "failed.jsonl").read_text().splitlines()
    assert json.loads(row)["source"] == "text.png"
    for name in ("colour.png", "below/grey.png"):
        (pictures / name).write_text("no picture")
    none = run(*words, "--max-bad-fraction", 1).exception
    assert isinstance(none, errors.NoInputError) and "none of the 3" in str(none)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one of --task NAME and --weights FILE"),
        (("--task", "jpeg", "--weights", "x"), "give one of --task NAME and"),
        (("--task", "photo", "--mask", "x.png"), "--mask is x.png; of a collection"),
        (("--task", "photo", "--verify", "--tile", 9), "leave --task and --tile out"),
        (("--verify", "--confine"), "leave --confine out"),
        (("--verify", "--workers", 2, "--overwrite"), "--workers and --overwrite out"),
        (("--verify", "--max-bad-fraction", 0.1), "leave --max-bad-fraction out"),
        (("--verify",), "holds no collection"),
        (("--weights", "nowhere"), "nowhere is no file"),
    ],
)
def test_what_cannot_be_meant_is_told(here, pictures, tmp_path, words, message):
    result = run(pictures, tmp_path / "out", *words)
    assert isinstance(result.exception, errors.UserError)
    assert message in str(result.exception) and not (tmp_path / "out").exists()


def test_options_of_the_library_are_spelled_as_flags(here, pictures, weights, tmp_path):
    words = (pictures, tmp_path / "out", "--weights", weights)
    assert "--strength is 2" in str(run(*words, "--strength", 2).exception)
    assert run(*words).exit_code == 0  # nothing was restored with the wrong one
    other = (*words, "--strength", 1)
    assert "or --overwrite to restore" in str(run(*other).exception)
    assert run(*other, "--overwrite").exit_code == 0


def test_jpeg_keeps_to_what_files_say(here, pictures, shelf, tmp_path):
    result = run(pictures, tmp_path / "out", "--task", "jpeg")
    assert here.asked[2].options.confine, result.output
