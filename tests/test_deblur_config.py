"""`configs/deblur_gan.py`: the source's recipe, the default, what a sweep varies."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import deblur_gan
from jaxrestore import errors
from jaxrestore.degradations import batched
from jaxrestore.fitting import state
from jaxrestore.sweeps import axes, cells, grid
from jaxrestore.training import recipe, steps

PATH = "configs/deblur_gan.py"
ARGUMENTS = ("", "source", "demo", "pairs", "source,demo", "pairs,demo")


def load(argument=""):
    return deblur_gan.get_config(argument).to_dict()


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_every_argument_builds_also_when_read_from_json(argument):
    config = load(argument)
    assert recipe.build(json.loads(json.dumps(config))).objective  # lists for tuples


@pytest.mark.parametrize("argument", ["demo", "source,pairs"])
def test_the_step_has_a_shape_and_the_networks_their_parameters(argument):
    config = load(argument)
    built = recipe.build(config)
    begin = lambda key: steps.initial_state(built, key, config["crop"])
    run = jax.eval_shape(begin, jax.random.key(0))
    assert state.count_parameters(run.generator.params) == 6_092_387
    assert state.count_parameters(run.discriminator.params) == 1_638_401
    channels = 6 if "pairs" in argument else 3
    images = jax.ShapeDtypeStruct((1, 4, 64, 64, channels), np.uint8)
    after, terms = jax.eval_shape(steps.train_steps(built), run, images)
    shapes = [jax.tree.map(lambda leaf: leaf.shape, tree) for tree in (run, after)]
    assert shapes[0] == shapes[1]
    assert {"generator/loss", "discriminator/loss"} <= set(terms)


@pytest.mark.parametrize("argument", ["source", "source,demo"])
def test_the_source_is_what_the_project_trained(argument):
    config = load(argument)
    assert config["objective"] == {"restored": {"ssim": 1.0}}
    gan = config["adversarial"]
    assert (gan["mode"], gan["weight"]) == ("vanilla", 1.0)
    assert (gan["generator_steps"], gan["discriminator_steps"]) == (3, 1)
    assert gan["mismatched"] == gan["identity"] == gan["cutmix"] == gan["pool"] == 0
    assert gan["penalty"] == "none"
    assert config["ema"] == (0.99 if "demo" in argument else 0)
    assert not config["discriminator"]["conditional"]
    assert not config["generator"]["residual"]
    assert (config["generator"]["norm"], config["crop"]) == ("none", 64)
    # The discriminator's rate falls with the batch.
    rates = {"generator": 2e-4, "discriminator": 2e-4 * config["batch_size"] / 64}
    for name, player in config["optimizer"].items():
        if isinstance(player, dict):
            assert (player["rate"], player["schedule"]) == (rates[name], "constant")
            assert (player["beta1"], player["beta2"]) == (0.5, 0.999)
            assert player["warmup"] == player["clip"] == 0
    assert config["batch_size"] == (8 if "demo" in argument else 64)


def test_the_default_adds_a_residual_l1_and_a_weaker_adversary():
    changed = {
        line.split(":")[0]
        for line in recipe.differences(load("source"), load())
        if not line.startswith("optimizer")
    }
    assert changed == {
        "generator.residual",
        "objective.restored.l1",
        "adversarial.weight",
        "ema",
    }


def test_the_blur_is_followed_by_faint_noise_and_eight_bits():
    degradation = load()["degradation"]
    blur, noise, last = degradation["stages"]
    assert (blur, last) == ({"name": "blur"}, {"name": "eight_bit"})
    assert noise == {"name": "noise", "level": (0.0, 2 / 255)}
    rng = np.random.default_rng(0)
    image = np.full((2, 64, 64, 3), 0.5, np.float32)
    image[:, 20:40, 10:50] = rng.random((2, 20, 40, 3))
    keys = batched.image_keys(jax.random.key(0), 2)
    degrade = jax.jit(functools.partial(batched.degrade, recipe=degradation))
    degraded = np.asarray(degrade(keys, jnp.asarray(image)))
    levels = 255 * degraded
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)
    textured = np.s_[:, 25:35, 15:45]
    assert degraded[textured].std() < 0.7 * image[textured].std()
    far = np.abs(levels[:, 60:, 56:] - 127.5)  # what is flat keeps only the noise
    assert far.max() < 5 * 2 + 1


def test_pairs_bring_their_own_damage():
    config = load("pairs")
    assert config["degradation"] is None
    assert config["data"]["layout"] == "folders"


def test_an_unknown_argument_is_refused():
    with pytest.raises(ValueError, match="'sorce'"):
        deblur_gan.get_config("sorce")


@pytest.mark.parametrize(
    "axis",
    [
        "adversarial.generator_steps=1,3",
        "adversarial.weight=0.01,1",
        "optimizer.discriminator.rate=1e-4,4e-4",
        "objective.restored.l1=0,1",
        "objective.restored.ssim=0,1",
        "generator.residual=True,False",
        "discriminator.head=dense,average",
    ],
)
def test_a_sweep_can_vary_what_the_study_asks_about(axis):
    study = grid.changed(axes.study(f"{PATH}:demo", [axis]), budget=4)
    key, values = axes.axis(axis)
    found = [cells.config(study, cell) for cell in grid.cells(study)]
    for config, value in zip(found, values, strict=True):
        recipe.build(config)
        section = config
        for part in key.split("."):
            section = section[part]
        assert (section, config["steps"]) == (value, 4)


def test_a_ratio_of_three_to_three_is_refused():
    config = load()
    config["adversarial"]["discriminator_steps"] = 3
    with pytest.raises(errors.ConfigError, match="one is 1"):
        recipe.build(config)
