"""The weights of an ONNX file by their names, read without onnx and protobuf.

Of the file's messages the graph's initializers are read alone; nodes, which say what is
computed, are passed over. Exporters of PyTorch give most weights their names in the
state dict, and those that they compute anew a name of their own.

Source: "Encoding" of the Protocol Buffers documentation, https://protobuf.dev, and
`onnx.proto3` of https://github.com/onnx/onnx
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jaxrestore import errors
from jaxrestore.weights import torch_files

REMEDY = (
    "give the file of weights that it was exported from, or export it again by "
    "torch.onnx.export with optimize=False and external_data=False"
)

# Numbers of the fields of messages.
_GRAPH, _INITIALIZER, _SPARSE = 7, 5, 15
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _OUTSIDE, _PLACE = 1, 2, 4, 8, 9, 13, 14
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # how a field is written
_MOST, _MOST_AXES = 10_000, 8
_FLOAT, _BFLOAT16 = 1, 16
# Of floating point; others are no weights.
_TYPES = {_FLOAT: "<f4", 10: "<f2", 11: "<f8", _BFLOAT16: "<u2"}
_STATE_DICT = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


class _Tensor(NamedTuple):
    name: str
    kind: int
    shape: tuple[int, ...]
    raw: memoryview
    floats: list[Any]
    outside: bool


def is_one(data: bytes) -> bool:
    """Returns whether the bytes of a file begin as an ONNX model: with its version."""
    # A safetensors file begins with the length of its header, then a brace.
    version = b"\0" < data[1:2] < b"\x40"
    return data[:1] == b"\x08" and version and data[8:9] != b"{"


def read(data: bytes, name: str = "the file") -> dict[str, np.ndarray]:
    """Returns the tensors of a model that have names of a state dict.

    They are those of floating point, read-only views of `data` where it has them in one
    piece; bfloat16 comes as float32. Raises `NoInputError`, which calls the file
    `name`, when it is damaged, has its weights in other files, or has kernels to which
    the exporter gave names of its own.
    """
    try:
        return _named(_floating(memoryview(data)))
    except ValueError as error:
        raise errors.NoInputError(
            f"{name} is not read as weights of ONNX: {error}; {REMEDY}"
        ) from error


def _floating(data: memoryview) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for message in _initializers(data):
        tensor = _tensor(message)
        if tensor.kind not in _TYPES:
            continue
        if tensor.name in found:
            raise ValueError("two of its tensors have one name")
        found[tensor.name] = _array(tensor)
        if len(found) > _MOST:
            raise ValueError(f"it has more than {_MOST:,} tensors")
    return found


def _named(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    kept = {n: x for n, x in tensors.items() if _STATE_DICT.fullmatch(n)}
    # What has fewer axes is a constant, as the scale of an enlargement.
    others = [n for n, x in tensors.items() if n not in kept and x.ndim > 2]
    if others:
        raise ValueError(
            f"its exporter gave {len(others)} tensors names of its own, as "
            f"{others[0]:.60}, which do not tell where they belong"
        )
    if not kept:
        raise ValueError("no tensor in it has a name of a state dict")
    return kept


# Messages


def _initializers(data: memoryview) -> Iterator[memoryview]:
    graphs = [part for field, _, part in _fields(data) if field == _GRAPH]
    if len(graphs) != 1 or not isinstance(graphs[0], memoryview):
        raise ValueError("it has no graph, or several")
    for field, _, part in _fields(graphs[0]):
        if field == _SPARSE:
            raise ValueError("it has sparse tensors")
        if field == _INITIALIZER:
            yield _bytes(part)


def _tensor(data: memoryview) -> _Tensor:
    name, kind, shape, raw, floats, outside = "", 0, [], memoryview(b""), [], False
    for field, written, part in _fields(data):
        if field == _DIMS:
            shape += _varints(part) if written == _LENGTH else [_whole(part)]
        elif field == _TYPE:
            kind = _whole(part)
        elif field == _FLOATS:
            floats.append(_bytes(part))
        elif field == _NAME:
            name = bytes(_bytes(part)).decode("utf-8", "replace")
        elif field == _RAW:
            raw = _bytes(part)
        elif field == _OUTSIDE or (field == _PLACE and part):
            outside = True
    return _Tensor(name, kind, tuple(shape), raw, floats, outside)


def _array(tensor: _Tensor) -> np.ndarray:
    name, shape = f"{tensor.name:.60}", tensor.shape
    if tensor.outside:
        raise ValueError(f"its tensor {name} lies in another file, which is not read")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"its tensor {name} has {len(shape)} axes")
    data = tensor.raw
    if tensor.floats and not data and tensor.kind == _FLOAT:
        data = b"".join(tensor.floats)
    dtype = np.dtype(_TYPES[tensor.kind])
    size = math.prod(shape) * dtype.itemsize
    if len(data) != size:
        raise ValueError(
            f"its tensor {name} of {[*shape]!s:.60} needs {size:,} bytes and has "
            f"{len(data):,}"
        )
    values = np.frombuffer(data, dtype)
    if tensor.kind == _BFLOAT16:
        values = torch_files.from_bfloat16(values)
    return values.reshape(shape)


# The wire format


def _fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message: number, how it is written, and a number or bytes."""
    start = 0
    while start < len(data):
        key, start = _varint(data, start)
        written = key & 7
        if written == _VARINT:
            part, start = _varint(data, start)
        elif written in _SIZES or written == _LENGTH:
            size = _SIZES.get(written)
            if size is None:
                size, start = _varint(data, start)
            if start + size > len(data):
                raise ValueError("it is cut short, or damaged")
            part, start = data[start : start + size], start + size
        else:
            raise ValueError("it is damaged, or no ONNX model")
        yield key >> 3, written, part


_SIZES = {_EIGHT: 8, _FOUR: 4}


def _varint(data: memoryview, start: int) -> tuple[int, int]:
    """The number that begins at `start`, and where it ends: 7 bits a byte."""
    value = 0
    for count, byte in enumerate(data[start : start + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, start + count + 1
    raise ValueError("it is cut short, or damaged")


def _varints(data: Any) -> list[int]:
    numbers, start, data = [], 0, _bytes(data)
    while start < len(data):
        number, start = _varint(data, start)
        numbers.append(number)
    return numbers


def _bytes(part: Any) -> memoryview:
    return _checked(part, memoryview)


def _whole(part: Any) -> int:
    return _checked(part, int)


def _checked(part: Any, kind: type) -> Any:
    if not isinstance(part, kind):
        raise ValueError("it is damaged, or no ONNX model")
    return part
