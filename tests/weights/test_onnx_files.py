"""The weights of ONNX files by their names; what is damaged or unnamed is refused."""

import functools
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from golden import published as golden

from jaxrestore import errors, files
from jaxrestore.weights import cards, conversion, onnx_files, weight_files

STORED = Path(__file__).parents[1] / "golden" / "published.json"
FLOAT, INT64, FLOAT16, DOUBLE, BFLOAT16 = 1, 7, 10, 11, 16
KERNEL = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2) / 4  # in bfloat16 too


# Messages as the wire format has them


def _varint(number):
    parts = [number & 127]
    while number := number >> 7:
        parts[-1] |= 128
        parts.append(number & 127)
    return bytes(parts)


def _field(number, value):
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _tensor(name, values, kind=FLOAT, **fields):
    """An initializer whose data are `raw_data`, or further fields by their number."""
    parts = b"".join(_field(1, side) for side in values.shape)
    parts += _field(2, kind) + _field(8, name.encode())
    if not fields:
        parts += _field(9, values.tobytes())
    return parts + b"".join(_field(int(n[1:]), value) for n, value in fields.items())


def _model(*initializers, before=b""):
    node = _field(1, _field(1, b"x") + _field(4, b"Conv"))
    graph = node + b"".join(_field(5, tensor) for tensor in initializers)
    return _field(1, 8) + _field(2, b"pytorch") + before + _field(7, graph)


def _read(*initializers):
    return onnx_files.read(_model(*initializers), "x.onnx")


def _refusal(data):
    with pytest.raises(errors.NoInputError) as caught:
        onnx_files.read(data, "x.onnx")
    told = str(caught.value)
    assert told.startswith("x.onnx is not read as weights of ONNX: ")
    assert "\n" not in told and len(told) < 400
    return told


@functools.cache
def _published(case="srvggnet x4"):
    return golden.state_dict(json.loads(STORED.read_text())[case]["shapes"])


def test_an_export_with_the_names_of_the_state_dict_is_converted(tmp_path):
    tensors = _published()
    shape = _tensor("onnx::Resize_7", np.array([1, 1, 4, 4], np.float32))
    path = tmp_path / "x.onnx"
    path.write_bytes(_model(shape, *(_tensor(n, x) for n, x in tensors.items())))
    card, variables = cards.opened(path)
    generator, wanted = conversion.from_torch(tensors)
    assert card["generator"] == generator
    assert card["source"] == {"file": "x.onnx", "sha256": files.sha256(path)}
    wanted = weight_files.flat(wanted)
    for name, leaf in weight_files.flat(variables).items():
        np.testing.assert_array_equal(leaf, wanted[name])


def test_an_export_with_merged_normalisation_is_told_to_be_one(tmp_path):
    tensors = _published("dncnn gray")
    places = {n.split(".")[1] for n, x in tensors.items() if x.ndim == 4}
    merged = [n for n in tensors if n.split(".")[1] in places]
    path = tmp_path / "x.onnx"
    path.write_bytes(_model(*(_tensor(name, tensors[name]) for name in merged)))
    with pytest.raises(errors.MismatchError, match="optimize=False") as caught:
        cards.opened(path)
    assert "fit none of" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (FLOAT16, KERNEL.astype(np.float16)),
        (DOUBLE, KERNEL.astype(np.float64)),
        (BFLOAT16, (KERNEL.view(np.uint32) >> 16).astype(np.uint16)),
    ],
)
def test_every_type_of_floating_point_is_read(kind, values):
    found = _read(_tensor("a.weight", values, kind))
    np.testing.assert_array_equal(found["a.weight"], KERNEL)


def test_numbers_may_stand_one_by_one_or_together():
    together = _tensor("a.weight", KERNEL, f4=KERNEL.tobytes())
    singly = b"".join(_varint(4 << 3 | 5) + struct.pack("<f", x) for x in KERNEL.flat)
    head = _field(1, b"".join(map(_varint, KERNEL.shape)))  # the sides together too
    head += _field(2, FLOAT) + _field(8, b"b.weight")
    found = _read(together, head + singly)
    for name in ("a.weight", "b.weight"):
        np.testing.assert_array_equal(found[name], KERNEL)


def test_constants_and_whole_numbers_are_left_out():
    counts = _tensor("a.num_batches_tracked", np.array(7, np.int64), INT64)
    scales = _tensor("/up/Constant_output_0", np.ones(4, np.float32))
    found = _read(counts, scales, _tensor("a.weight", KERNEL))
    assert [*found] == ["a.weight"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_model(), "no tensor in it has a name of a state dict"),
        (
            _model(_tensor("onnx::Conv_12", KERNEL)),
            "1 tensors names of its own, as onnx",
        ),
        (
            _model(_tensor("val_3", np.ones((5, 1, 1), np.float32))),
            "as val_3, which do",
        ),
        (
            _model(*[_tensor("a.weight", KERNEL)] * 2),
            "two of its tensors have one name",
        ),
        (
            _model(_tensor("a.weight", KERNEL[:0], f9=b"abcd")),
            "needs 0 bytes and has 4",
        ),
        (_model(_tensor("a.weight", KERNEL, f9=b"abcd")), "needs 48 bytes and has 4"),
        (_model(_tensor("a.weight", KERNEL, f14=1)), "a.weight lies in another file"),
        (
            _model(_tensor("a.weight", KERNEL, f13=b"x")),
            "a.weight lies in another file",
        ),
        (_model(_tensor("a.weight", np.zeros([1] * 9, np.float32))), "has 9 axes"),
        (_model(_tensor("a.weight", KERNEL, f1=2**62)), "needs"),
        (_field(1, 8), "it has no graph, or several"),
        (_model(before=_field(7, b"")), "it has no graph, or several"),
        (_field(1, 8) + _field(7, 3), "it has no graph, or several"),
        (_field(1, 8) + _field(7, _field(15, b"")), "it has sparse tensors"),
        (_field(1, 8) + _field(7, _field(5, 1)), "it is damaged"),
        (_field(1, 8) + b"\x0b", "it is damaged"),
        (_field(1, 8) + b"\xff" * 12, "it is cut short, or damaged"),
        (_field(1, 8) + b"\x3a" + _varint(2**60), "it is cut short, or damaged"),
        (_field(1, 8) + b"\x39abc", "it is cut short, or damaged"),
    ],
)
def test_what_does_not_tell_its_weights_is_refused(data, words):
    assert onnx_files.is_one(data)
    assert words in _refusal(data)


def test_a_file_that_is_cut_anywhere_is_refused():
    data = _model(_tensor("a.weight", KERNEL))
    for end in range(2, len(data)):
        _refusal(data[:end])


def test_whatever_bytes_are_changed_it_is_read_or_refused():
    data = _model(_tensor("a.weight", KERNEL), _tensor("b.weight", KERNEL, f4=b"abcd"))
    numbers, refused = random.Random(0), 0
    for _ in range(500):
        damaged = bytearray(data)
        damaged[numbers.randrange(2, len(data))] = numbers.randrange(256)
        try:
            onnx_files.read(bytes(damaged))
        except errors.NoInputError:
            refused += 1
    assert refused > 250


def test_other_files_are_none():
    assert not any(map(onnx_files.is_one, (b"", b"\x08", b"\x80\x02", b"PK\x03\x04")))
    header = struct.pack("<Q", 8) + b'{"a": 1}'
    assert header[:2] == b"\x08\x00" and not onnx_files.is_one(header)
    # A header of 776 bytes begins as a version of ONNX does.
    assert not onnx_files.is_one(struct.pack("<Q", 776) + b"{")
