"""Which published network an ncnn graph is, and the names of its tensors there.

Tools write one network in several ways: an activation inside its convolution or behind
it, a weighted sum as one layer or as two. So each map of a graph becomes a number that
is that of the equal map of the network as it was published, and a graph with another
map anywhere is refused.

Source: `RRDBNet` of BasicSR and `SRVGGNetCompact` of Real-ESRGAN.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxrestore.weights import ncnn_files
from jaxrestore.weights.ncnn_files import Layer

_SLOPE = 0.2  # of RRDBNet's activations below 0; of its sums the share of the new part
_MOST_DOUBLINGS = 3
_Value = tuple[int | float, int]  # how many times which map


def state_dict(
    layers: Sequence[Layer], name: str = "the file"
) -> dict[str, np.ndarray]:
    """Returns the tensors of a graph by the names of PyTorch's published layout.

    Raises `NoInputError`, which calls the model `name`, where its graph is neither
    RRDBNet nor SRVGGNetCompact, of whatever size.
    """
    try:
        places = _places(layers)
    except ValueError as error:
        raise ncnn_files.refused(name, str(error)) from error
    tensors = {}
    for place, layer in zip(places, filter(lambda x: x.tensors, layers), strict=True):
        for what, tensor in zip(("weight", "bias"), layer.tensors, strict=False):
            tensors[f"{place}.{what}"] = tensor
    return tensors


class _Trace:
    """Numbers of the maps that a network makes, and the places of its weights.

    Equal maps have equal numbers, also those of another trace with the same `numbers`.
    """

    def __init__(self, numbers: dict[tuple[Any, ...], int]):
        self._numbers, self.places = numbers, []
        self.image = self._number("image")

    def _number(self, *what: Any) -> int:
        return self._numbers.setdefault(what, len(self._numbers))

    def weighted(self, kind: str, x: int, place: str = "") -> int:
        """The map of a layer with weights, told apart by its turn."""
        self.places.append(place)
        return self._number(kind, len(self.places), x)

    def leaky(self, x: int, slope: int | float = _SLOPE) -> int:
        return self._number("leaky", round(slope, 6), x)

    def joined(self, maps: Sequence[int]) -> int:
        return maps[0] if len(maps) == 1 else self._number("joined", *maps)

    def total(self, values: Iterable[_Value]) -> int:
        return self._number("total", *sorted((round(n, 6), x) for n, x in values))

    def enlarged(self, x: int, times: int | float) -> int:
        return x if times == 1 else self._number("enlarged", times, x)

    def shuffled(self, x: int, times: int) -> int:
        return x if times == 1 else self._number("shuffled", times, x)


def _places(layers: Sequence[Layer]) -> list[str]:
    """The names of the layers with weights, in their order."""
    counts, numbers = Counter(layer.kind for layer in layers), {}
    published = _Trace(numbers)
    if counts["PReLU"]:
        name, last = "SRVGGNetCompact", _compact(published, layers, counts)
    else:
        name, last = "RRDBNet", _rrdbnet(published, counts)
    known, found = len(numbers), _Trace(numbers)
    values: dict[str, _Value] = {}
    value = None
    for layer in layers:
        value = _value(found, layer, values)
        if value is None or value[1] >= known:
            raise ValueError(
                f"its layer {layer.name:.60} ({layer.kind}) is none of {name}'s"
            )
        for output in layer.outputs:
            if values.setdefault(output, value) is not value:
                raise ValueError(f"its map {output:.60} is made twice")
    if value != (1, last):
        raise ValueError(f"its last layer is not that of {name}")
    return published.places


# The networks as they were published


def _compact(trace: _Trace, layers: Sequence[Layer], counts: Mapping[str, int]) -> int:
    """The last map of SRVGGNetCompact with as many layers."""
    scales = [layer.options.get(0) for layer in layers if layer.kind == "PixelShuffle"]
    if len(scales) != 1 or not isinstance(scales[0], int):
        raise ValueError(
            "it has PReLU, but not the one PixelShuffle of SRVGGNetCompact"
        )
    h = trace.image
    for index in range(counts["PReLU"]):
        h = trace.weighted("Convolution", h, f"body.{2 * index}")
        h = trace.weighted("PReLU", h, f"body.{2 * index + 1}")
    h = trace.weighted("Convolution", h, f"body.{2 * counts['PReLU']}")
    enlarged = trace.enlarged(trace.image, scales[0])
    return trace.total([(1, trace.shuffled(h, scales[0])), (1, enlarged)])


def _rrdbnet(trace: _Trace, counts: Mapping[str, int]) -> int:
    """The last map of RRDBNet with as many layers."""
    doublings = counts["Interp"]
    blocks, rest = divmod(counts["Convolution"] - doublings - 4, 15)
    if blocks < 0 or rest or doublings > _MOST_DOUBLINGS:
        raise ValueError(
            f"{counts['Convolution']} Convolution, {counts['PReLU']} PReLU and "
            f"{doublings} Interp make neither RRDBNet nor SRVGGNetCompact"
        )
    conv = lambda place, x: trace.weighted("Convolution", x, place)
    first = h = conv("conv_first", trace.image)
    for block in range(blocks):
        before = h
        for part in (1, 2, 3):
            h = _dense(trace, conv, h, f"body.{block}.rdb{part}")
        h = trace.total([(1, before), (_SLOPE, h)])
    h = trace.total([(1, first), (1, conv("conv_body", h))])
    for index in range(1, doublings + 1):
        h = trace.leaky(conv(f"conv_up{index}", trace.enlarged(h, 2)))
    return conv("conv_last", trace.leaky(conv("conv_hr", h)))


def _dense(trace: _Trace, conv: Callable[[str, int], int], x: int, place: str) -> int:
    maps = [x]
    for index in (1, 2, 3, 4):
        maps.append(trace.leaky(conv(f"{place}.conv{index}", trace.joined(maps))))
    new = conv(f"{place}.conv5", trace.joined(maps))
    return trace.total([(1, x), (_SLOPE, new)])


# The layers of a graph


def _value(trace: _Trace, layer: Layer, values: Mapping[str, _Value]) -> _Value | None:
    """What a layer makes of maps that are there; None if no network here has it."""
    missing = [name for name in layer.inputs if name not in values]
    if missing:
        raise ValueError(
            f"its layer {layer.name:.60} takes a map {missing[0]:.60}, which no layer "
            "before it makes"
        )
    takes, known, read = _LAYERS[layer.kind]
    arrays = [n for n, option in layer.options.items() if isinstance(option, tuple)]
    one_map = len(layer.outputs) == 1 or layer.kind == "Split"
    if len(layer.inputs) not in takes or not one_map or not {*layer.options} <= known:
        return None
    if not {*arrays} <= _ARRAYS.get(layer.kind, set()):
        return None
    taken = [values[name] for name in layer.inputs]
    if layer.kind in _OF_MULTIPLES:
        return read(trace, layer.options, taken)
    maps = [x for times, x in taken if times == 1]
    found = read(trace, layer.options, maps) if len(maps) == len(taken) else None
    return None if found is None else (1, found)


def _convolution(trace, options, maps):
    side = options[1]
    frame = {key: side // 2 for key in (4, 14, 15, 16)}
    plain = {11: side, 2: 1, 12: 1, 3: 1, 13: 1, **frame, 18: 0, 19: 0}
    # What is left out is as its neighbour, and the frame at the left as nothing.
    told = {4: 0, **options}
    if any(told.get(key, value) != value for key, value in plain.items()):
        return None
    h = trace.weighted("Convolution", *maps)
    if (activation := options.get(9, 0)) == 0:
        return h
    slopes = options.get(10, ())
    fits = activation == 2 and isinstance(slopes, tuple) and len(slopes) == 1
    return trace.leaky(h, slopes[0]) if fits else None


def _enlarged(trace, options, maps):
    told = {0: 0, 1: 1, 2: 1, 3: 0, 4: 0, 5: 0, 6: 0, **options}
    nearest = (
        told[0] == 1 and told[1] == told[2] and not any(told[n] for n in range(3, 7))
    )
    return trace.enlarged(*maps, told[1]) if nearest else None


def _shuffled(trace, options, maps):
    return None if options.get(1, 0) else trace.shuffled(*maps, options.get(0, 1))


def _added(trace, options, taken):
    """A sum of two maps, or a map times a number, which is kept for the next sum."""
    told = {0: 0, 1: 0, 2: 0, **options}
    if (told[0], told[1], len(taken)) == (0, 0, 2):
        return 1, trace.total(taken)
    if (told[0], told[1], len(taken)) == (2, 1, 1):
        ((times, x),) = taken
        return times * told[2], x
    return None


def _weighted_sum(trace, options, taken):
    shares = options.get(1, (1,) * len(taken))
    if options.get(0, 0) != 1 or not isinstance(shares, tuple):
        return None
    if len(shares) != len(taken):
        return None
    return 1, trace.total(
        (share * times, x) for share, (times, x) in zip(shares, taken, strict=True)
    )


def _joined(trace, options, maps):
    return None if options.get(0, 0) else trace.joined(maps)


# By kind: how many maps it takes, the options it may have, and what it makes of maps.
_LAYERS: dict[str, tuple[Sequence[int], set[int], Callable[..., Any]]] = {
    "Input": ((0,), {0, 1, 2}, lambda trace, options, maps: trace.image),
    "Split": ((1,), set(), lambda trace, options, taken: taken[0]),
    "Convolution": ((1,), {*range(7), *range(8, 17), 18, 19}, _convolution),
    "PReLU": ((1,), {0}, lambda trace, options, maps: trace.weighted("PReLU", *maps)),
    "ReLU": ((1,), {0}, lambda trace, told, maps: trace.leaky(*maps, told.get(0, 0))),
    "Concat": (range(2, 99), {0}, _joined),
    "Eltwise": (range(2, 99), {0, 1}, _weighted_sum),
    "BinaryOp": ((1, 2), {0, 1, 2}, _added),
    "Interp": ((1,), {*range(7)}, _enlarged),
    "PixelShuffle": ((1,), {0, 1}, _shuffled),
}
_ARRAYS = {"Convolution": {10}, "Eltwise": {1}}
# To all others a multiple of a map is another map.
_OF_MULTIPLES = {"Split", "Eltwise", "BinaryOp"}
