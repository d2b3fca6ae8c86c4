from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors, networks
from jaxrestore.inference import of_runs, restorer
from jaxrestore.runs import checkpoints

FCN = {"name": "fcn", "width": 4, "blocks": 1}


@pytest.fixture
def run(monkeypatch):
    """`run(degradation, inputs)`: a run whose network does nothing, as a restorer."""

    def make(degradation, inputs):
        config = {"generator": FCN, "precision": "float32", "degradation": degradation}
        model = networks.build("Generator", FCN)
        init = lambda images: model.init(jax.random.key(0), images, train=False)
        shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, inputs)))
        nothing = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
        known = {"read_config": config, "steps": [1, 2], "load_restorer": nothing}
        for name, answer in {**known, "best_step": 2}.items():
            monkeypatch.setattr(checkpoints, name, lambda *_, answer=answer: answer)
        return of_runs.load(Path("a run"))

    return make


def test_a_run_is_called_by_its_network_and_restores_as_that(run):
    network = run({"name": "jpeg"}, 3)
    assert (network.name, network.scale, network.multiple) == ("fcn", 1, 1)
    picture = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    np.testing.assert_array_equal(restorer.restore_image(network, picture), picture)


@pytest.mark.parametrize(
    ("degradation", "told"),
    [
        (None, False),
        ({"name": "noise", "level": 0.1}, False),
        ({"name": "noise", "level_map": True}, True),
        (
            {
                "name": "chain",
                "stages": [{"name": "blur"}, {"name": "noise", "level_map": True}],
            },
            True,
        ),
    ],
)
def test_a_run_on_noise_with_its_level_gives_a_network_that_is_told_it(
    run, degradation, told
):
    network = run(degradation, 3 + told)
    assert network.takes == (("rgb", "level") if told else ("rgb",))


def test_a_run_on_holes_takes_a_mask_and_needs_one(run):
    network = run({"name": "holes"}, 4)
    assert network.takes == ("rgb", "mask")
    picture, hole = np.full((9, 8, 3), 90, np.uint8), np.zeros((9, 8), bool)
    hole[2:5, 3:6] = True
    restored = restorer.restore_image(network, picture, mask=hole)
    np.testing.assert_array_equal(restored[~hole], picture[~hole])
    with pytest.raises(errors.ConfigError, match="fcn must be told what is missing"):
        restorer.restore_image(network, picture)
