"""Files of torch.save: what is read, and what they may not ask for."""

import base64
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.weights import torch_files, torch_pickles

FILES = json.loads(
    (Path(__file__).parents[1] / "golden" / "published.json").read_text()
)
FILES = {kind: base64.b64decode(text) for kind, text in FILES["files"].items()}
formats = pytest.mark.parametrize("kind", FILES)
ROW = np.arange(6).reshape(2, 3)
NUMPY = ("float32", "float16", "float64", "int64", "int32", "int16", "int8")
NUMPY += ("uint8", "bool")


# Pickles by hand: each function returns the instructions that leave one thing.


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def row(*things):
    return b"(" + b"".join(things) + b"t"


def name(home, what):
    return f"c{home}\n{what}\n".encode()


def table(**things):
    return b"}(" + b"".join(text(k) + v for k, v in things.items()) + b"u"


def storage(count=6, kind="FloatStorage", key="0"):
    entry = (text("storage"), name("torch", kind), text(key), text("cpu"))
    return row(*entry, number(count)) + b"Q"


def tensor(offset=0, shape=(2, 3), strides=(3, 1), kept=None):
    sizes = (row(*map(number, shape)), row(*map(number, strides)))
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = row(kept or storage(), number(offset), *sizes, b"\x89", hooks)
    return name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def archive(thing, data=None, compression=zipfile.ZIP_STORED, members=()):
    stream = io.BytesIO()
    data = np.arange(6, dtype="<f4").tobytes() if data is None else data
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + thing + b".")
        file.writestr("archive/data/0", data)
        for member, content in dict(members).items():
            file.writestr(f"archive/{member}", content)
    return stream.getvalue()


def older(thing, keys=("0",), count=6, little=True, protocol=1001):
    head = (0x1950A86A20F9469CFC6C, protocol, {"little_endian": little})
    pickles = [pickle.dumps(part, 2) for part in head]
    pickles += [b"\x80\x02" + thing + b".", pickle.dumps([*keys], 2)]
    numbers = np.arange(6, dtype="<f4").tobytes()
    return b"".join(pickles) + struct.pack("<q", count) + numbers


# What is read


@formats
def test_a_file_that_torch_wrote_is_read(kind):
    document = torch_files.read(FILES[kind])
    assert document["epoch"] == 3 and document["note"] == "naïve"
    assert document["best"] == [1.5, None]
    state = {n.removeprefix("module."): t for n, t in document["state_dict"].items()}
    for dtype in NUMPY:
        assert state[dtype].dtype == dtype
        np.testing.assert_array_equal(state[dtype], ROW.astype(dtype))
    assert state["bfloat16"].dtype == np.float32
    np.testing.assert_array_equal(state["bfloat16"], ROW)
    np.testing.assert_array_equal(state["transposed"], ROW.T)
    np.testing.assert_array_equal(state["part"], ROW[1:, ::2])
    np.testing.assert_array_equal(state["parameter"], [1, 1])
    assert state["scalar"] == 2.5 and state["scalar"].shape == ()
    assert state["empty"].shape == (0, 4)


@formats
def test_what_is_read_cannot_be_written_to(kind):
    state = torch_files.read(FILES[kind])["state_dict"]
    assert not state["module.float32"].flags.writeable


@pytest.mark.parametrize("make", [archive, older])
def test_a_pickle_made_by_hand_is_read(make):
    read = torch_files.read(make(table(a=tensor(1, (2, 2), (2, 1)))))
    np.testing.assert_array_equal(read["a"], [[1, 2], [3, 4]])


def test_tensors_that_are_tied_are_read():
    data = np.arange(4096, dtype="<f4").tobytes()
    one = tensor(0, (4096,), (1,), storage(4096))
    read = torch_files.read(archive(table(a=one, b=one), data))
    np.testing.assert_array_equal(read["a"], read["b"])


def test_bfloat16_is_the_upper_half_of_float32():
    bits = np.array([0x3F80, 0xC000, 0x0000, 0x7F80], np.uint16)
    np.testing.assert_array_equal(torch_files.from_bfloat16(bits), [1, -2, 0, np.inf])


def test_only_archives_and_pickles_are_taken_for_files_of_torch():
    assert torch_files.is_one(FILES["zip"]) and torch_files.is_one(FILES["older"])
    for length in (b"\x10", b"\x80"):
        assert not torch_files.is_one(length + b'\0\0\0\0\0\0\0{"a":')
    assert not torch_files.is_one(b"")


# What stands beside weights and is not read


def called(home, what, *arguments):
    return name(home, what) + row(*arguments) + b"R"


def instance(home, what, **entries):
    return name(home, what) + b")\x81" + table(**entries) + b"b"


INERT = {
    "options": instance("argparse", "Namespace", lr=number(1), made=instance("a", "B")),
    "a device": called("torch", "device", text("cuda"), number(0)),
    "milestones": called("collections", "Counter", b"}" + number(3) + number(1) + b"s"),
    "a dict with a default": called("collections", "defaultdict", name("a", "b"))
    + b"("
    + text("a")
    + number(1)
    + b"u",
    "a set": b"\x8f(" + number(1) + b"\x90",
    "a set that stays": b"(" + number(1) + b"\x91",
    "a path": called("pathlib", "PosixPath", text("a")),
    "a path of Python 3.13": called("pathlib._local", "PosixPath", text("a")),
    "a scalar": called("numpy._core.multiarray", "scalar", b"N", b"N"),
    "a class": name("os", "getcwd"),
    "a storage": storage(),
    "an instance by options": name("a", "B") + b")}\x92",
}


@pytest.mark.parametrize("case", INERT)
@pytest.mark.parametrize("make", [archive, older])
def test_an_object_beside_weights_is_not_read(case, make):
    read = torch_files.read(make(table(state_dict=table(a=tensor()), x=INERT[case])))
    assert isinstance(read["x"], torch_pickles.Unread)
    np.testing.assert_array_equal(read["state_dict"]["a"], np.reshape(range(6), (2, 3)))


def test_bytes_are_bytes_and_a_key_that_is_no_text_names_nothing():
    document = b"}(" + row(number(1)) + b"N" + text("a") + b"C\x01b" + b"u"
    assert torch_files.read(archive(document)) == {"a": b"b"}


# What is refused


def chain(depth):
    """A list in a list in a list, made from the inside without a deep stack."""
    return b"]q\x00" + b"]h\x00aq\x00" * depth


def doubled(times):
    """A list that holds a list twice, which holds a list twice, ..."""
    return b"]q\x00" + b"](h\x00h\x00eq\x00" * times


REFUSED = {
    "another function": (name("os", "getcwd") + b")R", "'os.getcwd'"),
    "a function of torch": (name("torch", "load") + b")R", "'torch.load'"),
    "a function by its text": (
        text("os") + text("getcwd") + b"\x93)R",
        "'os.getcwd'",
    ),
    "a function in an object": (
        table(a=name("a", "B") + b")\x81" + name("os", "getcwd") + b")Rb"),
        "'os.getcwd'",
    ),
    "a class that is called": (name("argparse", "Namespace") + b")R", "Namespace'"),
    "an instance of a text": (text("os") + b")\x81", "of what is no class"),
    "an instance": (b"(ios\nsystem\n", "INST"),
    "an extension": (b"\x82\x01", "EXT1"),
    "a call of a text": (text("os") + b")R", "calls what is no function"),
    "arguments for a dict": (
        name("collections", "OrderedDict") + row(text("a")) + b"R",
        "no pairs",
    ),
    "a storage called": (name("torch", "FloatStorage") + b")R", "'torch.Float"),
    "a storage of another kind": (
        row(text("module"), text("a"), text("0"), text("cpu"), number(6)) + b"Q",
        "unknown kind",
    ),
    "a storage of complex numbers": (
        storage(kind="ComplexFloatStorage"),
        "type 'torch.ComplexFloatStorage'",
    ),
    "a storage without a key": (
        row(text("storage"), name("torch", "FloatStorage"), b"N", b"N", b"N") + b"Q",
        "without its size",
    ),
    "a storage of two types": (
        table(a=storage(), b=storage(kind="HalfStorage")),
        "in two ways",
    ),
    "a storage that is missing": (
        table(a=tensor(kept=storage(key="1"))),
        "'1' that it speaks of is missing",
    ),
    "a storage out of the folder": (
        table(a=tensor(kept=storage(key="../../etc"))),
        "is missing",
    ),
    "a storage that is too short": (table(a=tensor(kept=storage(7))), "cut short"),
    "a view beyond": (table(a=tensor(1)), "beyond its storage"),
    "a stride beyond": (table(a=tensor(0, (2, 3), (4, 1))), "beyond its storage"),
    "an offset below 0": (table(a=tensor(-1)), "without a storage"),
    "a stride below 0": (table(a=tensor(5, (2, 3), (-3, -1))), "no row of numbers"),
    "a side that is no number": (
        table(a=tensor(0, (2,), (1,)).replace(number(2), text("2"), 1)),
        "no row of numbers",
    ),
    "more strides than sides": (table(a=tensor(0, (2,), (1, 1))), "1 axes, 2 strides"),
    "nine axes": (table(a=tensor(0, (1,) * 9, (1,) * 9)), "9 axes"),
    "a stride of 0": (table(a=tensor(0, (7,), (0,))), "repeats its storage"),
    "a huge stride of 0": (table(a=tensor(0, (2**31 - 1,), (0,))), "many times"),
    "a memo of 2^31": (b"Nr\x00\x00\x00\x80", "number 2147483648"),
    "a memo that is empty": (b"h\x05", "damaged"),
    "a number of many bits": (b"\x8a\xff" + b"\x7f" * 255, "bits"),
    "marks without end": (b"(" * 1000, "nests too deep"),
    "a deep chain": (chain(1000), "nests too deep"),
    "a list in itself": (b"]q\x00h\x00a", "nests too deep"),
    "a long stack": (b"N" * 100_000, "nests too deep"),
    "a stack that is empty": (b"R", "more than there is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_pickle_is_refused_with_what_it_asks_for(case):
    thing, told = REFUSED[case]
    with pytest.raises(errors.NoInputError) as caught:
        torch_files.read(archive(thing), "weights.pth")
    message = str(caught.value)
    assert (
        message.startswith("weights.pth is not read as weights: ") and told in message
    )
    assert "Nothing of it was executed" in message and "\n" not in message


def test_a_document_that_doubles_thirty_times_is_read_in_no_time():
    assert len(torch_files.read(archive(doubled(30)))) == 2


def test_views_may_not_hold_many_times_what_the_file_does():
    data = np.zeros(2**16, "<f4").tobytes()
    view = tensor(0, (2**16,), (1,), storage(2**16))
    with pytest.raises(errors.NoInputError, match="many times what the file does"):
        torch_files.read(archive(b"](" + view * 9 + b"e", data))


def _told(data):
    with pytest.raises(errors.NoInputError) as caught:
        torch_files.read(data)
    return str(caught.value)


def test_a_compressed_archive_is_not_unpacked():
    packed = archive(table(a=tensor()), compression=zipfile.ZIP_DEFLATED)
    assert "is compressed" in _told(packed)


def test_an_archive_that_torch_did_not_write_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a/b/data.pkl", b"N.")
    assert "without the one data.pkl" in _told(stream.getvalue())


def test_a_program_and_another_byte_order_are_refused():
    assert "TorchScript" in _told(archive(b"N", members={"constants.pkl": b""}))
    assert "b'big'" in _told(archive(b"N", members={"byteorder": b"big"}))


def test_a_member_that_reaches_beyond_the_file_is_refused():
    data = archive(table(a=tensor()))
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/data/0"))
    sizes = struct.pack("<II", 2**31, 2**31)
    longer = data[: directory + 20] + sizes + data[directory + 28 :]
    assert "beyond the file" in _told(longer)


@formats
def test_a_file_that_is_cut_short_is_refused(kind):
    data = FILES[kind]
    lengths = range(2, len(data) - 1, len(data) // 50)
    messages = {_told(data[:length]) for length in lengths}
    assert all("is not read as weights" in message for message in messages)


def test_an_older_file_of_another_kind_is_refused():
    one = table(a=tensor())
    assert "protocol is 1000" in _told(older(one, protocol=1000))
    assert "little-endian" in _told(older(one, little=False))
    assert "nothing speaks of" in _told(older(one, keys=("1",)))
    assert "beyond the file" in _told(older(one, count=7))
    assert "beyond the file" in _told(older(one, count=-1))
    assert "none that torch.save wrote" in _told(pickle.dumps({"a": 1}, 2))


def test_a_storage_that_the_older_format_lacks_is_refused():
    assert "damaged" in _told(older(table(a=tensor(kept=storage(key="1"))), keys=()))
