"""Files of weights: ours there and back, others' read."""

import json
import os
import struct

import numpy as np
import pytest
import safetensors.numpy

from jaxrestore import __version__, errors, files
from jaxrestore.weights import weight_files

KERNEL = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
VARIABLES = {
    "params": {"conv": {"kernel": KERNEL, "bias": np.array([1, -0.0], np.float32)}},
    "batch_stats": {"norm": {"batch": {"mean": np.full(1, 0.25, np.float32)}}},
}
CARD = {"generator": {"name": "fcn"}, "task": None, "license": "CC0"}


def _written(tmp_path, variables=VARIABLES, **more):
    path = tmp_path / "weights.safetensors"
    weight_files.write(path, variables, {**CARD, **more})
    return path


def test_what_is_written_is_loaded_to_the_bit(tmp_path):
    card, variables = weight_files.load(_written(tmp_path))
    assert card["format"] == weight_files.FORMAT and card["generator"] == {
        "name": "fcn"
    }
    assert card["jaxrestore"] == __version__ and card["license"] == "CC0"
    found, wanted = weight_files.flat(variables), weight_files.flat(VARIABLES)
    assert found.keys() == wanted.keys()
    for path, leaf in wanted.items():
        assert found[path].tobytes() == leaf.tobytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "weights.json",
        "weights.safetensors",
    ]


def test_a_card_holds_the_hash_of_the_weights(tmp_path):
    path = _written(tmp_path)
    assert weight_files.read_card(path)["sha256"] == files.sha256(path)


def test_half_precision_is_float32_once_loaded(tmp_path):
    half = np.array([0.1, 2], np.float16)
    written = _written(tmp_path, {"params": {"kernel": half}})
    _, variables = weight_files.load(written)
    kernel = variables["params"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, half)


def test_flat_names_are_paths_and_nest_again():
    flat = weight_files.flat(VARIABLES)
    assert [*flat][:2] == ["batch_stats/norm/batch/mean", "params/conv/bias"]
    assert weight_files.nested(flat) == VARIABLES


def test_any_tool_reads_the_names(tmp_path):
    tensors = safetensors.numpy.load_file(_written(tmp_path))
    np.testing.assert_array_equal(tensors["params/conv/kernel"], KERNEL)


def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path):
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(errors.MismatchError, match="SHA-256 is another"):
        weight_files.load(path)


def test_the_layout_of_pytorch_is_not_loaded_as_ours(tmp_path):
    path = _written(tmp_path, {"conv.weight": KERNEL}, layout="torch")
    with pytest.raises(errors.MismatchError, match="jaxrestore convert"):
        weight_files.load(path)


@pytest.mark.parametrize("name", ["conv.weight", "params/a"])
def test_names_that_are_no_paths_are_refused(tmp_path, name):
    leaves = {"params/a/b": KERNEL, name: KERNEL}
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file(leaves, path)
    card = {"format": weight_files.FORMAT, "sha256": files.sha256(path)}
    weight_files.card_path(path).write_text(json.dumps(card))
    with pytest.raises(errors.MismatchError, match="no path of a variable"):
        weight_files.load(path)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", '{"format": "another"}'])
def test_a_card_that_is_none_is_refused(tmp_path, text):
    path = _written(tmp_path)
    weight_files.card_path(path).write_text(text)
    with pytest.raises(errors.NoInputError, match=r"weights\.json"):
        weight_files.load(path)


def _without_card(tmp_path):
    path = tmp_path / "nothing.safetensors"
    path.write_bytes(b"")
    return path


def test_missing_files_are_named(tmp_path):
    with pytest.raises(errors.NoInputError, match=r"nothing\.safetensors: there is no"):
        weight_files.load(tmp_path / "nothing.safetensors")
    with pytest.raises(errors.NoInputError, match="no such file"):
        weight_files.read(tmp_path / "nothing.pth")
    with pytest.raises(errors.NoInputError, match=r"no card nothing\.json"):
        weight_files.load(_without_card(tmp_path))
    with pytest.raises(errors.NoInputError, match="this is no file"):
        weight_files.load(tmp_path)


def test_a_file_of_weights_has_its_suffix_and_its_folder(tmp_path):
    with pytest.raises(errors.ConfigError, match=r"ends in \.safetensors"):
        weight_files.write(tmp_path / "weights.pth", VARIABLES, CARD)
    with pytest.raises(errors.ConfigError, match="folder does not exist"):
        weight_files.write(tmp_path / "no" / "a.safetensors", VARIABLES, CARD)


def test_a_failing_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = _written(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.DiskError, match="No space"):
        weight_files.write(path, {"params": {"a": KERNEL}}, CARD)
    monkeypatch.undo()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


# Others' files


def _raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _entry(dtype="F32", shape=(1,), place=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(place)}


def test_types_of_safetensors_are_read_and_others_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(_raw({"a": _entry("BF16", (2,))}, b"\x80\x3f\x00\xc0"))
    np.testing.assert_array_equal(weight_files.read(path)["a"], [1, -2])
    path.write_bytes(_raw({"a": _entry("I8", (2, 2))}, b"\x01\x02\x03\xff"))
    np.testing.assert_array_equal(weight_files.read(path)["a"], [[1, 2], [3, -1]])
    path.write_bytes(_raw({"a": _entry("F8_E4M3", (4,))}, b"\x01\x02\x03\xff"))
    with pytest.raises(errors.NoInputError, match="a is of type F8_E4M3"):
        weight_files.read(path)


TOLD = {"source": {}, "license": "not stated", "scale": 1, "statistics": "eval"}


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "mismatch", "SHA-256"),
        (lambda path: path.with_suffix(".json").unlink(), "none", "has no card"),
        (lambda path: _told(path, scale="1"), "mismatch", "does not tell scale;"),
        (lambda path: _told(path, takes=None), "mismatch", "does not tell takes;"),
        (lambda path: _told(path, layout="torch"), "mismatch", "jaxrestore convert"),
    ],
)
def test_weights_are_checked_without_a_network(tmp_path, change, kind, said):
    path = _written(tmp_path, takes=["rgb"], **TOLD)
    weight_files.check(path)
    change(path)
    kinds = {"mismatch": errors.MismatchError, "none": errors.NoInputError}
    with pytest.raises(kinds[kind], match=said):
        weight_files.check(path)


def _told(path, **entries):
    card = json.loads(path.with_suffix(".json").read_bytes())
    path.with_suffix(".json").write_text(json.dumps({**card, **entries}))
