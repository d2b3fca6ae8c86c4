"""The state dicts in what training scripts save, and which of them is the network's.

Scripts save one as it is, below a key (`{"params_ema": ...}`), or with the names of
several networks in front of its tensors (`netG.conv.weight`). A part is the path to
one: `params_ema`, `state_dict.generator` or `netG`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxrestore import errors
from jaxrestore.weights.torch_pickles import Unread

Tensors = Mapping[str, np.ndarray]
_DEPTH = 4
_MOST = 1000  # dicts that are looked into: one can stand in many places
_SHOWN = 8
# Words of a path, which `_words` cuts at marks and capitals: netD_A is net, d, a.
_OTHERS = {"d", "dis", "disc", "discriminator", "critic", "optim", "optimizer"}
_GENERATORS = {"g", "gen", "generator"}
_AVERAGES = {"ema"}
_COMPILED = "_orig_mod"


def state_dict(
    document: Any, name: str = "the file", part: str | None = None
) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the path to one state dict in a document, and its tensors by name.

    The path is `part`, or without one what `preferred` leaves, which has to be one; ""
    is the document itself. What `torch.compile`, `DataParallel` and `AveragedModel` put
    in front of names is taken away (`_orig_mod.`, `module.`); entries that are no
    tensors are left out. Raises `NoInputError`, which calls the file `name`, where
    there is none, and `ConfigError` for a part that is not there and where several are
    left.
    """
    homes = _homes(document)
    if not homes:
        raise errors.NoInputError(
            f"{name} holds no state dict, but {_told(document)}; save "
            "model.state_dict() instead"
        )
    chosen = _unlike(homes, preferred(homes))
    if part is not None:
        return part, _named(homes, chosen, part, name)
    if len(chosen) > 1:
        raise errors.ConfigError(several(name, chosen))
    return chosen[0], _checked(homes[chosen[0]], name)


def beneath(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    """Returns those tensors whose names begin with `prefix` and a dot, without both."""
    start = f"{prefix}." if prefix else ""
    chosen = {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
    return _unwrapped(chosen) if prefix else chosen


def prefixes(tensors: Tensors, words: int) -> list[str]:
    """Returns the first so many words of the tensors' names, where more follow them."""
    parts = (name.split(".") for name in tensors)
    return [*dict.fromkeys(".".join(p[:words]) for p in parts if len(p) > words)]


def preferred(paths: Iterable[str]) -> list[str]:
    """Returns those of the paths that are most likely the network that restores.

    Each rule that would leave none is skipped: no discriminators and optimisers, what
    stands below a key before what stands beside it, averages (`ema`) before what they
    are averages of, and generators.

    >>> parts.preferred(["netG", "netD", "netG_ema"])
    ['netG_ema']
    """
    left = [*paths]
    rules = (
        lambda path: not _OTHERS & _words(path),
        lambda path: not any(p != path and _is_below(p, path) for p in left),
        lambda path: _AVERAGES & _words(path),
        lambda path: _GENERATORS & _words(path),
    )
    for rule in rules:
        left = [path for path in left if rule(path)] or left
    return left


def several(name: str, paths: Iterable[str]) -> str:
    """Returns the message for a file with more than one network."""
    paths = [*paths]
    return (
        f"{name} holds several networks: {_listed(paths)}; name one with `part`, as in "
        f"jaxrestore convert {name} OUT.safetensors `part` {paths[0]}"
    )


def _homes(document: Any) -> dict[str, dict[str, Any]]:
    """What may be the tensors of each dict that holds kernels, by its path.

    An object with the name of a parameter is among them, for `_checked` to refuse.
    """
    homes = {}

    def walk(value, path):
        if len(homes) >= _MOST or len(path) > _DEPTH or not isinstance(value, dict):
            return
        homes[".".join(path)] = {
            n: x
            for n, x in value.items()
            if isinstance(n, str)
            and (isinstance(x, np.ndarray) or ("." in n and isinstance(x, Unread)))
        }
        for key, inner in value.items():
            if isinstance(key, str):  # optimisers number what they hold
                walk(inner, (*path, key))

    walk(document, ())
    for axes in (2, 0):
        found = {p: _unwrapped(t) for p, t in homes.items() if _most_axes(t) >= axes}
        if found:
            return found
    return {}


def _most_axes(tensors):
    axes = (x.ndim for x in tensors.values() if not isinstance(x, Unread))
    return max(axes, default=-1)


def _checked(tensors, name):
    for entry, value in tensors.items():
        if isinstance(value, Unread):
            raise errors.NoInputError(
                f"{name} holds {_kind(value)} where a tensor should be, as {entry:.80};"
                " save model.state_dict() instead"
            )
    return tensors


def _unlike(homes, paths):
    """One path for each set of tensors: scripts save the same network twice."""
    same = {tuple(map(id, homes[path].values())): path for path in reversed(paths)}
    return [path for path in paths if path in same.values()]


def _named(homes, chosen, part, name):
    whole = {
        f"{path}.{n}" if path else n: x
        for path, tensors in homes.items()
        for n, x in tensors.items()
    }
    for tensors in (whole, *(homes[path] for path in chosen)):
        if found := beneath(tensors, part):
            return _checked(found, name)
    first = (n for path in chosen for n in prefixes(homes[path], 1))
    known = dict.fromkeys((*filter(None, homes), *first))
    raise errors.ConfigError(f"{name} has no part {part!r}, but {_listed(known)}")


def _unwrapped(tensors):
    names = {n: n.replace(f"{_COMPILED}.", "") for n in tensors}
    if len(set(names.values())) == len(names):
        tensors = {names[n]: x for n, x in tensors.items()}
    inner = {n: x for n, x in tensors.items() if n.startswith("module.")}
    # AveragedModel counts how often it averaged: n_averaged, beside module.
    beside = [x for n, x in tensors.items() if n not in inner]
    if not inner or any(getattr(x, "ndim", 1) for x in beside):
        return dict(tensors)
    return _unwrapped({n.removeprefix("module."): x for n, x in inner.items()})


def _words(path):
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path)
    return {word.lower() for word in re.split(r"[^a-zA-Z]+", apart)}


def _is_below(path, other):
    return not other or path.startswith(f"{other}.")


def _told(document):
    if not isinstance(document, dict):
        return _kind(document)
    held = [
        f"{key!s:.80}" + (f" ({_kind(x)})" if isinstance(x, Unread) else "")
        for key, x in document.items()
    ]
    return f"a dict with {_listed(held)}"


def _kind(value):
    if isinstance(value, Unread):
        return f"an object {value.kind:.80}"
    return (
        "one tensor" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    )


def _listed(names):
    names = [f"{name:.80}" for name in names]
    return ", ".join(names[:_SHOWN] + ["..."] * (len(names) > _SHOWN)) or "no names"
