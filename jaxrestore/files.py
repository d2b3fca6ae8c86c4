"""The one way in which files are written: whole or not at all.

The content goes to a file of another name in the same folder, then to the disk, and
only then takes the name asked for. Whoever is killed on the way, or finds the disk
full, leaves the older file as it was. Folders are not made here. What a command would
replace is asked about first, by `refuse_existing`; what the package has written itself
is read by `read_json`.
"""

import csv
import io
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore import errors


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Writes each content to its path: all of them, or none where one has no room.

    A link is followed, so that its target is replaced; a pipe or a device, which
    cannot be replaced, is written to. Raises `DiskError`, naming the path.
    """
    # Resolved once: the new file must stand in the folder of the one it replaces.
    places = {path: path.resolve() for path in contents}
    partials = {
        path: place.with_name(f".{uuid.uuid4().hex}.partial")
        for path, place in places.items()
        if place.is_file() or not path.exists()
    }
    path = next(iter(contents), Path())
    try:
        for path, partial in partials.items():
            _write_out(partial, contents[path])
        for path in contents:
            if path in partials:
                os.replace(partials[path], places[path])
            else:
                path.write_bytes(contents[path])
    except OSError as error:
        raise errors.disk_error(error, path) from error
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def _write_out(path, content):
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes one file; see `write_all`."""
    write_all({path: content})


def write_text(path: Path, text: str) -> None:
    """Writes text in UTF-8, its line ends as they are; see `write_all`."""
    write_all({path: text.encode("utf-8")})


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON, two spaces a level; see `write_all`."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def append_line(path: Path, text: str) -> None:
    """Writes one more line at the end of a file, in UTF-8; makes the file.

    Whoever is killed on the way leaves part of a line, which the next one ends: readers
    leave out a line that says nothing. Raises `DiskError`, naming the path.
    """
    try:
        with path.open("a+b") as file:
            end = b""
            if file.tell():
                file.seek(-1, os.SEEK_END)
                end = b"" if file.read() == b"\n" else b"\n"
            file.write(end + text.encode("utf-8") + b"\n")
    except OSError as error:
        raise errors.disk_error(error, path) from error


def read_json(path: Path) -> Any:
    """Returns what a file holds that `write_json` wrote.

    Raises `DamagedError` when it is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = "missing" if missing else f"no JSON ({error!s:.100})"
        raise errors.DamagedError(
            f"{path} is {why}, so the folder it belongs to is damaged; take it from a "
            "copy, or make that folder anew"
        ) from error


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows as `csv_text` has them; see `write_all`."""
    write_text(path, csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a line a row below the columns of all rows, as CSV.

    Columns stand in the order in which the rows first name them. A cell that a row
    lacks is empty.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*columns])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def refuse_existing(paths: Iterable[Path], *, choices: str = "") -> None:
    """Raises `ConfigError` that names the first of the paths that exists.

    Pipes and devices may exist: writing to them replaces nothing. `choices` is what
    else the message offers.
    """
    existing = [path for path in paths if path.is_file() or path.is_dir()]
    if existing:
        several = f", one of {len(existing)} such files" if len(existing) > 1 else ""
        raise errors.ConfigError(
            f"{existing[0]} exists{several}; give another place, or `overwrite` to "
            f"replace {'them' if several else 'it'}{choices}"
        )
