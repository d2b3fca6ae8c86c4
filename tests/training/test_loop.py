import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrestore import config_keys, errors, sharding
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.training import loop

ROOT = Path(__file__).parents[2]
ONE = jax.devices()[:1]


def train(config, workdir, **options):
    return loop.train(config, workdir, devices=ONE, **options)


def final_hash(workdir, step):
    return checkpoints.state_hash(workdir, step)


def history(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def command(workdir, overrides):
    return [
        *(sys.executable, "-m", "jaxrestore.main"),
        *("--config", "configs/gan_full.py:demo", "--workdir", str(workdir)),
        *overrides,
    ]


def environment():
    # The same device as `ONE`, whatever the tests' own process has been given.
    return {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tiny run that went to its end, shared by the tests that only look at it."""
    from configs import gan_full
    from tests.conftest import TINY

    config = gan_full.get_config("demo")
    config.update_from_flattened_dict(TINY)
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    return workdir, train(config.to_dict(), workdir)


def test_a_run_leaves_its_files(finished):
    workdir, summary = finished
    for name in (
        "config.json",
        "environment.json",
        "data_report.json",
        "metrics.jsonl",
        "evaluation.csv",
        "summary.json",
        "report.html",
    ):
        assert (workdir / name).stat().st_size > 0, name
    assert list((workdir / "tensorboard").glob("events*"))
    assert json.loads((workdir / "summary.json").read_text()) == summary
    assert summary["images"] == 4
    assert summary["protocol"] == "rgb8"
    assert summary["step"] in (3, 6)
    for metric in ("psnr", "ssim", "ms_ssim", "cosine"):
        numbers = summary["metrics"][metric]
        assert numbers["gain"] == pytest.approx(
            numbers["restored"] - numbers["degraded"], abs=1e-4
        )
    with (workdir / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [
        "astronaut",
        "chelsea",
        "coffee",
        "rocket",
    ]


def test_the_history_tells_of_both_players_at_every_interval(finished):
    rows = [row for row in history(finished[0]) if "generator/loss" in row]
    assert [row["step"] for row in rows] == [2, 4, 6]
    for row in rows:
        for player in ("generator", "discriminator"):
            for name in ("loss", "grad_norm", "rate", "skipped"):
                assert row[f"{player}/{name}"] is not None
        for name in ("logit_real", "logit_fake", "accuracy_real", "accuracy_fake"):
            assert f"discriminator/{name}" in row
        assert row["images_per_second"] > 0
        assert row["time/device"] > 0
    scored = [row["step"] for row in history(finished[0]) if "evaluation/psnr" in row]
    assert scored == [3, 6]


def test_a_face_is_scored_but_never_shown(finished):
    page = (finished[0] / "report.html").read_text()
    assert "astronaut" in page
    # Three strips, and of the worst of them input and output once more.
    assert page.count("data:image") == 3 + 2
    shown = {path.stem for path in (finished[0] / "strips").iterdir()}
    assert shown == {"chelsea", "coffee", "rocket"}
    for file in (finished[0] / "tensorboard").glob("events*"):
        assert b"strip/chelsea" in file.read_bytes()
        assert b"strip/astronaut" not in file.read_bytes()


@pytest.mark.slow
def test_the_same_command_on_a_finished_run_changes_nothing(finished, tiny):
    workdir, summary = finished
    before = final_hash(workdir, 6)
    again = train(tiny(), workdir)
    assert final_hash(workdir, 6) == before
    assert again["metrics"] == summary["metrics"]
    assert [row["step"] for row in history(workdir) if "generator/loss" in row] == [
        *(2, 4, 6)
    ]


def test_images_that_are_no_longer_those_of_the_run_are_refused(
    tiny, tmp_path, finished
):
    (photographs,) = json.loads((finished[0] / "images.json").read_text())["training"]
    assert photographs["images"] == 10
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    record = json.loads((workdir / "images.json").read_text())
    before = record["training"][0]
    before["sha256"], before["images"] = "0", 11
    before["files"]["gone"] = [7]
    (workdir / "images.json").write_text(json.dumps(record))
    with pytest.raises(errors.MismatchError) as caught:
        train(tiny(), workdir)
    assert "Changed: training 11 -> 10 images, removed gone. Bring" in str(caught.value)
    assert "`fork`" in str(caught.value)
    assert json.loads((workdir / "images.json").read_text()) == record


def test_a_run_from_before_the_record_of_its_images_goes_on(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop.checkpoints, "finished", lambda workdir: [3])
    made = {"training": [], "evaluation": []}
    loop._claim(tmp_path, tiny(), made)
    (tmp_path / "images.json").unlink()
    loop._claim(tmp_path, tiny(), made)
    assert json.loads((tmp_path / "images.json").read_text()) == made


def test_a_run_beyond_the_steps_of_its_config_is_told(tiny, tmp_path, finished):
    with pytest.raises(errors.MismatchError, match="at step 6, beyond the 4 steps"):
        train(
            tiny(steps=4, evaluation__every=4, checkpoint_every=4),
            finished[0],
            fork=tmp_path / "new",
        )


@pytest.mark.slow
def test_what_is_doubtful_about_the_images_is_said_and_kept(tiny, tmp_path, capsys):
    # The same nine photographs are trained on and scored.
    both = {"data__train": "public_domain", "data__evaluation": "public_domain"}
    (said,) = train(tiny(**both), tmp_path)["notices"]
    assert said.startswith("of the images that are evaluated 9 are also trained on")
    assert f"note: {said}" in " ".join(capsys.readouterr().out.split())


def test_a_doubt_about_the_images_stands_in_summary_and_report(finished, tmp_path):
    assert "notices" not in finished[1]
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    (workdir / "data_report.json").write_text('{"notices": ["a doubt"]}')
    assert outcome.score(workdir, sharding.mesh(ONE))["notices"] == ["a doubt"]
    assert "a doubt" in (workdir / "report.html").read_text()


def test_a_run_that_lost_its_history_is_told(finished, tiny, tmp_path):
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    (workdir / "metrics.jsonl").unlink()
    with pytest.raises(errors.DamagedError, match=r"metrics\.jsonl is missing"):
        train(tiny(), workdir)
    with pytest.raises(errors.DamagedError, match=r"run/metrics\.jsonl is missing"):
        train(tiny(steps=8), workdir, fork=tmp_path / "fork")


def test_a_run_that_lost_a_file_is_told_before_it_is_scored(
    finished, tmp_path, monkeypatch
):
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    (workdir / "environment.json").unlink()
    monkeypatch.setattr(outcome, "evaluator", None)
    with pytest.raises(errors.DamagedError, match=r"environment\.json is missing"):
        outcome.score(workdir)


def test_a_changed_config_in_the_same_workdir_lists_its_keys(finished, tiny):
    workdir, _ = finished
    with pytest.raises(errors.MismatchError) as caught:
        train(tiny(ema=0.5, data__leaves=0.25), workdir)
    assert "data.leaves: 0.5 -> 0.25" in str(caught.value)
    assert "ema: 0.99 -> 0.5" in str(caught.value)
    assert "`fork`" in str(caught.value)


@pytest.mark.slow
def test_a_run_that_is_older_than_a_key_goes_on_under_its_own_command(
    finished, tiny, tmp_path
):
    shutil.copytree(finished[0], tmp_path / "old")
    known = json.loads((tmp_path / "old" / "config.json").read_text())
    del known["evaluation"]["consistency"], known["evaluation"]["samples"]
    del known["data"]["colors"], known["init_from"], known["perceptual"]
    (tmp_path / "old" / "config.json").write_text(json.dumps(known))
    assert train(tiny(), tmp_path / "old")["metrics"] == finished[1]["metrics"]
    (tmp_path / "old" / "config.json").write_text(json.dumps(known))
    with pytest.raises(errors.MismatchError, match=r"consistency: False -> True"):
        train(tiny(evaluation__consistency=True), tmp_path / "old")


@pytest.mark.slow
def test_a_fork_goes_on_in_a_new_folder_under_the_changed_config(
    finished, tiny, tmp_path
):
    workdir, _ = finished
    before = final_hash(workdir, 6)
    longer = tiny(steps=8)
    train(longer, workdir, fork=tmp_path / "longer")
    assert checkpoints.steps(tmp_path / "longer")[-1] == 8
    assert final_hash(workdir, 6) == before
    assert json.loads((tmp_path / "longer" / "config.json").read_text())["steps"] == 8
    logged = [
        row["step"] for row in history(tmp_path / "longer") if "time/device" in row
    ]
    assert logged == [2, 4, 6, 8]


@pytest.mark.slow
def test_a_run_that_inherits_says_from_where_and_with_which_hash(
    finished, tiny, tmp_path, capsys
):
    first = finished[0]
    step = checkpoints.best_step(first)
    # No rate: what it ends with is what it began with.
    still = tiny(init_from=str(first), optimizer__generator__rate=0.0, ema=0.5, steps=6)
    train(still, tmp_path / "second")
    theirs = checkpoints.load_restorer(first, step)
    ours = checkpoints.load_restorer(tmp_path / "second", 6)
    assert checkpoints.tree_hash(ours) == checkpoints.tree_hash(theirs)
    said = " ".join(capsys.readouterr().out.split())
    digest = checkpoints.tree_hash(theirs)
    assert f"{first} at step {step}, SHA-256 of its weights {digest}" in said


@pytest.mark.slow
def test_a_grey_run_is_trained_scored_and_shown_in_one_channel(tiny, tmp_path):
    config = tiny(
        data__colors="gray",
        evaluation__protocol="gray8",
        evaluation__consistency=True,
        evaluation__every=6,
    )
    config["generator"]["channels"] = 1
    config["degradation"] = {"name": "noise", "level": 0.1}
    summary = train(config, tmp_path)
    assert outcome.score(tmp_path, sharding.mesh(ONE))["metrics"] == summary["metrics"]
    assert "consistency_psnr" in summary
    params = checkpoints.load_restorer(tmp_path, 6)["params"]
    assert {leaf.shape[-1] for leaf in jax.tree.leaves(params["last"])} == {1}


def test_a_fork_cannot_start_from_other_weights(finished, tiny, tmp_path):
    with pytest.raises(errors.ConfigError, match="a fork goes on with the weights of"):
        train(tiny(init_from="other"), finished[0], fork=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_fork_of_nothing_is_refused_and_makes_no_folder(tiny, tmp_path):
    with pytest.raises(errors.NoInputError, match="missing is no folder that exists"):
        train(tiny(), tmp_path / "missing", fork=tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.MismatchError, match="no finished checkpoint"):
        train(tiny(), tmp_path / "empty", fork=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_stopped_by_a_signal_resumes_to_the_same_bits(tiny, tmp_path, finished):
    whole, _ = finished
    # The signal arrives while the first batch of the run is fetched.
    workdir = tmp_path / "stopped"
    original = loop.checkpoints.save
    calls = []

    def save(manager, step, *rest, **options):
        calls.append(step)
        original(manager, step, *rest, **options)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    loop.checkpoints.save = save
    try:
        with pytest.raises(errors.Interrupted) as caught:
            train(tiny(), workdir)
    finally:
        loop.checkpoints.save = original
    assert caught.value.exit_code == 143
    assert checkpoints.steps(workdir)[-1] in (3, 4)
    train(tiny(), workdir)
    assert final_hash(workdir, 6) == final_hash(whole, 6)
    rows = [row["step"] for row in history(workdir) if "generator/loss" in row]
    assert rows == sorted(set(rows))


def test_of_runs_whose_evaluation_fails_the_states_are_saved(monkeypatch):
    saved = []
    failing = {"a": 30.0}.__getitem__
    monkeypatch.setattr(loop.runs, "evaluated", lambda run, *_: failing(run))
    monkeypatch.setattr(loop.runs, "save", lambda *asked: saved.append(asked))
    assert loop._evaluated(["a"], 3, None) == [30.0] and not saved
    with pytest.raises(KeyError):
        loop._evaluated(["a", "b"], 3, None)
    assert saved == [("a", 3, None), ("b", 3, None)]


@pytest.mark.slow
def test_an_evaluation_that_fails_costs_no_step(tiny, tmp_path, finished, monkeypatch):
    scored = loop.runs.evaluated

    def fail(*_):
        raise errors.NoInputError("the images are gone")

    with monkeypatch.context() as changed, pytest.raises(errors.NoInputError):
        changed.setattr(loop.runs, "evaluated", fail)
        train(tiny(checkpoint_every=6), tmp_path)
    assert checkpoints.steps(tmp_path) == [3]
    steps = []

    def remember(run, number, timer):
        steps.append(number)
        return scored(run, number, timer)

    monkeypatch.setattr(loop.runs, "evaluated", remember)
    train(tiny(checkpoint_every=6), tmp_path)
    assert steps == [6]
    assert final_hash(tmp_path, 6) == final_hash(finished[0], 6)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(tiny_overrides, tmp_path):
    overrides = [
        *tiny_overrides,
        "--config.steps=80",
        "--config.log_every=10",
        "--config.checkpoint_every=10",
        "--config.evaluation.every=80",
    ]

    def run(workdir):
        return subprocess.Popen(
            command(workdir, overrides),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole_run, victim = run(whole), run(killed)
    deadline = time.time() + 120
    finished = lambda: [p for p in killed.glob("checkpoints/*") if p.name.isdigit()]
    while not finished() and time.time() < deadline:
        time.sleep(0.02)
    victim.kill()
    victim.communicate()
    left = checkpoints.steps(killed)[-1]
    again = run(killed)
    printed, _ = again.communicate(timeout=200)
    assert again.returncode == 0, printed
    assert f"resumed {killed} at step {left}" in printed
    assert whole_run.communicate(timeout=200) and whole_run.returncode == 0
    assert left < 80
    assert final_hash(killed, 80) == final_hash(whole, 80)


@pytest.mark.slow
def test_damaged_files_are_named_once_and_the_run_goes_on(tiny, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        pixels = generator.integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"not a picture")
    config = tiny(data__train=str(folder), data__leaves=0.0)
    train(config, tmp_path / "run")
    found = json.loads((tmp_path / "run" / "data_report.json").read_text())
    damaged = found["training"][0]["damaged"]
    assert [entry["name"] for entry in damaged] == ["broken.png"]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_images_is_told_before_anything_compiles(
    tiny, tmp_path, folder, monkeypatch
):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(
        loop.compilation, "compile_step", lambda *_: pytest.fail("compiled")
    )
    config = tiny(data__train=str(tmp_path / folder))
    with pytest.raises(errors.NoInputError, match=folder):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_updates_that_stay_non_finite_stop_the_run_with_its_checkpoint_sound(
    tiny, tmp_path
):
    config = tiny(max_bad_steps=2, log_every=1)
    # A loss of infinity times zero: every update of the generator is not finite.
    config["objective"]["restored"]["l1"] = float("inf")
    with pytest.raises(errors.TrainingError, match="generator's update was not finite"):
        train(config, tmp_path / "run")


def test_a_killed_runs_cut_history_does_not_stop_its_evaluation(finished):
    workdir, summary = finished
    path = workdir / "metrics.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"step": 7, "gen')
    (workdir / "report.html").unlink()
    again = outcome.score(workdir, sharding.mesh(ONE))
    assert again["metrics"] == summary["metrics"]
    assert (workdir / "report.html").is_file()
    path.write_text(whole)


def test_a_run_from_before_the_young_keys_takes_the_same_config(
    tiny, tmp_path, monkeypatch
):
    # With a checkpoint, another config would be refused.
    monkeypatch.setattr(loop.checkpoints, "finished", lambda workdir: [3])
    config = tiny()
    first = json.loads(json.dumps(config))
    for key in (key for key in config_keys.KEYS if key.since > 1):
        *sections, name = key.name.split(".")
        section = first
        for part in sections:
            section = section.get(part, {})
        section.pop(name, None)
    assert "epochs" not in first and "pool" not in first["adversarial"]
    (tmp_path / "config.json").write_text(json.dumps(first))
    with pytest.raises(errors.MismatchError, match=r"Changed: data.include: '' -> 'a'"):
        loop._claim(tmp_path, tiny(data__include="a"))
    loop._claim(tmp_path, config)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written == checkpoints.versioned(config)
    assert checkpoints.read_config(tmp_path) == json.loads(json.dumps(config))


def test_a_workdir_without_a_checkpoint_takes_a_changed_config(tiny, tmp_path):
    # As after an out-of-memory at the first attempt.
    tmp_path.joinpath("config.json").write_text(json.dumps(tiny(batch_size=8)))
    loop._claim(tmp_path, tiny())
    assert json.loads((tmp_path / "config.json").read_text())["batch_size"] == 4


@pytest.mark.slow
def test_the_time_of_an_interval_has_the_wait_for_its_steps(
    tiny, tmp_path, monkeypatch
):
    wait = jax.block_until_ready

    def long(tree):
        time.sleep(0.3)
        return wait(tree)

    monkeypatch.setattr(jax, "block_until_ready", long)
    train(tiny(), tmp_path)
    rows = [row for row in history(tmp_path) if "time/device" in row]
    assert len(rows) == 3
    for row in rows:
        assert row["time/device"] > 0.3
        assert row["images_per_second"] < 2 * 4 / 0.3
