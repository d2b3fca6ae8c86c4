"""`configs/pix2pix.py`: pix2pix's names, turned into the keys of `gan_full`."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import pix2pix
from jaxrestore import config_files, errors
from jaxrestore.data import pipeline
from jaxrestore.fitting import state
from jaxrestore.training import recipe, rules, steps

PATH = "configs/pix2pix.py"


def translated(argument="", **changes):
    config = pix2pix.get_config(argument)
    config.update_from_flattened_dict(changes)
    return config_files.translate(PATH, config)


def shapes(config):
    rules.check(config)
    built = recipe.assemble({**config, "steps": 10}, epoch=20.0)
    begin = lambda key: steps.initial_state(built, key, config["crop"])
    return jax.eval_shape(begin, jax.random.key(0))


def test_the_default_is_the_recipe_of_pix2pix():
    config = translated()
    assert (config["epochs"], config["batch_size"], config["crop"]) == (200, 1, 256)
    # 100 times the distance of images in [-1, 1], twice that of images in [0, 1].
    assert config["objective"] == {"restored": {"l1": 200.0}}
    gan = config["adversarial"]
    assert (gan["mode"], gan["weight"], gan["pool"]) == ("vanilla", 1.0, 0)
    for player in ("generator", "discriminator"):
        optimizer = config["optimizer"][player]
        assert (optimizer["rate"], optimizer["beta1"]) == (2e-4, 0.5)
        assert optimizer["schedule"] == "linear_epochs"
        assert optimizer["constant_epochs"] == 100
    assert config["degradation"] == {"name": "pixelate", "side": 64}
    run = shapes(config)
    assert state.count_parameters(run.generator.params) == 54_413_955
    assert state.count_parameters(run.discriminator.params) == 2_768_705


@pytest.mark.parametrize(
    ("net", "count"),
    [
        ("unet_128", 41_828_995),
        ("resnet_9blocks", 11_383_427),
        ("resnet_6blocks", 7_841_411),
    ],
)
def test_a_net_of_pix2pix_has_its_parameters(net, count):
    run = shapes(translated(netG=net))
    assert state.count_parameters(run.generator.params) == count


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"netD": "pixel"}, 9_024),
        ({"netD": "n_layers", "n_layers_D": 1}, 139_585),
        ({"netD": "n_layers", "n_layers_D": 5}, 11_159_361),
    ],
)
def test_a_judge_of_pix2pix_has_its_parameters(changes, count):
    run = shapes(translated(**changes))
    assert state.count_parameters(run.discriminator.params) == count


@pytest.mark.parametrize("upsampling", ["deconv", "resize_conv", "subpixel"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_norms_and_upsamplings_reach_the_networks(norm, upsampling):
    config = translated(norm=norm, upsampling=upsampling)
    assert config["generator"]["upsampling"] == upsampling
    assert config["generator"]["norm"] == config["discriminator"]["norm"] == norm
    shapes(config)


def test_wgangp_has_its_penalty_and_a_judge_without_batch_statistics():
    config = translated(gan_mode="wgangp")
    gan = config["adversarial"]
    assert (gan["mode"], gan["penalty"]) == ("wgan", "gradient")
    assert gan["penalty_weight"] == 10
    assert config["discriminator"]["norm"] == "instance"
    rules.check(config)


@pytest.mark.parametrize("policy", pix2pix.POLICIES)
def test_every_policy_has_a_schedule_of_ours(policy):
    config = translated(lr_policy=policy, lr=1e-3)
    rules.check(config)
    assert config["optimizer"]["generator"]["rate"] == 1e-3
    # The discriminator's follows, unless it is given.
    assert config["optimizer"]["discriminator"]["rate"] == 1e-3
    config = translated(lr=1e-3, lr_D=1e-4)
    assert config["optimizer"]["discriminator"]["rate"] == 1e-4
    assert config["optimizer"]["generator"]["rate"] == 1e-3
    residual = translated("residual")["optimizer"]
    assert (residual["generator"]["rate"], residual["discriminator"]["rate"]) == (
        1e-3,
        2e-4,
    )


def test_a_run_of_no_epochs_is_refused():
    with pytest.raises(errors.ConfigError, match=r"config\.n_epochs"):
        translated(n_epochs=0, n_epochs_decay=0)


@pytest.mark.parametrize(
    ("argument", "side"),
    [
        ("ab", 64),
        ("variational", (48, 128)),
        ("demo", 32),
        ("variational,demo", (24, 64)),
        ("variational,residual,demo", (24, 64)),
        ("ab,residual", 64),
    ],
)
def test_every_argument_is_accepted(argument, side):
    config = translated(argument)
    rules.check(config)
    assert config["degradation"]["side"] == side
    assert (config["generator"]["name"] == "unet") == ("residual" in argument)
    assert config["crop"] == (128 if "demo" in argument else 256)


def test_epochs_are_turned_into_steps_of_the_data(tmp_path):
    for index in range(6):
        _write(tmp_path / f"{index}.png")
    config = translated(
        n_epochs=3, n_epochs_decay=1, batch_size=4, **{"data.train": str(tmp_path)}
    )
    config["evaluation"]["every"] = 2
    epoch = pipeline.image_count(config["data"])
    resolved = recipe.in_steps(config, epoch)
    assert resolved["steps"] == 4 * 6 / 4
    assert resolved["evaluation"]["every"] == 2 * 6 / 4
    # log_every is 1 epoch, 1.5 steps: rounded to even.
    assert resolved["log_every"] == 2
    rate = recipe.assemble(resolved, epoch=epoch).generator.rate
    rates = np.asarray([rate(jnp.asarray(count)) for count in range(6)])
    # Three epochs at the full rate end within update 4 (images 16 to 19 of 24).
    np.testing.assert_allclose(rates, [2e-4] * 5 + [1e-4], rtol=1e-5)


def _write(path):
    from jaxrestore import images

    images.encode(np.zeros((16, 16, 3), np.uint8), path)


def test_pairs_bring_their_own_damage():
    config = translated(**{"data.layout": "AB", "direction": "BtoA"})
    assert config["degradation"] is None
    assert config["data"]["direction"] == "BtoA"
    rules.check(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"netG": "unet_512"}, "config.netG is 'unet_512'; it must be one of unet_256"),
        ({"gan_mode": "wgan"}, "config.gan_mode is 'wgan'"),
        ({"lr_policy": "poly"}, "config.lr_policy is 'poly'"),
        ({"netD": "patch"}, "config.netD is 'patch'"),
        ({"ngf": 0}, "config.ngf is 0; it must be at least 1"),
    ],
)
def test_a_word_that_pix2pix_does_not_have_is_refused(changes, message):
    with pytest.raises(errors.ConfigError, match=message):
        translated(**changes)


def test_without_its_weight_there_is_no_adversary():
    assert translated(lambda_GAN=0.0)["adversarial"] is None


def test_contradicting_or_unknown_arguments_are_refused():
    for argument in ("ab,variational", "dmeo"):
        with pytest.raises(ValueError, match=argument):
            pix2pix.get_config(argument)


def test_the_docstring_names_every_argument():
    text = importlib.import_module("configs.pix2pix").__doc__ or ""
    assert all(f"\n  {word} " in text for word in ("ab", "variational", "residual"))
