"""Image files that are scored against each other, in batches of one shape."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxrestore import images
from jaxrestore.data import colors
from jaxrestore.evaluation import sizes

BATCH_PIXELS = 2**20  # of one side of a batch
WAITING_PIXELS = 2**24  # of images that wait for others of their shape

# By role: prediction, target, perhaps input and mask.
Pictures = dict[str, UInt8[np.ndarray, "h w c"]]
Batch = dict[str, UInt8[np.ndarray, "b h w c"]]


def of_files(
    partners: Mapping[str, Mapping[str, Path]],
    skipped: dict[str, str],
    changes: dict[str, dict[str, str]],
) -> Iterator[tuple[list[str], Batch]]:
    """Yields stems and [b, h, w, c] of each role, of one shape; memory is bounded.

    `partners` has the files by stem and role. Why some cannot be read, or have sizes
    that do not belong together, is written to `skipped`; what a picture's size took to
    `changes`: see `sizes.matched`.
    """
    yield from _batches(_readable(partners, skipped, changes))


def _readable(
    partners: Mapping[str, Mapping[str, Path]],
    skipped: dict[str, str],
    changes: dict[str, dict[str, str]],
) -> Iterator[tuple[str, Pictures]]:
    """Yields what can be read, in one size; writes the others to `skipped`.

    What a picture's size took is written to `changes`.
    """
    for stem, files in partners.items():
        try:
            pictures, changed = sizes.matched(_pictures(files), files)
        except images.ImageError as error:
            skipped[stem] = str(error)
            continue
        for what, how in changed.items():
            changes.setdefault(what, {})[stem] = how
        yield stem, pictures


def _pictures(files: Mapping[str, Path]) -> Pictures:
    pictures = {role: images.decode(file) for role, file in files.items()}
    grey = images.is_grey(files["target"])
    for role, picture in pictures.items():
        if grey or role == "mask":
            pictures[role] = colors.gray(picture)
    return pictures


def _batches(
    images_by_stem: Iterable[tuple[str, Pictures]],
) -> Iterator[tuple[list[str], Batch]]:
    waiting: dict[tuple[int, ...], list[tuple[str, Pictures]]] = {}
    compiled: set[tuple[int, ...]] = set()
    held = 0
    for stem, pictures in images_by_stem:
        shape = pictures["target"].shape
        group = waiting.setdefault(shape, [])
        group.append((stem, pictures))
        pixels = shape[0] * shape[1]
        held += pixels
        if len(group) >= BATCH_PIXELS // pixels:
            compiled.add(shape)
            held -= pixels * len(group)
            yield _stack(waiting.pop(shape))
        elif held > WAITING_PIXELS:
            yield from map(_stack, waiting.values())
            waiting, held = {}, 0
    for shape, group in waiting.items():
        # Repeats, which nobody reads, where they save compiling for another shape.
        full = BATCH_PIXELS // (shape[0] * shape[1])
        repeats = (full - len(group)) * (shape in compiled)
        stems, pictures = _stack(group + group[-1:] * repeats)
        yield stems[: len(group)], pictures


def _stack(group: list[tuple[str, Pictures]]) -> tuple[list[str], Batch]:
    stems, pictures = zip(*group, strict=True)
    return [*stems], {r: np.stack([one[r] for one in pictures]) for r in pictures[0]}
