"""Pickles of plain things, and by hand of tensors; files: test_torch_files.py."""

import collections
import decimal
import io
import pickle
import struct

import numpy as np
import pytest

from jaxrestore.weights import torch_pickles
from jaxrestore.weights.torch_pickles import Machine, Refused, Storage, View

# `_rebuild_tensor_v2(storage, 1, (2, 2), (3, 1), False, OrderedDict())`, of a storage
# of six numbers: the instructions as `torch.save` writes them.
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
STORAGE += b"X\x03\x00\x00\x00cpuK\x06tQ"
HOOKS = b"ccollections\nOrderedDict\n)R"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE
TENSOR += b"K\x01K\x02K\x02\x86K\x03K\x01\x86\x89" + HOOKS + b"tR"
VIEW = View(Storage("0", "FloatStorage", 6), 1, (2, 2), (3, 1))


def _run(data, machine=None):
    return (machine or Machine()).run(io.BytesIO(data))


def _pickle(instructions):
    return b"\x80\x02" + instructions + b"."


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_things_are_what_python_makes_of_them(protocol):
    things = {"a": 1, "b": [1.5, None, True], "c": (), "d": (1,), "e": (1, 2, 3, -4)}
    things |= {"naïve": {"deep": [[], {}]}, 7: 2**70, "f": -(2**31)}
    assert _run(pickle.dumps(things, protocol)) == things


def test_a_thing_that_stands_there_twice_is_one():
    one = ["a"]
    first, second = _run(pickle.dumps([one, one], 2))
    assert first == one and first is second


@pytest.mark.parametrize("protocol", [2, 4])
def test_an_ordered_dictionary_is_a_dictionary_without_its_attributes(protocol):
    made = collections.OrderedDict(b=1, a=2)
    vars(made)["_metadata"] = {"version": 1}
    found = _run(pickle.dumps(made, protocol))
    assert type(found) is dict and list(found.items()) == [("b", 1), ("a", 2)]


def test_a_tensor_is_a_view_of_numbers_that_stand_elsewhere():
    machine = Machine()
    assert _run(_pickle(TENSOR), machine) == VIEW
    assert machine.views == [VIEW]
    assert machine.storages == {"0": VIEW.storage}


def test_a_parameter_is_its_tensor():
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + TENSOR + b"\x88" + HOOKS
    assert _run(_pickle(parameter + b"tR")) == VIEW


def test_two_views_share_a_storage_only_if_they_agree_on_its_size():
    machine = Machine()
    assert _run(_pickle(b"](" + 2 * TENSOR + b"e"), machine) == [VIEW, VIEW]
    assert len(machine.views) == 2 and len(machine.storages) == 1
    other = TENSOR.replace(b"K\x06tQ", b"K\x07tQ")
    with pytest.raises(Refused, match="of storage '0' in two ways"):
        _run(_pickle(b"](" + TENSOR + other + b"e"))


def test_a_stream_is_left_behind_its_pickle_and_the_memo_forgotten():
    machine, stream = Machine(), io.BytesIO()
    for thing in (["a"], ["b"]):
        stream.write(pickle.dumps(thing, 2))
    stream.write(b"rest")
    stream.seek(0)
    assert [machine.run(stream), machine.run(stream)] == [["a"], ["b"]]
    assert stream.read() == b"rest"


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (decimal.Decimal(1), "calls 'decimal.Decimal', which is not known to be"),
        (2**128, "a number of 129 bits"),
    ],
)
def test_what_no_state_dict_holds_is_refused_by_its_name(thing, message):
    with pytest.raises(Refused, match=message):
        _run(pickle.dumps(thing, 2))


def test_what_stands_beside_weights_is_a_name_or_nothing():
    beside = {"set": {1, 2}, "bytes": b"bytes", (1, 2): 3, 1.5: 3, "last": "text"}
    read = _run(pickle.dumps(beside, 4))
    assert [*read] == ["set", "bytes", "last"]
    assert read["set"].kind == "builtins.set" and read["last"] == "text"


def test_numbers_up_to_128_bits_are_read():
    assert _run(pickle.dumps(2**128 - 1, 2)) == 2**128 - 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"K\x02K\x02\x86", b"K\x02\x85", "of 1 axes, 2 strides"),
        (b"K\x01K\x02K\x02", b"J" + struct.pack("<i", -1) + b"K\x02K\x02", "without a"),
        (b"K\x02K\x02\x86", b"K\x02N\x86", "no row of numbers from 0"),
        (b"X\x07\x00\x00\x00storage", b"X\x03\x00\x00\x00row", "of an unknown kind"),
        (b"K\x06tQ", b"NtQ", "without its size"),
        (b"\x89" + HOOKS, b"", "not known to be harmless"),
    ],
)
def test_a_tensor_that_cannot_be_is_refused(old, new, message):
    assert old in TENSOR
    with pytest.raises(Refused, match=message):
        _run(_pickle(TENSOR.replace(old, new)))


def test_the_storages_have_the_sizes_of_their_numbers_in_pytorch():
    sizes = {n: np.dtype(d).itemsize for n, d in torch_pickles.DTYPES.items()}
    assert sizes == {
        **{"DoubleStorage": 8, "LongStorage": 8, "FloatStorage": 4, "IntStorage": 4},
        **{"HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2},
        **{"CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1},
    }
