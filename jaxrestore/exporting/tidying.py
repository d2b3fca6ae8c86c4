"""What an ONNX graph does not need: biases and factors apart, slopes in three nodes."""

from collections import Counter

import numpy as np

from jaxrestore.exporting import graphs


def tidy(graph: graphs.Graph) -> None:
    """Joins nodes of a finished graph that are one operation, and drops unused ones.

    What is added to a convolution's channels becomes its bias, by what they are
    multiplied goes into its weights, and a choice between `x` and a multiple of it
    becomes a PRelu, or a LeakyRelu. No number changes but by rounding.
    """
    for body in _graphs(graph):
        makers = {name: node for node in body.nodes for name in node.outputs}
        uses = Counter(name for node in body.nodes for name in node.inputs)
        for place, node in enumerate(body.nodes):
            join = _JOINS.get(node.op)
            if join and (one := join(node, makers, uses, graph)):
                body.nodes[place] = makers[node.outputs[0]] = one
    _drop_unused(graph)


def _graphs(graph):
    yield graph
    for node in graph.nodes:
        for body in graphs.bodies(node):
            yield from _graphs(body)


def _slope(node, makers, uses, graph):
    """`x` where it is not negative, else a constant times `x`; None for another one."""
    which, usual, other = node.inputs
    test, product = makers.get(which), makers.get(other)
    if not (test and product and test.op == "GreaterOrEqual" and product.op == "Mul"):
        return None
    factors = [name for name in product.inputs if name != usual]
    zero = graph.arrays.get(test.inputs[1], np.ones(1))
    if test.inputs[0] != usual or zero.any() or len(factors) != 1:
        return None
    slope = graph.arrays.get(factors[0])
    if slope is None:
        return None
    if slope.size == 1:
        alpha = {"alpha": float(slope.reshape(()))}
        return node._replace(op="LeakyRelu", inputs=(usual,), attributes=alpha)
    # One that has a channel for each slope: PRelu repeats the slopes alone.
    if slope.shape != (_count(makers.get(usual), graph), 1, 1):
        return None
    return node._replace(op="PRelu", inputs=(usual, factors[0]))


def _biased(node, makers, uses, graph):
    """The convolution with what is added to its channels; None for another sum."""
    found = _of_channels(node, makers, uses, graph)
    if found is None or len(found[0].inputs) == 3:
        return None
    conv, bias = found
    inputs = (*conv.inputs, graph.constant(bias))
    return conv._replace(inputs=inputs, outputs=node.outputs)


def _scaled(node, makers, uses, graph):
    """The convolution with its channels multiplied; None for another product."""
    found = _of_channels(node, makers, uses, graph)
    if found is None or any(name not in graph.arrays for name in found[0].inputs[1:]):
        return None
    conv, factors = found
    arrays = [graph.arrays[name] for name in conv.inputs[1:]]
    scaled = (array * factors.reshape(-1, *[1] * (array.ndim - 1)) for array in arrays)
    inputs = (conv.inputs[0], *map(graph.constant, scaled))
    return conv._replace(inputs=inputs, outputs=node.outputs)


def _of_channels(node, makers, uses, graph):
    """A convolution that is used here alone, and a constant a channel; None if none."""
    for name, other in (node.inputs, node.inputs[::-1]):
        conv, constant = makers.get(name), graph.arrays.get(other)
        count = _count(conv, graph)
        if conv is None or constant is None or not count or uses[name] != 1:
            continue
        if constant.size == 1 or constant.shape == (count, 1, 1):
            return conv, np.broadcast_to(constant.reshape(-1), (count,))
    return None


def _count(conv, graph):
    """How many channels a convolution makes; 0 of another node, and if not known."""
    weights = graph.arrays.get(conv.inputs[1]) if conv and conv.op == "Conv" else None
    return 0 if weights is None else len(weights)


_JOINS = {"Where": _slope, "Add": _biased, "Mul": _scaled}


def _drop_unused(graph):
    used = {graphs.OUTPUT}
    _keep_used(graph, used)
    for name in [*graph.arrays]:
        if name not in used:
            del graph.arrays[name]


def _keep_used(graph, used):
    used |= {*graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if used & {*node.outputs}:
            for body in graphs.bodies(node):
                _keep_used(body, used)
            used |= {*node.inputs}
            kept.append(node)
    graph.nodes[:] = reversed(kept)
