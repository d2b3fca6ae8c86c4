"""What each primitive becomes in an ONNX graph that cuts arrays or joins them.

Rules as those of `places`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import lax

from jaxrestore.exporting import graphs, places, views

_END = np.iinfo(np.int64).max


def whole(
    graph: graphs.Graph, operand: places.Value, shape: Any = None, order: Any = None
) -> tuple[views.View, tuple[int, ...]]:
    """Returns an operand as a tensor of all places, and the order of its axes.

    A constant has this `shape`, its own without; the `order` is the usual one.
    """
    if isinstance(operand, np.ndarray):
        shape = operand.shape if shape is None else shape
        operand = views.of_array(graph, operand, shape)
    order = views.usual_order(operand) if order is None else tuple(order)
    return views.arranged(graph, operand, order, whole=True), order


def _cut(graph, operand, starts, ends, dropped=()):
    """The part from `starts` to `ends`; axes of one place that are `dropped` go."""
    sizes = [views.size_of(axis) for axis in operand.logical]
    cut = [
        axis
        for axis, (start, end) in enumerate(zip(starts, ends, strict=True))
        if start != 0 or end != sizes[axis]
    ]
    if not cut and not dropped:
        return operand
    view, order = whole(graph, operand)
    logical = [*view.logical]
    for axis in cut:
        logical[axis] = views.axis_of(ends[axis] - starts[axis])
    if len(cut) == 1 and cut == [*dropped] and isinstance(starts[cut[0]], int):
        index, place = graph.constant(starts[cut[0]]), order.index(cut[0])
        tensor = graph.add("Gather", view.tensor, index, options={"axis": place})
        order = [axis for axis in order if axis not in dropped]
    else:
        last = [_END if ends[axis] == sizes[axis] else ends[axis] for axis in cut]
        at = [order.index(axis) for axis in cut]
        vectors = ([starts[axis] for axis in cut], last, at)
        tensor = graph.add("Slice", view.tensor, *map(graph.shape, vectors))
    rest = (axis for at, axis in enumerate(logical) if at not in dropped)
    return views.View(tensor, tuple(logical[axis] for axis in order), tuple(rest))


def _sliced(graph, equation, operands):
    params = equation.params
    if {*(params["strides"] or ())} - {1}:
        raise NotImplementedError("every n-th place")
    return _cut(graph, operands[0], params["start_indices"], params["limit_indices"])


def _looked_up(graph, equation, operands):
    """A part that begins at constant places, or whole rows at places that are given."""
    operand, indices = operands
    shape, sizes = equation.outvars[0].aval.shape, equation.params["slice_sizes"]
    numbers = equation.params["dimension_numbers"]
    axes, dropped = numbers.start_index_map, numbers.collapsed_slice_dims
    if isinstance(indices, np.ndarray) and indices.ndim == 1:
        starts = [0] * len(sizes)
        for axis, index in zip(axes, indices.tolist(), strict=True):
            starts[axis] = index
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        return _cut(graph, operand, starts, ends, dropped)
    others = tuple(axis for axis in range(len(sizes)) if axis not in axes)
    if axes != dropped or len(axes) != 1 or numbers.offset_dims != others:
        raise NotImplementedError("places that are looked up one by one")
    view, order = whole(graph, operand)
    (axis,) = axes
    rows, _ = whole(graph, views.reshaped(whole(graph, indices)[0], shape[axis:][:1]))
    at = rows.tensor
    if equation.params["mode"] == lax.GatherScatterMode.CLIP:
        last = graph.shape([views.size_of(view.logical[axis]) - 1])
        at = graph.add("Min", graph.add("Max", at, graph.constant([0])), last)
    tensor = graph.add("Gather", view.tensor, at, options={"axis": order.index(axis)})
    return views.of_tensor(tensor, shape, order)


def _split(graph, equation, operands):
    view, order = whole(graph, operands[0])
    sizes = graph.constant([int(size) for size in equation.params["sizes"]])
    place = order.index(equation.params["axis"])
    parts = [variable.aval.shape for variable in equation.outvars]
    names = graph.several(
        "Split", len(parts), view.tensor, sizes, options={"axis": place}
    )
    return [views.of_tensor(n, s, order) for n, s in zip(names, parts, strict=True)]


def _concatenated(graph, equation, operands):
    axis = equation.params["dimension"]
    shapes = [variable.aval.shape for variable in equation.invars]
    pairs = [(o, s) for o, s in zip(operands, shapes, strict=True) if s[axis] != 0]
    return _joined(graph, pairs, axis, equation.outvars[0].aval.shape)


def _stacked(graph, equation, operands):
    axis, shape = equation.params["axis"], equation.outvars[0].aval.shape
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    at = [place for place in range(len(shape)) if place != axis]
    pairs = []
    for operand in operands:
        if isinstance(operand, np.ndarray):
            pairs.append((np.expand_dims(operand, axis), one))
        else:
            pairs.append((views.broadcast(operand, one, at), one))
    return _joined(graph, pairs, axis, shape)


def _joined(graph, pairs, axis, shape):
    if len(pairs) == 1:
        return pairs[0][0]
    known = [operand for operand, _ in pairs if isinstance(operand, views.View)]
    order = views.usual_order(known[0])
    names = [whole(graph, operand, s, order)[0].tensor for operand, s in pairs]
    tensor = graph.add("Concat", *names, options={"axis": order.index(axis)})
    return views.of_tensor(tensor, shape, order)


def _padded(graph, equation, operands):
    operand, value = operands
    low, high, inside = zip(*equation.params["padding_config"], strict=True)
    if any(inside) or any(isinstance(n, int) and n < 0 for n in (*low, *high)):
        raise NotImplementedError("places between places, or fewer than none around")
    view, order = whole(graph, operand)
    room = graph.shape([ends[axis] for ends in (low, high) for axis in order])
    tensor = graph.add("Pad", view.tensor, room, graph.constant(value))
    return views.of_tensor(tensor, equation.outvars[0].aval.shape, order)


RULES: Mapping[str, places.Rule] = {
    "slice": _sliced,
    "gather": _looked_up,
    "split": _split,
    "concatenate": _concatenated,
    "stack": _stacked,
    "pad": _padded,
}
