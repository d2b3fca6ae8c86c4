"""Paired sets on disk: clean images, and beside each the damaged one.

Pictures belong together by their stem: the path below their folder, without suffix.
"""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, UInt8

from jaxrestore import __version__, errors, images, naming
from jaxrestore.data import sources

LAYOUTS = ("folders", "AB")
CARD = "degradation.json"


def by_stem(where: Path) -> dict[str, Path]:
    """Returns the image files below a folder, or a file alone, by stem, sorted.

    Raises `NoInputError` when there is none, and `ConfigError` when two files have one
    stem.
    """
    if where.is_file():
        return {where.stem: where}
    folder = sources.Folder(where)
    found: dict[str, Path] = {}
    for position in range(len(folder)):
        path = where / folder.name(position)
        stem = path.relative_to(where).with_suffix("").as_posix()
        if stem in found:
            raise errors.ConfigError(
                f"{found[stem]} and {path.name} differ in their suffix alone; rename "
                "or remove one of them"
            )
        found[stem] = path
    return found


def partners(
    places: Mapping[str, Path],
) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Returns by stem the file of each role, and why other stems are left out.

    `places` has a folder for each role ("prediction", "target", ...). Single files are
    partners whatever they are called, under the stem of the first one. Raises
    `NoInputError` when no file has a partner in every other place.
    """
    if all(place.is_file() for place in places.values()):
        return {next(iter(places.values())).stem: dict(places)}, {}
    files = {role: by_stem(place) for role, place in places.items()}
    stems = sorted(set().union(*files.values()))
    lacking = {s: [role for role in files if s not in files[role]] for s in stems}
    found = {
        stem: {role: own[stem] for role, own in files.items()}
        for stem, roles in lacking.items()
        if not roles
    }
    if not found:
        held = (
            f"{places[role]} has {', '.join([*own][:3])}" for role, own in files.items()
        )
        raise errors.NoInputError(
            f"no image has a partner: {'; '.join(held)}. Files belong together by "
            "their path without suffix; rename them"
        )
    left_out = {s: f"it has no {' and no '.join(r)}" for s, r in lacking.items() if r}
    return found, left_out


def write(
    source: Path,
    output: Path,
    *,
    kind: str = "pixel_shuffle",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    layout: str = "folders",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Writes each image below `source` and its damaged copy as PNG; returns the card.

    Layout `"folders"` is `output/input/STEM.png` (damaged) and `output/target/STEM.png`
    (clean). `"AB"`, of pix2pix, is one picture `output/STEM.png`: A, the damaged one,
    on the left and B, the clean one, on the right. A fourth channel of the damaged
    image (the mask of `holes`) is written as alpha, as it is; the source's is dropped.

    Image i of the sorted files is degraded with the key `fold_in(key(seed), i)`, whole
    and rounded to 8 bits: the same command writes the same set. A grey file stays grey,
    one channel, also when it is degraded. The card, also in
    `output/degradation.json`, holds kind, options (defaults too), seed, versions, the
    stems written and the damaged files that were skipped.

    Raises `ConfigError` for a kind, option, value or layout that cannot be meant, for
    an `output` inside `source`, and for files that exist, unless `overwrite`;
    `NoInputError` when nothing can be read.
    """
    degrade, chosen = _degradation(kind, options or {})
    if layout not in LAYOUTS:
        raise errors.ConfigError(
            f"there is no layout {layout!r}: {naming.nearest(layout, LAYOUTS)}"
        )
    if output.resolve().is_relative_to(source.resolve()):
        raise errors.ConfigError(
            f"{output} lies in {source}, so the set would be degraded with the images "
            "the next time; choose a folder outside"
        )
    files = by_stem(source)
    if not overwrite:
        _refuse_existing(output, [*files], layout)
    key, written, skipped = jax.random.key(seed), [], {}
    for index, (stem, path) in enumerate(files.items()):
        try:
            target = images.decode(path)[..., : 1 if images.is_grey(path) else 3]
        except images.ImageError as error:
            skipped[stem] = str(error)
            continue
        damaged = _damaged(degrade, jax.random.fold_in(key, index), target, kind)
        _write_pair(output, stem, layout, damaged, target)
        written.append(stem)
    if not written:
        raise errors.NoInputError(
            f"none of the {len(files)} images of {source} can be read; the first: "
            f"{next(iter(skipped.values()))}"
        )
    card = {
        "kind": kind,
        "options": chosen,
        "seed": seed,
        "layout": layout,
        "source": str(source),
        "jaxrestore": __version__,
        "jax": jax.__version__,
        "images": written,
        "skipped": skipped,
    }
    (output / CARD).write_text(json.dumps(card, indent=2, default=str) + "\n")
    return card


def _degradation(kind: str, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns the compiled degradation and all its options, defaults included."""
    try:
        degrade = naming.module("degradations", kind).degrade
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error
    parameters = inspect.signature(degrade).parameters
    if [*parameters][:2] != ["key", "image"]:
        raise errors.ConfigError(f"{kind} degrades no single image; choose another")
    chosen = {name: parameters[name].default for name in [*parameters][2:]}
    for name in options:
        if name not in chosen:
            raise errors.ConfigError(
                f"{kind} has no option {name!r}: {naming.nearest(name, chosen)}"
            )
    chosen |= options
    return jax.jit(lambda key, image: degrade(key, image, **chosen)), chosen


def _damaged(
    degrade: Any, key: PRNGKeyArray, target: UInt8[np.ndarray, "h w d"], kind: str
) -> UInt8[np.ndarray, "hh ww c"]:
    try:
        damaged = np.asarray(degrade(key, jnp.asarray(target, jnp.float32) / 255))
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(f"{kind}: {error}") from error
    if damaged.shape[2] == 2:  # grey with a mask
        damaged = damaged[..., [0, 0, 0, 1]]
    if damaged.shape[2] not in (1, 3, 4):
        raise errors.ConfigError(
            f"{kind} gives {damaged.shape[2]} channels, but a PNG file holds 1, 3 or 4"
        )
    return np.round(np.clip(damaged, 0, 1) * 255).astype(np.uint8)


def _places(output: Path, stem: str, layout: str) -> list[Path]:
    # Not with_suffix: a stem may hold a dot.
    if layout == "AB":
        return [output / f"{stem}.png"]
    return [output / room / f"{stem}.png" for room in ("input", "target")]


def _refuse_existing(output: Path, stems: list[str], layout: str) -> None:
    places = [place for stem in stems for place in _places(output, stem, layout)]
    existing = [place for place in [*places, output / CARD] if place.exists()]
    if existing:
        raise errors.ConfigError(
            f"{existing[0]} exists, one of {len(existing)} such files that would be "
            "written; choose another folder, or give --overwrite"
        )


def _write_pair(
    output: Path,
    stem: str,
    layout: str,
    damaged: UInt8[np.ndarray, "hh ww c"],
    target: UInt8[np.ndarray, "h w d"],
) -> None:
    pictures = [damaged, target]
    if layout == "AB":
        if damaged.shape != target.shape:
            raise errors.ConfigError(
                f"{stem}: side by side, both have one shape, got {damaged.shape} and "
                f"{target.shape}; take the layout 'folders'"
            )
        pictures = [np.concatenate(pictures, 1)]
    places = _places(output, stem, layout)
    for place, picture in zip(places, pictures, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        images.encode(picture, place)
