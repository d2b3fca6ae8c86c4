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
            f"{text!r}: the value is not a Python literal, such as 0.15, 25/255, "
            "(0, 1) or 'raster'"
        )
    return key, found


def literal(text: str) -> Any:
    """Returns the value of a Python literal; any other text as it is.

    A number in it may be a fraction of two, such as `25/255`.

    >>> assignments.literal("(0, 51/255)"), assignments.literal("IN/1")
    ((0, 0.2), 'IN/1')
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return ast.literal_eval(_Fractions().visit(tree))
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, MemoryError):
        return text


class _Fractions(ast.NodeTransformer):
    """Divides number by number where an expression says so; leaves all else."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not isinstance(node.op, ast.Div):
            return node
        above, below = (ast.literal_eval(side) for side in (node.left, node.right))
        if not all(type(side) in (int, float) for side in (above, below)):
            return node
        return ast.copy_location(ast.Constant(above / below), node)
