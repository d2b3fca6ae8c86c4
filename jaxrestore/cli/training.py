"""`jaxrestore train`, which is `python -m jaxrestore.main`: flags and what they do."""

import functools
import operator
import re
import sys
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import config_flags

from jaxrestore import assignments, config_files, errors
from jaxrestore.cli import ending
from jaxrestore.training import allocator

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Recipe, with an argument after a colon.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/<config>[-<argument>] if not given."
)
_MODE = flags.DEFINE_enum("mode", "train", ["train", "evaluate"], "What to do.")
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Print shapes, learning rates, memory, disk, hours; no run."
)
_FORK = flags.DEFINE_string(
    "fork", None, "New folder in which to go on from --workdir with a changed config."
)
_FLAGS = (_CONFIG, _WORKDIR, _MODE, _DRY_RUN, _FORK)
_SUCH = "for example configs/gan_full.py:demo"


@ending.flags("fork", "workdir")
def main(arguments: list[str]) -> None:
    """Runs what the parsed flags ask for."""
    if len(arguments) > 1:
        raise errors.ConfigError(
            f"{arguments[1]!r} is no flag; flags begin with -- (see --help)"
        )
    allocator.keep_freed_memory()
    # Imported late: a misspelt flag is told before jax has loaded.
    from jaxrestore.evaluation import outcome
    from jaxrestore.training import dry_run, loop

    if _MODE.value == "evaluate":
        summary = outcome.score(_workdir())
        print(outcome.verdict(summary, _workdir()))
        return
    config = config_files.translate(_recipe(), _CONFIG.value)
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
    file, _, argument = _recipe().partition(":")
    return Path("runs") / "-".join([Path(file).stem, *argument.split(",")]).rstrip("-")


def _recipe() -> str:
    return config_flags.get_config_filename(flags.FLAGS["config"])


@ending.flags("study")
def parse(arguments: list[str]) -> list[str]:
    """Parses the flags; every mistake is a `ConfigError` that names the nearest key."""
    arguments = [arguments[0], *found(list(map(_spelled, arguments[1:])))]
    sys.argv = arguments  # where ml_collections looks for the overrides
    try:
        rest = flags.FLAGS(arguments)
    except SystemExit as end:
        raise SystemExit(0) from end  # absl ends --help with 1
    except (flags.Error, ValueError, AttributeError, TypeError) as error:
        raise errors.ConfigError(str(error)) from error
    if _CONFIG.value is None and _MODE.value == "train":
        raise errors.ConfigError(f"give --config, {_SUCH}")
    return rest


def _spelled(word: str) -> str:
    """A flag of ours as it is defined: - and _ in its name are alike."""
    flag, equals, value = word.partition("=")
    name = flag.lstrip("-").replace("-", "_")
    ours = {ours.name for ours in _FLAGS} & {name, name.removeprefix("no")}
    return f"--{name}{equals}{value}" if ours and flag.startswith("-") else word


def found(arguments: list[str]) -> list[str]:
    """Returns the arguments with --config=FOUND first, for flags to be parsed.

    Of a key that is given twice the last value counts, and a number may be a fraction,
    such as 25/255. Raises `ConfigError`, naming the nearest right one, for a recipe
    that is not there and for an override of a key that the recipe does not have, and
    for --config without a recipe.
    """
    others, values = _values(arguments)
    if "config" not in values:
        return list(arguments)
    if not (recipe := values.pop("config")):
        raise errors.ConfigError(f"--config has no value; give it a recipe, {_SUCH}")
    path, config = config_files.load(recipe)
    overrides = []
    for name, value in values.items():
        key = name.removeprefix("config.")
        config_files.check_override(config, key, value)
        overrides.append(_override(config, key, value))
    return [f"--config={path}", *overrides, *others]


def _values(arguments: list[str]) -> tuple[list[str], dict[str, str | None]]:
    """Returns other arguments, and the values of --config and its keys, by name.

    The last value counts, as that of any flag does: ml_collections would join tuples.
    """
    others, values, index = [], {}, 0
    while index < len(arguments):
        word, following = arguments[index], arguments[index + 1 : index + 2]
        index += 1
        name, equals, value = word.lstrip("-").partition("=")
        if word[:1] != "-" or not re.match(r"config($|\.)", name):
            others.append(word)
            continue
        if not equals and following and not re.match("--?[a-z]", following[0]):
            equals, value = "=", following[0]
            index += 1
        values[name] = value if equals else None
    return others, values


def _override(config: Any, key: str, value: str | None) -> str:
    if value is None:
        return f"--config.{key}"
    held = functools.reduce(operator.getitem, key.split("."), config)
    if "/" in value and not isinstance(held, str):
        value = str(assignments.literal(value))
    return f"--config.{key}={value}"


def run(arguments: list[str]) -> None:
    """Parses and runs, with the exit codes of the package; the first is the program."""
    for flag in _FLAGS:
        # What --help lists: the flags of the program, wherever they are defined.
        flags.FLAGS.register_key_flag_for_module(arguments[0], flags.FLAGS[flag.name])
    ending.run(lambda: app.run(main, argv=arguments, flags_parser=parse))
