"""Train or evaluate from a config.

python -m jaxrestore.main --config configs/gan_full.py[:argument] [--workdir DIR]
    [--mode train|evaluate] [--dry_run] [--fork NEW] [--config.KEY=VALUE ...]
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import ml_collections
from absl import app, flags
from ml_collections import config_flags

from jaxrestore import console, errors, naming

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Recipe, with an argument after a colon.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/<config>[-<argument>] if not given."
)
_MODE = flags.DEFINE_enum("mode", "train", ["train", "evaluate"], "What to do.")
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Print shapes, parameters, memory and learning rates; no run."
)
_FORK = flags.DEFINE_string(
    "fork", None, "New folder in which to go on from --workdir with a changed config."
)


def main(arguments: list[str]) -> None:
    """Runs what the parsed flags ask for."""
    if len(arguments) > 1:
        raise errors.ConfigError(
            f"{arguments[1]!r} is no flag; flags begin with -- (see --help)"
        )
    # Imported late: a misspelt flag is told before jax has loaded.
    from jaxrestore.evaluation import outcome
    from jaxrestore.training import dry_run, loop

    if _MODE.value == "evaluate":
        summary = outcome.score(_workdir())
        print(outcome.verdict(summary, _workdir()))
        return
    config = _CONFIG.value.to_dict()
    if _DRY_RUN.value:
        dry_run.show(config)
        return
    fork = Path(_FORK.value) if _FORK.value else None
    loop.train(config, _workdir(), fork=fork)


def _workdir() -> Path:
    if _WORKDIR.value:
        return Path(_WORKDIR.value)
    if flags.FLAGS["config"].value is None:
        raise errors.ConfigError("give --workdir, the folder of the run to evaluate")
    file, _, argument = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    return Path("runs") / "-".join([Path(file).stem, *argument.split(",")]).rstrip("-")


def parse(arguments: list[str]) -> list[str]:
    """Parses the flags; every mistake is a `ConfigError` that names the nearest key."""
    arguments = [arguments[0], *_with_found_config(arguments[1:])]
    sys.argv = arguments  # where ml_collections looks for the overrides
    try:
        rest = flags.FLAGS(arguments)
    except (flags.Error, ValueError, AttributeError, TypeError) as error:
        raise errors.ConfigError(str(error)) from error
    if _CONFIG.value is None and _MODE.value == "train":
        raise errors.ConfigError("give --config, for example configs/gan_full.py:demo")
    return rest


def _with_found_config(arguments: list[str]) -> list[str]:
    """The arguments with --config=FOUND first, its overrides checked."""
    joined = list(arguments)
    for index, word in enumerate(joined[:-1]):
        if word in ("--config", "-config"):
            joined[index : index + 2] = [f"--config={joined[index + 1]}"]
            break
    chosen = [word for word in joined if word.startswith("--config=")]
    if not chosen:
        return joined
    joined.remove(chosen[-1])
    path, config = load_config(chosen[-1].removeprefix("--config="))
    for word in joined:
        if word.startswith("--config."):
            _check_override(word.removeprefix("--config.").partition("=")[0], config)
    return [f"--config={path}", *joined]


def load_config(name: str) -> tuple[str, ml_collections.ConfigDict]:
    """Returns the path[:argument] that was found for `name`, and its config.

    A path that is not there is looked for among the recipes of the package. Recipes
    import one another as `configs.…`: from the working folder first, then the package.
    Raises `ConfigError` with the nearest recipe, or with what the recipe says.
    """
    packaged = next(
        folder
        for folder in (
            Path(__file__).parent / "configs",
            Path("configs").resolve(),
            Path(__file__).parents[1] / "configs",
        )
        if (folder / "gan_full.py").is_file()
    )
    path, colon, argument = name.partition(":")
    file = Path(path)
    if not file.is_file():
        file = packaged / file.name
    if not file.is_file():
        known = [f"configs/{recipe.name}" for recipe in packaged.glob("[!_]*.py")]
        raise errors.ConfigError(f"no config {path}: {naming.nearest(path, known)}")
    folders = [str(Path("configs").resolve()), str(packaged)]
    spec = importlib.util.spec_from_loader("configs", None, is_package=True)
    assert spec is not None
    spec.submodule_search_locations = folders
    sys.modules["configs"] = importlib.util.module_from_spec(spec)
    spec = importlib.util.spec_from_file_location(f"configs.{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return f"{file}{colon}{argument}", module.get_config(argument)
    except ValueError as error:
        raise errors.ConfigError(f"{path}: {error}") from error


def _check_override(key: str, config: Any) -> None:
    section = config
    names = key.split(".")
    for depth, name in enumerate(names):
        if not isinstance(section, ml_collections.ConfigDict):
            where = ".".join(names[:depth])
            raise errors.ConfigError(f"config.{where} is {section!r}; it has no {name}")
        if name not in section:
            where = ".".join(names[: depth + 1])
            hint = naming.nearest(name, section.keys())
            raise errors.ConfigError(f"config.{where} is no key: {hint}")
        section = section[name]


def run() -> None:
    """Parses and runs, with the exit codes of the package."""
    console.run(lambda: app.run(main, flags_parser=parse))


if __name__ == "__main__":
    run()
