"""The pictures of a collection and where each goes, listed a folder at a time.

The list lies on the disk, so that the memory it takes does not grow with it.
"""

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrestore import files, folders

LINES = 100  # of a part, at least, which one worker restores at a time
SHARE = 2000  # a longer part is such a share, 1 / SHARE, of what came before


class Entry(NamedTuple):
    """A picture and its result, as paths below the two folders of a collection."""

    source: str
    output: str


class Plan(NamedTuple):
    """Files of lines, one a picture, and how many pictures there are in all."""

    parts: list[Path]
    count: int


def entries(
    root: Path, walked: Iterable[tuple[Path, list[str], list[str]]]
) -> Iterator[Entry]:
    """Yields the pictures of folders below `root`, which `folders.walk` has listed.

    Pictures are files with the suffix of one. Results are called as `jaxrestore
    restore` calls them, `PATH.png`: see `folders.distinct_stems`, which raises.
    """
    for folder, names, below in walked:
        place = folder.relative_to(root)
        found = {
            (place / n).as_posix(): place / n for n in names if folders.is_named(n)
        }
        taken = {(place / n).as_posix() for n in below}
        for stem, source in folders.distinct_stems(found, taken).items():
            yield Entry(source.as_posix(), f"{stem}.png")


def plan(found: Iterable[Entry], place: Path) -> Plan:
    """Writes the entries as lines into files in the folder `place`, made anew.

    Parts become longer as the list does, since Ray takes some 20 kB for each: of ten
    million pictures there are ten thousand.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    parts, count, left = [], 0, iter(found)
    while lines := [line(x) for x in itertools.islice(left, _length(count))]:
        parts.append(place / f"{len(parts):06}.jsonl")
        files.write_text(parts[-1], "\n".join([*lines, ""]))
        count += len(lines)
    return Plan(parts, count)


def _length(count: int) -> int:
    return max(LINES, count // SHARE)


def line(entry: Entry) -> str:
    """Returns an entry as a line of JSON, in ASCII, whatever its names hold.

    >>> line(Entry("a/b.jpg", "a/b.png"))
    '["a/b.jpg", "a/b.png"]'
    """
    return json.dumps(entry)


def of_line(text: str) -> Entry:
    """Returns the entry of a line."""
    return Entry(*json.loads(text))
