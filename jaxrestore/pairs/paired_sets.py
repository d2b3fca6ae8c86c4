"""Paired sets on disk: clean images, and beside each the damaged one.

`write` makes them, `side_by_side` turns one layout into the other, and `data.paired`
reads them for training.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, UInt8

from jaxrestore import (
    __version__,
    degradations,
    errors,
    files,
    folders,
    images,
    naming,
    programs,
    tables,
)
from jaxrestore.degradations import chain
from jaxrestore.ops import ranges

# The folders below a set's own in which the pictures of a pair lie.
LAYOUTS = {"folders": ("input", "target"), "AB": ("",)}
CARD = "degradation.json"


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
    an `output` inside `source`, for files that exist, unless `overwrite`, and for a set
    there whose files would stay beside the new ones; `NoInputError` when nothing can be
    read. All of that is found before anything is written.
    """
    degrade, chosen = _degradation(kind, options or {})
    if layout not in LAYOUTS:
        raise errors.ConfigError(
            f"there is no layout {layout!r}: {naming.nearest(layout, LAYOUTS)}"
        )
    folders.refuse_inside(output, source)
    found, rooms = folders.by_stem(source), LAYOUTS[layout]
    if not overwrite:
        would = (
            place for stem in found for place in folders.places(output, stem, rooms)
        )
        files.refuse_existing([*would, output / CARD])
    shapes, skipped = _shapes(found, source)
    _refuse_leftovers(output, shapes, layout)
    for shape in {*shapes.values()}:
        stem = next(stem for stem, own in shapes.items() if own == shape)
        _check_shape(degrade, shape, layout, kind, stem)
    key = jax.random.key(seed)
    for index, (stem, path) in enumerate(found.items()):
        if stem not in shapes:
            continue
        target = _without_alpha(path)
        damaged = _damaged(degrade, jax.random.fold_in(key, index), target)
        pictures = [damaged, target]
        if layout == "AB":
            pictures = [np.concatenate(pictures, 1)]
        folders.save(folders.places(output, stem, rooms), pictures)
    card = {
        "kind": kind,
        "options": chosen,
        "seed": seed,
        "layout": layout,
        "source": str(source),
        "jaxrestore": __version__,
        "jax": jax.__version__,
        "images": [*shapes],
        "skipped": skipped,
    }
    text = json.dumps(card, indent=2, default=str)
    files.write_text(output / CARD, f"{text}\n")
    return card


def listed() -> str:
    """Returns a table of all options of all kinds: their defaults, and what they take.

    An option that takes any text, or what has parts, has its default alone.
    """
    rows = []
    for kind in degradations.kinds():
        home = naming.module("degradations", kind)
        known = ranges.options(home.degrade)
        rows += [
            [kind, name, _shown(own.default), own.words()]
            for name, own in known.items()
        ] or [[kind, "", "", ""]]
    return tables.aligned(["kind", "option", "default", "takes"], rows)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{x!r}: {_shown(y)}' for x, y in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' * (len(value) == 1)})"
    return f"{value:.4g}" if type(value) is float else repr(value)


def _without_alpha(path: Path) -> UInt8[np.ndarray, "h w c"]:
    return images.decode(path)[..., : 1 if images.is_grey(path) else 3]


def _shapes(
    files: Mapping[str, Path], source: Path
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Returns the shape of each image by stem, and why others cannot be read."""
    shapes, skipped = {}, {}
    for stem, path in files.items():
        try:
            shapes[stem] = _without_alpha(path).shape
        except images.ImageError as error:
            skipped[stem] = str(error)
    folders.refuse_unread(files, skipped, source)
    return shapes, skipped


def _degradation(kind: str, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns the compiled degradation and all its options, defaults included."""
    if kind not in (kinds := degradations.kinds()):
        hint = naming.nearest(kind, kinds)
        raise errors.ConfigError(f"there is no degradation {kind!r}: {hint}")
    try:
        degrade = naming.module("degradations", kind).degrade
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error
    chosen = {name: own.default for name, own in ranges.options(degrade).items()}
    for name in options:
        if name not in chosen:
            raise errors.ConfigError(
                f"{kind} has no option {name!r}: {naming.nearest(name, chosen)}"
            )
    chosen |= options
    try:
        ranges.check(degrade, chosen)
        chain.check(chosen.get("stages", ()))
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error
    one = lambda key, image: degrade(key, image, **chosen)
    return programs.compiled(one), chosen


def _check_shape(
    degrade: Any, shape: tuple[int, ...], layout: str, kind: str, stem: str
) -> None:
    """Raises `ConfigError` where an image of this shape cannot become a pair."""
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    try:
        damaged = jax.eval_shape(degrade, jax.random.key(0), image).shape
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(f"{kind}: {error} (first met at {stem})") from error
    channels = 4 if damaged[2] == 2 else damaged[2]  # grey with a mask becomes RGBA
    if channels not in (1, 3, 4):
        raise errors.ConfigError(
            f"{kind} gives {channels} channels, but a PNG file holds 1, 3 or 4"
        )
    if layout == "AB" and (*damaged[:2], channels) != shape:
        raise errors.ConfigError(
            f"{stem}: side by side, both have one shape, got {damaged} and {shape}; "
            "take the layout 'folders'"
        )


def _damaged(
    degrade: Any, key: PRNGKeyArray, target: UInt8[np.ndarray, "h w d"]
) -> UInt8[np.ndarray, "hh ww c"]:
    damaged = np.asarray(degrade(key, jnp.asarray(target, jnp.float32) / 255))
    if damaged.shape[2] == 2:
        damaged = damaged[..., [0, 0, 0, 1]]
    return np.round(np.clip(damaged, 0, 1) * 255).astype(np.uint8)


def _refuse_leftovers(output: Path, stems: Iterable[str], layout: str) -> None:
    """Refuses a set whose files would stay, unnamed by the card, beside the new."""
    card = output / CARD
    if not card.exists():
        return
    try:
        before = json.loads(card.read_text())
        held, stale = before["layout"], {*before["images"]} - {*stems}
    except (ValueError, KeyError, TypeError) as error:
        raise errors.ConfigError(
            f"{card} cannot be read ({error}), so what else lies there is not known; "
            "delete the folder or choose another"
        ) from error
    if held != layout or stale:
        raise errors.ConfigError(
            f"{output} holds a set of {len(before['images'])} images in the layout "
            f"{held!r}, of which files would stay beside the new ones; delete the "
            "folder or choose another"
        )
