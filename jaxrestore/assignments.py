"""KEY=VALUE, as command lines have it."""

import ast
from typing import Any

from jaxrestore import errors


def read(text: str) -> tuple[str, Any]:
    """Returns key and value of `KEY=VALUE`; the value as `literal` has it.

    Raises `ConfigError` for text without both, and for a value that begins like a
    Python literal but is none, such as `(0, 1`.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise errors.ConfigError(f"{text!r} is not KEY=VALUE, such as rate=0.15")
    found = literal(value)
    if found == value and value.startswith(("(", "[", "{", '"', "'")):
        raise errors.ConfigError(
            f"{text!r}: the value is not a Python literal, such as 0.15, (0, 1) or "
            "'raster'"
        )
    return key, found


def literal(text: str) -> Any:
    """Returns the value of a Python literal; any other text as it is."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
