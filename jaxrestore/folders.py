"""Image files in folders: which there are, which belong together, where new ones go.

Pictures belong together by their stem: the path below their folder, without suffix.
Whoever writes refuses first, before any work is done.
"""

import collections
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxrestore import errors, images


def find(root: Path) -> tuple[list[Path], dict[str, str]]:
    """Returns all image files below a folder, and why folders below cannot be listed.

    Files are known by their suffix. Sorted by their path; hidden ones are left out,
    links are followed, and each folder is met once. Raises `NoInputError` when there is
    no folder or no image file in it.
    """
    paths, unlisted = _below(root)
    paths = [path for path in paths if is_named(path.name)]
    _refuse_none(paths, root)
    return paths, unlisted


def find_by_content(
    root: Path, *, recursive: bool = True
) -> tuple[list[Path], dict[str, str]]:
    """Returns as `find` image files, and why what else is there is left out.

    What is an image says `by_content`. Folders below are looked into where it is
    `recursive`.
    """
    paths, unlisted = _below(root, recursive)
    found, left_out = by_content(paths)
    _refuse_none(found, root, recursive)
    return found, unlisted | left_out


def by_content(paths: Iterable[Path]) -> tuple[list[Path], dict[str, str]]:
    """Returns those of some files that are images, and why the others are left out.

    Beside those that have the suffix of an image, whether they are one or not, these
    are files that begin as one does, whatever they are called.
    """
    what = f"it is no {', '.join(images.FORMATS)} image"
    found, left_out = [], {}
    for path in paths:
        if is_named(path.name) or images.is_image(path):
            found.append(path)
        else:
            left_out[str(path)] = what
    return found, left_out


def walk(
    root: Path, unlisted: dict[str, str], *, recursive: bool = True
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yields each folder below `root`, itself first, the names of files, of folders.

    One folder is read when it is asked for, so that their number does not matter.
    Hidden files and folders are left out, links are followed, and each folder is met
    once; none below the first unless it is `recursive`. `unlisted` is given the folders
    that cannot be listed, and why.
    """
    seen = set()

    def note(error: OSError) -> None:
        unlisted.setdefault(str(error.filename), f"cannot be listed: {error}")

    for folder, below, names in os.walk(root, followlinks=True, onerror=note):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            below.clear()  # a link back up, or a second way in
            continue
        seen.add((status.st_dev, status.st_ino))
        # Sorted, for it decides which of two ways into a folder is the first.
        below[:] = sorted(n for n in below if recursive and not n.startswith("."))
        names = sorted(n for n in names if not n.startswith("."))
        yield Path(folder), names, below


def refuse_no_folder(root: Path) -> None:
    """Raises `NoInputError` where there is no folder."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise errors.NoInputError(
            f"{root} {what}; give the path of a folder of images."
        )


def is_named(name: str) -> bool:
    """Returns whether a file is called like an image."""
    return name.lower().endswith(images.SUFFIXES)


def _below(root: Path, recursive: bool = True) -> tuple[list[Path], dict[str, str]]:
    refuse_no_folder(root)
    unlisted: dict[str, str] = {}
    paths = [
        folder / name
        for folder, names, _ in walk(root, unlisted, recursive=recursive)
        for name in names
    ]
    return sorted(paths, key=lambda path: path.relative_to(root).as_posix()), unlisted


def _refuse_none(paths: Sequence[Path], root: Path, recursive: bool = True) -> None:
    if not paths:
        where = "there and below" if recursive else "there, not below,"
        raise errors.NoInputError(
            f"{root} holds no image files; looked {where} for "
            f"{', '.join(images.SUFFIXES)}."
        )


def stems(files: Iterable[Path], root: Path) -> dict[str, Path]:
    """Returns files below `root` by their path there without suffix.

    Raises `ConfigError`, which names up to ten, when files have one stem.
    """
    found: dict[str, list[Path]] = {}
    for path in files:
        stem = path.relative_to(root).with_suffix("").as_posix()
        found.setdefault(stem, []).append(path)
    several = [paths for paths in found.values() if len(paths) > 1]
    if several:
        shown = [" and ".join([str(p[0]), *(q.name for q in p[1:])]) for p in several]
        raise errors.ConfigError(
            f"{errors.some(shown, 10)} differ in their suffix alone; rename or "
            "remove all but one"
        )
    return {stem: paths[0] for stem, paths in found.items()}


def distinct_stems(
    files: Mapping[str, Path], below: Collection[str], suffix: str = ".png"
) -> dict[str, Path]:
    """Returns files, by their path in a folder, by this path without suffix.

    Those that differ in their suffix alone keep it: `x.jpg` beside `x.png`. So does one
    whose result, its stem and another `suffix`, would be called like a folder that is
    `below`. Raises `ConfigError` where one of that name is there too.
    """
    stems = {name: _without_suffix(name) for name in files}
    stems = {n: n if f"{stem}{suffix}" in below else stem for n, stem in stems.items()}
    while len({*stems.values()}) < len(stems):
        count = collections.Counter(stems.values())
        stems = {n: stem if count[stem] == 1 else n for n, stem in stems.items()}
    for name, stem in stems.items():
        if f"{stem}{suffix}" in below:
            raise errors.ConfigError(
                f"{files[name]} would become {stem}{suffix}, and a folder beside it is "
                "called so; rename one of the two"
            )
    return {stem: files[name] for name, stem in stems.items()}


def by_stem(where: Path) -> dict[str, Path]:
    """Returns the image files below a folder, or a file alone, by stem, sorted.

    Raises `NoInputError` when there is none, and `ConfigError` when two files have one
    stem.
    """
    if where.is_file():
        return {where.stem: where}
    files, _ = find(where)
    return stems(files, where)


def partners(
    where: Mapping[str, Path],
) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Returns by stem the file of each role, and why other stems are left out.

    `where` has a folder for each role ("prediction", "target", ...). Single files are
    partners whatever they are called, under the stem of the first one. Raises
    `NoInputError` when no file has a partner in every other place.
    """
    if all(place.is_file() for place in where.values()):
        return {next(iter(where.values())).stem: dict(where)}, {}
    return matched({role: by_stem(place) for role, place in where.items()}, where)


def matched(
    files: Mapping[str, Mapping[str, Path]], where: Mapping[str, Path]
) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Returns what `partners` does, for files that are known by role and stem."""
    stems = sorted(set().union(*files.values()))
    lacking = {s: [role for role in files if s not in files[role]] for s in stems}
    found = {
        stem: {role: own[stem] for role, own in files.items()}
        for stem, roles in lacking.items()
        if not roles
    }
    if not found:
        held = (
            f"{where[role]} has {', '.join([*own][:3]) or 'none'}"
            for role, own in files.items()
        )
        raise errors.NoInputError(
            f"no image has a partner: {'; '.join(held)}. Files belong together by "
            "their path without suffix; rename them"
        )
    left_out = {s: f"it has no {' and no '.join(r)}" for s, r in lacking.items() if r}
    return found, left_out


def places(output: Path, stem: str, rooms: Sequence[str]) -> list[Path]:
    """Returns where the pictures of a pair lie: `STEM.png` in each of the folders."""
    # Not with_suffix: a stem may hold a dot.
    return [output / room / f"{stem}.png" for room in rooms]


def save(where: Sequence[Path], pictures: Sequence[np.ndarray]) -> None:
    """Writes each picture, uint8[h, w, 1 | 3 | 4], to its place; makes the folders."""
    for place, picture in zip(where, pictures, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        images.encode(picture, place)


def refuse_inside(output: Path, source: Path) -> None:
    """Raises `ConfigError` for an output that would be read as a source."""
    if output.resolve().is_relative_to(source.resolve()):
        raise errors.ConfigError(
            f"{output} lies in {source}, so what is written would be read the next "
            "time; choose a folder outside"
        )


def refuse_unread(
    files: Mapping[str, object], skipped: Mapping[str, str], source: object
) -> None:
    """Raises `NoInputError` when all files below `source` had to be skipped."""
    if len(skipped) == len(files):
        raise errors.NoInputError(
            f"none of the {len(files)} images of {source} can be read; the first: "
            f"{next(iter(skipped.values()))}"
        )


def _without_suffix(name: str) -> str:
    """The name without an image's suffix; another dot is part of it."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in images.SUFFIXES else name
