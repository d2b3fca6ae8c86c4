"""What a command line says of a study, as text: axes, settings, a recipe over axes."""

import ast
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from jaxrestore import assignments, errors
from jaxrestore.sweeps import grid


def study(config: str, axes: Iterable[str]) -> grid.Study:
    """Returns the study of a recipe over axes `key=a,b,c`; it is called by both.

    Raises `ConfigError` for an axis that `axis` refuses or that stands there twice.
    """
    found: dict[str, list[Any]] = {}
    for key, values in map(axis, axes):
        if key in found:
            raise errors.ConfigError(f"the axis {key} stands there twice")
        found[key] = values
    path, _, argument = config.partition(":")
    words = [PurePosixPath(path).stem, *argument.split(","), *found]
    name = re.sub(r"[^\w.]+", "-", "-".join(word for word in words if word))
    return grid.study({"name": name, "config": config, "grid": found})


def axis(text: str) -> tuple[str, list[Any]]:
    """Returns key and values of `key=a,b,c`; what is no Python literal is text.

    `key=(48,128),(85,128)` has two values. Raises `ConfigError` for anything else.
    """
    key, equals, values = text.partition("=")
    if not (key and equals and values):
        raise errors.ConfigError(f"{text!r} is no KEY=A,B,C, such as batch_size=1,16")
    try:
        return key, list(ast.literal_eval(f"[{values}]"))
    except (ValueError, SyntaxError):
        return key, [assignments.literal(part) for part in _parts(values)]


def _parts(text):
    """The text cut at its commas, but for those within brackets."""
    return [part.strip() for part in re.split(r",(?![^(\[{]*[)\]}])", text)]
