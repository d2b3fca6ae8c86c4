"""Which images train and which are evaluated: by globs, lists, shares and folds.

Positions count through the images as their sources list them. No choice depends on
that order: images are told apart by what their files hold.
"""

import fnmatch
import functools
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from jaxrestore import errors, files


def included(names: Sequence[str], include: str) -> list[int]:
    """Returns the positions of the names that `include` admits, in their order.

    `""` admits all; globs with commas between (`"*_0.jpg,van_gogh/*"`, where `*` also
    stands for `/`) those that one of them fits; the path of a `.txt` file those it
    names, one a line, with or without suffix. Raises `ConfigError` for a glob that fits
    nothing and a listed name that is not there, `NoInputError` for a list that is
    missing or empty.
    """
    if not include:
        return [*range(len(names))]
    if include.lower().endswith(".txt"):
        return _listed(names, include, "config.data.include")
    found = set()
    for glob in (part.strip() for part in include.split(",") if part.strip()):
        fits = {i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, glob)}
        if not fits:
            raise errors.ConfigError(
                f"config.data.include: {glob!r} fits none of the {len(names)} images, "
                f"which are called {errors.some(names)}; change the glob"
            )
        found |= fits
    return sorted(found)


def divided(
    names: Sequence[str],
    fingerprints: Sequence[Sequence[str]],
    split: Sequence[Any],
) -> tuple[list[int], list[int]]:
    """Returns the positions that train and those that are evaluated: no file is both.

    `split` is one of
    `(share, seed)`: of the distinct images, `round(share * count)` train;
    `(fold, folds, seed)`: those of fold 0 to `folds - 1` are evaluated, the others
    train; the folds are disjoint, cover all, and differ by one image at most;
    `(list of names that train, list of those evaluated)`: paths of text files, read as
    by `included`; what neither names is left out.

    `fingerprints` has those of an image's files, one or more. Images that share a file
    count as one and stay on one side. The order before the cut is that of the SHA-256
    of seed and fingerprint, so it depends neither on names nor on their order.

    Raises `ConfigError` for another `split`, one that leaves a side empty, a name that
    is not there, and lists that share a name or a file; `NoInputError` for a list that
    is missing or empty.
    """
    groups = _linked(fingerprints)
    match [*split]:
        case [str(), str()]:
            return _by_lists(names, fingerprints, *split)
        case [float() | int() as share, int() as seed] if 0 < share < 1:
            train = _by_share(groups, share, seed)
        case [int() as fold, int() as folds, int() as seed] if 0 <= fold < folds:
            train = _by_fold(groups, fold, folds, seed)
        case _:
            raise errors.ConfigError(
                f"config.data.split is {split!r}; it is (), (share between 0 and 1, "
                "seed), (fold, folds, seed) with fold from 0 to folds - 1, or the "
                "paths of two lists"
            )
    positions = range(len(groups))
    return (
        [i for i in positions if groups[i] in train],
        [i for i in positions if groups[i] not in train],
    )


def fingerprint(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes; of its path where these cannot be read.

    A file that has not changed is read once in the life of the process.
    """
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            return _digest(str(path), status.st_size, status.st_mtime_ns)
    except OSError:
        pass  # damaged: its source will say so and put another in its place
    return hashlib.sha256(os.fsencode(path)).hexdigest()


@functools.lru_cache(maxsize=1_000_000)
def _digest(path: str, size: int, changed: int) -> str:
    del size, changed  # they tell a file that was written again
    return files.sha256(Path(path))


def _linked(fingerprints: Sequence[Sequence[str]]) -> list[str]:
    """Returns for each image a fingerprint that all have which it shares files with.

    Also by way of others: two pairs that share their input, two that share a target.
    """
    leader: dict[str, str] = {}

    def first(file: str) -> str:
        while leader.setdefault(file, file) != file:
            file = leader[file]
        return file

    for one in fingerprints:
        leaders = {first(file) for file in one}
        leader |= dict.fromkeys(leaders, min(leaders))
    return [first(one[0]) for one in fingerprints]


def _ordered(groups: Iterable[str], seed: int) -> list[str]:
    def place(group: str) -> str:
        return hashlib.sha256(f"{seed} {group}".encode()).hexdigest()

    return sorted(set(groups), key=place)


def _by_share(groups: Sequence[str], share: float, seed: int) -> set[str]:
    order = _ordered(groups, seed)
    cut = round(share * len(order))
    if not 0 < cut < len(order):
        side = "to train on" if cut == 0 else "to evaluate"
        raise errors.ConfigError(
            f"config.data.split: a share of {share} of {len(order)} distinct images "
            f"leaves none {side}; give more images or another share"
        )
    return {*order[:cut]}


def _by_fold(groups: Sequence[str], fold: int, folds: int, seed: int) -> set[str]:
    order = _ordered(groups, seed)
    if not 2 <= folds <= len(order):
        raise errors.ConfigError(
            f"config.data.split: {folds} folds of {len(order)} distinct images; there "
            "are 2 folds at least, and one image a fold"
        )
    return {*order} - {*order[fold::folds]}


def _by_lists(
    names: Sequence[str],
    fingerprints: Sequence[Sequence[str]],
    train: str,
    evaluation: str,
) -> tuple[list[int], list[int]]:
    sides = [_listed(names, file, "config.data.split") for file in (train, evaluation)]
    shared = set.intersection(
        *({file for i in side for file in fingerprints[i]} for side in sides)
    )
    if shared:
        listed = sorted({*sides[0], *sides[1]})
        both = [names[i] for i in listed if shared & {*fingerprints[i]}]
        raise errors.ConfigError(
            f"config.data.split: {train} and {evaluation} share images, by name or by "
            f"what their files hold: {errors.some(both)}; take them out of one of the "
            "lists"
        )
    return sides[0], sides[1]


def _listed(names: Sequence[str], file: str, key: str) -> list[int]:
    """Returns the positions of the names in a text file, in the order of `names`."""
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.NoInputError(
            f"{key}: the list {file} cannot be read ({error}); give the path of a text "
            "file with one name a line"
        ) from error
    lines = [PurePosixPath(line.strip()) for line in text.splitlines() if line.strip()]
    if not lines:
        raise errors.NoInputError(f"{key}: the list {file} is empty; name images in it")
    known: dict[str, set[int]] = {}
    for position, name in enumerate(names):
        for spelling in {name, PurePosixPath(name).with_suffix("").as_posix()}:
            known.setdefault(spelling, set()).add(position)
    missing = [line.as_posix() for line in lines if line.as_posix() not in known]
    if missing:
        raise errors.ConfigError(
            f"{key}: of the {len(lines)} names in {file} {len(missing)} are not there: "
            f"{errors.some(missing)}; the {len(names)} images are called "
            f"{errors.some(names)}"
        )
    return sorted(set().union(*(known[line.as_posix()] for line in lines)))
