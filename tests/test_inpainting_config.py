"""The recipe of inpainting: two networks, and what their papers train them with."""

import jax
import numpy as np
import pytest

from configs import inpainting
from jaxrestore.training import recipe, steps


def load(argument=""):
    return inpainting.get_config(argument).to_dict()


@pytest.mark.parametrize("argument", ["", "v2", "v1", "demo", "v1,demo", "v2,demo"])
def test_every_argument_is_accepted(argument):
    recipe.build(load(argument))


@pytest.mark.parametrize("argument", ["v1,v2", "v3", "dmeo"])
def test_other_arguments_are_refused(argument):
    with pytest.raises(ValueError, match="give at most one of v1 and v2, and demo"):
        load(argument)


def test_v2_is_what_is_trained_without_an_argument():
    assert load() == load("v2") != load("v1")


@pytest.mark.parametrize(
    ("argument", "generator", "critic"),
    [("v1", (False, 32), "deepfill_critics"), ("v2", (True, 48), "sn_patchgan")],
)
def test_networks_batches_and_rates_are_the_papers(argument, generator, critic):
    config = load(argument)
    assert (config["batch_size"], config["crop"]) == (16, 256)
    network = config["generator"]
    assert (network["gated"], network["width"]) == generator
    assert config["discriminator"] == {"name": critic, "filters": 64}
    for player in ("generator", "discriminator"):
        optimizer = config["optimizer"][player]
        assert (optimizer["rate"], optimizer["schedule"]) == (1e-4, "constant")
        betas = (0.5, 0.9) if argument == "v1" else (0.5, 0.999)
        assert (optimizer["beta1"], optimizer["beta2"]) == betas


def test_v1_weighs_inside_and_outside_of_the_hole_as_the_released_code():
    config = load("v1")
    for output, share in {"coarse": 1.2, "refined": 1.0}.items():
        rows = config["objective"][output]
        inside, outside = rows["spatially_discounted_l1"], rows["l1"]
        assert (inside["where"], outside["where"]) == ("damaged", "intact")
        assert inside["weight"] == outside["weight"] == pytest.approx(1.2 * share)
    gan = config["adversarial"]
    # Means of two critics stand where the code has their sum.
    assert gan["weight"] == 2 * 1e-3
    assert (gan["mode"], gan["penalty"]) == ("wgan", "gradient_damaged")
    assert gan["penalty_weight"] == 10
    assert (gan["generator_steps"], gan["discriminator_steps"]) == (1, 5)


def test_v2_weighs_both_stages_and_the_critic_alike_on_images_of_a_range_of_2():
    config = load("v2")
    assert config["objective"] == {"coarse": {"l1": 2.0}, "refined": {"l1": 2.0}}
    gan = config["adversarial"]
    assert (gan["mode"], gan["weight"], gan["penalty"]) == ("hinge", 1.0, "none")
    assert (gan["generator_steps"], gan["discriminator_steps"]) == (1, 1)


@pytest.mark.parametrize("argument", ["", "v1", "demo", "v1,demo"])
def test_no_data_is_needed_and_holes_are_scored_apart(argument):
    config = load(argument)
    assert config["data"]["train"] == config["data"]["evaluation"] == "embedded"
    assert config["evaluation"]["protocol"] == "inpainting"
    kind = "box" if "v1" in argument else "both"
    assert config["degradation"] == {"name": "holes", "kinds": {kind: 1.0}}


@pytest.mark.slow
def test_after_five_steps_of_v1_its_critics_moved_five_times_and_it_moved_once():
    config = load("v1")
    config |= {"crop": 32, "batch_size": 2}
    config["generator"]["width"] = 4
    config["discriminator"]["filters"] = 2
    built = recipe.build(config)
    start = jax.jit(lambda key: steps.initial_state(built, key, 32))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, 2, 32, 32, 3), np.uint8)
    after, terms = jax.jit(steps.train_steps(built))(start(jax.random.key(0)), images)
    moves = int(after.generator.updates), int(after.discriminator.updates)
    assert moves == (1, 5)
    for name, values in terms.items():
        seen = values[np.isfinite(values)]
        assert len(seen) == (1 if name.startswith("generator/") else 5), name
    for output in ("coarse", "refined"):
        for loss in ("l1", "spatially_discounted_l1"):
            assert np.nanmax(terms[f"generator/{output}/{loss}"]) > 0
