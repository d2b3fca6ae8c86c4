"""What each primitive becomes in an ONNX graph that multiplies and adds up.

Rules as those of `places`.
"""

from collections.abc import Mapping

import numpy as np

from jaxrestore.exporting import places, regions, views


def _convolution(graph, equation, operands):
    params = equation.params
    numbers = params["dimension_numbers"]
    if {*params["lhs_dilation"]} != {1} or params["batch_group_count"] != 1:
        raise NotImplementedError("a transposed convolution that is not one by phases")
    x, _ = regions.whole(graph, operands[0], None, numbers.lhs_spec)
    below, above = zip(*params["padding"], strict=True)
    options = {
        "strides": [*params["window_strides"]],
        "pads": [*below, *above],
        "dilations": [*params["rhs_dilation"]],
        "group": params["feature_group_count"],
    }
    weights = _weights(graph, operands[1], numbers.rhs_spec)
    tensor = graph.add("Conv", x.tensor, weights, options=options)
    return views.of_tensor(tensor, equation.outvars[0].aval.shape, numbers.out_spec)


def _depthwise(graph, equation, operands):
    """That of `models.nafnet`, which is a sum of shifted copies there."""
    x, _ = regions.whole(graph, operands[0])
    shape = equation.outvars[0].aval.shape
    weights = _weights(graph, operands[1], (3, 2, 0, 1))
    pads = {"pads": [1, 1, 1, 1], "group": shape[-1]}
    tensor = graph.add("Conv", x.tensor, weights, options=pads)
    return views.of_tensor(tensor, shape, views.IMAGES)


def _weights(graph, kernel, order):
    if isinstance(kernel, np.ndarray):
        return graph.constant(np.ascontiguousarray(kernel.transpose(order)))
    return regions.whole(graph, kernel, None, order)[0].tensor


def _product(graph, equation, operands):
    """A product with a constant matrix: of an image's channels, or of the last axis."""
    x, matrix = operands
    (taken, of_matrix), (batch, _) = equation.params["dimension_numbers"]
    shape = equation.outvars[0].aval.shape
    last = len(shape) - 1
    fits = isinstance(matrix, np.ndarray) and matrix.ndim == 2 and not batch
    if not fits or taken != (last,):
        raise NotImplementedError("a product that is not of channels with a matrix")
    matrix = matrix if of_matrix == (0,) else matrix.T
    if last == 3:
        x, order = regions.whole(graph, x)
        kernel = np.ascontiguousarray(matrix.T)[..., None, None]
        tensor = graph.add("Conv", x.tensor, graph.constant(kernel))
    else:
        x, order = regions.whole(graph, x, None, range(last + 1))
        tensor = graph.add("MatMul", x.tensor, graph.constant(matrix))
    return views.of_tensor(tensor, shape, order)


def _reduced(op):
    def rule(graph, equation, operands):
        gone = equation.params["axes"]
        view, order = regions.whole(graph, operands[0])
        at = graph.constant(sorted(order.index(axis) for axis in gone))
        tensor = graph.add(op, view.tensor, at, options={"keepdims": 1})
        axes = (() if axis in gone else view.logical[axis] for axis in order)
        rest = (axis for at, axis in enumerate(view.logical) if at not in gone)
        return views.View(tensor, tuple(axes), tuple(rest))

    return rule


RULES: Mapping[str, places.Rule] = {
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "reduce_sum": _reduced("ReduceSum"),
}
# Of compiled functions that are one operation, by their names.
FUNCTIONS: Mapping[str, places.Rule] = {"_depthwise_of_nafnet": _depthwise}
