"""`jaxrestore sweep`, `compare`, `study`, `combine` and `split`, as they are typed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import images
from jaxrestore.cli import app
from jaxrestore.comparing import comparison
from jaxrestore.inference import of_runs, restorer

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app.app, [str(argument) for argument in arguments])


@pytest.fixture
def pictures(tmp_path):
    """Folders of equal names: targets, and two methods of which `good` is better."""
    generator = np.random.default_rng(0)
    for name in ("targets", "good", "bad"):
        (tmp_path / name).mkdir()
    for index in range(5):
        target = generator.integers(60, 190, (24, 24, 3), np.uint8)
        images.encode(target, tmp_path / "targets" / f"{index}.png")
        for name, spread in (("good", 4), ("bad", 50)):
            noise = generator.integers(-spread, spread + 1, target.shape)
            restored = (target.astype(int) + noise).astype(np.uint8)
            images.encode(restored, tmp_path / name / f"{index}.png")
    return tmp_path


def make(pictures, *more):
    return run(
        *("study", "make", pictures / "study", "--targets", pictures / "targets"),
        *("--method", f"good={pictures / 'good'}"),
        *("--method", f"bad={pictures / 'bad'}", "--images", 5, "--catch", 2),
        *more,
    )


def test_a_study_is_made_and_scored(pictures):
    made = make(pictures)
    assert made.exit_code == 0, made.output
    assert "5 questions and 2 catch questions about 5 images" in made.output
    key = json.loads((pictures / "study" / "study.json").read_text())
    answers = []
    for trial in key["trials"]:
        best = "target" if trial["catch"] else "good"
        side = "left" if trial["left"] == best else "right"
        answers.append({"trial": trial["trial"], "answer": side, "seconds": 1.0})
    document = {"study": key["study"], "rater": "r1", "answers": answers}
    file = pictures / "r1.json"
    file.write_text(json.dumps(document))
    table = run(
        *("study", "score", pictures / "study", "--answers", file),
        *("--json", pictures / "scores" / "all.json"),
    )
    assert table.exit_code == 0, table.output
    assert table.output.index("good") < table.output.index("bad")
    scores = pictures / "scores" / "all.json"
    assert scores.is_file()
    asked = ("study", "score", pictures / "study", "--answers", file, "--json", scores)
    refused = run(*asked)
    assert refused.exit_code and f"{scores} exists" in str(refused.exception)
    assert run(*asked, "--overwrite").exit_code == 0
    document["answers"] = answers[:3]
    file.write_text(json.dumps(document))
    partial = run("study", "score", pictures / "study", "--answers", file)
    assert partial.exit_code and "3 of 7" in str(partial.exception)


def test_a_method_needs_a_name_of_its_own_and_a_folder(pictures):
    for text in ("good", "=there", "good=elsewhere"):
        result = make(pictures, "--method", text)
        assert result.exit_code and "is no NAME=DIR" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --config with --grid, or --study"),
        (("--study", "figure_03.py", "--grid", "lr=1"), "a study has its grid"),
        (("--study", "figure_99.py"), "no study figure_99.py"),
        (("--study", "configs/gan_full.py"), "is a recipe, no study; give it as --con"),
        (("--config", "configs/pix2pix.py", "--grid", "lr"), "is no KEY=A,B,C"),
        (("--config", "configs/pix2pix.py", "--grid", "lrr=1,2"), "'lrr'"),
        (
            ("--config", "configs/pix2pix.py", "--grid", "lr=1e-4", "--mode", "fast"),
            "mode 'fast'",
        ),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused(tmp_path, arguments, message):
    result = run("sweep", *arguments, "--workdir", tmp_path / "new")
    assert result.exit_code and message in str(result.exception)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def finished(pictures, tiny, monkeypatch):
    """Two runs of networks of which the second makes images darker."""
    factors = {}
    for seed, (name, factor) in enumerate({"same": 1.0, "dark": 0.5}.items()):
        config = tiny(data__evaluation=str(pictures / "targets"), steps=6 + seed)
        home = pictures / name
        (home / "checkpoints" / "6").mkdir(parents=True)
        (home / "config.json").write_text(json.dumps(config))
        (home / "summary.json").write_text('{"parameters": {"generator": 9}}')
        factors[home] = factor

    def load(folder, step):
        assert step == 6
        return restorer.Restorer(lambda x: factors[folder] * x, 1, 1, "fcn")

    monkeypatch.setattr(of_runs, "load", load)
    return pictures


def test_runs_are_compared_and_nothing_is_written_unasked(finished):
    before = sorted(finished.rglob("*"))
    result = run("compare", f"a={finished / 'same'}", finished / "dark")
    assert result.exit_code == 0, result.output
    # Five images of 24 px: 2 of 2**5 sign patterns are too many to establish anything.
    assert "5 images, the last step" in result.output
    sentence = "MSE: no difference is established between a and fcn steps=7 ("
    assert sentence in result.output
    assert sorted(finished.rglob("*")) == before
    out = finished / "out"
    again = run("compare", finished / "same", finished / "dark", "-o", out)
    assert again.exit_code == 0 and f"pictures are in {out}" in again.output
    assert images.decode(out / "strips.png").shape == (5 * 24, 4 * 24, 3)


@pytest.mark.parametrize("taken", comparison.FILES)
def test_a_comparison_replaces_no_file_unless_it_is_said(finished, taken):
    out = finished / "out"
    out.mkdir()
    (out / taken).write_text("mine")
    words = ("compare", finished / "same", finished / "dark", "-o", out)
    refused = run(*words)
    assert refused.exit_code and f"{out / taken} exists" in str(refused.exception)
    assert [x.read_text() for x in out.iterdir()] == ["mine"]
    # Without pictures, none of an older comparison stay.
    assert run(*words, "--overwrite", "--strips", 0).exit_code == 0
    assert {x.name for x in out.iterdir()} == {*comparison.FILES} - {"strips.png"}


def test_what_is_no_run_is_not_compared(finished):
    result = run("compare", finished / "same", finished / "targets")
    assert result.exit_code and "is no run" in str(result.exception)
    alone = run("compare", finished / "same")
    assert alone.exit_code and "needs two arms" in str(alone.exception)


def test_pairs_are_put_side_by_side_and_cut_again(pictures):
    together, apart = pictures / "AB", pictures / "apart"
    made = run("combine", pictures / "bad", pictures / "targets", together)
    assert made.exit_code == 0 and f"5 pairs in {together}" in made.output
    assert images.decode(together / "0.png").shape == (24, 48, 3)
    (pictures / "bad" / "4.png").unlink()
    partial = run("combine", pictures / "bad", pictures / "targets", pictures / "AB2")
    assert partial.exit_code and "1 left out" in str(partial.exception)
    assert run("split", together, apart).exit_code == 0
    for room, source in (("A", "bad"), ("B", "targets")):
        for index in range(4):
            name = f"{index}.png"
            np.testing.assert_array_equal(
                images.decode(apart / room / name),
                images.decode(pictures / source / name),
            )
