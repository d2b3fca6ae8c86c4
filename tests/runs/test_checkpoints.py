import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import config_keys, errors, sharding
from jaxrestore.runs import checkpoints

CONFIG = {"generator": {"name": "fcn"}, "steps": 3}


def state(value):
    return {"w": jnp.full((4, 3), value), "key": jax.random.key(int(value))}


def save(workdir, scores):
    """One manager a checkpoint, as a run that is resumed again and again has it."""
    for step, score in scores.items():
        with checkpoints.manager(workdir) as manager:
            checkpoints.save(
                manager,
                step,
                state(step),
                restorer={"params": {"w": jnp.full((2,), float(step))}},
                config=CONFIG,
                score=score,
            )


def test_the_latest_two_and_the_best_are_kept_across_restarts(tmp_path):
    save(tmp_path, {1: 20.0, 2: 25.0, 3: 22.0, 4: 21.0, 5: 20.5})
    assert checkpoints.steps(tmp_path) == [2, 4, 5]
    assert checkpoints.best_step(tmp_path) == 2


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_a_score_that_is_not_finite_never_costs_the_best_checkpoint(tmp_path, bad):
    save(tmp_path, {1: bad, 2: 30.0, 3: bad, 4: 25.0, 5: bad, 6: bad})
    assert checkpoints.steps(tmp_path) == [2, 5, 6]
    assert checkpoints.best_step(tmp_path) == 2


def test_a_perfect_score_is_the_best(tmp_path):
    save(tmp_path, {1: float("inf"), 2: 30.0, 3: 29.0, 4: 28.0})
    assert checkpoints.best_step(tmp_path) == 1


def test_checkpoints_without_a_score_are_kept_only_as_the_latest(tmp_path):
    save(tmp_path, {1: None, 2: 30.0, 3: None, 4: None, 5: None})
    assert checkpoints.steps(tmp_path) == [2, 4, 5]


def test_without_any_score_the_latest_is_taken(tmp_path):
    save(tmp_path, {1: None, 2: None})
    assert checkpoints.best_step(tmp_path) == 2


def test_rankable_keeps_the_order_of_scores():
    scores = [float("nan"), float("-inf"), -3.0, 20.0, float("inf")]
    ranks = [checkpoints.rankable(score) for score in scores]
    assert ranks == sorted(ranks) and len(set(ranks)) == len(ranks)
    assert np.isfinite(ranks).all()


def test_a_state_comes_back_to_the_bit_key_included(tmp_path):
    save(tmp_path, {7: 1.0})
    mesh = sharding.mesh(jax.devices()[:2])
    template = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding.replicated(mesh)
        ),
        state(0),
    )
    with checkpoints.manager(tmp_path) as manager:
        back = checkpoints.restore(manager, 7, template)
    np.testing.assert_array_equal(back["w"], state(7)["w"])
    np.testing.assert_array_equal(
        jax.random.key_data(back["key"]), jax.random.key_data(state(7)["key"])
    )
    assert back["w"].sharding.mesh.size == 2


def test_another_networks_state_is_refused_in_one_sentence(tmp_path):
    save(tmp_path, {7: 1.0})
    other = {"w": jax.ShapeDtypeStruct((5, 3), jnp.float32), "key": state(0)["key"]}
    with (
        checkpoints.manager(tmp_path) as manager,
        pytest.raises(
            errors.MismatchError, match="holds another state than this config asks for"
        ),
    ):
        checkpoints.restore(manager, 7, other)


def test_the_restorer_opens_without_template_or_state(tmp_path):
    save(tmp_path, {3: 1.0})
    variables = checkpoints.load_restorer(tmp_path, 3)
    assert isinstance(variables["params"]["w"], np.ndarray)
    np.testing.assert_array_equal(variables["params"]["w"], [3.0, 3.0])


def test_the_hash_tells_one_changed_bit(tmp_path):
    save(tmp_path / "a", {1: None})
    save(tmp_path / "b", {1: None})
    save(tmp_path / "c", {2: None})
    first = checkpoints.state_hash(tmp_path / "a", 1)
    assert first == checkpoints.state_hash(tmp_path / "b", 1)
    assert first != checkpoints.state_hash(tmp_path / "c", 2)


# What a checkpoint loses, and which of its readers miss it.
LOSSES = {
    "": ("restore", "load"),
    "d": ("restore", "load"),
    "manifest.ocdbt": ("restore", "load"),
    "_METADATA": ("load",),
    "ocdbt.process_0": ("restore", "load"),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_a_checkpoint_that_lost_a_part_is_told_with_its_path(tmp_path, lost):
    large = jax.random.normal(jax.random.key(0), (300, 1000))  # has files of its own
    with checkpoints.manager(tmp_path) as manager:
        tree = {"params": {"w": large}}
        checkpoints.save(manager, 7, tree, restorer=tree, config=CONFIG, score=None)
    home = tmp_path / "checkpoints" / "7"
    for item in ("state", "restorer"):
        part = home / item / lost
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    if "load" in LOSSES[lost]:
        with pytest.raises(errors.DamagedError, match=r"7/restorer is missing or bro"):
            checkpoints.load_restorer(tmp_path, 7)
    if "restore" in LOSSES[lost]:
        everywhere = sharding.replicated(sharding.mesh(jax.devices()[:1]))
        template = {
            "params": {
                "w": jax.ShapeDtypeStruct(large.shape, large.dtype, sharding=everywhere)
            }
        }
        with (
            checkpoints.manager(tmp_path) as manager,
            pytest.raises(errors.DamagedError, match=r"7/state is missing or broken"),
        ):
            checkpoints.restore(manager, 7, template)


def test_a_broken_config_of_a_run_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"steps": ')
    with pytest.raises(errors.DamagedError, match=r"config\.json is no JSON"):
        checkpoints.read_config(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(errors.MismatchError, match=r"has no config\.json"):
        checkpoints.read_config(tmp_path)
    with pytest.raises(errors.MismatchError, match="no finished checkpoint"):
        checkpoints.steps(tmp_path)
    for read in (checkpoints.read_config, checkpoints.steps, checkpoints.best_step):
        with pytest.raises(errors.NoInputError, match="nope is no folder that exists"):
            read(tmp_path / "nope")


# What builds did before they had these keys: a changed default would change their runs.
FIRST = {"adversarial": {"weight": 0.01}, "data": {}, "evaluation": {"every": 3}}
FIRST |= {"optimizer": {"generator": {}, "discriminator": {}}}
PLAYER = {"constant_epochs": 100, "drop_epochs": 50}
SINCE = {
    "epochs": 0,
    "init_from": "",
    "perceptual": None,
    "adversarial": {"penalty": "none", "penalty_weight": 10.0, "pool": 0},
    "data": {
        "layout": "images",
        "direction": "AtoB",
        "colors": "rgb",
        "include": "",
        "split": [],
        "preprocess": "crop",
        "load_size": 286,
        "drawings": 0.0,
        "leaves_zoom": 1.0,
    },
    "optimizer": {"generator": PLAYER, "discriminator": PLAYER},
    "evaluation": {"statistics": "eval", "consistency": False, "samples": 0},
}


def test_a_run_older_than_a_key_has_what_it_did_there(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(FIRST))
    found = checkpoints.read_config(tmp_path)
    assert found["evaluation"] == {"every": 3, **SINCE["evaluation"]}
    assert found["adversarial"] == {"weight": 0.01, **SINCE["adversarial"]}
    for key in set(SINCE) - {"evaluation", "adversarial"}:
        assert found[key] == SINCE[key], key
    (tmp_path / "config.json").write_text('{"evaluation": {"samples": 8}}')
    assert checkpoints.read_config(tmp_path)["evaluation"]["samples"] == 8


def test_a_section_that_an_older_run_did_without_stays_away(tmp_path):
    (tmp_path / "config.json").write_text('{"adversarial": null, "ema": 0.5}')
    found = checkpoints.read_config(tmp_path)
    assert found == {
        **{"adversarial": None, "ema": 0.5},
        **{"epochs": 0, "init_from": "", "perceptual": None},
    }


def test_a_config_comes_back_as_json_without_its_version(tmp_path):
    config = {**CONFIG, "epochs": 0, "init_from": "", "perceptual": None}
    held = checkpoints.versioned({**config, "sides": (1, 2)})
    assert held["version"] == config_keys.VERSION
    (tmp_path / "config.json").write_text(json.dumps(held))
    assert checkpoints.read_config(tmp_path) == {**config, "sides": [1, 2]}


def test_a_run_of_a_newer_build_is_refused_with_both_versions(tmp_path):
    newer = config_keys.VERSION + 1
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "version": newer}))
    says = rf"config\.json is a config of version {newer}, .* up to {newer - 1}; update"
    with pytest.raises(errors.MismatchError, match=says):
        checkpoints.read_config(tmp_path)


def test_saving_a_step_again_keeps_what_is_there(tmp_path):
    save(tmp_path, {1: 20.0})
    before = checkpoints.state_hash(tmp_path, 1)
    save(tmp_path, {1: 99.0})
    assert checkpoints.state_hash(tmp_path, 1) == before
