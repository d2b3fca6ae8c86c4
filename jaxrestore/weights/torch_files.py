"""What `torch.save` writes, read without torch and without executing any of it.

Both formats hold a pickle, which `torch_pickles` interprets, and the bytes of storages.
What it says of them is held against the bytes that are there before a tensor is made.

Source: the serialization notes of PyTorch,
https://docs.pytorch.org/docs/stable/notes/serialization.html, and its
`torch/serialization.py` for the older format.
"""

import io
import math
import struct
import zipfile
from typing import Any

import numpy as np

from jaxrestore import errors
from jaxrestore.weights import torch_pickles
from jaxrestore.weights.torch_pickles import (
    MOST_NESTED,
    Foreign,
    Refused,
    Storage,
    Unread,
    View,
)

_PICKLE = b"\x80"
_MAGIC = 0x1950A86A20F9469CFC6C  # PyTorch's, of the older format
_ZIP = b"PK\x03\x04"
_PROTOCOL = 1001  # of that format, not of pickle
_SHARED = 4  # how often a file's tensors may hold its bytes: weights can be tied


def is_one(data: bytes) -> bool:
    """Returns whether the bytes of a file begin as a ZIP archive or as a pickle."""
    # A safetensors file begins with the length of its header, whose lowest byte may be
    # that of a pickle, and the header with a brace.
    pickled = data.startswith(_PICKLE) and data[8:9] != b"{"
    return data.startswith(_ZIP) or pickled


def read(data: bytes, name: str = "the file") -> Any:
    """Returns the nested dicts and lists of a file by its bytes; tensors are arrays.

    The arrays are read-only and views of `data` where NumPy has their type; bfloat16
    comes as float32. What is no dict, list, tuple, number, string or tensor is an
    `Unread`, and entries of dicts whose key is no text and no number are left out. Both
    formats are read, the ZIP archive and the older one. Raises `NoInputError`, which
    calls the file `name`, when it is damaged or would run code where it is loaded.
    """
    try:
        return _archive(data) if data.startswith(_ZIP) else _older(data)
    except Refused as error:
        why = str(error)
    except MemoryError:
        raise
    # What damaged bytes raise is anything from struct.error to IndexError.
    except Exception as error:
        why = f"it is damaged ({type(error).__name__}: {error})"
    raise errors.NoInputError(
        f"{name} is not read as weights: {why}. Nothing of it was executed; give a "
        "state dict that torch.save wrote, or a safetensors file"
    )


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Returns float32 of the same values as bfloat16 numbers given as uint16."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


# The two formats


def _archive(data):
    # With an encoding given, zipfile imports none for names that are not marked UTF-8.
    with zipfile.ZipFile(io.BytesIO(data), metadata_encoding="utf-8") as archive:
        members = {member.filename: member for member in archive.infolist()}
    found = [name for name in members if name.split("/")[1:] == ["data.pkl"]]
    if len(found) != 1:
        raise Refused("it is a ZIP archive without the one data.pkl of torch.save")
    folder = found[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise Refused("it is a TorchScript program, not a state dict")
    if f"{folder}byteorder" in members:
        order = bytes(_member(data, members[f"{folder}byteorder"]))
        if order != b"little":
            raise Refused(f"its byte order is {order[:16]!r}, expected b'little'")
    machine = torch_pickles.Machine()
    value = machine.run(io.BytesIO(_member(data, members[found[0]])))
    for key in machine.storages:
        if f"{folder}data/{key}" not in members:
            raise Refused(f"the storage {key!r:.80} that it speaks of is missing")
    places = {k: _member(data, members[f"{folder}data/{k}"]) for k in machine.storages}
    return _filled(value, machine, places, len(data))


def _member(data, member):
    """The bytes of an archive's member, not copied; none is unpacked."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise Refused(f"its member {member.filename!r:.80} is compressed")
    start = member.header_offset
    header = data[start : start + 30]
    if not header.startswith(_ZIP):
        raise Refused(f"its member {member.filename!r:.80} is not where it should be")
    start += 30 + sum(struct.unpack("<HH", header[26:30]))
    if start + member.file_size > len(data):
        raise Refused(f"its member {member.filename!r:.80} reaches beyond the file")
    return memoryview(data)[start : start + member.file_size]


def _older(data):
    """Magic number, protocol, system, object, keys of storages: five pickles; bytes."""
    stream = io.BytesIO(data)
    machine = torch_pickles.Machine()
    if machine.run(stream) != _MAGIC:
        raise Refused("it is a pickle, but none that torch.save wrote")
    protocol, system, value, keys = (machine.run(stream) for _ in range(4))
    if protocol != _PROTOCOL:
        raise Refused(f"its protocol is {protocol!r}, expected {_PROTOCOL}")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("its byte order is not little-endian")
    places, start = {}, stream.tell()
    for key in keys:
        storage = machine.storages.get(key)
        if storage is None:
            raise Refused(f"it holds a storage {key!r:.80} that nothing speaks of")
        (count,) = struct.unpack_from("<q", data, start)
        size = count * _dtype(storage).itemsize
        start += 8
        if count < 0 or start + size > len(data):
            raise Refused(f"its storage {key!r:.80} reaches beyond the file")
        places[key] = memoryview(data)[start : start + size]
        start += size
    return _filled(value, machine, places, len(data))


# Tensors


def _filled(value, machine, places, size):
    """The same value with arrays for its views, once those are known to be harmless."""
    arrays, total = {}, 0
    for view in machine.views:
        total += math.prod(view.shape) * _dtype(view.storage).itemsize
        if total > _SHARED * size:
            raise Refused("its tensors hold many times what the file does")
        arrays[id(view)] = _array(view, places[view.storage.key])
    return _replaced(value, arrays, {}, set())[0]


def _array(view, place):
    storage, dtype = view.storage, _dtype(view.storage)
    count = math.prod(view.shape)
    if count == 0:
        return np.zeros(view.shape, np.float32 if _is_bfloat16(storage) else dtype)
    values = np.frombuffer(place, dtype)
    if storage.count > len(values):
        raise Refused(f"its storage {storage.key!r:.80} is cut short")
    reach = sum(
        (n - 1) * step for n, step in zip(view.shape, view.strides, strict=True)
    )
    if view.offset + reach >= storage.count:
        raise Refused("a tensor reaches beyond its storage")
    if count > storage.count:
        raise Refused("a tensor repeats its storage")
    strides = [step * values.itemsize for step in view.strides]
    row = values[view.offset :]
    array = np.lib.stride_tricks.as_strided(row, view.shape, strides, writeable=False)
    return from_bfloat16(array) if _is_bfloat16(storage) else array


def _dtype(storage):
    return np.dtype(torch_pickles.DTYPES[storage.kind])


def _is_bfloat16(storage):
    return storage.kind == "BFloat16Storage"


def _replaced(value, arrays, known, entered):
    """The value with arrays, and how deep it nests; each container is made once."""
    if isinstance(value, View):
        return arrays[id(value)], 0
    if isinstance(value, Foreign | Storage):
        return Unread(str(value) if isinstance(value, Foreign) else "a storage"), 0
    if not isinstance(value, dict | list | tuple):
        return value, 0
    if id(value) in entered or len(entered) > MOST_NESTED:
        raise Refused("it nests too deep")
    if id(value) not in known:
        entered.add(id(value))
        inner = [*value.values()] if isinstance(value, dict) else [*value]
        parts = [_replaced(part, arrays, known, entered) for part in inner]
        entered.remove(id(value))
        made = [part for part, _ in parts]
        if isinstance(value, dict):
            made = dict(zip(value, made, strict=True))
        depth = 1 + max((depth for _, depth in parts), default=0)
        if depth > MOST_NESTED:
            raise Refused("it nests too deep")
        known[id(value)] = made, depth
    return known[id(value)]
