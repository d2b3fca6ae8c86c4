import copy
import csv
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors, files, images, networks, sharding
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints

CONFIG = {
    "steps": 3,
    "degradation": {"name": "noise", "level": (0.0, 0.2)},
    "optimizer": {"generator": {"rate": 1e-3}},
    "adversarial": None,
}


def test_keys_of_one_two_and_three_parts_are_changed_in_a_copy():
    before = copy.deepcopy(CONFIG)
    changes = {
        "steps": 4,
        "degradation.level": 0.1,
        "optimizer.generator.rate": 1e-4,
        "adversarial": {"mode": "ls"},
    }
    assert outcome.with_changes(CONFIG, changes) == {
        "steps": 4,
        "degradation": {"name": "noise", "level": 0.1},
        "optimizer": {"generator": {"rate": 1e-4}},
        "adversarial": {"mode": "ls"},
    }
    assert before == CONFIG


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("stepz", "did you mean 'steps'"),
        ("degradation.levle", "did you mean 'level'"),
        ("optimizer.genrator.rate", "did you mean 'generator'"),
        ("optimizer.generator.rat", "did you mean 'rate'"),
        ("adversarial.mode", "adversarial holds no keys"),
        ("steps.every", "steps holds no keys"),
    ],
)
def test_a_key_that_is_not_there_is_refused_with_the_nearest(key, hint):
    with pytest.raises(errors.ConfigError, match=f"no config.{key} to score .*{hint}"):
        outcome.with_changes(CONFIG, {key: 1})


@pytest.fixture
def inpainter(tmp_path):
    """A run of an untrained network, the identity, on boxes of a quarter to a half."""
    (tmp_path / "images").mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
        images.encode(pixels, tmp_path / "images" / f"{seed}.png")
    generator = {"name": "fcn", "width": 2, "blocks": 1}
    model = networks.build("Generator", generator)
    start = jax.jit(functools.partial(model.init, train=False))
    config = {
        "generator": generator,
        "precision": "float32",
        "crop": 16,
        "degradation": {"name": "holes", "kinds": {"box": 1.0}, "box": (0.5, 0.75)},
        "data": {
            "evaluation": str(tmp_path / "images"),
            "evaluation_crop": 0,
            "layout": "images",
        },
        "evaluation": {
            "protocol": "inpainting",
            "seed": 1,
            "batch_size": 2,
            "consistency": False,
            "samples": 0,
        },
    }
    workdir = tmp_path / "run"
    with checkpoints.manager(workdir) as manager:
        checkpoints.save(
            manager,
            1,
            {"step": jnp.asarray(1)},
            restorer=start(jax.random.key(0), jnp.zeros((1, 16, 16, 4))),
            config=config,
            score=1.0,
        )
    files.write_json(workdir / "environment.json", {})
    files.write_json(workdir / "config.json", config)
    return workdir


def test_a_run_on_holes_is_scored_by_how_much_was_lost(inpainter):
    summary = outcome.score(inpainter, sharding.mesh(jax.devices()[:1]))
    with (inpainter / "evaluation.csv").open() as file:
        rows = [*csv.DictReader(file)]
    shares = [float(row["hole_share"]) for row in rows]
    assert summary["hole_share"] == pytest.approx(np.mean(shares))
    assert all(0.25 <= share <= 0.5625 for share in shares)
    # The identity changes no pixel.
    assert [row["intact_psnr"] for row in rows] == ["inf"] * 3
    assert summary["intact_psnr"] is None
    assert summary["holes"]["intact_psnr"]["infinite"] == 3
    for part in summary["holes"]["classes"]:
        own = [s for s in shares if part["above"] < s <= part["up_to"]]
        assert part["images"] == len(own)
    page = (inpainter / "report.html").read_text("utf-8")
    assert "Means of the restored images, by how much of the picture was lost" in page
    assert "Known pixels came back exactly in every image." in page
