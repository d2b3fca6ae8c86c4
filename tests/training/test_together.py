"""Several runs in one program: each is the run it would be by itself."""

import json
import shutil

import jax
import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.training import loop, recipe

ONE = jax.devices()[:1]
ARMS = ({"rate": 1e-3, "weight": 0.01}, {"rate": 4e-3, "weight": 0.1})


def configs(tiny, **changes):
    found = []
    for arm in ARMS:
        config = tiny(
            optimizer__generator__rate=arm["rate"],
            adversarial__weight=arm["weight"],
            steps=3,
            **changes,
        )
        config["objective"]["restored"]["l1"] = {"weight": 10 * arm["rate"]}
        found.append(config)
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tmp_path_factory.mktemp("together")


def losses(workdir):
    history = outcome.read_history(workdir / "metrics.jsonl")
    return [row.get("generator/loss") for row in history]


@pytest.fixture
def alone(tiny, folders):
    """The second arm, trained by itself, once for all tests here."""
    workdir = folders / "alone"
    loop.train(configs(tiny)[1], workdir, devices=ONE)  # at once when it is there
    return workdir


@pytest.mark.slow
def test_in_map_mode_each_run_has_the_bits_it_has_alone(tiny, folders, alone):
    places = [folders / "map0", folders / "map1"]
    summaries = loop.train_together(configs(tiny), places, "map", devices=ONE)
    assert checkpoints.state_hash(places[1], 3) == checkpoints.state_hash(alone, 3)
    assert checkpoints.state_hash(places[0], 3) != checkpoints.state_hash(alone, 3)
    assert losses(places[1]) == losses(alone) != losses(places[0])
    summary = json.loads((alone / "summary.json").read_text())
    assert summaries[1]["metrics"] == summary["metrics"]
    # Either may go on alone, or together again: all is done already.
    again = loop.train_together(configs(tiny), places, "map", devices=ONE)
    assert [one["metrics"] for one in again] == [one["metrics"] for one in summaries]


@pytest.mark.slow
def test_in_vmap_mode_each_run_is_the_one_alone_but_for_rounding(tiny, folders, alone):
    places = [folders / "vmap0", folders / "vmap1"]
    loop.train_together(configs(tiny), places, "vmap", devices=ONE)
    logged = [loss is not None for loss in losses(alone)]
    ours, theirs, other = (
        np.array(losses(place))[logged].astype(float)
        for place in (places[1], alone, places[0])
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    assert np.abs(other / theirs - 1).min() > 0.1


@pytest.mark.slow
def test_runs_go_on_from_the_step_that_all_have_saved(tiny, folders, alone):
    places = [folders / "early0", folders / "early1"]
    short = configs(tiny, checkpoint_every=2)
    loop.train_together(short, places, "map", devices=ONE)
    for place in places:
        assert checkpoints.finished(place) == [2, 3]
    shutil.rmtree(places[0] / checkpoints.FOLDER / "3")  # as a kill between them would
    loop.train_together(short, places, "map", devices=ONE)
    assert checkpoints.state_hash(places[1], 3) == checkpoints.state_hash(alone, 3)
    assert checkpoints.finished(places[0]) == [2, 3]


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(tiny, folders, alone):
    with pytest.raises(errors.MismatchError, match="holds a run of another config"):
        loop.train_together(
            configs(tiny), [alone, folders / "other"], "map", devices=ONE
        )


def test_the_numbers_of_a_config_are_its_rates_and_weights(tiny):
    found = recipe.numbers(configs(tiny)[0])
    assert found == {
        "optimizer.generator.rate": 1e-3,
        "optimizer.discriminator.rate": 2e-4,
        "objective.restored.l1.weight": 1e-2,
        "objective.restored.ms_ssim_luma": 1.0,
        "objective.restored.cosine": 0.5,
        "adversarial.weight": 0.01,
    }
    changed = recipe.with_numbers(configs(tiny)[0], {"adversarial.weight": 7.0})
    assert list(recipe.differences(configs(tiny)[0], changed)) == [
        "adversarial.weight: 0.01 -> 7.0"
    ]
