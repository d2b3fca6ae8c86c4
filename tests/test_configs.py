"""Every recipe in configs/, found by listing the folder."""

import importlib
import json
import pkgutil
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags

import configs
from configs import gan_full
from jaxrestore import config_files, errors, losses, networks
from jaxrestore.cli import training
from jaxrestore.training import recipe, steps

RECIPES = [entry for entry in pkgutil.iter_modules(configs.__path__) if not entry.ispkg]
ALL = sorted(entry.name for entry in RECIPES)
NEEDED = {"esrgan": "perceptual=none"}  # what a recipe does not build without
# Built by hand alone: that they differ from the main job in their line is tested.
ONE_LINE = {"gan_equal_rates", "gan_l1", "gan_l1_msssim", "gan_plain_pairs", "cnn_l1"}
SHORTER = {"esrgan", "esrgan_psnr"}  # of 23 blocks all alike, for the seconds they take
ARGUMENTS = ("", "low", "high", "demo", "low,demo", "high,demo")

# The main job's study: the line that IS the ablation, as it differs from the main job.
CHANGES = {
    "gan_full": set(),
    "gan_l1": {"objective.restored.cosine", "objective.restored.ms_ssim_luma"},
    "gan_l1_msssim": {"objective.restored.cosine"},
    "cnn_full": {"adversarial"},
    "cnn_l1": {
        "adversarial",
        "objective.restored.cosine",
        "objective.restored.ms_ssim_luma",
    },
    "gan_equal_rates": {"optimizer.discriminator.rate"},
    "gan_one_number": {"discriminator.one_number"},
    "gan_plain_pairs": {"adversarial.identity", "adversarial.mismatched"},
}
NAMES = sorted(CHANGES)


def load(name, argument=""):
    return importlib.import_module(f"configs.{name}").get_config(argument)


def _marked(name):
    return pytest.param(name, marks=[pytest.mark.slow] if name in ONE_LINE else [])


@pytest.mark.parametrize("name", [_marked(name) for name in ALL])
def test_every_recipe_builds_and_its_step_has_a_shape(name):
    config = load(name, NEEDED.get(name, ""))
    if name in SHORTER:
        config.generator.blocks = 1
    config = config_files.translate(f"configs/{name}.py", config)
    built = recipe.build(config)
    begin = lambda key: steps.initial_state(built, key, config["crop"])
    state = jax.eval_shape(begin, jax.random.key(0))
    channels = networks.channels(built.generator.model)
    batch = (1, config["batch_size"], config["crop"], config["crop"], channels)
    after, terms = jax.eval_shape(
        steps.train_steps(built), state, jax.ShapeDtypeStruct(batch, np.uint8)
    )
    assert jax.tree.map(lambda leaf: leaf.shape, after) == jax.tree.map(
        lambda leaf: leaf.shape, state
    )
    assert "generator/loss" in terms
    assert ("discriminator/loss" in terms) == (config["adversarial"] is not None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_every_argument_of_every_recipe_is_accepted(name, argument):
    config = load(name, argument).to_dict()
    recipe.build(config)
    assert config["degradation"]["rate"] == (0.15 if "low" in argument else 0.40)
    assert recipe.build(json.loads(json.dumps(config))).objective  # lists for tuples


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("argument", ["", "low,demo"])
def test_a_recipe_changes_only_what_it_studies(name, argument):
    ours, base = load(name, argument).to_dict(), gan_full.get_config(argument).to_dict()
    changed = {line.split(":")[0] for line in recipe.differences(base, ours)}
    assert changed == CHANGES[name]


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_says_its_command(name):
    text = importlib.import_module(f"configs.{name}").__doc__
    assert text is not None
    assert f"python -m jaxrestore.main --config configs/{name}.py" in text


@pytest.mark.parametrize("name", ["gan_l1", "cnn_l1"])
def test_the_l1_recipes_say_what_to_expect_at_the_low_rate(name):
    text = importlib.import_module(f"configs.{name}").__doc__ or ""
    assert re.search(r"At rate 0\.15 .*about 0 dB", " ".join(text.split()))


def test_contradicting_or_unknown_arguments_are_refused():
    for argument in ("low,high", "dmeo"):
        with pytest.raises(ValueError, match=argument):
            gan_full.get_config(argument)


def test_the_main_job_has_the_constants_of_the_study():
    config = load("gan_full")
    assert config.objective.restored.to_dict() == {
        "l1": 1.0,
        "ms_ssim_luma": 1.0,
        "cosine": 0.5,
    }
    assert config.adversarial.weight == 0.01
    assert (config.optimizer.generator.rate, config.optimizer.discriminator.rate) == (
        2e-4,
        5e-5,
    )
    assert (config.batch_size, config.crop) == (16, 128)


def test_main_finds_a_recipe_that_is_not_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, config = config_files.load("configs/gan_l1.py:low,demo")
    assert path.endswith("configs/gan_l1.py:low,demo")
    assert config.to_dict()["objective"]["restored"] == {"l1": 1.0}


def test_a_users_own_recipe_may_import_the_packages(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.py").write_text(
        "from configs import gan_l1\n"
        "def get_config(argument=''):\n"
        "    config = gan_l1.get_config(argument)\n"
        "    config.steps = 7\n"
        "    return config\n"
    )
    monkeypatch.chdir(tmp_path)
    _, config = config_files.load("configs/mine.py:demo")
    assert config.steps == 7
    assert config.to_dict()["objective"]["restored"] == {"l1": 1.0}


@pytest.fixture(autouse=True)
def _the_projects_own_configs():
    # `main.load_config` sets up the package `configs` anew; the tests want theirs back.
    before = {name: value for name, value in sys.modules.items() if "configs" in name}
    yield
    sys.modules.update(before)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("objective.restored.huber=1", "give the section whole: config.objective="),
        ("degradation.block=2", "give the section whole: config.degradation="),
        ("batch_size", "config.batch_size has no value"),
        ("adversarial=None", "as configs/cnn_full.py does"),
    ],
)
def test_what_an_override_cannot_say_is_refused_with_what_can(override, message):
    with pytest.raises(errors.ConfigError, match=message):
        training.found(["--config=configs/gan_full.py", f"--config.{override}"])


def test_of_a_key_given_twice_the_last_value_counts():
    words = ["--config=configs/gan_l1.py", "--config", "gan_full.py"]
    words += ["--config.generator.width=3", "--workdir", "x", "--config.seed", "-1"]
    words += ["--config.data.split=(0.1, 2)", "--config.data.split=(0.2, 3)"]
    words += ["--config.generator.width", "4", "--config.evaluation.consistency"]
    words += ["--config.data.include=", "--dry_run"]
    first, *rest = training.found(words)
    assert first.startswith("--config=") and first.endswith("gan_full.py")
    assert sorted(rest) == sorted(
        [
            "--config.generator.width=4",
            "--config.seed=-1",
            "--config.data.split=(0.2, 3)",
            "--config.evaluation.consistency",
            "--config.data.include=",
            "--workdir",
            "x",
            "--dry_run",
        ]
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--dry-run", "--dry_run"),
        ("-nodry-run", "--nodry_run"),
        ("--dry_run=true", "--dry_run=true"),
        ("--workdir=a-b", "--workdir=a-b"),
        ("--config.data.train=a-b", "--config.data.train=a-b"),
        ("dry-run", "dry-run"),
        ("-1", "-1"),
    ],
)
def test_a_flag_may_be_spelt_with_dashes(given, read):
    assert training._spelled(given) == read


def test_a_number_may_be_overridden_by_a_fraction_and_a_folder_has_slashes():
    words = ["--config=configs/gan_full.py", "--config.degradation.rate=1/4"]
    words += ["--config.data.train=1/2"]
    _, rate, train = training.found(words)
    assert rate == "--config.degradation.rate=0.25"
    assert train == "--config.data.train=1/2"


def test_a_number_of_a_degradation_may_become_a_range_by_an_override(monkeypatch):
    words = ["main", "--config.degradation.rate=(0.1, 0.5)"]
    monkeypatch.setattr(sys, "argv", words)  # where ml_collections looks for them
    values = flags.FlagValues()
    held = config_flags.DEFINE_config_dict(
        "config", gan_full.get_config(), flag_values=values
    )
    values(words)
    assert held.value.degradation.rate == (0.1, 0.5)
    assert recipe.build(held.value.to_dict()).degradation["rate"] == (0.1, 0.5)


# The VAE against the GAN


@pytest.mark.parametrize("argument", ["", "demo"])
def test_vae_and_gan_share_data_damage_budget_and_scores(argument):
    vae, gan = load("vae", argument).to_dict(), load("unet_gan", argument).to_dict()
    differing = {line.split(":")[0] for line in recipe.differences(vae, gan)}
    players = {"generator", "discriminator", "objective", "adversarial"}
    rest = {key for key in differing if key.split(".")[0] not in players}
    betas = {f"optimizer.{player}.beta1" for player in ("generator", "discriminator")}
    assert rest <= {*betas, "evaluation.samples"}
    for one in (vae, gan):
        generator = one["optimizer"]["generator"]
        assert generator["rate"] == gan["optimizer"]["discriminator"]["rate"]


def test_the_vae_and_the_gan_have_the_constants_of_the_study():
    for name in ("vae", "unet_gan"):
        config = load(name)
        assert (config.epochs, config.batch_size, config.crop) == (100, 16, 256)
        assert config.optimizer.generator.rate == 1e-4
        assert config.optimizer.generator.schedule == "constant"
        assert config.data.split == (0.9, 0)
    assert load("unet_gan").optimizer.discriminator.rate == 1e-4


@pytest.mark.parametrize("argument", ["", "demo"])
def test_the_vae_minimises_the_sum_of_squares_and_kl(argument):
    config = load("vae", argument)
    side = config.crop
    image, latent = jnp.full((1, side, side, 3), 0.5), jnp.ones((1, 2))
    # A mean and a log-variance of 1: (1 + e - 2) / 2.
    squares, kl = 0.25 * side * side * 3, (np.e - 1) / 2
    table = config.objective.to_dict()
    ours = table["restored"]["mse"] * losses.mse(image, 0 * image) + (
        table["latent"]["kl_gaussian"] * losses.kl_gaussian(latent, latent)
    )
    assert float(ours[0]) * side * side * 3 == pytest.approx(squares + kl, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("vae", "no_skips"), ("vae", "no_skips,demo"), ("unet_gan", "source,demo")],
)
def test_the_words_of_the_vae_and_the_gan_are_accepted(name, argument):
    config = load(name, argument).to_dict()
    built = recipe.build(config)
    if name == "vae":
        assert not built.generator.model.skips
        assert config["objective"]["latent"]["kl_gaussian"]["warmup"] > 0
    else:
        assert config["objective"] == {"restored": {"l1": 0.0}}


@pytest.mark.parametrize("name", ["vae", "unet_gan"])
def test_an_unknown_word_of_the_vae_and_the_gan_is_refused(name):
    with pytest.raises(ValueError, match=r"'dmeo': give any of .*demo"):
        load(name, "dmeo")
