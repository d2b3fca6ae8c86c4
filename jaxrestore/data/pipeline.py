"""Batches: which pixels are in batch `step` depends on the seed and the step alone.

Grain's random-access datasets make that a pure function, so a run resumes at any step
without a saved iterator, and any number of processes sees the same global batch.
"""

import dataclasses
import functools
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import config_keys, errors, naming
from jaxrestore.data import (
    bank,
    colors,
    paired,
    resizing,
    samples,
    sources,
    splits,
)

LAYOUTS = ("images", "AB", "folders")
_ENDLESS = (
    "config.data.leaves is 1: an endless source has no epochs; give the length in "
    "steps and another schedule, or a share of photographs"
)


@dataclasses.dataclass(frozen=True)
class RandomCrop(grain.transforms.RandomMap):
    """A square of `side` px at a random place; a smaller image is mirrored outwards."""

    side: int

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> Any:
        """Returns uint8 [side, side, c]."""
        image = element["image"]
        height, width = image.shape[:2]
        if min(height, width) < self.side:
            image = _grow(image, self.side)
            height, width = image.shape[:2]
        row = rng.integers(height - self.side + 1)
        column = rng.integers(width - self.side + 1)
        return image[row : row + self.side, column : column + self.side]


def _grow(image, side):
    missing = [max(side - size, 0) for size in image.shape[:2]]
    pad = [(size // 2, size - size // 2) for size in missing]
    return np.pad(image, [*pad, (0, 0)], mode="symmetric")


def training_sources(data: Mapping[str, Any], seed: int) -> list[tuple[Any, float]]:
    """Returns (source, share) pairs: photographs and dead leaves.

    `data` is a config's section; an older one is first `config_keys.completed`:
    `train` and `evaluation`: `"embedded"` (photographs inside scikit-image),
    `"public_domain"` (`samples.public_domain`), a folder, or several with commas;
    `leaves`: the share of dead leaves, 0 to 1; `drawings`: of them, that of `drawings`;
    `layout`: `"images"`, each file is one; `"AB"`, each is a pair, see
    `paired.SideBySide`; `"folders"`, two folders are pairs, see `paired.TwoFolders`;
    `direction`: `"AtoB"`, A is the input and B the target, or `"BtoA"`;
    `colors`: `"rgb"`, or `"gray"` for the grey of the images: see `batches`, which
    makes it;
    `include`: which images of `train` there are, see `splits.included`;
    `split`: `()`, all of `train` trains; otherwise a part of it trains, the rest is
    evaluated, and `evaluation` is ignored, see `splits.divided`.

    Raises `ConfigError` for a value that cannot be meant, dead leaves beside pairs
    among them, and `NoInputError` when a folder is missing or holds no image.
    """
    data = config_keys.completed(data, "data")
    return _training(data, seed, lambda: _training_and_held_out(data))


def _training(data, seed, cut):
    if data["colors"] != "rgb" and data["layout"] != "images":
        raise errors.ConfigError(
            f"config.data.colors is {data['colors']!r}, but pairs stay as they are; "
            "with the layout 'images' grey is made of colours"
        )
    share = data["leaves"]
    if share > 0 and data["layout"] != "images":
        raise errors.ConfigError(
            f"config.data.leaves is {share}, but dead leaves are no pairs; with the "
            f"layout {data['layout']!r} it is 0"
        )
    chosen = []
    if share < 1:
        chosen.append((cut()[0], 1 - share))
    if share > 0:
        leaves = bank.Bank(
            seed,
            count=data["leaves_bank"],
            side=data["leaves_side"],
            refresh=data["leaves_refresh"],
            drawn=data["drawings"],
            zoom=data["leaves_zoom"],
        )
        chosen.append((leaves, share))
    return chosen


def evaluation_source(data: Mapping[str, Any], crop: int) -> Any:
    """Returns the images that are evaluated: a folder's, or what `split` holds out.

    `data` is as for `training_sources`. With `preprocess` `resize_and_crop` they are
    whole images of `crop` x `crop`, with `scale_width` and `scale_width_and_crop` of
    that width, as pix2pix tests; otherwise as their files are.
    """
    data = config_keys.completed(data, "data")
    return _evaluation(data, crop, lambda: _training_and_held_out(data))


def _evaluation(data, crop, cut):
    resizing.check(data["preprocess"], data["load_size"], crop)
    source = cut()[1] if len(data["split"]) else None
    if source is None:
        layout, direction = data["layout"], data["direction"]
        source = photographs(
            data["evaluation"], samples.evaluation, layout=layout, direction=direction
        )
    source = resizing.applied(source, data["preprocess"], crop)
    return colors.applied(source, data["colors"])


def both_sources(
    data: Mapping[str, Any], seed: int, crop: int
) -> tuple[list[tuple[Any, float]], Any]:
    """Returns the `training_sources` and the `evaluation_source` of a run.

    Where `split` cuts `train` in two, its images are listed once for both.
    """
    data = config_keys.completed(data, "data")
    cut = functools.cache(lambda: _training_and_held_out(data))
    return _training(data, seed, cut), _evaluation(data, crop, cut)


def channels(data: Mapping[str, Any], sources: list[tuple[Any, float]]) -> int:
    """Returns the channels of a batch from the `training_sources` of `data`."""
    return 1 if data.get("colors") == "gray" else sources[0][0].channels


def epoch_images(sources: list[tuple[Any, float]]) -> float:
    """Returns the images of an epoch: in it, each training photograph is shown once.

    `sources` are the `training_sources`. Dead leaves are counted in, so it may be no
    whole number. Raises `ConfigError` when there is nothing but them.
    """
    photographs, share = sources[0]
    if _is_endless(photographs):
        raise errors.ConfigError(_ENDLESS)
    return len(photographs) / share


def image_count(data: Mapping[str, Any]) -> float:
    """Returns `epoch_images` of a config's section, whose folders are listed for it.

    Raises what `training_sources` and `epoch_images` raise.
    """
    data = config_keys.completed(data, "data")
    if data["leaves"] >= 1:
        raise errors.ConfigError(_ENDLESS)
    return epoch_images([(_training_and_held_out(data)[0], 1 - data["leaves"])])


def photographs(
    where: str, embedded: Any, *, layout: str = "images", direction: str = "AtoB"
) -> Any:
    """Returns the images below the folders `where`, or those that a word stands for.

    `"embedded"` are those that `embedded()` makes, `"public_domain"` always the same.

    Raises `NoInputError` when a folder is missing or holds no image, `ConfigError` for
    another layout or direction and for pairs from `embedded`.
    """
    return _joined(_opened(where, embedded, layout, direction))


def _training_and_held_out(data: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns what `include` leaves of `data["train"]`, cut in two if `split` asks."""
    layout, direction = data["layout"], data["direction"]
    found = _opened(data["train"], samples.training, layout, direction)
    flat = [(source, place) for source in found for place in range(len(source))]
    names = [source.name(place) for source, place in flat]
    there = splits.included(names, data["include"])
    if not len(data["split"]):
        return _part(found, there), None
    names = [names[i] for i in there]
    fingerprints = [flat[i][0].fingerprints(flat[i][1]) for i in there]
    train, held_out = splits.divided(names, fingerprints, data["split"])
    return _part(found, [there[i] for i in train]), _part(
        found, [there[i] for i in held_out]
    )


def _opened(where: str, embedded: Any, layout: str, direction: str) -> list[Any]:
    if layout not in LAYOUTS:
        raise errors.ConfigError(
            f"config.data.layout is {layout!r}: {naming.nearest(layout, LAYOUTS)}"
        )
    if where in ("embedded", "public_domain"):
        if layout != "images":
            raise errors.ConfigError(
                f"the {where} photographs are no pairs, but the layout is {layout!r}; "
                "name a folder of pairs, or cut one in two by config.data.split"
            )
        return [embedded() if where == "embedded" else samples.public_domain()]
    folders = [Path(name.strip()) for name in where.split(",") if name.strip()]
    if not folders:
        raise errors.NoInputError("no folder given; name one, or 'embedded'")
    if layout == "AB":
        return [paired.SideBySide(folder, direction=direction) for folder in folders]
    if layout == "folders":
        return [paired.TwoFolders(folder, direction=direction) for folder in folders]
    return [sources.Folder(folder) for folder in folders]


def _part(found: list[Any], positions: list[int]) -> Any:
    """Returns the images at `positions`, counted through all of the sources."""
    parts = []
    for source in found:
        here = [position for position in positions if 0 <= position < len(source)]
        positions = [position - len(source) for position in positions]
        parts.append(source.only(here))
    return _joined(parts)


def _joined(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else sources.Joined(*found)


def batches(
    chosen: list[tuple[Any, float]],
    *,
    seed: int,
    batch_size: int,
    crop: int,
    first_step: int,
    threads: int = 2,
    preprocess: str = "crop",
    load_size: int = 286,
    colors: str = "rgb",
) -> Generator[UInt8[np.ndarray, "b h w c"], None, None]:
    """Yields this process's rows of each global batch from `first_step` on, for ever.

    With `preprocess` (`resizing.PREPROCESS`) photographs are resized to `load_size`
    before the crop; dead leaves have a size of their own and are cropped as they are.
    With the `colors` `"gray"` there is one channel, the luma. Raises `ConfigError` for
    another name, and a `load_size` below the crop.

    Rows are in the order of the global batch: process p of P holds rows p * b to
    (p + 1) * b with b = batch_size / P.
    """
    resizing.check(preprocess, load_size, crop)
    ready = [
        source
        if _is_endless(source)
        else resizing.applied(source, preprocess, load_size)
        for source, _ in chosen
    ]
    datasets = [
        _colored(_endless(source, seed + index).random_map(RandomCrop(crop)), colors)
        for index, source in enumerate(ready)
    ]
    mixed = datasets[0]
    if len(datasets) > 1:
        mixed = grain.MapDataset.mix(datasets, [share for _, share in chosen])
    processes = jax.process_count()
    rows = mixed.batch(batch_size // processes, drop_remainder=True)
    rows = rows[first_step * processes + jax.process_index() :: processes]
    # Grain's default of 500 buffered elements would be 500 batches.
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    yield from rows.to_iter_dataset(options)


def _colored(dataset, kind):
    return dataset if kind == "rgb" else dataset.map(colors.gray)


def _endless(source, seed):
    dataset = grain.MapDataset.source(source).seed(seed)
    # A bank of painted images is endless, and in an order of its own.
    return dataset if _is_endless(source) else dataset.shuffle().repeat()


def _is_endless(source):
    return len(source) == sys.maxsize
