"""A traced function as an ONNX graph: equation by equation, what is constant reckoned.

The sides of its argument, [b, h, w, c], are names (`jax.export.symbolic_shape`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.extend import core

from jaxrestore.exporting import graphs, places, regions, sums, views

RULES = {**places.RULES, **regions.RULES, **sums.RULES}

# Equations that stand for a function: where it is among their parameters.
_FUNCTIONS = ("call_jaxpr", "jaxpr", "fun_jaxpr")


def graph_of(traced: Any) -> graphs.Graph:
    """Returns the graph of a function of one array of images, to one of images.

    `traced` is what `jax.make_jaxpr` made of that. Raises `NotImplementedError` for
    what no rule makes a node of, saying what.
    """
    graph = graphs.Graph()
    shape = traced.in_avals[0].shape
    image = views.of_tensor(graphs.INPUT, shape, views.IMAGES)
    (result,) = _run(graph, traced, [image])
    result, _ = regions.whole(graph, result, traced.out_avals[0].shape)
    if result.tensor == graphs.INPUT:
        result = dataclasses.replace(
            result, tensor=graph.add("Identity", result.tensor)
        )
    graph.relabel(result.tensor, graphs.OUTPUT)
    return graph


def _run(graph, closed, operands):
    """What a function makes of these operands."""
    jaxpr = getattr(closed, "jaxpr", closed)
    known: dict[Any, Any] = {}
    constants = map(_constant, getattr(closed, "consts", []))
    known |= zip(jaxpr.constvars, constants, strict=True)
    known |= zip(jaxpr.invars, operands, strict=True)

    def value(atom):
        if isinstance(atom, core.Literal):
            return np.asarray(atom.val, getattr(atom.aval, "dtype", None))
        return known[atom]

    for equation in jaxpr.eqns:
        made = _made(graph, equation, [value(atom) for atom in equation.invars])
        known |= zip(equation.outvars, made, strict=True)
    return [value(atom) for atom in jaxpr.outvars]


def _constant(array):
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        raise NotImplementedError("random numbers")
    return np.asarray(array)


def _made(graph, equation, operands) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if any(0 in getattr(out.aval, "shape", ()) for out in equation.outvars):
        return [_empty(out.aval.shape) for out in equation.outvars]
    if name == "scan":
        return _loop(graph, equation, operands)
    if name == "optimization_barrier":
        return operands
    rule = sums.FUNCTIONS.get(str(params.get("name"))) or RULES.get(name)
    inside = next((params[key] for key in _FUNCTIONS if key in params), None)
    if rule is None and inside is not None:
        return _run(graph, inside, operands)
    if name not in places.EACH_BY_ITSELF:
        pairs = zip(operands, equation.invars, strict=True)
        operands = [_whole(graph, value, atom.aval) for value, atom in pairs]
    if not _has_names(params) and all(isinstance(o, np.ndarray) for o in operands):
        return _reckoned(equation, operands)
    if rule is None:
        raise NotImplementedError(f"the operation {name}")
    made = rule(graph, equation, operands)
    return made if isinstance(made, list) else [made]


def _empty(shape):
    """No places at all: left out where it is joined with others."""
    return np.zeros([1 if export.is_symbolic_dim(size) else size for size in shape])


def _whole(graph, value, aval):
    """A constant that holds one place for several as a view that repeats it."""
    if isinstance(value, np.ndarray) and value.shape != aval.shape:
        return views.of_array(graph, value, aval.shape)
    return value


def _has_names(params):
    leaves = jax.tree.leaves(dict(params))
    return any(map(export.is_symbolic_dim, leaves))


def _reckoned(equation, operands):
    if equation.primitive.name in places.EACH_BY_ITSELF:
        operands = np.broadcast_arrays(*operands)
    made = equation.primitive.bind(*operands, **equation.params)
    made = made if equation.primitive.multiple_results else [made]
    return [*map(_constant, made)]


def _loop(graph, equation, operands):
    """A loop of a fixed number of rounds, which hands on what it made to the next."""
    inside, count = equation.params["jaxpr"], len(equation.outvars)
    outer = [atom.aval.shape for atom in (*equation.invars, *equation.outvars)]
    if outer != [aval.shape for aval in (*inside.in_avals, *inside.out_avals)]:
        raise NotImplementedError("a loop over an array")
    given = len(operands) - count  # what is the same in each round
    body = graphs.Graph(graph)
    goes_on = body.name("goes_on")
    body.inputs = [(body.name("round"), np.int64, 0), (goes_on, bool, 0)]
    starts, carried, orders = [], [], []
    for variable, operand in zip(equation.outvars, operands[given:], strict=True):
        view, order = regions.whole(graph, operand, variable.aval.shape)
        starts.append(view.tensor)
        orders.append(order)
        name = body.name("carried")
        body.inputs.append((name, variable.aval.dtype, len(order)))
        carried.append(views.View(name, view.axes, view.logical))
    made = _run(body, inside, [*operands[:given], *carried])
    results = [
        regions.whole(body, result, variable.aval.shape, order)[0].tensor
        for result, variable, order in zip(made, equation.outvars, orders, strict=True)
    ]
    body.outputs = [body.add("Identity", name) for name in (goes_on, *results)]
    rounds = graph.constant(equation.params["length"])
    last = graph.several("Loop", count, rounds, "", *starts, options={"body": body})
    return [
        dataclasses.replace(view, tensor=name)
        for name, view in zip(last, carried, strict=True)
    ]
