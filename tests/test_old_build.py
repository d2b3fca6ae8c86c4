"""Runs and weight files of an older build open unchanged; see golden/old_build.py."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from golden import old_build as golden

from configs import gan_full
from jaxrestore import files
from jaxrestore.cli.commands import weights
from jaxrestore.evaluation import outcome
from jaxrestore.inference import of_runs, restorer
from jaxrestore.runs import checkpoints
from jaxrestore.training import loop
from jaxrestore.weights import cards, weight_files

GOLDEN = Path(__file__).parent / "golden"
PRINTED = json.loads((GOLDEN / "old_build.json").read_text())
WEIGHTS = GOLDEN / "old_card" / "weights.safetensors"
ONE = jax.devices()[:1]


@pytest.fixture
def run(tmp_path):
    """The stopped run of the old build, in a folder that may be written to."""
    return Path(shutil.copytree(GOLDEN / "old_run", tmp_path / "old_run"))


def _check_restored(network, step):
    restored = np.ravel(network.apply(golden.picture()))[::7]
    # Other machines round otherwise; two more steps move a number by up to 0.018.
    np.testing.assert_allclose(restored, PRINTED[str(step)]["restored"], atol=1e-5)


def test_its_bits_are_those_that_it_wrote(run):
    printed = PRINTED[str(golden.STOPPED)]
    assert checkpoints.steps(run) == [golden.STOPPED]
    assert checkpoints.state_hash(run, golden.STOPPED) == printed["state_hash"]
    tree = checkpoints.load_restorer(run, golden.STOPPED)
    assert checkpoints.tree_hash(tree) == printed["restorer_hash"]


def test_it_restores_as_it_did(run):
    _check_restored(of_runs.load(run), golden.STOPPED)


def test_its_scores_are_those_that_it_had(run):
    summary, printed = outcome.score(run), PRINTED["summary"]
    assert set(summary) >= set(printed) and summary["step"] == golden.STOPPED
    assert summary["parameters"] == printed["parameters"]
    assert set(summary["metrics"]) == set(printed["metrics"])
    for metric, scores in printed["metrics"].items():
        for name, score in scores.items():
            found = summary["metrics"][metric][name]
            assert found == pytest.approx(score, abs=1e-3), (metric, name)
    assert (run / "report.html").stat().st_size > 0


def test_it_goes_on_under_today_s_recipe_as_it_did(run):
    config = gan_full.get_config("demo")
    config.update_from_flattened_dict(golden.CHANGES)
    loop.train(config.to_dict(), run, devices=ONE)
    assert checkpoints.steps(run) == [golden.STOPPED, golden.STEPS]
    _check_restored(of_runs.load(run, golden.STEPS), golden.STEPS)
    rows = outcome.read_history(run / "metrics.jsonl")
    for printed in PRINTED["history"]:
        now = {}
        for row in rows:
            now |= row if row["step"] == printed["step"] else {}
        timed = {name for name in printed if name.startswith("time/")}
        timed |= {"seconds", "images_per_second"}
        same = {name: value for name, value in printed.items() if name not in timed}
        found = {name: now[name] for name in same}
        assert found == pytest.approx(same, rel=1e-3, abs=1e-4)


def test_its_card_and_weights_open(tmp_path):
    card, variables = weight_files.load(WEIGHTS)
    assert card["sha256"] == PRINTED["sha256"] == files.sha256(WEIGHTS)
    printed = PRINTED[str(golden.STOPPED)]["restorer_hash"]
    assert checkpoints.tree_hash(variables) == printed
    assert cards.opened(WEIGHTS)[0]["generator"] == card["generator"]
    _check_restored(restorer.load_weights(WEIGHTS), golden.STOPPED)


def test_its_run_becomes_the_same_file_of_weights(run, tmp_path):
    weights.convert(run, tmp_path / "weights.safetensors")
    card = weight_files.read_card(tmp_path / "weights.safetensors")
    old = weight_files.read_card(WEIGHTS)
    named = {"source", "jaxrestore"}  # the folder and the version
    # Cards have learnt more words since.
    kept = {name: card[name] for name in old.keys() - named}
    assert kept == {name: old[name] for name in kept}
