"""The section of the perceptual loss; its network: test_perceptual_step.py."""

import pytest

from jaxrestore import errors
from jaxrestore.training import features


def test_a_config_without_the_section_has_no_network():
    assert features.load({}) is None
    assert features.load({"perceptual": None}) is None


def test_a_file_and_weights_from_0_are_what_it_needs():
    features.check({"weights": "vgg19.pth", "layers": {"conv5_4": 1, "conv1_2": 0.0}})


@pytest.mark.parametrize(
    ("weights", "layers", "message"),
    [
        ("", {"conv5_4": 1.0}, "weights is empty, and nothing is downloaded"),
        ("a", {}, "layers is {}; it must hold the weight of each map"),
        ("a", ["conv5_4"], r"layers is \['conv5_4'\]; it must hold"),
        ("a", {"conv5_4": -1.0}, r"layers\.conv5_4 is -1\.0; it must be a number"),
        ("a", {"conv5_4": True}, r"layers\.conv5_4 is True; it must be a number"),
        ("a", {"conv5_4": "1"}, r"layers\.conv5_4 is '1'; it must be a number"),
        ("a", {"conv5_4": float("nan")}, r"layers\.conv5_4 is nan; it must be"),
    ],
)
def test_a_section_that_cannot_be_meant_is_told(weights, layers, message):
    with pytest.raises(errors.ConfigError, match=rf"config\.perceptual\.{message}"):
        features.check({"weights": weights, "layers": layers})


def test_a_file_that_is_not_there_is_told(tmp_path):
    section = {"weights": str(tmp_path / "vgg19.pth"), "layers": {"conv5_4": 1.0}}
    with pytest.raises(errors.NoInputError, match=r"vgg19\.pth"):
        features.load({"perceptual": section})
