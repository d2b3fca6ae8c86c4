"""Hostile files instead of weights: refused, and nothing of what they ask happens."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def _raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _entry(dtype="F32", shape=(1,), place=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(place)}


class _Calls:
    """A pickle of it calls a function as it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _zip(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members.items():
            with file.open(f"archive/{name.replace('_', '/')}", "w") as member:
                for part in [data] if isinstance(data, bytes) else data:
                    member.write(part)
    return stream.getvalue()


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _npz(array):
    stream = io.BytesIO()
    np.savez(stream, a=array)
    return stream.getvalue()


def _pickles(canary):
    """The three calls that pickles are feared for, in every protocol."""
    write = f"open({str(canary)!r}, 'w').close()"
    calls = {
        "system": _Calls(os.system, f"touch {canary}"),
        "exec": _Calls(exec, write),
        "eval": _Calls(eval, write),
    }
    return {
        f"{name}{protocol}.{suffix}": pickle.dumps(call, protocol)
        for name, call in calls.items()
        for protocol, suffix in enumerate(
            ("pkl", "pth", "pt", "ckpt", "safetensors", "")
        )
    }


def _names(count):
    """An ONNX file of so many tensors without a number, each with a name of its own."""
    one = b"\x2a\x0d\x08\x00\x10\x01\x42\x07%07d"
    graph = b"".join(one % number for number in range(count))
    sizes = [len(graph) >> shift & 127 | 128 for shift in (0, 7, 14)]
    return b"\x08\x08\x3a" + bytes([*sizes, len(graph) >> 21]) + graph


def _hostile(canary):
    """Files by name; a text is where a link leads."""
    call = _Calls(os.mkdir, str(canary))
    bad = pickle.dumps(call, 2)
    objects = np.array([call], object)
    magic = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
    zeros = [bytes(2**20)] * 160
    deflate = zipfile.ZIP_DEFLATED
    wide = 2**62
    return _pickles(canary) | {
        "archive.pth": _zip({"data.pkl": bad}),
        "archive.safetensors": _zip({"data.pkl": bad}),
        "older.pth": b"".join([*magic, bad]),
        "program.pt": _zip({"data.pkl": b"\x80\x02N.", "constants.pkl": bad}),
        "bomb.pth": _zip({"data.pkl": zeros}, deflate),
        "bomb_data.pth": _zip({"data.pkl": b"\x80\x02N.", "data_0": zeros}, deflate),
        "unlike.pth": _zip({"word_document.xml": b"<a/>"}),
        "objects.npy": _npy(objects),
        "objects.npz": _npz(objects),
        "objects.pth": _npz(objects),
        "model.joblib": b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81.",
        "model.yaml": b"!!python/object/apply:os.system ['touch hostile']\n",
        "yaml.safetensors": b"!!python/object/apply:os.system ['touch hostile']\n",
        "orbax.json": b'{"tree_metadata": {"../../etc/passwd": {"value": 1}}}',
        "link.pth": "/etc/passwd",
        "deep.msgpack": b"\x91" * 10**6,
        "wide.safetensors": struct.pack("<Q", 2**63 - 1) + b"{}",
        "wider.safetensors": b"\xff" * 8 + b"{}",
        "cut.safetensors": _raw({"a": _entry()}),
        "overlaps.safetensors": _raw({"a": _entry(), "b": _entry()}, bytes(4)),
        "hole.safetensors": _raw({"a": _entry(place=(4, 8))}, bytes(8)),
        "negative.safetensors": _raw({"a": _entry(place=(-4, 0))}, bytes(4)),
        "backwards.safetensors": _raw({"a": _entry(place=(4, 0))}, bytes(4)),
        "huge.safetensors": _raw({"a": _entry(shape=(wide, wide))}, bytes(4)),
        "deep.safetensors": _raw(b'{"a":' + b"[" * 10**5, bytes(4)),
        "memo.pth": _zip({"data.pkl": b"\x80\x02Nr\x00\x00\x00\x80."}),
        "bytes.pth": b"\x80\x04\x8e" + struct.pack("<Q", wide * 2 - 1),
        "text.pth": b"\x80\x04\x8d" + struct.pack("<Q", wide * 2 - 1),
        "nested.pth": b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
        "marks.pth": b"\x80\x02" + b"(" * 10**6 + b"t" * 10**6 + b".",
        "long.pth": b"\x80\x02\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b".",
        "frame.pth": b"\x80\x04\x95" + struct.pack("<Q", wide) + b"N.",
        "graph.param": _LIES.encode(),
        "graph.bin": bytes(64),
        "deep.param": b"7767517\n1 1\n" + b"Split s 1 1 " * 80_000,
        "deep.bin": b"",
        "wide.onnx": b"\x08\x08\x3a\x0c\x2a\x0a\x08" + b"\xff" * 8 + b"\x01",
        "longer.onnx": b"\x08\x08\x3a" + b"\xff" * 8 + b"\x7f",
        "many.onnx": b"\x08\x08\x3a\xc0\x84\x3d" + b"\x2a\x00" * 500_000,
        "names.onnx": _names(100_000),
        "empty.pth": b"",
        "cut.pth": b"\x80",
        "cut_archive.pth": _zip({"data.pkl": bad})[:-30],
    }


# A convolution of more numbers than any memory holds, and a file of 64 bytes.
_LIES = """7767517
2 2
Input i 0 1 i
Convolution c 1 1 i c 0=999999999 1=999999999 4=1 5=1 6=999999999
"""

WATCHED = """
import json, resource, sys
from pathlib import Path
from jaxrestore import errors
from jaxrestore.weights import weight_files

BANNED = ("import", "exec", "compile", "os", "subprocess", "socket", "ctypes", "pickle",
          "marshal", "shutil", "tempfile", "code", "urllib")
seen = []

def watch(event, arguments):
    if event == "open":
        _, mode, flags = arguments
        if set(str(mode)) & set("wax+") or (flags or 0) & 3:  # not for reading alone
            seen.append("open")
    elif event.split(".")[0] in BANNED:
        seen.append(event)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

paths, told = sorted(Path(sys.argv[1]).iterdir()), {}
sys.addaudithook(watch)
before = peak()
for path in paths:
    try:
        weight_files.read(path)
    except errors.UserError as error:
        told[path.name] = str(error)
grown, events = peak() - before, [*seen]
exec("import colorsys")
open(sys.argv[1] + "/seen", "w").close()
print(json.dumps([told, events, grown, seen]))
"""


def test_hostile_files_are_refused_and_nothing_of_them_happens(tmp_path):
    canary, folder = tmp_path / "canary", tmp_path / "files"
    folder.mkdir()
    hostile = _hostile(canary)
    for name, content in hostile.items():
        if isinstance(content, str):
            (folder / name).symlink_to(content)
        else:
            (folder / name).write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    told, events, kibibytes, controls = json.loads(run.stdout)
    assert len(told) == len(hostile) >= 30
    for name, message in told.items():
        assert message.startswith(f"{folder / name}")
        assert "\n" not in message and len(message) < 500
    assert events == [] and not canary.exists()
    assert kibibytes < 100 * 1024
    # The hook sees what it is there for.
    assert {"compile", "exec", "import", "open"} <= set(controls)


def test_the_hostile_pickles_are_dangerous_indeed(tmp_path):
    canary = tmp_path / "canary"
    for name, data in _pickles(canary).items():
        pickle.loads(data)
        assert canary.exists(), name
        canary.unlink()
