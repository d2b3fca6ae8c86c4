"""Files of weights: any that hold tensors are read, ours are written, with a card.

What a file holds decides how it is read; its name does not. Ours is a safetensors file
whose tensors have the paths of a network's variables for names
(`params/body0/conv/kernel`), and beside it a JSON file, the card, which says what the
network is and holds the SHA-256 of the weights.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from jaxrestore import __version__, errors, torch_files

FORMAT = "jaxrestore weights 1"
# Where state dicts stand in what training scripts save; the first that is there counts.
_NESTED = ("params_ema", "params", "state_dict", "model_state_dict", "model")
_DEPTH = 4


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a safetensors file or of a PyTorch file, by name.

    Of a checkpoint of training it is the state dict inside, averaged if there is one
    (`params_ema`, `params`, `state_dict`, `model`, ...), less a prefix `module.` that
    all names share; entries that are no tensors are left out. bfloat16 comes as
    float32, all else as it is stored; arrays may be read-only. Nothing of the file is
    executed. Raises `NoInputError` when it is missing, damaged, or of another kind.
    """
    data = _bytes(path)
    if torch_files.is_one(data):
        document = torch_files.read(data, str(path))
    else:
        document = _safetensors(data, str(path))
    return _without_prefix(_state_dict(document, path))


def write(path: Path, variables: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    """Writes nested `variables` to `path`, and their card beside it, ending in `.json`.

    The card is what is given, with `format`, `sha256` and `jaxrestore` (its version)
    filled in. Both files appear whole or not at all; older ones are replaced. Raises
    `ConfigError` when `path` does not end in `.safetensors` or its folder is missing.
    """
    if path.suffix != ".safetensors":
        raise errors.ConfigError(f"{path}: a file of weights ends in .safetensors")
    if not path.parent.is_dir():
        raise errors.ConfigError(f"{path}: its folder does not exist; create it first")
    leaves = flat(variables).items()
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in leaves}
    for name, leaf in tensors.items():
        if leaf.dtype not in (np.float32, np.float16):
            raise ValueError(f"{name} is {leaf.dtype}; weights are float32 or float16")
    data = safetensors.numpy.save(tensors)
    filled = {
        "format": FORMAT,
        **card,
        "sha256": hashlib.sha256(data).hexdigest(),
        "jaxrestore": __version__,
    }
    text = json.dumps(filled, indent=2) + "\n"
    _write_both({path: data, card_path(path): text.encode()})


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the card and the nested variables, float32, of a file that `write` wrote.

    Raises `NoInputError` when one of the two files is missing or damaged, and
    `MismatchError` when they do not belong together or hold another layout.
    """
    card = read_card(path)
    if card.get("layout", "jaxrestore") != "jaxrestore":
        raise errors.MismatchError(
            f"{path} is in PyTorch's layout; convert it first: jaxrestore convert "
            f"{path} OUT.safetensors"
        )
    data = _bytes(path)
    if hashlib.sha256(data).hexdigest() != card.get("sha256"):
        raise errors.MismatchError(
            f"{path} is not the file of which {card_path(path).name} tells: its "
            "SHA-256 is another. Fetch or convert both again"
        )
    return card, _nested(_safetensors(data, str(path)), path)


def read_card(path: Path) -> dict[str, Any]:
    """Returns the card of one of our files of weights; the weights are not read.

    Raises `NoInputError` when there is none, or it is no card.
    """
    place = card_path(path)
    if not place.is_file():
        raise errors.NoInputError(
            f"{path} has no card {place.name} beside it; make both with jaxrestore "
            "convert, or give the file that has one"
        )
    try:
        card = json.loads(place.read_bytes())
    except (ValueError, RecursionError) as error:
        raise errors.NoInputError(f"{place} is no JSON: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise errors.NoInputError(
            f"{place} is no card of weights: its format is not {FORMAT!r}; convert the "
            "weights again, or use the version of jaxrestore that wrote them"
        )
    return card


def card_path(path: Path) -> Path:
    """Returns where the card of a file of weights lies."""
    return path.with_suffix(".json")


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flat(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the leaves of nested variables by path, as `params/body0/conv/kernel`."""
    return {
        "/".join(str(key.key) for key in path): leaf
        for path, leaf in jax.tree.leaves_with_path(dict(variables))
    }


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the variables of which `flat` gave the leaves."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *folders, last = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = leaf
    return tree


def _nested(leaves, path):
    parts = [name.split("/") for name in leaves]
    folders = {"/".join(names[:end]) for names in parts for end in range(len(names))}
    if foreign := [name for name in leaves if "/" not in name or name in folders]:
        raise errors.MismatchError(
            f"{path} holds {foreign[0]!r}, which is no path of a variable, such as "
            "params/conv/kernel; convert it first"
        )
    kept = {np.dtype(np.float16): np.float32, np.dtype(np.float64): np.float32}
    return nested(
        {n: leaf.astype(kept.get(leaf.dtype, leaf.dtype)) for n, leaf in leaves.items()}
    )


def _bytes(path):
    """The file, of which nothing but a regular one is opened: a FIFO would block."""
    if not path.is_file():
        raise errors.NoInputError(f"{path}: there is no such file; check the path")
    return path.read_bytes()


def _safetensors(data, name):
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise errors.NoInputError(
            f"{name} is neither a safetensors file ({error}) nor one that torch.save "
            "wrote; give a file of weights"
        ) from error
    tensors = {}
    for tensor, entry in entries:
        if entry["dtype"] not in _DTYPES:
            raise errors.NoInputError(
                f"{name}: {tensor} is of type {entry['dtype']}, which is not read; "
                f"save it as one of {', '.join(_DTYPES)}"
            )
        values = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = torch_files.from_bfloat16(values)
        tensors[tensor] = values.reshape(entry["shape"])
    return tensors


# safetensors' names; NumPy has no bfloat16, which is read as its 16 bits.
_DTYPES = {
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "F64": "<f8",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


def _write_both(contents):
    partials = {p.with_name(f".{uuid.uuid4().hex}.partial"): p for p in contents}
    try:
        for partial, path in partials.items():
            partial.write_bytes(contents[path])
        for partial, path in partials.items():
            os.replace(partial, path)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def _state_dict(document, path):
    for _ in range(_DEPTH):
        if not isinstance(document, dict):
            break
        inner = next((key for key in _NESTED if _is_dict(document.get(key))), None)
        if inner is None:
            tensors = {
                str(name): value
                for name, value in document.items()
                if isinstance(value, np.ndarray)
            }
            if tensors:
                return tensors
            break
        document = document[inner]
    found = ", ".join(map(str, [*document][:5])) if _is_dict(document) else "no names"
    raise errors.NoInputError(
        f"{path} holds no state dict, but {type(document).__name__} with {found}; "
        "save model.state_dict() instead"
    )


def _is_dict(value):
    return isinstance(value, dict)


def _without_prefix(tensors):
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): x for name, x in tensors.items()}
    return tensors
