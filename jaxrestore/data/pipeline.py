"""Batches: which pixels are in batch `step` depends on the seed and the step alone.

Grain's random-access datasets make that a pure function, so a run resumes at any step
without a saved iterator, and any number of processes sees the same global batch.
"""

import dataclasses
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors
from jaxrestore.data import bank, samples, sources


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

    `data["train"]` is `"embedded"` (photographs inside scikit-image), a folder, or
    several with commas between; `data["leaves"]` is the share of dead leaves, 0 to 1.
    """
    share = data["leaves"]
    chosen = []
    if share < 1:
        chosen.append((photographs(data["train"], samples.training), 1 - share))
    if share > 0:
        leaves = bank.Bank(
            seed,
            count=data["leaves_bank"],
            side=data["leaves_side"],
            refresh=data["leaves_refresh"],
        )
        chosen.append((leaves, share))
    return chosen


def photographs(where: str, embedded: Any) -> Any:
    """Returns the images below the folders `where`, or those that `embedded()` makes.

    Raises `NoInputError` when a folder is missing or holds no image.
    """
    if where == "embedded":
        return embedded()
    folders = [Path(name.strip()) for name in where.split(",") if name.strip()]
    if not folders:
        raise errors.NoInputError("no folder given; name one, or 'embedded'")
    found = [sources.Folder(folder) for folder in folders]
    return found[0] if len(found) == 1 else sources.Joined(*found)


def batches(
    chosen: list[tuple[Any, float]],
    *,
    seed: int,
    batch_size: int,
    crop: int,
    first_step: int,
    threads: int = 2,
) -> Generator[UInt8[np.ndarray, "b h w c"], None, None]:
    """Yields this process's rows of each global batch from `first_step` on, for ever.

    Rows are in the order of the global batch: process p of P holds rows p * b to
    (p + 1) * b with b = batch_size / P.
    """
    datasets = [
        _endless(source, seed + index).random_map(RandomCrop(crop))
        for index, (source, _) in enumerate(chosen)
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


def _endless(source, seed):
    dataset = grain.MapDataset.source(source).seed(seed)
    # A bank of painted images is endless, and in an order of its own.
    return dataset if len(source) == sys.maxsize else dataset.shuffle().repeat()
