"""What a collection knows of itself, in the folder of its results.

`.collection/settings.json` says by what it is restored, `.collection/done/*.jsonl` has
a row for each result, and `failed.jsonl` one for each picture that could not be
restored. Each file appears whole or not at all, and none is changed: what a row of a
later run says of a result replaces what earlier ones said.
"""

import array
import contextlib
import json
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrestore import __version__, errors, files
from jaxrestore.collection import keys

FORMAT = "jaxrestore collection 1"
REPORT = "failed.jsonl"
_HOME = ".collection"
_COUNTING = ("network", "options")  # of the settings; others say where these are from


class Done(NamedTuple):
    """A result: of which source, under which key, its size in bytes, and its hash."""

    source: str
    output: str
    key: str
    size: int
    result: str


class Failed(NamedTuple):
    """A picture that could not be restored: the hash of what it held, and why."""

    source: str
    content: str
    reason: str


def refuse_other(
    destination: Path, settings: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Refuses a folder that is not empty and holds no collection with these `settings`.

    Of which the network and the options count; where nothing is done yet none does.
    Raises `ConfigError`, unless `overwrite`.
    """
    place = destination / _HOME / "settings.json"
    if place.exists():
        known = _settings(place)
        differing = [k for k in _COUNTING if known.get(k) != settings[k]]
        if differing and _parts(destination) and not overwrite:
            raise errors.ConfigError(
                f"{destination} was restored with other settings "
                f"({', '.join(differing)}); give another folder, or `overwrite` to "
                "restore all of it anew"
            )
    elif not overwrite and _holds_others(destination):
        raise errors.ConfigError(
            f"{destination} holds files that are no collection; give an empty folder, "
            "or `overwrite` to let results replace them"
        )


def begin(destination: Path, settings: Mapping[str, Any]) -> int:
    """Returns the number of the run that begins in a folder that is `alone`."""
    place = destination / _HOME / "settings.json"
    told = {"format": FORMAT, **settings, "jaxrestore": __version__}
    files.write_json(place, told)
    return 1 + max((run for run, _ in _parts(destination)), default=0)


def _holds_others(destination: Path) -> bool:
    """Whether there are files of others; a run may be killed before it has settings."""
    return destination.is_dir() and any(p.name != _HOME for p in destination.iterdir())


@contextlib.contextmanager
def alone(destination: Path) -> Iterator[None]:
    """Keeps other runs out of a folder, which is made; one that was killed keeps none.

    Raises `ConfigError` while another run is at work.
    """
    try:
        for folder in ("done", "attempts"):
            (destination / _HOME / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.disk_error(error, destination) from error
    with files.alone(destination / _HOME / "lock", destination):
        yield


def settings(destination: Path) -> dict[str, Any]:
    """Returns what a collection is restored by; `NoInputError` where there is none."""
    place = destination / _HOME / "settings.json"
    if not place.exists():
        raise errors.NoInputError(
            f"{destination} holds no collection; give the folder of its results"
        )
    return _settings(place)


def _settings(place: Path) -> dict[str, Any]:
    found = files.read_json(place)
    if found.get("format") != FORMAT:
        raise errors.MismatchError(
            f"{place} is of another version of jaxrestore ({found.get('format')}); "
            f"this one reads {FORMAT!r}"
        )
    return found


def room(destination: Path, name: str) -> Path:
    """Returns a folder of a run's own files: "plan", or "attempts"."""
    return destination / _HOME / name


def add(destination: Path, run: int, rows: Sequence[Done]) -> None:
    """Writes rows of results that a run has made, which lie on the disk already."""
    place = destination / _HOME / "done" / f"{run:04}-{uuid.uuid4().hex}.jsonl"
    files.write_text(place, "".join(json.dumps(row) + "\n" for row in rows))


def rows(destination: Path, run: int | None = None) -> Iterator[Done]:
    """Yields the rows of results, of one run or of all, those of later runs later.

    A file that is damaged is left out with a notice: what it told is done again.
    """
    for _, part in _parts(destination, run):
        try:
            yield from [
                Done(*json.loads(text)) for text in part.read_bytes().splitlines()
            ]
        except (OSError, ValueError, TypeError) as error:
            warnings.warn(
                f"{part} is damaged ({error!s:.100}); what it tells of is taken for "
                "not restored",
                errors.Notice,
                stacklevel=2,
            )


def _parts(destination: Path, run: int | None = None) -> list[tuple[int, Path]]:
    which = "*" if run is None else f"{run:04}"
    found = (destination / _HOME / "done").glob(f"{which}-*.jsonl")
    return sorted((int(part.name.partition("-")[0]), part) for part in found)


def sized(row: Done) -> Sequence[str]:
    """Returns the words by which a result is known without a look into it."""
    return row.output, row.key, str(row.size)


def table(
    told: Iterable[Done], *kinds: Callable[[Done], Sequence[str]]
) -> list[keys.Table]:
    """Returns for each kind a table of the words that it makes of rows.

    Of several rows of one result the last is taken. A row takes 8 bytes a kind, and a
    few times as many until the tables are made.
    """
    places, words = array.array("Q"), [array.array("Q") for _ in kinds]
    for row in told:
        places.append(keys.fingerprint([row.output]))
        for kind, values in zip(kinds, words, strict=True):
            values.append(keys.fingerprint(kind(row)))
    ends = np.frombuffer(places, np.uint64)
    order = np.argsort(ends, kind="stable")
    last = order[np.append(np.diff(ends[order]) != 0, True)] if len(ends) else order
    del ends, order
    return [_table(values, last) for values in words]


def _table(values: array.array, chosen: np.ndarray) -> keys.Table:
    fingerprints = np.frombuffer(values, np.uint64)[chosen]
    fingerprints.sort()
    return keys.Table(fingerprints)


def report(destination: Path, failed: Iterable[Failed]) -> Path:
    """Writes the report of what failed, sorted by path, and returns its path."""
    place = destination / REPORT
    lines = [json.dumps(row._asdict()) + "\n" for row in sorted(failed)]
    files.write_text(place, "".join(lines))
    return place


def reported(destination: Path) -> list[Failed]:
    """Returns what the last run that has ended found it could not restore."""
    place = destination / REPORT
    if not place.exists():
        return []
    try:
        return [Failed(**json.loads(text)) for text in place.read_bytes().splitlines()]
    except (ValueError, TypeError) as error:
        raise errors.DamagedError(
            f"{place} is damaged ({error!s:.100}); restore the collection again, which "
            "does only what is missing"
        ) from error
