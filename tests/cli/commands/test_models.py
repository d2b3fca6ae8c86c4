import json

import pytest
from typer.testing import CliRunner

from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.inference import shipped

RUNNER = CliRunner()


def run(*words):
    return RUNNER.invoke(app.app, [*map(str, words)])


def test_the_list_says_what_ships_and_how_large_it_is(shelf):
    result = run("models", "list")
    assert result.exit_code == 0, result.output
    headings, row = result.output.splitlines()
    assert headings.split() == ["name", "task", "architecture", "parameters", "size"]
    # Kernels of 3x3 and biases: 3 to 4 channels, three times 4 to 4, 4 to 3.
    assert row.split()[:4] == ["jpeg", "jpeg", "fcn", f"{112 + 3 * 148 + 111}"]
    assert row.endswith(" MB")


@pytest.mark.parametrize("scores", [5, [[]], [{"level": 10}]])
def test_scores_that_are_none_are_told(shelf, scores):
    place = shelf / "jpeg.json"
    card = json.loads(place.read_text()) | {"scores": scores}
    place.write_text(json.dumps(card))
    result = run("models", "info", "jpeg")
    assert isinstance(result.exception, errors.NoInputError)


def test_the_card_is_shown_by_name_and_by_file(shelf):
    by_name = run("models", "info", "jpeg")
    assert by_name.exit_code == 0
    assert "license: CC0-1.0" in by_name.output
    assert "generator: name fcn, width 4, blocks 1" in by_name.output
    assert "20.00 / 0.5000" in by_name.output and "quality" in by_name.output
    assert run("models", "info", shelf / "jpeg.safetensors").output == by_name.output
    unknown = run("models", "info", "jpg")
    assert "did you mean 'jpeg'" in str(unknown.exception)


def test_of_earlier_trainings_their_beginnings_are_shown():
    lines = run("models", "info", "photo").output.splitlines()
    (earlier,) = [line for line in lines if line.startswith("earlier: ")]
    assert earlier.count("SHA-256") == len(shipped.card("photo")["earlier"])
    assert "degradation" not in earlier


def test_scores_as_on_the_card_are_verified_and_shown(shelf):
    result = run("models", "verify")
    assert result.exit_code == 0, result.output
    assert "jpeg: as its card says" in result.output
    assert result.output.count("30.00 / 0.5000") == 2 * len(shipped.task("jpeg").cases)


def test_other_scores_than_the_card_s_end_in_a_mismatch(shelf):
    place = shelf / "jpeg.json"
    card = json.loads(place.read_text())
    card["scores"][1]["ours"]["psnr"] = 30.03
    place.write_text(json.dumps(card))
    result = run("models", "verify", "jpeg")
    assert isinstance(result.exception, errors.MismatchError)
    assert "jpeg at 20: psnr of ours is 30.0, its card has 30.03" in str(
        result.exception
    )
    assert "jpeg: differs" in result.output


def test_weights_with_another_hash_end_in_a_mismatch(shelf):
    place = shelf / "jpeg.safetensors"
    place.write_bytes(place.read_bytes()[:-1] + b"\1")
    result = run("models", "verify")
    assert isinstance(result.exception, errors.MismatchError)
    assert "SHA-256" in str(result.exception)


def test_without_weights_the_commands_say_so(shelf):
    for file in shelf.iterdir():
        file.unlink()
    for command in ("list", "verify"):
        result = run("models", command)
        assert "holds no weights" in str(result.exception)
