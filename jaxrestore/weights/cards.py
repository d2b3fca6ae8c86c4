"""A network with its weights and the card that tells what it is, wherever it is from.

A card says how to build the network, what it takes and gives, where its weights come
from and under which terms; `weight_files` writes it beside them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore import errors, files, networks
from jaxrestore.weights import (
    conversion,
    inputs,
    onnx_files,
    parts,
    published,
    weight_files,
)

Weights = tuple[Mapping[str, Any], Mapping[str, Any]]  # card and nested variables


def card(
    generator: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    source: Mapping[str, Any],
    statistics: str = "eval",
    license: str = "not stated",
) -> dict[str, Any]:
    """Returns what `weight_files.write` puts beside the variables of `generator`.

    `source` tells where they come from, `license` under which terms, in the words of
    who gave them; `statistics` is a word of `networks.STATISTICS`. What the channels
    are that the network takes (`takes`, words of `inputs.CHANNELS`) is told by the
    `config` of the run in `source`, where there is one; an empty list says that it is
    not known. Raises as `conversion.described`.
    """
    facts = conversion.described(generator, variables, statistics)
    takes = inputs.derived(facts["colors"], facts["inputs"], source.get("config"))
    return {
        "format": weight_files.FORMAT,
        "generator": dict(generator),
        "task": None,
        **facts,
        "takes": takes,
        "statistics": statistics,
        "source": dict(source),
        "license": license,
    }


def opened(
    path: Path,
    architecture: str = "auto",
    step: int | None = None,
    part: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns card and variables of weights: published ones, ours, or those of a run.

    Of a run it is the EMA of its generator at `step`, by default the best. Raises as
    `of_file` and `checkpoints.read_config`, and `ConfigError` for a `step` of what is
    no run and a `part` of one.
    """
    if not path.is_dir():
        if step is not None:
            raise errors.ConfigError(f"{path} is no run; leave `step` out")
        return of_file(path, architecture, part)
    if part is not None:
        raise errors.ConfigError(f"{path} is a run; leave `part` out")
    return _of_architecture(of_run(path, step), architecture, path)


def of_file(
    path: Path, architecture: str = "auto", part: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns card and variables of a file of weights, published ones or ours.

    `part` is the path to a network in a file of several. Raises as `weight_files.read`,
    `conversion.load`, `conversion.from_torch` and `published.prefix`, and `ConfigError`
    for an architecture that is not asked.
    """
    home, tensors = weight_files.read_part(path, part)
    if all("/" in name for name in tensors):
        return _of_architecture(conversion.load(path), architecture, path)
    source = weight_files.source(path)
    try:
        prefix = "" if part else published.prefix(tensors, str(path), architecture)
        chosen = parts.beneath(tensors, prefix)
        generator, variables = conversion.from_torch(chosen, architecture)
        if taken := ".".join(filter(None, (home, prefix))):
            source["part"] = taken
        return card(generator, variables, source=source), variables
    except errors.MismatchError as error:
        # Exporters merge normalisation into convolutions.
        more = f", or {onnx_files.REMEDY}" if path.suffix == ".onnx" else ""
        raise errors.MismatchError(f"{path}: {error}{more}") from error


def of_run(
    workdir: Path, step: int | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns card and variables of the EMA of a run's generator, best or at `step`.

    The run's config is `card["source"]["config"]`. Raises `MismatchError` when
    `workdir` is no run, holds no finished checkpoint, or not `step`.
    """
    # Imported here: Orbax is loaded for runs alone.
    from jaxrestore.runs import checkpoints

    config = checkpoints.read_config(workdir)
    step = checkpoints.chosen_step(workdir, step)
    generator, variables = config["generator"], checkpoints.load_restorer(workdir, step)
    source = {"run": workdir.resolve().name, "step": step, "config": config}
    statistics = networks.statistics(config)
    told = card(generator, variables, source=source, statistics=statistics)
    return told, variables


def fingerprint(path: Path, step: int | None = None) -> str:
    """Returns a SHA-256 that is another where the network of some weights may be.

    Of a file and what is `weight_files.belonging` to it; or of a run's config and the
    numbers at `step`, by default the best. No network is built. Raises `NoInputError`
    for a file that is missing, and as `of_run`.
    """
    if path.is_dir():
        # Imported here: Orbax is loaded for runs alone.
        from jaxrestore.runs import checkpoints

        config = checkpoints.read_config(path)
        step = checkpoints.chosen_step(path, step)
        numbers = checkpoints.load_restorer(path, step)
        parts = [json.dumps(config, sort_keys=True), checkpoints.tree_hash(numbers)]
    elif path.is_file():
        parts = [files.sha256(file) for file in weight_files.belonging(path)]
    else:
        raise errors.NoInputError(f"{path}: there is no such file; check the path")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def with_options(
    card: Mapping[str, Any], variables: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the card of the same weights under other options of their network.

    For what no tensor tells, as the `local_statistics` of NAFNet. Raises `ConfigError`
    for an option that the network does not have, and `MismatchError` for one under
    which it has other variables.
    """
    generator = {**card["generator"], **options}
    try:
        networks.build("Generator", generator)
    except (ValueError, TypeError) as error:
        raise errors.ConfigError(str(error)) from error
    described = conversion.described(generator, variables, card["statistics"])
    return {**card, "generator": generator, **described}


def interpolated(
    a: Weights, b: Weights, alpha: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns card and variables of (1 - alpha) a + alpha b, of which each is a pair.

    `alpha` 0 gives the variables of `a` and 1 those of `b`, to the bit. Raises
    `ConfigError` for an alpha outside [0, 1], and `MismatchError` when the two are not
    one network with other numbers.

    Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial
    Networks", ECCVW 2018, section 3.4.
    """
    if not 0 <= alpha <= 1:
        raise errors.ConfigError(f"alpha is {alpha}; it must be from 0 (A) to 1 (B)")
    ends = [(dict(card), weight_files.flat(variables)) for card, variables in (a, b)]
    (card_a, leaves_a), (card_b, leaves_b) = ends
    _check_alike(card_a, card_b)
    if difference := weight_files.difference(
        weight_files.shapes_of(leaves_b), weight_files.shapes_of(leaves_a)
    ):
        raise errors.MismatchError(f"A and B are not one network: in B {difference}")
    if alpha in (0, 1):
        leaves = (leaves_a, leaves_b)[int(alpha)]
    else:
        share = np.float32(alpha)
        mixed = lambda path: (1 - share) * leaves_a[path] + share * leaves_b[path]
        leaves = {path: mixed(path) for path in leaves_a}
    licenses = dict.fromkeys(str(c.get("license", "not stated")) for c, _ in ends)
    source = {"interpolated": [c.get("source") for c, _ in ends], "alpha": alpha}
    merged = {**card_a, "source": source, "license": " and ".join(licenses)}
    return merged, weight_files.nested(leaves)


def _of_architecture(found, architecture, path):
    if architecture not in ("auto", name := found[0]["generator"]["name"]):
        raise errors.ConfigError(f"{path} holds {name}; leave `architecture` out")
    return found


def _check_alike(a, b):
    """Refuses two cards of networks that differ in more than their numbers."""
    one, other = conversion.network(a["generator"]), conversion.network(b["generator"])
    if type(one) is not type(other):
        first, second = (card["generator"]["name"] for card in (a, b))
        raise errors.MismatchError(f"A is {first} and B {second}; give one network")
    known = networks.fields(type(one))
    mine, theirs = ({n: getattr(m, n) for n in known} for m in (one, other))
    for name in sorted(known):
        if jax.tree.leaves(mine[name]) != jax.tree.leaves(theirs[name]):
            raise errors.MismatchError(
                f"A has {name} {mine[name]!r} and B {theirs[name]!r}; give one network"
            )
