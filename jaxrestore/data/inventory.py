"""What images a run has, without decoding them: have they changed, are they shared.

Sources are those of `pipeline`; endless ones have no images to tell of.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore import errors
from jaxrestore.data import bank, mapped, paired, sources, splits

LISTED = 1000  # images; of more a record keeps their digest alone
_HEAD = 4096  # bytes that are compared before whole files are


class File(NamedTuple):
    """A file of an image; or an image in memory, which has no `path`.

    `size` is in bytes, -1 where it cannot be told. Two of one `place` are one: device
    and inode, or the SHA-256 of the pixels.
    """

    name: str
    size: int
    place: Any
    path: Path | None = None


def files(source: Any) -> Iterator[File]:
    """Yields every file of a source's images; a pair may have two."""
    if isinstance(source, mapped.Mapped):
        yield from files(source.source)
    elif isinstance(source, sources.Joined):
        for index, part in enumerate(source.sources):
            for file in files(part):
                yield file._replace(name=f"{index}/{file.name}")
    elif isinstance(source, sources.Folder):
        for position in range(len(source)):
            for path in source.files(position):
                yield _on_disk(source.name(position), path)
    elif not isinstance(source, bank.Bank):
        for position in range(len(source)):
            size = source[position]["image"].nbytes
            yield File(source.name(position), size, *source.fingerprints(position))


def record(source: Any) -> dict[str, Any]:
    """Returns what tells these images from others, ready for JSON.

    `images`, so many; `sha256` of their names and sizes; `files`, the sizes by name,
    unless there are more than `LISTED`.
    """
    sizes: dict[str, list[int]] = {}
    for file in files(source):
        sizes.setdefault(file.name, []).append(file.size)
    lines = "".join(f"{name} {size}\n" for name, size in sizes.items())
    found = {
        "images": len(sizes),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
    return {**found, "files": sizes} if len(sizes) <= LISTED else found


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Returns how two records differ, as a clause; empty where they are of one set."""
    if before["sha256"] == after["sha256"]:
        return ""
    words = [f"{before['images']} -> {after['images']} images"]
    if "files" in before and "files" in after:
        old, new = before["files"], after["files"]
        ways = {
            "added": [name for name in new if name not in old],
            "removed": [name for name in old if name not in new],
            "of another size": [n for n in new if n in old and old[n] != new[n]],
        }
        words += [f"{way} {errors.some(names)}" for way, names in ways.items() if names]
    return ", ".join(words)


def shared(training: list[Any], evaluation: Any) -> list[str]:
    """Returns the names of the evaluated images of which a file is trained on, too.

    By content: files of one size and one beginning are read whole.
    """
    ours = [file for source in training for file in files(source)]
    theirs = scored = [*files(evaluation)]
    places = {file.place for file in ours}
    found = {file.name for file in theirs if file.place in places}
    theirs = [file for file in theirs if file.name not in found]
    # Each looks at fewer files than the one before, and reads more of them.
    for look in (lambda file: file.size, _head, _whole):
        seen = [[(look(file), file) for file in side] for side in (ours, theirs)]
        common = set.intersection(*({key for key, _ in side} for side in seen))
        ours, theirs = ([file for key, file in side if key in common] for side in seen)
    found |= {file.name for file in theirs}
    return [*dict.fromkeys(file.name for file in scored if file.name in found)]


def notices(data: Mapping[str, Any], training: list[Any], evaluation: Any) -> list[str]:
    """Returns a sentence for each doubt about a run's images; `data` is its section.

    Images that are trained on and evaluated, and pairs that are read as images.
    """
    said = []
    for key in ("train", "evaluation") if data["layout"] == "images" else ():
        if key == "train" or not len(data["split"]):
            said += _read_as_images(key, data[key])
    # A split keeps what is evaluated apart.
    both = [] if len(data["split"]) else shared(training, evaluation)
    if both:
        said.append(
            f"of the images that are evaluated {len(both)} are also trained on "
            f"({errors.some(both)}), so scores say little of other images; take them "
            "out of config.data.train, or set config.data.split"
        )
    return said


def _read_as_images(key, where):
    for folder in where.split(","):
        root = Path(folder.strip())
        for names in paired.ROOMS:
            if folder.strip() and all((root / name).is_dir() for name in names):
                yield (
                    f"config.data.{key} ({root}) holds the folders "
                    f"{' and '.join(names)}, as a set of pairs does, but with "
                    "config.data.layout 'images' the pictures of both count as "
                    "undamaged; for pairs set config.data.layout to 'folders' and "
                    "config.degradation to None"
                )


def _on_disk(name, path):
    try:
        status = os.stat(path)
    except OSError:  # damaged: its source will say so
        return File(name, -1, path, path)
    return File(name, status.st_size, (status.st_dev, status.st_ino), path)


def _head(file):
    if file.path is None:
        return file.place
    try:
        with open(file.path, "rb") as opened:
            return opened.read(_HEAD)
    except OSError:
        return file.path


def _whole(file):
    return file.place if file.path is None else splits.fingerprint(file.path)
