"""The perceptual loss of a run: what its section must hold, and its network.

The network is no part of the run: it is neither trained nor saved, and the compiled
step takes its variables as an argument. It computes in float32 in any precision.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrestore import errors, perceptual


def check(section: Mapping[str, Any]) -> None:
    """Raises `ConfigError` where `config.perceptual` names no file or no layers."""
    if not section["weights"]:
        raise errors.ConfigError(
            "config.perceptual.weights is empty, and nothing is downloaded; give "
            "torchvision's vgg19 file (vgg19-dcbb9e9d.pth) there, or do without: take "
            "the argument perceptual=none where the recipe has it, or set "
            "config.perceptual to None"
        )
    layers = section["layers"]
    if not isinstance(layers, Mapping) or not layers:
        raise errors.ConfigError(
            f"config.perceptual.layers is {layers!r}; it must hold the weight of each "
            "map by its name, such as conv5_4"
        )
    for name, weight in layers.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not weight >= 0:
            raise errors.ConfigError(
                f"config.perceptual.layers.{name} is {weight!r}; it must be a number, "
                "0 or more"
            )


def load(config: Mapping[str, Any]) -> perceptual.Features | None:
    """Returns the network of the perceptual loss; None for a config without one.

    Raises `NoInputError` when its file cannot be read, `ConfigError` when it holds
    something else, or lacks a layer of the config.
    """
    section = config.get("perceptual")  # runs older than the section have none
    if section is None:
        return None
    found = perceptual.load_features(Path(section["weights"]))
    try:
        perceptual.check_layers(found, section["layers"])
    except ValueError as error:
        raise errors.ConfigError(f"config.perceptual.layers: {error}") from error
    return found
