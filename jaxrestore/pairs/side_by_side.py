"""Pictures side by side in one file, as pix2pix reads pairs, and back to folders."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, files, folders, images
from jaxrestore.data import paired
from jaxrestore.pairs import paired_sets


def combine(
    a: Path, b: Path, output: Path, *, overwrite: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Writes partners side by side, A on the left; returns stems, and why not others.

    Each pair is `output/STEM.png`. Partners are files of one stem below the folders `a`
    and `b`, or two single files. Where all stems of `a` end in `_A` and all of `b` in
    `_B` these ends do not count, nor where `a` and `b` are one folder: there files
    without such an end are left out. Grey beside colour becomes colour; pictures of two
    sizes, and alpha on one side alone, are left out.

    Raises `ConfigError` for an `output` inside `a` or `b` and for files that exist,
    unless `overwrite`; `NoInputError` when there is no pair.

    Source: combine_A_and_B of the reference code of Isola et al., "Image-to-image
    translation with conditional adversarial networks", CVPR 2017,
    https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix.
    """
    for source in (a, b):
        folders.refuse_inside(output, source)
    found, skipped = _sides(a, b)

    def joined(sides: Mapping[str, Path]) -> list[np.ndarray]:
        pictures = (images.decode_as_stored(sides[role]) for role in "AB")
        return [np.concatenate(_alike(*pictures), 1)]

    written = _turned(
        output, found, joined, paired_sets.LAYOUTS["AB"], skipped, overwrite
    )
    return written, skipped


def split(
    source: Path, output: Path, *, overwrite: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Undoes `combine`; returns the stems written, and why others were not.

    The halves of each picture below `source` become `output/A/STEM.png` (left) and
    `output/B/STEM.png`. A picture of odd width is left out. Raises what `combine` does.
    """
    folders.refuse_inside(output, source)
    skipped: dict[str, str] = {}

    def both(path: Path) -> Sequence[np.ndarray]:
        return paired.halves(images.decode_as_stored(path))

    written = _turned(
        output, folders.by_stem(source), both, ("A", "B"), skipped, overwrite
    )
    return written, skipped


def _sides(a: Path, b: Path) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Returns the pairs of `combine` by stem, and why other files are left out."""
    places = {"A": a, "B": b}
    if a.is_file() and b.is_file():
        return folders.partners(places)
    files = {role: folders.by_stem(place) for role, place in places.items()}
    ended = {
        role: {
            s.removesuffix(f"_{role}"): p
            for s, p in own.items()
            if s.endswith(f"_{role}")
        }
        for role, own in files.items()
    }
    if a.resolve() != b.resolve():
        every = all(len(ended[role]) == len(files[role]) for role in places)
        return folders.matched(ended if every else files, places)
    found, left_out = folders.matched(ended, places)
    neither = [stem for stem in files["A"] if not stem.endswith(("_A", "_B"))]
    return found, left_out | dict.fromkeys(neither, "it ends in neither _A nor _B")


def _turned(
    output: Path,
    found: Mapping[str, Any],
    make: Callable[[Any], Sequence[np.ndarray]],
    rooms: Sequence[str],
    skipped: dict[str, str],
    overwrite: bool,
) -> list[str]:
    """Writes what `make` makes of each; adds to `skipped` where it cannot."""
    if not overwrite:
        files.refuse_existing(
            p for stem in found for p in folders.places(output, stem, rooms)
        )
    written = []
    for stem, sides in found.items():
        try:
            pictures = make(sides)
        except (images.ImageError, ValueError) as error:
            skipped[stem] = str(error)
            continue
        folders.save(folders.places(output, stem, rooms), pictures)
        written.append(stem)
    if not written:
        stem, reason = next(iter(skipped.items()))
        raise errors.NoInputError(
            f"none of the {len(found)} can be used; the first: {stem}: {reason}"
        )
    return written


def _alike(
    a: UInt8[np.ndarray, "h w c"], b: UInt8[np.ndarray, "hh ww d"]
) -> list[np.ndarray]:
    """Returns both with equal shapes, or raises `ValueError`."""
    paired.check_sizes(a, b)
    clear = [x.shape[2] in (2, 4) for x in (a, b)]
    if clear[0] != clear[1]:
        raise ValueError("one of A and B has alpha; save both with it or both without")
    channels = max(a.shape[2], b.shape[2])
    if channels == 4:
        a, b = (x[..., [0, 0, 0, 1]] if x.shape[2] == 2 else x for x in (a, b))
    return [np.broadcast_to(x, (*x.shape[:2], channels)) for x in (a, b)]
