"""The recipes of denoising, JPEG files and super-resolution, and their words."""

import pytest

from configs import esrgan, esrgan_psnr, mwcnn_denoise, mwcnn_jpeg, shipped
from jaxrestore import errors
from jaxrestore.training import recipe

BARE = "perceptual=none"


@pytest.mark.parametrize(
    ("argument", "level", "channels"),
    [
        ("", 25 / 255, 3),
        ("gray,sigma=50", 50 / 255, 1),
        ("blind,compact,demo", (0.0, 55 / 255), 3),
    ],
)
def test_denoising_has_the_level_and_the_colours_that_its_words_say(
    argument, level, channels
):
    config = mwcnn_denoise.get_config(argument).to_dict()
    recipe.build(config)
    assert config["degradation"]["level"] == level
    assert config["generator"]["channels"] == channels
    assert config["data"]["colors"] == ("gray" if channels == 1 else "rgb")


@pytest.mark.parametrize(
    ("argument", "quality", "channels"),
    [("rgb", (10, 90), 3), ("luma,quality=10", 10, 1), ("compact,demo", (10, 90), 1)],
)
def test_jpeg_has_the_quality_and_the_colours_that_its_words_say(
    argument, quality, channels
):
    config = mwcnn_jpeg.get_config(argument).to_dict()
    recipe.build(config)
    assert config["degradation"]["quality"] == quality
    assert config["generator"]["channels"] == channels


@pytest.mark.parametrize("words", ["", "compact", "x2", "real", "x2,compact,demo"])
def test_both_stages_of_esrgan_enlarge_by_the_same_network(words):
    first = esrgan_psnr.get_config(words).to_dict()
    second = esrgan.get_config(f"{words},{BARE}").to_dict()
    assert recipe.build(first).generator.model == recipe.build(second).generator.model
    assert recipe.build(first).generator.model.scale == (2 if "x2" in words else 4)
    assert first["adversarial"] is None and first["init_from"] == ""
    folder = "-".join(["runs/esrgan_psnr", *words.split(",")]).rstrip("-")
    assert second["init_from"] == folder


def test_esrgan_without_vgg19_says_what_to_do():
    config = esrgan.get_config().to_dict()
    assert config["objective"]["restored"] == {"l1": 0.01}
    with pytest.raises(errors.ConfigError, match="perceptual=none"):
        recipe.build(config)
    assert esrgan.get_config(BARE).perceptual is None
    assert esrgan.get_config("real").to_dict()["perceptual"]["layers"]["conv1_2"] == 0.1


@pytest.mark.parametrize("task", ["denoise", "jpeg", "photo", "pixel_shuffle"])
def test_shipped_weights_have_seen_free_pictures_alone(task):
    config = shipped.get_config(task).to_dict()
    recipe.build(config)
    assert config["data"]["train"] == "public_domain"
    assert config["init_from"] == ""


@pytest.mark.parametrize(
    ("module", "argument"),
    [
        (mwcnn_denoise, "gray,rgb"),
        (mwcnn_denoise, "sigma=25,blind"),
        (mwcnn_jpeg, "luma,rgb"),
        (mwcnn_jpeg, "blind"),
        (esrgan_psnr, "x2,x4"),
        (esrgan_psnr, BARE),
        (esrgan, "vgg"),
        (shipped, "deblur"),
    ],
)
def test_other_words_are_refused(module, argument):
    with pytest.raises(ValueError, match="argument"):
        module.get_config(argument)
