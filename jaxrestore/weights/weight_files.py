"""Files of weights: any that hold tensors are read, ours are written, with a card.

What a file holds decides how it is read; its name does not. But ncnn has a model in two
files, which differ in their ending, `.param` and `.bin`. Ours is a safetensors file
whose tensors have the paths of a network's variables for names
(`params/body0/conv/kernel`), and beside it a JSON file, the card, which says what the
network is and holds the SHA-256 of the weights.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from jaxrestore import __version__, errors, files
from jaxrestore.weights import (
    ncnn_files,
    ncnn_graphs,
    onnx_files,
    parts,
    torch_files,
)

FORMAT = "jaxrestore weights 1"
Shapes = dict[str, tuple[int, ...]]
_SHOWN = 5  # names of a list
# What every card tells of its network, and as what.
_TOLD = {"generator": dict, "license": str, "scale": int, "sha256": str}
_TOLD |= {"source": dict, "statistics": str, "takes": list}


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a file of safetensors, PyTorch, ncnn or ONNX, by name.

    Of a checkpoint of training they are those of the state dict inside. The rest is as
    `read_part` has it.
    """
    return read_part(path)[1]


def read_part(path: Path, part: str | None = None) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the path to one state dict in a file, "" if it is all, and its tensors.

    Which one, and what is raised, is as in `parts.state_dict`. bfloat16 comes as
    float32, all else as it is stored; arrays may be read-only. Nothing of the file is
    executed. Of ncnn's models the `.param` is given, and the `.bin` stands beside it.
    Raises `NoInputError` when it is missing, damaged, or of another kind.
    """
    data = _bytes(path)
    if torch_files.is_one(data):
        document = torch_files.read(data, str(path))
    elif ncnn_files.is_one(data):
        layers = ncnn_files.read(data, _bytes(_numbers(path)), str(path))
        document = ncnn_graphs.state_dict(layers, str(path))
    elif onnx_files.is_one(data):
        document = onnx_files.read(data, str(path))
    elif path.suffix == ".bin" and path.with_suffix(".param").is_file():
        raise errors.NoInputError(
            f"{path} is half of an ncnn model; give {path.with_suffix('.param')}"
        )
    else:
        document = _safetensors(data, str(path))
    return parts.state_dict(document, str(path), part)


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
    files.write_all({path: data, card_path(path): text.encode()})


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the card and the nested variables, float32, of a file that `write` wrote.

    Raises `NoInputError` when one of the two files is missing or damaged, and
    `MismatchError` when they do not belong together or hold another layout.
    """
    card, data = read_card(path), _bytes(path)
    _check_card(path, card, hashlib.sha256(data).hexdigest())
    return card, _nested(_safetensors(data, str(path)), path)


def check(path: Path) -> None:
    """Raises as `load` does where card or weights are not whole, or lack something.

    No network is built, and no jax is needed.
    """
    card = read_card(path)
    kinds = _TOLD.items()
    if lacking := [n for n, kind in kinds if not isinstance(card.get(n), kind)]:
        raise errors.MismatchError(
            f"{card_path(path)} does not tell {', '.join(lacking)}; convert the "
            "weights again"
        )
    _check_card(path, card, files.sha256(path))


def read_card(path: Path) -> dict[str, Any]:
    """Returns the card of one of our files of weights; the weights are not read.

    Raises `NoInputError` when there is none, or it is no card.
    """
    place = card_path(path)
    _check_file(path)
    if not place.is_file():
        raise errors.NoInputError(
            f"{path} has no card {place.name} beside it; make both with jaxrestore "
            "convert, or give the file that has one"
        )
    try:
        card = json.loads(place.read_bytes())
    except (ValueError, RecursionError) as error:
        raise errors.NoInputError(
            f"{place} is no JSON ({error!s:.100}); convert the weights again"
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise errors.NoInputError(
            f"{place} is no card of weights: its format is not {FORMAT!r}; convert the "
            "weights again, or use the version of jaxrestore that wrote them"
        )
    return card


def card_path(path: Path) -> Path:
    """Returns where the card of a file of weights lies."""
    return path.with_suffix(".json")


def source(path: Path) -> dict[str, str]:
    """Returns the name and the SHA-256 of the file that holds the numbers of weights.

    That is `path` itself, but for ncnn's models, of which it is the `.bin`.
    """
    place = _numbers(path) if _is_ncnn(path) else path
    return {"file": place.name, "sha256": files.sha256(place)}


def belonging(path: Path) -> list[Path]:
    """Returns a file of weights and what else makes its network, where it is there.

    That is its card and, of an ncnn model, its numbers.
    """
    others = [_numbers(path)] if _is_ncnn(path) else []
    return [path, *(x for x in (*others, card_path(path)) if x.is_file())]


def flat(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the leaves of nested variables by path, as `params/body0/conv/kernel`."""
    import jax  # not by who asks cards alone, as the web process does

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


def shapes_of(leaves: Mapping[str, Any]) -> Shapes:
    """Returns the shape of each array."""
    return {name: tuple(leaf.shape) for name, leaf in leaves.items()}


def difference(found: Shapes, wanted: Shapes) -> str:
    """Returns what `found` lacks, has too much or in another shape; "" if nothing."""
    missing = [name for name in wanted if name not in found]
    unused = [name for name in found if name not in wanted]
    other = [
        f"{name} is {list(found[name])}, expected {list(shape)}"
        for name, shape in wanted.items()
        if found.get(name, shape) != shape
    ]
    groups = {"missing": missing, "not used": unused, "of another shape": other}
    return "; ".join(
        f"{len(names)} {what}: {listed(names)}"
        for what, names in groups.items()
        if names
    )


def listed(names: Iterable[str]) -> str:
    """Returns the first five of some names, shortened where they are long."""
    names = [*names]
    shown = [name if len(name) < 100 else f"{name[:97]}..." for name in names[:_SHOWN]]
    return ", ".join([*shown, "..."] if len(names) > _SHOWN else shown) or "none"


def _nested(leaves, path):
    paths = [name.split("/") for name in leaves]
    folders = {"/".join(names[:end]) for names in paths for end in range(len(names))}
    if foreign := [name for name in leaves if "/" not in name or name in folders]:
        raise errors.MismatchError(
            f"{path} holds {foreign[0]!r}, which is no path of a variable, such as "
            "params/conv/kernel; convert it first"
        )
    kept = {np.dtype(np.float16): np.float32, np.dtype(np.float64): np.float32}
    return nested(
        {n: leaf.astype(kept.get(leaf.dtype, leaf.dtype)) for n, leaf in leaves.items()}
    )


def _is_ncnn(path):
    with path.open("rb") as file:
        return ncnn_files.is_one(file.read(16))


def _numbers(path):
    return path.with_suffix(".bin")


def _bytes(path):
    """The file, of which nothing but a regular one is opened: a FIFO would block."""
    _check_file(path)
    return path.read_bytes()


def _check_card(path, card, digest):
    if card.get("layout", "jaxrestore") != "jaxrestore":
        raise errors.MismatchError(
            f"{path} is in PyTorch's layout; convert it first: jaxrestore convert "
            f"{path} OUT.safetensors"
        )
    if digest != card.get("sha256"):
        raise errors.MismatchError(
            f"{path} is not the file of which {card_path(path).name} tells: its "
            "SHA-256 is another. Fetch or convert both again"
        )


def _check_file(path):
    if not path.is_file():
        what = "this is no file" if path.exists() else "there is no such file"
        raise errors.NoInputError(f"{path}: {what}; check the path")


def _safetensors(data, name):
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise errors.NoInputError(
            f"{name} is neither a safetensors file ({error}) nor one that torch.save "
            "wrote, nor ncnn's .param, nor ONNX; give a file of weights"
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
