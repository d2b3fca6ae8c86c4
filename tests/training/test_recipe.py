import ast

import pytest

from jaxrestore import errors, naming
from jaxrestore.training import recipe


def flat(section, prefix=""):
    for name, value in section.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict) and name != "objective":
            yield from flat(value, f"{prefix}{name}.")


def holder(config, key):
    *path, name = key.split(".")
    for part in path:
        config = config[part]
    return config, name


def typos(name):
    """Three single edits: a letter lost, doubled, and two exchanged."""
    middle = len(name) // 2
    yield name[:middle] + name[middle + 1 :]
    yield name[:middle] + name[middle] + name[middle:]
    yield name[:-2] + name[-1] + name[-2]


def test_the_full_recipe_is_accepted(tiny):
    assert recipe.build(tiny()).discriminator is not None
    assert recipe.build(tiny(), devices=4).accumulate == 1


def test_every_key_misspelt_by_one_edit_is_refused_and_the_key_is_named(tiny):
    tried = 0
    for key in flat(tiny()):
        for wrong in typos(key.rpartition(".")[2]):
            config = tiny()
            section, name = holder(config, key)
            if wrong in section or not wrong:
                continue
            section[wrong] = section.pop(name)
            with pytest.raises(errors.ConfigError) as caught:
                recipe.build(config)
            assert wrong in str(caught.value)
            if len(name) > 3:
                assert repr(name) in str(caught.value), (key, str(caught.value))
            tried += 1
    assert tried > 130


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("steps", 0, "config.steps is 0; it must be at least 1"),
        ("steps", 1.5, "config.steps is 1.5; it must be a whole number"),
        ("steps", True, "config.steps is True; it must be a whole number"),
        ("augment", "flp", "config.augment is 'flp': did you mean 'flip'"),
        ("ema", 1.0, "config.ema is 1.0; it must be between 0 and 0.999999"),
        ("ema", float("nan"), "config.ema is nan; it must be between"),
        ("data.leaves", -0.1, "config.data.leaves is -0.1"),
        ("precision", "bfloat61", "did you mean 'bfloat16'?"),
        ("adversarial.mode", "lsgam", "did you mean 'lsgan'?"),
        ("adversarial.penalty", "gradients", "did you mean 'gradient'?"),
        ("adversarial.penalty_weight", -1.0, "it must be at least 0"),
        ("adversarial.mode", "wgan", "set config.adversarial.penalty to 'gradient'"),
        (
            "degradation.weight",
            {"damaged": 1.0, "intact": 0.0},
            "pixel_shuffle does not say which pixels it damages",
        ),
        ("optimizer.generator.schedule", "cosin", "did you mean 'cosine'?"),
        ("generator.name", "fnc", "config.generator: models has no 'fnc'"),
        ("generator.name", "patchgan", "models/patchgan.py has no Generator"),
        ("generator.name", "swinir", "'swinir': there is deblur_fcn, deepfill, dncnn"),
        ("discriminator.name", "vgg", "has no Discriminator: there is dcgan, deblur_"),
        (
            "generator.name",
            "unet",
            "unet has no option 'width': did you mean 'widths'? Give the section "
            "whole, such as config.generator=\"{'name': 'unet', 'blocks': 1}\"",
        ),
        (
            "degradation.name",
            "noise",
            "level_map, weight. Give the section whole, such as config.degradation=",
        ),
        (
            "data.colors",
            "gray",
            "makes images of 3 channels; give config.generator=\"{'name': 'fcn', ",
        ),
        ("degradation.name", "pixel_shufle", "did you mean 'pixel_shuffle'?"),
        (
            "degradation.name",
            "batched",
            "degradations has no 'batched': did you",
        ),
        ("evaluation.protocol", "rgb9", "did you mean 'rgb8'?"),
        ("evaluation.consistency", 1, "it must be True or False"),
        ("evaluation.samples", True, "it must be a whole number"),
        ("evaluation.samples", 8, "generator fcn restores an image in one way only"),
        ("objective", {}, "config.objective is empty"),
        ("objective", {"restored": {"ms_sim": 1.0}}, "did you mean 'ms_ssim'?"),
        ("objective", {"restored": {"ms_ssim": {"scales": 2}}}, "needs a weight"),
        (
            "objective",
            {"restored": {"ms_ssim": {"weight": 1.0, "scale": 2}}},
            "did you mean 'scales'?",
        ),
        ("objective", {"restored": {"l1": "much"}}, "it must be a number"),
        ("batch_size", 5, "config.batch_size is 5; it must divide by 2 devices"),
        ("optimizer.accumulate", 3, "config.batch_size is 4; it must divide by"),
        ("steps_per_call", 4, "config.steps is 6; it must divide by"),
        ("discriminator.conditional", False, "config.adversarial.mismatched"),
    ],
)
def test_a_mistake_is_one_sentence_about_its_key(tiny, key, value, says):
    config = tiny()
    section, name = holder(config, key)
    section[name] = value
    with pytest.raises(errors.ConfigError) as caught:
        recipe.build(config, devices=2)
    assert says in str(caught.value)


def test_grey_is_asked_of_a_network_that_has_it_by_its_whole_section(tiny):
    config = tiny(data__colors="gray")
    with pytest.raises(errors.ConfigError) as caught:
        recipe.build(config)
    config["generator"] = ast.literal_eval(str(caught.value).split('"')[1])
    assert recipe.build(config).generator.model.channels == 1
    config["generator"] = {"name": "deblur_fcn"}
    with pytest.raises(errors.ConfigError, match="give another network, for deblur_"):
        recipe.build(config)


def test_contradictions_between_keys_are_refused(tiny):
    with pytest.raises(errors.ConfigError, match="one is 1"):
        recipe.build(
            tiny(adversarial__generator_steps=3, adversarial__discriminator_steps=2)
        )
    with pytest.raises(errors.ConfigError, match="patch by patch"):
        recipe.build(tiny(adversarial__cutmix=0.5, discriminator__one_number=True))
    with pytest.raises(errors.ConfigError, match="it must divide by 8"):
        config = tiny(crop=36)
        config["generator"] = {"name": "unet"}
        recipe.build(config)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("ema", "config.ema is missing; its default is 0.999, and configs/gan_full"),
        ("data.colors", "config.data.colors is missing; its default is 'rgb', and con"),
        ("evaluation", "config.evaluation is missing; configs/gan_full.py has every "),
    ],
)
def test_a_key_that_is_missing_is_told_with_its_default(tiny, key, says):
    config = tiny()
    section, name = holder(config, key)
    del section[name]
    with pytest.raises(errors.ConfigError) as caught:
        recipe.build(config)
    assert says in str(caught.value)


def test_pairs_cannot_be_checked_for_consistency(tiny):
    assert recipe.build(tiny(evaluation__consistency=True))
    config = tiny(evaluation__consistency=True, data__layout="AB")
    config["degradation"] = None
    with pytest.raises(errors.ConfigError, match=r"consistency is True, but nobody"):
        recipe.build(config)


def test_one_sample_has_no_deviation_and_two_have(tiny):
    config = tiny(evaluation__samples=1)
    config["generator"] = {"name": "vae", "downs": 3, "filters": 4}
    with pytest.raises(errors.ConfigError, match=r"samples is 1, and one sample"):
        recipe.build(config)
    config["evaluation"]["samples"] = 2
    assert recipe.build(config).generator.model.stochastic


def test_a_generator_that_enlarges_is_judged_without_its_input(tiny, monkeypatch):
    home = naming.module("models", "fcn")
    monkeypatch.setattr(home.Generator, "scale", 4)
    with pytest.raises(errors.ConfigError, match=r"scale 4, .*conditional to False"):
        recipe.build(tiny())
    alone = {"adversarial__mismatched": 0.0, "adversarial__identity": 0.0}
    assert recipe.build(tiny(discriminator__conditional=False, **alone))
    with pytest.raises(errors.ConfigError, match=r"crop is 30; it must divide by 4"):
        recipe.build(tiny(crop=30))


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_a_penalty_on_each_image_is_refused_with_batch_normalisation(tiny, penalty):
    config = tiny(adversarial__penalty=penalty, discriminator__norm="batch")
    with pytest.raises(errors.ConfigError, match="ties the images of a batch"):
        recipe.build(config)
    config["discriminator"]["norm"] = "none"
    assert recipe.build(config).gan["penalty"] == penalty


def test_wgan_needs_something_that_holds_its_slope(tiny):
    with pytest.raises(errors.ConfigError, match="grows without bound"):
        recipe.build(tiny(adversarial__mode="wgan"))
    nothing = {"adversarial__penalty": "gradient", "adversarial__penalty_weight": 0.0}
    with pytest.raises(errors.ConfigError, match="grows without bound"):
        recipe.build(tiny(adversarial__mode="wgan", **nothing))
    alone = {"adversarial__mismatched": 0.0, "adversarial__identity": 0.0}
    unheld = tiny(adversarial__mode="wgan", **alone)
    unheld["discriminator"] = {"name": "vgg_discriminator", "side": 32, "norm": "none"}
    with pytest.raises(errors.ConfigError, match="grows without bound"):
        recipe.build(unheld)
    for key, value in {
        "adversarial__penalty": "gradient",
        "discriminator__spectral_norm": True,
    }.items():
        assert recipe.build(tiny(adversarial__mode="wgan", **{key: value}))


def test_relativistic_modes_are_refused_with_cutmix_alone(tiny):
    for name in ("relativistic_vanilla", "relativistic_lsgan"):
        assert recipe.build(tiny(adversarial__mode=name))
        with pytest.raises(errors.ConfigError, match="shows both kinds in one"):
            recipe.build(tiny(adversarial__mode=name, adversarial__cutmix=0.5))


def test_the_weight_of_damaged_pixels_is_two_numbers(tiny, monkeypatch):
    home = naming.module("degradations", "pixel_shuffle")
    monkeypatch.setattr(home, "damage", lambda key, image: None, raising=False)
    config = tiny()
    weight = config["degradation"]["weight"] = {"damaged": 6, "intact": 1.0}
    assert recipe.build(config).degradation["weight"] == weight
    for wrong, says in {
        "intact": "config.degradation.weight.intact is missing",
        "much": "config.degradation.weight is 'much'; it must hold keys",
    }.items():
        config["degradation"]["weight"] = {"damaged": 6} if wrong == "intact" else wrong
        with pytest.raises(errors.ConfigError) as caught:
            recipe.build(config)
        assert says in str(caught.value)
    config["degradation"]["weight"] = {"damaged": -1.0, "intact": 1.0}
    with pytest.raises(errors.ConfigError, match=r"damaged is -1\.0; it must be"):
        recipe.build(config)


def test_without_an_adversary_its_keys_are_not_looked_at(tiny):
    config = tiny()
    config["adversarial"] = None
    config["discriminator"]["conditional"] = False
    assert recipe.build(config).discriminator is None


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"name": "noise", "level": 25}, r"level of 'gaussian' is 25, .* 25/255"),
        (
            {"name": "pixel_shuffle", "radius": 0},
            "pixel_shuffle.py takes whole numbers",
        ),
        (
            {"name": "chain", "stages": [{"name": "pixel_shuffle", "rate": 40}]},
            "stage 1 of the chain: rate is 40, .* takes 0 to 1",
        ),
    ],
)
def test_a_number_that_a_degradation_does_not_take_is_told(tiny, section, says):
    config = tiny()
    config["degradation"] = section
    with pytest.raises(errors.ConfigError, match=f"config.degradation: .*{says}"):
        recipe.build(config)


def test_a_number_that_a_network_or_a_loss_does_not_take_is_told(tiny):
    with pytest.raises(
        errors.ConfigError, match=r"config.generator: width is 0, .*fcn"
    ):
        recipe.build(tiny(generator__width=0))
    config = tiny()
    config["objective"] = {"restored": {"huber": {"weight": 1.0, "delta": -1}}}
    says = r"config.objective.restored.huber: delta is -1, but huber of losses.py takes"
    with pytest.raises(errors.ConfigError, match=says):
        recipe.build(config)


def test_a_row_of_the_objective_is_a_number_or_options(tiny):
    config = tiny()
    config["objective"] = {"restored": {"ms_ssim": {"weight": 2.0, "scales": 1}}}
    assert recipe.build(config).objective == config["objective"]


def test_differences_name_each_changed_key_with_both_values():
    before = {"a": 1, "b": {"c": 2, "d": 3}, "e": None}
    after = {"a": 1, "b": {"c": 5, "d": 3}, "e": {"f": 1}}
    assert list(recipe.differences(before, after)) == [
        "b.c: 2 -> 5",
        "e: None -> {'f': 1}",
    ]
    assert not list(recipe.differences(before, before))
