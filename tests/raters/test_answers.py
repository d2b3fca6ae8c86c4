import json

import pytest

from jaxrestore import errors
from jaxrestore.raters import answers as perceptual_answers

KEY = {
    "study": "abc",
    "trials": [
        {"trial": "q1", "image": "i", "left": "a", "right": "b", "catch": False},
        {"trial": "q2", "image": "i", "left": "b", "right": "a", "catch": False},
        *(
            {"trial": t, "image": "i", "left": left, "right": right, "catch": True}
            for t, left, right in (
                ("q3", "target", "blurred"),
                ("q4", "blurred", "target"),
            )
        ),
    ],
}


def _row(trial, answer: object = "left", seconds: object = 1.5):
    return {"trial": trial, "answer": answer, "seconds": seconds}


def _file(*rows, study="abc", rater="ann-1"):
    return json.dumps({"study": study, "rater": rater, "answers": rows}).encode()


FULL = [_row(f"q{n}") for n in (1, 2, 3, 4)]


def test_a_file_is_read_as_it_was_saved():
    data = _file(_row("q2", "right", 0), _row("q1"))
    rater = perceptual_answers.check(KEY, data, "f.json")
    assert rater.name == "ann-1"
    assert rater.answers == {"q2": "right", "q1": "left"}
    assert rater.seconds == {"q2": 0.0, "q1": 1.5}


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"{" + b'"a":{' * 100_000, "is no JSON"),
        (b"1" * 5000, "is no JSON"),
        (b"[]", "is no answer file"),
        (b'{"study": "abc"}', "is no answer file"),
        (_file(_row("q1"), rater="../../etc/x"), "is no answer file"),
        (_file(_row("q1"), rater="ann\n"), "is no answer file"),
        (_file(_row("q1"), rater=""), "is no answer file"),
        (_file(), "holds no answer"),
        (_file(_row("q1"), _row("q9")), "answer 2: the study has no trial 'q9'"),
        (_file(_row("q1", "up")), "'up' is no answer; it is left or right"),
        (_file(_row("q1", ["left"])), "is no answer; it is left or right"),
        (_file({"trial": "q1", "seconds": 1}), "'None' is no answer"),
        (_file(_row("q1"), _row("q1", "right")), "answer 2: q1 is answered twice"),
        (_file("q1"), "answer 1 names no trial"),
        (_file(_row(1)), "answer 1 names no trial"),
        (_file(_row("q1", seconds=-1)), "'-1' is no time"),
        (_file(_row("q1", seconds="2")), "'2' is no time"),
        (_file(_row("q1", seconds=True)), "'True' is no time"),
        (_file(_row("q1", seconds=float("nan"))), "'nan' is no time"),
        (_file(_row("q1", seconds=10**400)), "is no time"),
        (_file({"trial": "q1", "answer": "left"}), "is no time"),
    ],
)
def test_a_wrong_file_gives_one_clear_error(data, sentence):
    with pytest.raises(errors.ConfigError, match=sentence) as caught:
        perceptual_answers.check(KEY, data, "f.json")
    message = str(caught.value)
    assert message.startswith("f.json") and len(message) < 300 and "\n" not in message


def test_the_answers_to_another_study_are_told_from_wrong_ones():
    with pytest.raises(
        errors.MismatchError, match="answers the study 'xyz', not 'abc'"
    ):
        perceptual_answers.check(KEY, _file(*FULL, study="xyz"), "f.json")


def test_all_files_of_the_folder_are_read_or_those_that_are_named(tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    for name in ("ann", "bob"):
        (folder / f"{name}-1.json").write_bytes(_file(*FULL, rater=name))
    (folder / ".half.partial").write_bytes(b"{")
    assert [r.name for r in perceptual_answers.read(tmp_path, KEY)] == ["ann", "bob"]
    named = [folder / "bob-1.json"]
    assert [r.name for r in perceptual_answers.read(tmp_path, KEY, named)] == ["bob"]


def test_a_partial_file_counts_only_when_that_is_wanted(tmp_path):
    path = tmp_path / "f.json"
    path.write_bytes(_file(*FULL[:3]))
    with pytest.raises(errors.ConfigError, match=r"3 of 4 questions .*`partial`"):
        perceptual_answers.read(tmp_path, KEY, [path])
    (rater,) = perceptual_answers.read(tmp_path, KEY, [path], partial=True)
    assert len(rater.answers) == 3


def test_no_file_a_missing_one_and_two_of_one_rater_are_said(tmp_path):
    with pytest.raises(errors.NoInputError, match="holds no answers"):
        perceptual_answers.read(tmp_path, KEY)
    with pytest.raises(errors.NoInputError, match=r"gone\.json cannot be read"):
        perceptual_answers.read(tmp_path, KEY, [tmp_path / "gone.json"])
    for name in "xy":
        (tmp_path / f"{name}.json").write_bytes(_file(*FULL))
    with pytest.raises(errors.ConfigError, match=r"y\.json is a second file of .* ann"):
        perceptual_answers.read(tmp_path, KEY, [tmp_path / f"{n}.json" for n in "xy"])


def test_the_target_is_the_right_answer_on_either_side():
    def caught(*answers):
        rows = [_row(f"q{n}", side) for n, side in enumerate(answers, 3)]
        rater = perceptual_answers.check(KEY, _file(_row("q1"), *rows), "f")
        return perceptual_answers.caught(KEY, rater)

    assert caught("left", "right") == (2, 2)
    assert caught("left", "left") == (1, 2)
    assert caught("right", "left") == (0, 2)
    assert caught("left") == (1, 1)
    assert caught() == (0, 0)
