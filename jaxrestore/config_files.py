"""Finding the recipe that somebody names, and checking what is to override it.

A path that is not there is looked for among the recipes of the package. Recipes import
one another as `configs.…`: from the working folder first, then from the package.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import ml_collections

from jaxrestore import errors, naming

# Sections whose keys follow from what they name; a run may need others.
TABLES = ("objective", "degradation", "generator", "discriminator")


def load(name: str) -> tuple[str, ml_collections.ConfigDict]:
    """Returns the path[:argument] that was found for `name`, and its config.

    Raises `ConfigError` with the nearest recipe, or with what the recipe says.
    """
    path, colon, argument = name.partition(":")
    file = Path(path) if Path(path).is_file() else packaged() / Path(path).name
    if not file.is_file():
        known = [f"configs/{recipe.name}" for recipe in packaged().glob("[!_]*.py")]
        raise errors.ConfigError(f"no config {path}: {naming.nearest(path, known)}")
    try:
        return f"{file}{colon}{argument}", module(file).get_config(argument)
    except ValueError as error:
        raise errors.ConfigError(f"{path}: {error}") from error


def check_override(config: ml_collections.ConfigDict, key: str, value: str) -> None:
    """Raises `ConfigError`, naming the nearest, where `config` has no such key.

    `key` has its dots; `value` is as a command line has it. A section cannot be None.
    """
    section = config
    names = key.split(".")
    for depth, name in enumerate(names):
        if not isinstance(section, ml_collections.ConfigDict):
            where = ".".join(names[:depth])
            raise errors.ConfigError(f"config.{where} is {section!r}; it has no {name}")
        if name not in section:
            where = ".".join(names[: depth + 1])
            hint = naming.nearest(name, section.keys())
            if names[0] in TABLES and depth:
                hint += f" A table is given whole: config.{names[0]}='{{...}}'"
            raise errors.ConfigError(f"config.{where} is no key: {hint}")
        section = section[name]
    if value == "None" and isinstance(section, ml_collections.ConfigDict):
        raise errors.ConfigError(
            f"config.{key} holds keys and cannot become None as an override; write a "
            "recipe that imports this one and says so, as configs/cnn_full.py does"
        )


def translate(path: str, config: ml_collections.ConfigDict) -> dict[str, Any]:
    """Returns the plain config that a run takes, once all overrides are made.

    A recipe with names of its own, as `configs/pix2pix.py`, defines `translate`, which
    turns them into those of `configs/gan_full.py`; `path` is what `load` returned.
    Raises `ConfigError` with what it refuses.
    """
    recipe = module(Path(path.partition(":")[0]))
    try:
        return getattr(recipe, "translate", lambda config: config.to_dict())(config)
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error


def module(file: Path) -> Any:
    """Returns the recipe in `file`, imported; recipes it imports are found."""
    _make_importable()
    spec = importlib.util.spec_from_file_location(f"configs.{file.stem}", file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def packaged() -> Path:
    """Returns the folder of recipes: in an installed package, or in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else inside.parents[1] / "configs"


def _make_importable() -> None:
    """Makes `configs` a package of both folders, the working folder's first."""
    spec = importlib.util.spec_from_loader("configs", None, is_package=True)
    assert spec is not None
    spec.submodule_search_locations = [str(Path("configs").resolve()), str(packaged())]
    sys.modules["configs"] = importlib.util.module_from_spec(spec)
