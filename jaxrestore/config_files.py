"""Finding the recipe or study that somebody names, and checking what is to override it.

A path that is not there is looked for among those of the package if it lies in no
folder, or in one called as theirs. Recipes import one another as `configs.…`: from the
working folder first, then from the package.
"""

import contextlib
import functools
import importlib.util
import operator
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from jaxrestore import assignments, config_keys, errors, naming

# Sections whose keys follow from what they name; a run may need others.
TABLES = ("objective", "degradation", "generator", "discriminator")
# How absl, which reads overrides, has them.
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _Kind(NamedTuple):
    """What a file is: the folder of the package's, its function, what this returns."""

    word: str
    home: str
    function: str
    makes: type
    example: str


_RECIPE = _Kind(
    word="config",
    home="configs",
    function="get_config",
    makes=ml_collections.ConfigDict,
    example="configs/gan_full.py",
)
_STUDY = _Kind(
    word="study",
    home="configs/studies",
    function="get_study",
    makes=Mapping,
    example="configs/studies/figure_05.py",
)


def load(name: str) -> tuple[str, ml_collections.ConfigDict]:
    """Returns the path[:argument] that was found for `name`, and its config.

    Raises `ConfigError` with the nearest recipe, with what the recipe refuses, and with
    what keeps its file from being one.
    """
    path, colon, argument = name.partition(":")
    file = _found(path, _RECIPE)
    config = _made(path, file, _RECIPE, argument)
    return f"{file}{colon}{argument}", config


def study(path: str, scale: float) -> Mapping[str, Any]:
    """Returns what the `get_study(scale)` of a study returns; raises as `load`."""
    return _made(path, _found(path, _STUDY), _STUDY, scale)


def _found(path, kind):
    """The file at `path`, or that of the package which it names."""
    rooms = {_RECIPE.home: packaged(), _STUDY.home: packaged() / "studies"}
    name, folder = Path(path).name, Path(path).parent.as_posix()
    if Path(path).is_file():
        return Path(path)
    room = rooms.get(kind.home if folder == "." else folder)
    if room and (room / name).is_file():
        return room / name
    known = [file.stem for file in rooms[kind.home].glob("[!_]*.py")]
    if room:
        hint = naming.nearest(Path(path).stem, known, f"{kind.home}/{{}}.py")
        raise errors.ConfigError(f"no {kind.word} {path}: {hint}")
    near = naming.closest(Path(path).stem, known)
    example = f"{kind.home}/{near}.py" if near else kind.example
    raise errors.ConfigError(
        f"no {kind.word} {path}: there is no such file; check the path, or name one of "
        f"the package's as {example}"
    )


def _made(path, file, kind, argument):
    """What the function of a file makes of its argument."""
    loaded = module(file)
    if not hasattr(loaded, kind.function):
        raise errors.ConfigError(f"{path} {_lacking(loaded, kind)}")
    try:
        with _telling_where(file):
            made = getattr(loaded, kind.function)(argument)
    except ValueError as error:
        raise errors.ConfigError(f"{path}: {error}") from error
    if not isinstance(made, kind.makes):
        raise errors.ConfigError(
            f"{kind.function} of {path} returns a {type(made).__name__}; it must "
            f"return a {kind.makes.__name__}, as that of {kind.example} does"
        )
    return made


def _lacking(loaded, kind):
    if hasattr(loaded, _STUDY.function):
        return "is a study, no recipe; give it to jaxrestore sweep as `study`"
    if hasattr(loaded, _RECIPE.function):
        return "is a recipe, no study; give it as `config`"
    return f"has no function {kind.function}; write one, as {kind.example} has it"


@contextlib.contextmanager
def _telling_where(file: Path) -> Iterator[None]:
    """Turns what a file raises into a `ConfigError` with its line; not `ValueError`."""
    try:
        yield
    except (errors.UserError, ValueError):
        raise
    except SyntaxError as error:
        place = f"{error.filename or file}, line {error.lineno}"
        raise errors.ConfigError(f"{place}: {error.msg}; mend the file") from error
    except Exception as error:
        here, frames = str(file.absolute()), traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == here]
        place = f"{file}, line {lines[-1]}" if lines else str(file)
        said = f"{type(error).__name__}: {error}"
        raise errors.ConfigError(f"{place}: {said}; mend the file") from error


def check_override(
    config: ml_collections.ConfigDict, key: str, value: str | None
) -> None:
    """Raises `ConfigError` for an override that `config` has no place for.

    `key` has its dots; `value` is as a command line has it, or None where it has none,
    as True or False may be given. The message names the nearest key, what a value must
    be, or how a section is given whole that has to get a key more.
    """
    section: Any = config
    names = key.split(".")
    for depth, name in enumerate(names):
        if not isinstance(section, ml_collections.ConfigDict):
            where = ".".join(names[:depth])
            raise errors.ConfigError(f"config.{where} is {section!r}; it has no {name}")
        if name not in section:
            where = ".".join(names[: depth + 1])
            hint = naming.nearest(name, section.keys())
            if names[0] not in TABLES or not depth:
                raise errors.ConfigError(f"config.{where} is no key: {hint}")
            close = naming.closest(name, section.keys())
            said = f"no key: {hint} To" if close else "no key of this recipe; to"
            wider = _added(_at(config, names[:1]).to_dict(), names[1:], value)
            raise errors.ConfigError(
                f"config.{where} is {said} add {name}, give the section whole: "
                f"{config_keys.whole(names[0], wider)}"
            )
        section = section[name]
    held = _type(config, key)
    if value is None:
        if held not in (bool, object):
            raise errors.ConfigError(
                f"config.{key} has no value; give it one, as config.{key}={section}"
            )
        return
    if held is type(None):
        raise errors.ConfigError(
            f"config.{key} is None, and no override makes a section of it; write a "
            "recipe that imports this one and sets it"
        )
    if value == "None" and _is_section(held):
        raise errors.ConfigError(
            f"config.{key} is a section and cannot become None as an override; write a "
            "recipe that imports this one and says so, as configs/cnn_full.py does"
        )
    check_value(config, key, _read(held, value), f"config.{key}")


def check_value(
    config: ml_collections.ConfigDict, key: str, given: Any, spelled: str
) -> None:
    """Raises `ConfigError` for a value of another type than that of the key.

    It says what the value must be; `spelled` is how the command line has the key.
    """
    held = _type(config, key)
    if _is_section(held) and not isinstance(given, Mapping):
        below = _at(config, key.split(".")).to_dict()
        example = next((k for k, x in below.items() if not isinstance(x, Mapping)), "")
        if "name" in below:
            example, below["name"] = "name", given
        way = f'{spelled}="{below}"'
        if example:
            held = below[example]
            way = f"{spelled}.{example}={held}, or all of them: "
            way += f'{spelled}="{{{example!r}: {held!r}, ...}}"'
        raise errors.ConfigError(
            f"{spelled} is a section, which {given!r} is not; give its keys: {way}"
        )
    if wanted := config_keys.misfit(held, given):
        raise errors.ConfigError(f"{spelled} is {given!r}; it must be {wanted}")


def _at(config: Any, names: list[str]) -> Any:
    return functools.reduce(operator.getitem, names, config)


def _type(config, key):
    *path, name = key.split(".")
    return _at(config, path).get_type(name)


def _is_section(held):
    return issubclass(held, ml_collections.ConfigDict)


def _read(held, text):
    """The value of a text from a command line, where a key of this type takes it."""
    if held is str:
        return text
    if held is bool and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    with contextlib.suppress(ValueError):
        return held(text) if held in (int, float) else assignments.literal(text)
    return assignments.literal(text)


def _added(values, names, text):
    """The values of a section with one more, which may lie deeper."""
    first, *rest = names
    below = _added(values.get(first, {}), rest, text) if rest else None
    return {**values, first: below if rest else assignments.literal(text or "")}


def translate(path: str, config: ml_collections.ConfigDict) -> dict[str, Any]:
    """Returns the plain config that a run takes, once all overrides are made.

    A recipe with names of its own, as `configs/pix2pix.py`, defines `translate`, which
    turns them into those of `configs/gan_full.py`; `path` is what `load` returned.
    Raises `ConfigError` with what it refuses.
    """
    file = Path(path.partition(":")[0])
    recipe = module(file)
    try:
        with _telling_where(file):
            return getattr(recipe, "translate", lambda config: config.to_dict())(config)
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error


def module(file: Path) -> Any:
    """Returns the recipe in `file`, imported; recipes it imports are found.

    Raises `ConfigError` for a file that is no Python or does not run, with its line.
    """
    _make_importable()
    spec = importlib.util.spec_from_file_location(f"configs.{file.stem}", file)
    if spec is None or spec.loader is None:
        raise errors.ConfigError(
            f"{file} is no Python file; name one that ends in .py, such as "
            f"{_RECIPE.example}"
        )
    loaded = importlib.util.module_from_spec(spec)
    try:
        with _telling_where(file):
            spec.loader.exec_module(loaded)
    except ValueError as error:
        raise errors.ConfigError(f"{file}: {error}") from error
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
    package = importlib.util.module_from_spec(spec)
    # None, which Python 3.11 puts there, stops `inspect`, and so jax, where another
    # `configs` had a file.
    vars(package).pop("__file__", None)
    sys.modules["configs"] = package
