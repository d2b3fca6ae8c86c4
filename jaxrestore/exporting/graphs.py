"""An ONNX graph while it is made: nodes, arrays, and sides that a picture brings.

Nothing here needs the package onnx; `onnx_files` writes what is made.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import export

INPUT, OUTPUT = "image", "restored"
# The names of the sides of what is taken, [b, h, w, c], and their places in the tensor.
SIDES = {"b": 0, "h": 2, "w": 3}

_NONE: Mapping[str, Any] = {}
_SMALL = 256  # bytes: such constants are written once


class Node(NamedTuple):
    """One operation: names in, names out. An attribute may be a `Graph`, a body."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


class Graph:
    """Nodes in their order and arrays by name; a body has those of its `parent` too."""

    def __init__(self, parent: "Graph | None" = None):
        """Starts an empty graph, or one that is run inside of another."""
        self.root: Graph = parent.root if parent else self
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.inputs: list[tuple[str, Any, int]] = []  # of a body: name, type, axes
        self.outputs: list[str] = []
        self._count = 0
        self._known: dict[Any, str] = {}

    def name(self, kind: str) -> str:
        """Returns a name that no tensor has yet."""
        self.root._count += 1
        return f"{kind.lower()}_{self.root._count}"

    def add(self, op: str, *inputs: str, options: Mapping[str, Any] = _NONE) -> str:
        """Returns the name of what a new node makes; `options` are its attributes."""
        return self.several(op, 1, *inputs, options=options)[0]

    def several(
        self, op: str, count: int, *inputs: str, options: Mapping[str, Any] = _NONE
    ) -> tuple[str, ...]:
        """Returns the names of the tensors, so many, that a new node makes."""
        outputs = tuple(self.name(op) for _ in range(count))
        self.nodes.append(Node(op, inputs, outputs, options))
        return outputs

    def relabel(self, old: str, new: str) -> None:
        """Calls a tensor by another name."""

        def renamed(names):
            return tuple(new if name == old else name for name in names)

        for at, (op, inputs, outputs, attributes) in enumerate(self.nodes):
            node = Node(op, renamed(inputs), renamed(outputs), attributes)
            self.nodes[at] = node
            for body in bodies(node):
                body.relabel(old, new)

    def constant(self, array: Any) -> str:
        """Returns the name of an array; whole numbers are int64, as sides are."""
        array = np.asarray(array)
        if np.issubdtype(array.dtype, np.integer):
            array = array.astype(np.int64)
        key = None
        if array.nbytes <= _SMALL:
            key = (array.dtype.str, array.shape, array.tobytes())
            if key in self.root._known:
                return self.root._known[key]
        name = self.name("constant")
        self.root.arrays[name] = array
        if key is not None:
            self.root._known[key] = name
        return name

    def shape(self, sizes: Sequence[Any]) -> str:
        """Returns the name of a vector of sizes, each a number or a polynomial."""
        if not any(map(export.is_symbolic_dim, sizes)):
            return self.constant(np.array(sizes, np.int64))
        parts: list[Any] = []
        for size in sizes:
            if export.is_symbolic_dim(size):
                parts.append(self.size(size))
            elif parts and isinstance(parts[-1], list):
                parts[-1].append(size)
            else:
                parts.append([size])
        names = [p if isinstance(p, str) else self.constant(p) for p in parts]
        if len(names) == 1:
            return names[0]
        key = ("shape", *names)
        if key not in self.root._known:
            self.root._known[key] = self.root.add("Concat", *names, options={"axis": 0})
        return self.root._known[key]

    def size(self, size: Any) -> str:
        """Returns the name of a vector of one number: a side, as it comes out."""
        # As jax writes it: 8*floordiv(h + 7, 8), h^2.
        text = str(size).replace("^", "**").strip()
        return self.root._side(ast.parse(text, mode="eval").body)

    def _side(self, term: ast.expr) -> str:
        key = ast.unparse(term)
        if key not in self._known:
            self._known[key] = self._made(term)
        return self._known[key]

    def _made(self, term):
        match term:
            case ast.Constant(value):
                return self.constant([value])
            case ast.Name(name):
                place = SIDES[name]
                options = {"start": place, "end": place + 1}
                return self.add("Shape", INPUT, options=options)
            case ast.UnaryOp(ast.USub(), operand):
                return self.add("Neg", self._side(operand))
            case ast.BinOp(left, ast.Pow(), ast.Constant(int(power))):
                return self._folded("Mul", [left] * power)
            case ast.BinOp(left, op, right):
                return self._folded(_ARITHMETIC[type(op)], [left, right])
            case ast.Call(ast.Name("floordiv"), [left, right]):
                # ONNX divides towards zero; the remainder has the divisor's sign.
                above, below = self._side(left), self._side(right)
                rest = self.add("Mod", above, below)
                return self.add("Div", self.add("Sub", above, rest), below)
            case ast.Call(ast.Name(function), sides):
                return self._folded(function.capitalize(), sides)
        raise NotImplementedError(f"the side {ast.unparse(term)}")

    def _folded(self, op, terms):
        first, *others = map(self._side, terms)
        for other in others:
            first = self.add(op, first, other)
        return first


_ARITHMETIC = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}


def bodies(node: Node) -> Iterator[Graph]:
    """Yields the graphs that a node runs."""
    yield from (value for value in node.attributes.values() if isinstance(value, Graph))
