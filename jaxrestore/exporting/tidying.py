"""What an ONNX graph does not need: biases apart, slopes in three nodes, dead ends."""

from collections import Counter

import numpy as np

from jaxrestore.exporting import graphs


def tidy(graph: graphs.Graph) -> None:
    """Joins nodes of a finished graph that are one operation, and drops unused ones.

    What is added to a convolution's channels becomes its bias, and a choice between `x`
    and a multiple of it a PRelu, or a LeakyRelu. No number changes but by rounding.
    """
    for body in _graphs(graph):
        makers = {name: node for node in body.nodes for name in node.outputs}
        uses = Counter(name for node in body.nodes for name in node.inputs)
        for place, node in enumerate(body.nodes):
            if node.op == "Where" and (slope := _slope(node, makers, graph.arrays)):
                body.nodes[place] = slope
            elif node.op == "Add" and (conv := _biased(node, makers, uses, graph)):
                body.nodes[place] = conv
    _drop_unused(graph)


def _graphs(graph):
    yield graph
    for node in graph.nodes:
        for body in graphs.bodies(node):
            yield from _graphs(body)


def _slope(node, makers, arrays):
    """`x` where it is not negative, else a constant times `x`; None for another one."""
    which, usual, other = node.inputs
    test, product = makers.get(which), makers.get(other)
    if not (test and product and test.op == "GreaterOrEqual" and product.op == "Mul"):
        return None
    factors = [name for name in product.inputs if name != usual]
    zero = arrays.get(test.inputs[1], np.ones(1))
    if test.inputs[0] != usual or zero.any() or len(factors) != 1:
        return None
    slope = arrays.get(factors[0])
    if slope is None:
        return None
    if slope.size == 1:
        alpha = {"alpha": float(slope.reshape(()))}
        return node._replace(op="LeakyRelu", inputs=(usual,), attributes=alpha)
    return node._replace(op="PRelu", inputs=(usual, factors[0]))


def _biased(node, makers, uses, graph):
    """The convolution with what is added to its channels; None for another sum."""
    for name, added in (node.inputs, node.inputs[::-1]):
        conv, bias = makers.get(name), graph.arrays.get(added)
        if conv is None or bias is None or conv.op != "Conv":
            continue
        fits = bias.ndim == 3 and bias.shape[1:] == (1, 1)
        if fits and uses[name] == 1 and len(conv.inputs) == 2:
            inputs = (*conv.inputs, graph.constant(bias.reshape(-1)))
            return node._replace(op="Conv", inputs=inputs, attributes=conv.attributes)
    return None


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
