"""ncnn's models, a graph of layers as text and their weights, read without ncnn.

A `.param` file has a line for each layer, and the `.bin` file of the same name the
weights of the layers in that order: float32, or float16 where a tag says so. Layers of
other kinds than `KINDS` are refused, since it is not known how many numbers are theirs.

Source: "param and model file structure" and "operation param weight table" of ncnn's
wiki, https://github.com/Tencent/ncnn/wiki
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrestore import errors

# Those that RRDBNet and SRVGGNetCompact are made of.
KINDS = (
    *("Input", "Split", "Convolution", "PReLU", "ReLU", "Concat", "Eltwise"),
    *("BinaryOp", "Interp", "PixelShuffle"),
)
_MAGIC = b"7767517"
_MOST_TEXT = 2**20  # bytes; the graph of Real-ESRGAN x4plus has 0.1 MB
_FLOAT16, _FLOAT32 = b"\x47\x6b\x30\x01", bytes(4)  # what stands before kernels
_INTEGER, _NUMBER = r"[-+]?\d{1,9}", r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_ARRAY = -23300  # option 10 is written -23310 where it is an array


class Layer(NamedTuple):
    """A line of a graph, and its weights.

    `inputs` and `outputs` are names of maps, `options` numbers, or tuples of them, by
    ncnn's number of the option. `tensors` are those of the layer, float32: the kernel
    [d, c, k, k] and perhaps the bias [d] of a convolution, the slopes [c] of a PReLU.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[int, Any]
    tensors: tuple[np.ndarray, ...] = ()


def is_one(data: bytes) -> bool:
    """Returns whether the bytes of a file begin as ncnn's graph does."""
    return data[:16].split()[:1] == [_MAGIC]


def read(text: bytes, weights: bytes, name: str = "the file") -> list[Layer]:
    """Returns the layers of a model by the bytes of its `.param` and `.bin` files.

    Tensors are read-only views of `weights` where those are float32. Raises
    `NoInputError`, which calls the model `name`, where a file is damaged, where the two
    do not belong together, and for layers and weights that are not read.
    """
    try:
        return _with_tensors(_layers(text), weights)
    except ValueError as error:
        raise refused(name, str(error)) from error


def refused(name: str, why: str) -> errors.NoInputError:
    """Returns the error for an ncnn model that is not taken."""
    return errors.NoInputError(
        f"{name} is not read as an ncnn model: {why}; give the .param and .bin of "
        "RRDBNet or SRVGGNetCompact as they were published, or a file of PyTorch"
    )


# The graph


def _layers(text: bytes) -> list[Layer]:
    if len(text) > _MOST_TEXT:
        raise ValueError(f"its graph has {len(text):,} bytes, {_MOST_TEXT:,} at most")
    lines = [line.split() for line in text.decode("utf-8", "replace").splitlines()]
    lines = [words for words in lines if words]
    counts = lines[1] if len(lines) > 1 else []
    if len(counts) != 2 or not all(re.fullmatch(_INTEGER, word) for word in counts):
        raise ValueError("its second line does not count layers and maps")
    if int(counts[0]) != len(lines) - 2:
        raise ValueError(
            f"its graph is cut, or of two files: it should have {counts[0]} layers and "
            f"has {len(lines) - 2}"
        )
    return [_layer(words) for words in lines[2:]]


def _layer(words: Sequence[str]) -> Layer:
    kind, *rest = words
    shown = " ".join(words)[:60]
    if kind not in KINDS:
        raise ValueError(
            f"its layer {shown!r} is a {kind[:40]}; read are {', '.join(KINDS)}"
        )
    counts = rest[1:3]
    if len(counts) != 2 or not all(re.fullmatch(r"\d{1,6}", word) for word in counts):
        raise ValueError(f"its layer {shown!r} does not count its maps")
    taken, made = map(int, counts)
    maps, options = rest[3 : 3 + taken + made], rest[3 + taken + made :]
    if len(maps) != taken + made or any("=" in word for word in maps):
        raise ValueError(f"its layer {shown!r} lacks names of its maps")
    pairs = [_option(word, shown) for word in options]
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"its layer {shown!r} has an option twice")
    return Layer(kind, rest[0], tuple(maps[:taken]), tuple(maps[taken:]), dict(pairs))


def _option(word: str, shown: str) -> tuple[int, Any]:
    key, _, value = word.partition("=")
    if not re.fullmatch(_INTEGER, key):
        raise ValueError(f"its layer {shown!r} has an option {word[:40]!r}")
    number = int(key)
    values = value.split(",")
    if number <= _ARRAY:
        number, count, values = _ARRAY - number, values[0], values[1:]
        if count != str(len(values)):
            raise ValueError(f"its layer {shown!r} has an array {word[:40]!r}")
        return number, tuple(_number(text, shown) for text in values)
    return number, _number(value, shown)


def _number(text: str, shown: str) -> int | float:
    if re.fullmatch(_INTEGER, text):
        return int(text)
    if len(text) < 40 and re.fullmatch(_NUMBER, text):
        return float(text)
    raise ValueError(f"its layer {shown!r} has an option {text[:40]!r}")


# The weights


def _with_tensors(layers: Sequence[Layer], weights: bytes) -> list[Layer]:
    filled, start = [], 0
    for layer in layers:
        tensors = []
        for shape, tagged in _shapes(layer):
            tensor, start = _tensor(weights, start, shape, tagged, layer.name)
            tensors.append(tensor)
        filled.append(layer._replace(tensors=tuple(tensors)))
    if start != len(weights):
        raise ValueError(
            f"its .bin has {len(weights):,} bytes and the layers of its .param need "
            f"{start:,}"
        )
    return filled


def _shapes(layer: Layer) -> list[tuple[tuple[int, ...], bool]]:
    """The shapes of a layer's tensors, and whether a tag says their type."""
    if layer.kind == "PReLU":
        return [((_count(layer, 0),), False)]
    if layer.kind != "Convolution":
        return []
    if layer.options.get(8, 0):
        raise ValueError(f"the weights of its layer {layer.name:.60} have 8 bits")
    width, side, total = (_count(layer, option) for option in (0, 1, 6))
    height = _count(layer, 11) if 11 in layer.options else side
    channels, rest = divmod(total, width * height * side)
    if rest or not channels:
        raise ValueError(
            f"its layer {layer.name:.60} has {total:,} weights, which are no {width} "
            f"kernels of {height}x{side}"
        )
    bias = [((width,), False)] if layer.options.get(5, 0) else []
    return [((width, channels, height, side), True), *bias]


def _count(layer: Layer, option: int) -> int:
    count = layer.options.get(option, 0)
    if not isinstance(count, int) or count < 1:
        raise ValueError(
            f"option {option} of its layer {layer.name:.60} is {count!r:.40}, expected "
            "a whole number, 1 or more"
        )
    return count


def _tensor(weights, start, shape, tagged, name):
    """The array at `start`, and where the next one begins."""
    kind = np.dtype("<f4")
    if tagged:
        tag, start = weights[start : start + 4], start + 4
        if tag == _FLOAT16:
            kind = np.dtype("<f2")
        elif tag != _FLOAT32 and len(tag) == 4:
            raise ValueError(
                f"the weights of its layer {name:.60} are quantised, or damaged (tag "
                f"{tag[::-1].hex()}); float32 and float16 are read"
            )
    count = int(np.prod(shape, dtype=object))
    size = count * kind.itemsize
    if start + size > len(weights):
        raise ValueError(
            f"its .bin ends within the weights of the layer {name:.60}, at byte "
            f"{len(weights):,}"
        )
    values = np.frombuffer(weights, kind, count, start).reshape(shape)
    return values.astype(np.float32, copy=False), start + -(-size // 4) * 4
