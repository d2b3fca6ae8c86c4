"""Between published PyTorch weights and the variables of our networks, both ways.

A network with published weights has `torch_names` and, in its module, `torch_options`
(`models/torch_layout.py`). A kernel's axes are turned, [d, c, k, k] to [k, k, c, d],
and a matrix transposed; all else stands as it is. Every tensor is used exactly once.
"""

import functools
import math
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import errors, models, naming, networks
from jaxrestore.weights import inputs, weight_files

Tensors = Mapping[str, np.ndarray]
Shapes = weight_files.Shapes
_SIDE = 16  # px, or what the network divides by, of the image that shapes are found on
_MOST_INPUTS = 4
# The numbers among a network's options: each a width, a count of layers or, beyond what
# its tensors tell, a side in px.
_MOST_OPTIONS = 64
_LARGEST = 1024


def architectures() -> list[str]:
    """Returns the networks with a published layout in PyTorch."""
    names = [entry.name for entry in pkgutil.iter_modules(models.__path__)]
    homes = {name: naming.module("models", name) for name in names}
    # Networks whose features are compared are read from such files too.
    asked = ("Generator", "torch_options")
    return [n for n in names if all(hasattr(homes[n], what) for what in asked)]


def recognise(
    tensors: Tensors, architecture: str = "auto"
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns a generator section, and the tensors under the names of today's layout.

    The section is `{"name": ..., options}`, as a config has it. `architecture` is a
    file in models, or `auto` for the one that fits. Counts of batches
    (`num_batches_tracked`) are left out. Raises `MismatchError` when no network fits,
    or several do, and `ConfigError` for an unknown architecture.
    """
    known = architectures()
    if architecture not in ("auto", *known):
        raise errors.ConfigError(
            f"there is no architecture {architecture!r} to convert: "
            f"{naming.nearest(architecture, [*known, 'auto'])}"
        )
    tensors = {
        n: t for n, t in tensors.items() if not n.endswith("num_batches_tracked")
    }
    asked = known if architecture == "auto" else [architecture]
    found = [fit for name in asked if (fit := _fitting(name, tensors)) is not None]
    if len(found) != 1:
        names = ", ".join(generator["name"] for generator, _ in found)
        which = f"are those of several, {names}" if found else "fit none"
        raise errors.MismatchError(
            f"the {len(tensors)} tensors {which} of {', '.join(asked)}: "
            f"{weight_files.listed(tensors)}; give the weights of one of them"
            + (", or `architecture`" if found else "")
        )
    return found[0]


def from_torch(
    tensors: Tensors, architecture: str = "auto"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a generator section and its variables, float32, from a state dict.

    Raises as `recognise`, and `MismatchError` with the tensors that are missing, not
    used, or of another shape.
    """
    generator, tensors = recognise(tensors, architecture)
    model = network(generator)
    names = model.torch_names()
    found = {name: tensor.shape for name, tensor in tensors.items()}
    _, shapes = _fitted(model, found, functools.partial(_torch_shapes, names))
    leaves = {}
    for path, entry in names.items():
        tensor = np.asarray(tensors[_name(entry)], np.float32)
        leaves[path] = _turned(tensor, entry, shapes[path], _FROM_TORCH)
    return generator, weight_files.nested(leaves)


def to_torch(
    generator: Mapping[str, Any], variables: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns the state dict that `from_torch` reads, in the layout published today.

    Raises `ConfigError` for a network without one, and `MismatchError` when the
    variables are not those of `generator`.
    """
    model = network(generator)
    if not hasattr(model, "torch_names"):
        raise errors.ConfigError(
            f"{generator['name']} has no layout in PyTorch; those that have one are "
            f"{', '.join(architectures())}"
        )
    try:
        names = model.torch_names()
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error
    leaves = weight_files.flat(variables)
    _fitted(model, weight_files.shapes_of(leaves), lambda shapes: shapes)
    tensors = {}
    for path, entry in names.items():
        leaf = np.asarray(leaves[path])
        name, shape = _torch_shape(entry, leaf.shape)
        tensors[name] = _turned(leaf, entry, shape, _TO_TORCH)
    return tensors


def described(
    generator: Mapping[str, Any], variables: Mapping[str, Any], statistics: str = "eval"
) -> dict[str, Any]:
    """Returns what a card says of a network, by itself, and holds its weights against.

    Its `scale`; the `colors` it gives, `rgb` or `gray`; how many channels it takes,
    `inputs`; `multiple`, what it divides sides by; and `networks.reach` and `smallest`,
    in px. Raises `MismatchError` when the variables are not those of `generator`, and
    when it gives images of other than 1 or 3 channels.
    """
    model = network(generator)
    if (gives := networks.channels(model)) not in (1, 3):
        raise errors.MismatchError(
            f"the network gives {gives} channels, but images have 1 (grey) or 3 "
            "(colour), and their alpha is kept as it is; give a network of 1 or 3"
        )
    found = weight_files.shapes_of(weight_files.flat(variables))
    count, _ = _fitted(model, found, lambda shapes: shapes)
    colors = "gray" if gives == 1 else "rgb"
    return {
        "scale": model.scale,
        "colors": colors,
        "inputs": count,
        "multiple": model.multiple,
        "reach": networks.reach(model, statistics),
        "smallest": networks.smallest(model),
    }


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the card and the variables of a file of ours, held against each other.

    A card that is older than its keys `takes`, `multiple`, `reach` and `smallest` has
    them then. Raises as `weight_files.load`, and `MismatchError` where the card tells
    of another network than the weights are of, or lacks what a restorer needs.
    """
    card, variables = weight_files.load(path)
    place, again = weight_files.card_path(path), "convert the weights again"
    generator = card.get("generator")
    if not (isinstance(generator, dict) and isinstance(generator.get("name"), str)):
        raise errors.MismatchError(f"{place} names no generator; {again}")
    if (told := card.get("statistics")) not in networks.STATISTICS:
        raise errors.MismatchError(
            f"{place}: statistics is {told!r:.80}, expected "
            f"{' or '.join(networks.STATISTICS)}; {again}"
        )
    try:
        facts = described(generator, variables, told)
    except errors.MismatchError as error:
        raise errors.MismatchError(f"{place}: {error}; {again}") from error
    # What this version knows of the architecture stands over what another one wrote.
    card |= {entry: facts.pop(entry) for entry in ("multiple", "reach", "smallest")}
    for entry, value in facts.items():
        if (told := card.get(entry)) != value:
            raise errors.MismatchError(
                f"{place}: {entry} is {told!r:.80}, but {value!r} of the network that "
                f"it names; {again}"
            )
    source = card.get("source")
    run = source.get("config") if isinstance(source, Mapping) else None
    colors, count = facts["colors"], facts["inputs"]
    takes = card.setdefault("takes", inputs.derived(colors, count, run))
    if not inputs.fit(takes, colors, count):
        raise errors.MismatchError(
            f"{place}: takes is {takes!r:.80}, which are not the {count} channels of "
            f"the network that it names; {again}"
        )
    return card, variables


def network(generator: Mapping[str, Any]) -> Any:
    """Returns the model of a generator section; raises `MismatchError` if unknown."""
    try:
        return networks.build("Generator", generator)
    except (ValueError, KeyError, TypeError) as error:
        raise errors.MismatchError(
            f"this version knows no network {dict(generator)!s:.200}: {error!s:.200}"
        ) from error


def _fitting(name, tensors):
    """The section of this network, and its tensors renamed; None if it is another's."""
    home = naming.module("models", name)
    tensors = _renamed(home, tensors)
    try:
        options = home.torch_options(weight_files.shapes_of(tensors))
    # Names that are known, but with shapes that no layer has.
    except (ValueError, LookupError, ArithmeticError):
        return None
    # A name such as body.999999999 would have as many layers built.
    if options is None or _is_too_large(options, weight_files.shapes_of(tensors)):
        return None
    return {"name": name, **options}, tensors


def _renamed(home, tensors):
    if not hasattr(home, "torch_renamed"):
        return tensors
    names = home.torch_renamed(tensors)
    if len(set(names.values())) != len(names):
        return tensors  # two layouts in one file: the strict comparison tells
    return {names[name]: tensor for name, tensor in tensors.items()}


# Layouts: an entry of `torch_names` is a name, or a name and the tensor's shape.


def _name(entry):
    return entry if isinstance(entry, str) else entry[0]


def _torch_shapes(names, shapes):
    assert names.keys() == shapes.keys(), names.keys() ^ shapes.keys()
    return dict(_torch_shape(names[path], shape) for path, shape in shapes.items())


def _torch_shape(entry, shape):
    if isinstance(entry, str):
        return entry, tuple(shape[axis] for axis in _axes(shape, _TO_TORCH))
    name, given = entry
    rest = math.prod(shape) // math.prod(n for n in given if n != -1)
    return name, tuple(rest if n == -1 else n for n in given)


def _turned(values, entry, shape, axes):
    if isinstance(entry, str):
        values = values.transpose(_axes(values.shape, axes))
    return np.ascontiguousarray(values.reshape(shape))


def _axes(shape, axes):
    return axes.get(len(shape), range(len(shape)))


_FROM_TORCH = {4: (2, 3, 1, 0), 2: (1, 0)}
_TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0)}


# What must be there


def _fitted(
    model: Any,
    found: Shapes,
    layout: Callable[[Shapes], Shapes],
) -> tuple[int, Shapes]:
    """Returns the channels that the network takes, and the shapes of its variables.

    `layout` brings those to the names and shapes of `found`. Raises `MismatchError`
    when no number of channels does.
    """
    options = {name: getattr(model, name) for name in networks.fields(type(model))}
    if _is_too_large(options, found):
        raise errors.MismatchError("the network is far larger than its tensors")
    try:
        return _matched(model, found, layout)
    # What options raise that are of a wrong kind, as "8" or 0 layers.
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise errors.MismatchError(
            f"there is no such network: {str(error).split(chr(10))[0]:.200}"
        ) from error


def _is_too_large(options, found):
    """Whether to build it would fill memory: by the numbers among a network's options.

    Widths are sides of its tensors, and there are at least as many of these as layers.
    """
    numbers = [size for size in jax.tree.leaves(options) if isinstance(size, int)]
    sides = (side for shape in found.values() for side in shape)
    largest = max(_LARGEST, len(found), *sides)
    return len(numbers) > _MOST_OPTIONS or any(size > largest for size in numbers)


def _matched(model, found, layout):
    first, usual = "", networks.channels(model)
    refused: list[Exception] = []
    for count in dict.fromkeys((usual, usual + 1, *range(1, _MOST_INPUTS + 1))):
        try:
            wanted = layout(shapes := _shapes(model, count))
        except (ValueError, TypeError) as error:
            refused.append(error)  # as a residual network does fewer, DeepFill others
            continue
        if wanted == found:
            return count, shapes
        first = first or weight_files.difference(found, wanted)
        if wanted.keys() != found.keys():
            break
    if not first:  # no number of channels makes it a network
        raise refused[0]
    raise errors.MismatchError(f"these are not the weights of the network: {first}")


def _shapes(model, count):
    side = math.ceil(_SIDE / model.multiple) * model.multiple
    image = jax.ShapeDtypeStruct((1, side, side, count), jnp.float32)
    init = functools.partial(model.init, train=False)
    return weight_files.shapes_of(
        weight_files.flat(jax.eval_shape(init, jax.random.key(0), image))
    )
