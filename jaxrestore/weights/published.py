"""Where a network's tensors stand among those of a checkpoint."""

from collections.abc import Mapping

import numpy as np

from jaxrestore import errors
from jaxrestore.weights import conversion, parts

Tensors = Mapping[str, np.ndarray]
_MOST_WORDS = 2  # of a prefix, as model.generator


def prefix(tensors: Tensors, name: str, architecture: str = "auto") -> str:
    """Returns what stands before the names of a network's tensors; mostly "".

    A checkpoint of training may hold them as `netG.conv.weight` beside those of `netD`,
    or in a wrapper's `model.`. Raises `ConfigError`, which calls the file `name`, where
    several networks are there and `parts.preferred` does not leave one.
    """
    if _is_network(tensors, architecture):
        return ""
    for words in range(1, _MOST_WORDS + 1):
        groups = {p: parts.beneath(tensors, p) for p in parts.prefixes(tensors, words)}
        found = [p for p, inner in groups.items() if _is_network(inner, architecture)]
        chosen = parts.preferred(found)
        if len(chosen) > 1:
            raise errors.ConfigError(parts.several(name, chosen))
        if chosen:
            return chosen[0]
    return ""


def _is_network(tensors: Tensors, architecture: str) -> bool:
    try:
        conversion.recognise(tensors, architecture)
        conversion.from_torch(tensors, architecture)
    except errors.MismatchError:
        return False
    return True
