import jax
import numpy as np
import pytest

from jaxrestore import errors, folders, images
from jaxrestore.data import pipeline
from jaxrestore.fitting import optimizers
from jaxrestore.training import compilation, cost, dry_run, setup

ONE = jax.devices()[:1]


def test_the_first_line_tells_devices_parameters_and_memory(tiny, monkeypatch):
    monkeypatch.setattr(cost, "unused_gpu", lambda: False)
    line = setup.headline(setup.prepare(tiny(), jax.devices()[:2]))
    assert line.startswith("2 x cpu (cpu); parameters: generator ")
    assert "discriminator" in line and "memory: state" in line
    assert "\n" not in line
    alone = setup.headline(setup.prepare(tiny(adversarial=None), ONE))
    assert "discriminator" not in alone


def test_the_devices_that_share_a_batch_are_taken_and_the_first_line_says_so(tiny):
    for batch, parts, used in ((4, 1, 2), (4, 2, 2), (6, 1, 3), (1, 1, 1), (5, 5, 1)):
        config = tiny(batch_size=batch, optimizer__accumulate=parts, adversarial=None)
        prepared = setup.prepare(config, jax.devices()[:3])
        assert prepared.mesh.size == used
        line = setup.headline(prepared).splitlines()[-1]
        most = f", of 3 the most that share a batch of {batch} equally"
        most = "" if used == 3 else most
        assert line.startswith(f"{used} x cpu (cpu){most}; parameters: ")


def test_a_gpu_that_jax_does_not_see_is_the_first_thing_said(tiny, monkeypatch):
    prepared = setup.prepare(tiny(), ONE)
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setattr(cost.shutil, "which", lambda name: f"/usr/bin/{name}")
    first, _ = setup.headline(prepared).splitlines()
    assert "an NVIDIA GPU is here" in first
    assert "pip install 'jaxrestore[cuda]'" in first
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # whoever asks for the CPU gets it
    assert len(setup.headline(prepared).splitlines()) == 1


def test_images_that_are_trained_on_and_scored_are_noticed_before_the_run(tiny):
    assert setup.prepare(tiny(), ONE).notices == []
    config = tiny(data__train="public_domain", data__evaluation="public_domain")
    (said,) = setup.prepare(config, ONE).notices
    assert said.startswith("of the images that are evaluated 9 are also trained on (")


def test_the_compiled_step_says_its_memory_and_no_minutes_that_nobody_measured(tiny):
    said = []
    compiled = compilation.compile_step(setup.prepare(tiny(), ONE), said.append)
    (line,) = said
    assert "a step holds" in line
    # The batch, twice the state that is donated, and what lies between.
    assert compiled.memory > 4 * 32 * 32 * 3


@pytest.mark.slow
def test_a_long_run_without_an_accelerator_names_the_demo(tiny):
    said = []
    compilation.compile_step(setup.prepare(tiny(steps=600_000_000), ONE), said.append)
    assert " days " in said[0]
    assert "configs/gan_full.py:demo" in said[0]


def test_shapes_that_cannot_run_are_told_before_anything_compiles(tiny):
    config = tiny()
    config["objective"] = {"restored": {"ms_ssim": {"weight": 1.0, "scales": 5}}}
    with pytest.raises(errors.ConfigError, match=r"crops of 32 px.*scales=2"):
        setup.prepare(config, ONE)
    config["objective"] = {"coarse": {"l1": 1.0}}
    with pytest.raises(errors.ConfigError, match="coarse"):
        setup.prepare(config, ONE)


@pytest.mark.slow
def test_statistics_of_an_image_that_ends_as_one_pixel_are_refused_before_training(
    tiny,
):
    config = tiny(adversarial=None)
    config["generator"] = {"name": "pix2pix_unet", "filters": 4, "downs": 5}
    config["evaluation"]["statistics"] = "pix2pix"
    assert setup.prepare(config, ONE).batch.shape[1] > 1
    config["generator"]["inner_norm"] = True
    says = r"statistics is 'pix2pix'.*images of 32 px: .*one image of 1x1 px"
    with pytest.raises(errors.ConfigError, match=says):
        setup.prepare(config, ONE)
    config["evaluation"]["statistics"] = "eval"
    setup.prepare(config, ONE)


def test_a_degradation_that_shrinks_needs_a_generator_that_enlarges(tiny):
    config = tiny()
    config["degradation"] = {"name": "downsample", "scale": 4}
    says = r"\(downsample\) makes 8x8 px of .* 32x32 and needs .* scale 4, .* scale 1;"
    with pytest.raises(errors.ConfigError, match=says):
        setup.prepare(config, ONE)


def test_a_degradation_that_cannot_be_is_told_before_anything_compiles(tiny):
    config = tiny()
    config["degradation"] = {"name": "chain", "stages": [{"name": "batched"}]}
    with pytest.raises(errors.ConfigError, match=r"config\.degradation: stage 1 .*"):
        setup.prepare(config, ONE)


def test_a_learning_rate_is_drawn_as_a_line_of_bars(tiny):
    recipe = tiny(steps=100)["optimizer"]["generator"]
    line = dry_run.curve(optimizers.schedule(recipe, 100), 100)
    bars = line.split()[0]
    assert len(bars) == 40 and "█" in bars
    assert bars[-1] == "▁"
    assert "highest 2.00e-03" in line and "(100 updates)" in line


def test_the_plan_of_a_run_in_epochs_shows_its_rates_over_all_updates(tiny):
    config = tiny(epochs=8, data__leaves=0.0, adversarial__weight=0.5)
    images = pipeline.image_count(config["data"])
    for player in config["optimizer"].values():
        if isinstance(player, dict):
            player |= {"schedule": "linear_epochs", "constant_epochs": 4, "warmup": 0}
    lines = dry_run.rates(setup.prepare(config, ONE))
    updates = round(8 * images / 4)
    assert [line.split()[0] for line in lines] == ["generator", "discriminator"]
    for line, rate in zip(lines, (2e-3, 2e-4), strict=True):
        # In the last epoch four of the five falls from the rate to 0 are done.
        assert f"first {rate:.2e}, highest {rate:.2e}, last {rate / 5:.2e}" in line
        assert f"({updates:,} updates)" in line


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """The folders that are listed, one entry a time; there are `train` and `score`."""
    for name in ("train", "score"):
        (tmp_path / name).mkdir()
        for number in range(6):
            pixels = np.full((40, 40, 3), 40 * number, np.uint8)
            images.encode(pixels, tmp_path / name / f"{number}.png")
    found = []
    find = folders.find
    monkeypatch.setattr(folders, "find", lambda root: found.append(root) or find(root))
    return found


def test_the_images_of_a_run_in_epochs_are_listed_once(tiny, tmp_path, listed):
    config = tiny(
        epochs=4,
        data__train=str(tmp_path / "train"),
        data__evaluation=str(tmp_path / "score"),
        data__leaves=0.25,
    )
    for player in ("generator", "discriminator"):
        changed = {"schedule": "linear_epochs", "constant_epochs": 2, "warmup": 0}
        config["optimizer"][player] |= changed
    prepared = setup.prepare(config, ONE)
    compilation.compile_step(prepared, lambda line: None)
    assert sorted(listed) == [tmp_path / "score", tmp_path / "train"]
    # An epoch has 8 images, 2 of them dead leaves.
    assert prepared.epoch == 8 and prepared.config["steps"] == 4 * 8 / 4
    rate = prepared.recipe.generator.rate
    # Epoch 3 is the first of three falls from the rate to 0.
    before, after = np.asarray([rate(0), rate(4)])
    assert after == pytest.approx(before * 2 / 3)


def test_images_that_are_cut_in_two_are_listed_once(tiny, tmp_path, listed):
    config = tiny(
        data__train=str(tmp_path / "train"), data__split=(0.5, 0), data__leaves=0.5
    )
    prepared = setup.prepare(config, ONE)
    assert listed == [tmp_path / "train"]
    assert len(prepared.sources[0][0]) == len(prepared.evaluator.source) == 3
