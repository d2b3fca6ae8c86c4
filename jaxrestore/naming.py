"""The only dynamic import: a name in a config is a file's name, or a function's."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def nearest(name: str, known: Iterable[str], told: str = "{}") -> str:
    """Returns the end of an error message: the nearest known name, or all of them.

    `told` is how a name is written there, such as `configs/{}.py`.
    """
    known = sorted(known)
    if not known:
        return "there is none."
    if close := closest(name, known):
        return f"did you mean {told.format(close)!r}?"
    return f"there is {', '.join(map(told.format, known))}."


def closest(name: str, known: Iterable[str]) -> str:
    """Returns the known name that may have been meant; an empty one if none is like it.

    >>> naming.closest("widht", ["blocks", "width"])
    'width'
    """

    def likeness(other: str) -> float:
        # The letters without their order break ties: bet1a is beta1, not beta2.
        pairs = (name, other), (sorted(name), sorted(other))
        return sum(difflib.SequenceMatcher(None, a, b).ratio() for a, b in pairs)

    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return max(close, key=likeness, default="")


def module(package: str, name: str) -> ModuleType:
    """Returns the module `jaxrestore.<package>.<name>`.

    Raises `ValueError` with the nearest spelling when there is no such file, and for
    one that is no Python, or imports what is not there.
    """
    known = files(package)
    if name not in known:
        raise ValueError(f"{package} has no {name!r}: {nearest(name, known)}")
    try:
        return importlib.import_module(f"jaxrestore.{package}.{name}")
    except (SyntaxError, ImportError) as error:  # of a file that a reader added
        raise ValueError(f"{package}/{name}.py cannot be imported: {error}") from error


def modules(package: str) -> list[ModuleType]:
    """Returns all modules of `jaxrestore.<package>`, by their names."""
    return [module(package, name) for name in files(package)]


def files(package: str) -> list[str]:
    """Returns the names of the files in `jaxrestore.<package>`, imported or not."""
    home = importlib.import_module(f"jaxrestore.{package}")
    return sorted(entry.name for entry in pkgutil.iter_modules(home.__path__))


def public(home: ModuleType) -> dict[str, Any]:
    """Returns the public functions that `home` itself defines, by name."""
    return {
        name: value
        for name, value in vars(home).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", None) == home.__name__
    }


def function(home: str, name: str) -> Any:
    """Returns the public function `name` of the module `jaxrestore.<home>`.

    Raises `ValueError` with the nearest spelling when there is no such function.
    """
    known = public(importlib.import_module(f"jaxrestore.{home}"))
    if name not in known:
        raise ValueError(f"{home} has no {name!r}: {nearest(name, known)}")
    return known[name]


def words(home: str, name: str) -> tuple[str, ...]:
    """Returns the words to choose from that `jaxrestore.<home>` lists as `name`."""
    return tuple(getattr(importlib.import_module(f"jaxrestore.{home}"), name))
