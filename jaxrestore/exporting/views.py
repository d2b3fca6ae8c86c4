"""Arrays of a traced function as views of an ONNX graph's tensors.

ONNX convolves [b, c, h, w] and we [b, h, w, c]. A `View` says which axes of a tensor
make which axis of the array that it stands for: reshaping, transposing and repeating an
array is another view, and writes no node. Only where an operation needs a tensor, in an
order of the axes, is it `arranged`, by what all these steps come to: often nothing, or
one SpaceToDepth, DepthToSpace or Resize.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrestore.exporting import graphs

IMAGES = (0, 3, 1, 2)  # the order of the axes of [b, h, w, c] as a tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Factor:
    """A part of an axis, of more than one place; itself and no other one is its equal.

    Pixels in blocks of 2 have rows made of two: which block, and which of its rows.
    """

    size: Any


Axis = tuple[Factor, ...]  # from the slowest part; none: the axis has one place


@dataclasses.dataclass(frozen=True)
class View:
    """`axes` are those of the tensor, `logical` those of the array.

    A factor of these alone is no part of the tensor: there the array repeats itself.
    """

    tensor: str
    axes: tuple[Axis, ...]
    logical: tuple[Axis, ...]


def of_tensor(tensor: str, shape: Sequence[Any], order: Sequence[int]) -> View:
    """Returns the view of a tensor whose axes are those of an array in this order."""
    logical = tuple(axis_of(size) for size in shape)
    return View(tensor, tuple(logical[axis] for axis in order), logical)


def of_array(graph: graphs.Graph, array: np.ndarray, shape: Sequence[Any]) -> View:
    """Returns the view of a constant of this shape, of which it may hold 1 for n."""
    logical = tuple(map(axis_of, shape))
    pairs = zip(logical, array.shape, strict=True)
    axes = tuple(() if held == 1 else axis for axis, held in pairs)
    return View(graph.constant(array), axes, logical)


def axis_of(size: Any) -> Axis:
    """Returns an axis of so many places."""
    return () if size == 1 else (Factor(size),)


def size_of(axis: Axis) -> Any:
    """Returns how many places an axis has."""
    return math.prod(factor.size for factor in axis)


def transposed(view: View, order: Sequence[int]) -> View:
    """Returns the view of the array with its axes in another order."""
    return dataclasses.replace(view, logical=tuple(view.logical[i] for i in order))


def broadcast(view: View, shape: Sequence[Any], places: Sequence[int]) -> View:
    """Returns the view of the array with this shape, its axes at these places."""
    there = dict(zip(places, view.logical, strict=True))
    logical = tuple(there.get(at) or axis_of(size) for at, size in enumerate(shape))
    return dataclasses.replace(view, logical=logical)


def reshaped(view: View, shape: Sequence[Any]) -> View:
    """Returns the view of the array in another shape.

    Raises `NotImplementedError` where an axis would be cut within a factor.
    """
    rest = [factor for axis in view.logical for factor in axis]
    parts: dict[Factor, Axis] = {}
    logical = []
    for size in shape:
        axis, need = [], size
        while need != 1:
            if not rest:
                raise NotImplementedError(f"an array as {shape}")
            factor = rest.pop(0)
            if _divides(factor.size, need):
                need = need // factor.size
            elif _divides(need, factor.size):
                parts[factor] = Factor(need), Factor(factor.size // need)
                factor, second = parts[factor]
                rest.insert(0, second)
                need = 1
            else:
                raise NotImplementedError(f"an array as {shape}")
            axis.append(factor)
        logical.append(tuple(axis))
    axes = tuple(tuple(_parted(axis, parts)) for axis in view.axes)
    return View(view.tensor, axes, tuple(logical))


def _divides(divisor, number):
    return number // divisor * divisor == number


def _parted(axis, parts):
    for factor in axis:
        yield from _parted(parts[factor], parts) if factor in parts else (factor,)


def usual_order(view: View) -> tuple[int, ...]:
    """Returns the order of axes in which a tensor is made of the array most easily.

    Four are an image's. Else it is that of the tensor; what has no place there stands
    behind the axis before it.
    """
    if len(view.logical) == len(IMAGES):
        return IMAGES
    flat = [factor for axis in view.axes for factor in axis]
    places, last = [], -1
    for axis in view.logical:
        there = [flat.index(factor) for factor in axis if factor in flat]
        last = there[0] if there else last
        places.append(last)
    return tuple(sorted(range(len(places)), key=lambda axis: (places[axis], axis)))


def arranged(
    graph: graphs.Graph, view: View, order: Sequence[int], *, whole: bool = False
) -> View:
    """Returns the array as a tensor that has its axes in this order.

    Axes along which all is repeated have one place there, or all if it is to be
    `whole`.
    """
    present = {factor for axis in view.axes for factor in axis}
    targets = [view.logical[axis] for axis in order]
    held = [tuple(factor for factor in axis if factor in present) for axis in targets]
    pairs = [*zip(targets, held, strict=True)]
    if any(own and axis[: len(own)] != own for axis, own in pairs):
        fine = tuple((factor,) for axis in targets for factor in axis)
        parts = dataclasses.replace(view, logical=fine)
        parts = arranged(graph, parts, range(len(fine)), whole=True)
        tensor = _in_shape(graph, parts.tensor, parts.axes, targets)
        return View(tensor, tuple(targets), view.logical)
    tensor = _moved(graph, view, held)
    scales = [size_of(axis[len(own) :]) if own else 1 for axis, own in pairs]
    if any(scale != 1 for scale in scales):
        tensor = _repeated(graph, tensor, scales)
        held = [axis if own else own for axis, own in pairs]
    if whole and any(axis and not own for axis, own in pairs):
        sizes = [1 if own else size_of(axis) for axis, own in pairs]
        tensor = graph.add("Expand", tensor, graph.shape(sizes))
        held = targets
    return View(tensor, tuple(held), view.logical)


def _repeated(graph, tensor, scales):
    """Every place so many times, as `jnp.repeat` along each axis."""
    options = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    scales = graph.constant(np.array(scales, np.float32))
    return graph.add("Resize", tensor, "", scales, options=options)


def _moved(graph, view, targets):
    """The tensor with these axes, each of factors that it has."""
    before = [factor for axis in view.axes for factor in axis]
    after = [factor for axis in targets for factor in axis]
    if before == after:
        return _in_shape(graph, view.tensor, view.axes, targets)
    if made := _shuffled(graph, view, targets):
        return made
    place = {factor: at for at, factor in enumerate(after)}
    home = {factor: at for at, axis in enumerate(targets) for factor in axis}
    blocks: list[Axis] = []
    for axis in view.axes:
        starts = [
            at
            for at, factor in enumerate(axis)
            if at == 0
            or place[factor] != place[axis[at - 1]] + 1
            or home[factor] != home[axis[at - 1]]
        ]
        blocks += [axis[a:b] for a, b in itertools.pairwise([*starts, len(axis)])]
    tensor = _in_shape(graph, view.tensor, view.axes, blocks)
    order = sorted(range(len(blocks)), key=lambda at: place[blocks[at][0]])
    tensor = graph.add("Transpose", tensor, options={"perm": order})
    return _in_shape(graph, tensor, [blocks[at] for at in order], targets)


def _in_shape(graph, tensor, axes, targets):
    """The tensor with the same factors in other axes."""
    if [*axes] == [*targets]:
        return tensor
    single = [at for at, axis in enumerate(targets) if not axis]
    if [*axes] == [axis for axis in targets if axis]:
        return graph.add("Unsqueeze", tensor, graph.constant(single))
    sizes = []
    for place, axis in enumerate(targets):
        kept = place < len(axes) and axis == axes[place]
        size = size_of(axis)
        sizes.append(0 if kept and not isinstance(size, int) else size)
    unknown = [at for at, size in enumerate(sizes) if not isinstance(size, int)]
    if unknown:
        sizes[unknown[-1]] = -1
    return graph.add("Reshape", tensor, graph.shape(sizes))


def _shuffled(graph, view, targets):
    """SpaceToDepth or DepthToSpace where that is what moves the axes; else None."""
    if len(view.axes) != 4 or len(targets) != 4:
        return None
    for deep, wide, op in (
        (view.axes, targets, "DepthToSpace"),
        (targets, view.axes, "SpaceToDepth"),
    ):
        small, large = deep[2:], wide[2:]
        rest = [axis[len(low) :] for low, axis in zip(small, large, strict=True)]
        inside = all(a[: len(s)] == s for s, a in zip(small, large, strict=True))
        if not (inside and deep[0] == wide[0] and all(len(r) == 1 for r in rest)):
            continue
        square = tuple(factor for axis in rest for factor in axis)
        if len({factor.size for factor in square}) != 1:
            continue
        options = {"blocksize": square[0].size}
        if deep[1] == (*square, *wide[1]):
            options |= {"mode": "DCR"} if op == "DepthToSpace" else {}
            return graph.add(op, view.tensor, options=options)
        if deep[1] == (*wide[1], *square) and op == "DepthToSpace":
            return graph.add(op, view.tensor, options={**options, "mode": "CRD"})
    return None
