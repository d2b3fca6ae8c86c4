"""What each primitive becomes in an ONNX graph that reckons place by place.

A rule takes the graph, an equation of the jaxpr and its operands, and returns what
stands for the array that it makes: a `View` of a tensor. An operand is one too, or a
NumPy array where it is constant; along axes where it is the same everywhere that may
hold one place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxrestore.exporting import graphs, views

Value = views.View | np.ndarray
Rule = Callable[[graphs.Graph, Any, Sequence[Any]], Any]


def made(
    graph: graphs.Graph, op: str, operands: Sequence[Value], shape: Sequence[Any]
) -> views.View:
    """Returns the array of this shape whose places a node makes of the operands'."""
    full = [v for v in operands if isinstance(v, views.View) and v.logical]
    arrays = [v for v in operands if isinstance(v, np.ndarray) and v.ndim]
    order = views.usual_order(full[0]) if full else tuple(range(len(shape)))
    full = [views.arranged(graph, view, order) for view in full]
    ready, names = iter(full), []
    for operand in operands:
        if isinstance(operand, np.ndarray):
            names.append(graph.constant(_beside(operand, order)))
        else:
            names.append(next(ready).tensor if operand.logical else operand.tensor)
    axes: dict[int, views.Axis] = {}  # those that the tensor has
    for place, axis in enumerate(order):
        owners = [view.logical[axis] for view in full if view.axes[place]]
        if any(array.shape[axis] > 1 for array in arrays):
            owners.append(views.axis_of(shape[axis]))
        axes[axis] = owners[0] if owners else ()
    logical = (axes[at] or views.axis_of(size) for at, size in enumerate(shape))
    tensor = graph.add(op, *names)
    return views.View(tensor, tuple(axes[axis] for axis in order), tuple(logical))


def _beside(array, order):
    """A constant with its axes in this order, without the first ones of one place."""
    if array.ndim == 0:
        return array
    array = array.transpose(order)
    several = [at for at, side in enumerate(array.shape) if side > 1]
    return array.reshape(array.shape[min(several, default=array.ndim) :])


def _node(op):
    return lambda graph, equation, operands: made(
        graph, op, operands, equation.outvars[0].aval.shape
    )


def _maximum(graph, equation, operands):
    is_float = equation.outvars[0].aval.dtype == np.float32
    for constant, other in (operands, operands[::-1]) if is_float else ():
        if isinstance(constant, np.ndarray) and constant.ndim == 0 and constant == 0:
            return _node("Relu")(graph, equation, [other])
    return _node("Max")(graph, equation, operands)


def _power(graph, equation, operands):
    exponent = equation.params.get("y", 2)
    if exponent == 2:
        return _node("Mul")(graph, equation, [*operands, *operands])
    exponent = np.array(exponent, equation.outvars[0].aval.dtype)
    return _node("Pow")(graph, equation, [*operands, exponent])


def _reciprocal_root(graph, equation, operands):
    root = _node("Sqrt")(graph, equation, operands)
    return _node("Reciprocal")(graph, equation, [root])


def _choice(graph, equation, operands):
    which, otherwise, chosen = operands
    return _node("Where")(graph, equation, [which, chosen, otherwise])


def _clipped(graph, equation, operands):
    least, operand, most = operands
    above = _node("Max")(graph, equation, [operand, least])
    return _node("Min")(graph, equation, [above, most])


def _converted(graph, equation, operands):
    before, after = (
        np.dtype(v.aval.dtype) for v in (*equation.invars, *equation.outvars)
    )
    if after == before or {after.kind, before.kind} <= {"i", "u"}:
        return operands[0]  # whole numbers are all of one type
    names = {"f": "FLOAT", "b": "BOOL", "i": "INT64", "u": "INT64"}
    if (after.kind == "f" and after != np.float32) or after.kind not in names:
        raise NotImplementedError(f"numbers of type {after}")
    (view,) = operands
    tensor = graph.add("Cast", view.tensor, options={"to": names[after.kind]})
    return views.View(tensor, view.axes, view.logical)


def _transposed(graph, equation, operands):
    return views.transposed(operands[0], equation.params["permutation"])


def _reshaped(graph, equation, operands):
    return views.reshaped(operands[0], equation.outvars[0].aval.shape)


def _broadcast(graph, equation, operands):
    (operand,), shape = operands, equation.outvars[0].aval.shape
    places = equation.params["broadcast_dimensions"]
    if isinstance(operand, views.View):
        return views.broadcast(operand, shape, places)
    held = [1] * len(shape)
    for side, at in zip(operand.shape, places, strict=True):
        held[at] = side
    return operand.reshape(held)


def _side(graph, equation, operands):
    size = graph.size(equation.params["dim"])
    return views.View(graph.add("Squeeze", size, graph.constant([0])), (), ())


def _numbered(graph, equation, operands):
    shape = equation.outvars[0].aval.shape
    if len(shape) != 1:
        raise NotImplementedError("places numbered along one of several axes")
    end = graph.add("Squeeze", graph.shape(shape), graph.constant([0]))
    tensor = graph.add("Range", graph.constant(0), end, graph.constant(1))
    return views.of_tensor(tensor, shape, (0,))


_NODES = {
    **{"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow"},
    **{"min": "Min", "neg": "Neg", "abs": "Abs", "sign": "Sign", "exp": "Exp"},
    **{"log": "Log", "tanh": "Tanh", "logistic": "Sigmoid", "sqrt": "Sqrt"},
    **{"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual"},
    **{"eq": "Equal", "and": "And", "or": "Or", "not": "Not"},
    **{"floor": "Floor", "ceil": "Ceil"},
}

# Whose results at a place depend on that place alone: constants may stay small.
EACH_BY_ITSELF: Mapping[str, Rule] = {
    **{primitive: _node(op) for primitive, op in _NODES.items()},
    **dict.fromkeys(("square", "integer_pow"), _power),
    "max": _maximum,
    "rsqrt": _reciprocal_root,
    "select_n": _choice,
    "clamp": _clipped,
    "convert_element_type": _converted,
}
RULES: Mapping[str, Rule] = {
    **EACH_BY_ITSELF,
    **dict.fromkeys(("reshape", "squeeze"), _reshaped),
    "transpose": _transposed,
    "broadcast_in_dim": _broadcast,
    "dim_as_value": _side,
    "iota": _numbered,
}
