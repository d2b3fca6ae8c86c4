"""The pictures of a perceptual study, as PNG, and what metrics say of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, images
from jaxrestore.evaluation import summaries

TARGET, BLURRED = "target", "blurred"
BLUR = 6  # a box as wide as this part of the shorter side, twice


class Item(NamedTuple):
    """An image of the study: PNG bytes and file hashes by role, scores by method."""

    stem: str
    pictures: dict[str, bytes]
    hashes: dict[str, str]
    metrics: dict[str, dict[str, float | None]]
    blur_error: float  # of the catch question: how plain its answer is


def read(
    partners: Mapping[str, Mapping[str, Path]],
    methods: Sequence[str],
    count: int,
    skipped: dict[str, str],
) -> list[Item]:
    """Returns the first `count` images that can be used, in the order of `partners`.

    `partners` has by stem the file of each role: every method, `TARGET` and perhaps
    others. Each image has the role `BLURRED` too, its target behind a box blur. Writes
    to `skipped` why a stem cannot be used; raises `NoInputError` when none can.
    """
    # Imported here: a server that takes in answers needs no jax.
    import jax

    from jaxrestore import programs, protocols

    compiled, items = programs.compiled(protocols.rgb8), []
    judge = lambda *images: jax.device_get(compiled(*images))
    for stem, files in partners.items():
        try:
            items.append(_item(stem, files, methods, judge))
        except (images.ImageError, ValueError) as error:
            skipped[stem] = str(error)
        if len(items) == count:
            break
    if not items:
        raise errors.NoInputError(
            f"no image can be shown; the first: {next(iter(skipped.values()))}"
        )
    return items


def _item(
    stem: str,
    files: Mapping[str, Path],
    methods: Sequence[str],
    judge: Callable[..., Any],
) -> Item:
    arrays = {role: images.decode(path) for role, path in files.items()}
    target = arrays[TARGET]
    for name in methods:
        if arrays[name].shape != target.shape:
            theirs, ours = ("{1}x{0}".format(*x.shape) for x in (arrays[name], target))
            raise images.ImageError(
                f"{files[name]} is {theirs}, its target {ours}; files of one size are "
                "compared"
            )
    blurred = _box_blurred(target)
    restored = np.stack([arrays[name] for name in methods]).astype(np.float32) / 255
    targets = np.broadcast_to(target.astype(np.float32) / 255, restored.shape)
    scores = judge(restored, targets)
    pictures = {**arrays, BLURRED: blurred}
    return Item(
        stem,
        {role: images.encoded(array, ".png") for role, array in pictures.items()},
        {r: hashlib.sha256(path.read_bytes()).hexdigest() for r, path in files.items()},
        {
            name: {metric: summaries.finite(v[row]) for metric, v in scores.items()}
            for row, name in enumerate(methods)
        },
        float(np.mean((blurred.astype(float) - target) ** 2)),
    )


def _box_blurred(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Returns means over a box, twice; the border is continued by its edge."""
    reach = max(2, min(image.shape[:2]) // BLUR) // 2
    blurred = image.astype(np.float64)
    for axis in (0, 1, 0, 1):
        pad = [(reach + (a == axis), reach) if a == axis else (0, 0) for a in range(3)]
        sums = np.cumsum(np.pad(blurred, pad, mode="edge"), axis)
        width = 2 * reach + 1
        ends = np.take(sums, range(width, sums.shape[axis]), axis)
        starts = np.take(sums, range(sums.shape[axis] - width), axis)
        blurred = (ends - starts) / width
    return np.rint(blurred).astype(np.uint8)
