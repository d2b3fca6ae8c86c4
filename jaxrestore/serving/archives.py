"""Zip files: pictures come in one, which children read, and results leave in one.

What comes out of a file of a stranger is bounded before it is unpacked and while it is;
no name in it becomes a path.
"""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore import files
from jaxrestore.serving.refusals import Refusal

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet's cell begins


class Member(NamedTuple):
    """A file in a zip file: its place there, and the last part of its name."""

    index: int
    name: str


def listed(
    path: Path, most_files: int, most_bytes: int, most_ratio: float | int
) -> list[Member]:
    """Returns the files in a zip file, without folders and what systems leave there.

    Refused are 422 what is no zip file, or none of pictures, 413 too many files, and
    what would become too large, or suspiciously larger than it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unfit("The file is no zip file, or it is damaged.") from error
    found, whole, packed = [], 0, 0
    for index, info in enumerate(infos):
        name = info.filename.replace("\\", "/")
        last = name.rpartition("/")[2]
        if info.is_dir() or last.startswith(".") or name.startswith("__MACOSX/"):
            continue
        found.append(Member(index, last))
        whole, packed = whole + info.file_size, packed + info.compress_size
    if not found:
        raise _unfit("There is no file in the zip file.")
    if len(found) > most_files:
        raise _large(f"{len(found)} files are in it, and {most_files} are the most")
    if whole > most_bytes or whole > most_ratio * max(packed, 1):
        raise _large(
            f"it would be unpacked to {whole / 2**20:.0f} MiB, and "
            f"{most_bytes / 2**20:g} MiB, or {most_ratio:g} times what it is, are the "
            "most"
        )
    return found


def unpack(path: Path, index: int, destination: Path, most_bytes: int) -> None:
    """Writes one file of a zip file; refused is 413 one of more than so many bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.infolist()[index]
            if info.flag_bits & 1:
                raise _unfit("It is encrypted; pack it without a password.")
            with archive.open(info) as member:
                content = member.read(most_bytes + 1)
    except Refusal:
        raise
    except Exception as error:  # zipfile and the libraries that unpack raise all kinds
        raise _unfit("It cannot be unpacked; pack it anew.") from error
    if len(content) > most_bytes:
        raise _large(f"it has more than {most_bytes / 2**20:g} MiB, which are the most")
    files.write_bytes(destination, content)


class Packing:
    """A zip file that is made part by part; nothing of it is kept."""

    def __init__(self):
        """Has no file yet."""
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._names: set[str] = set()

    def free(self, name: str) -> str:
        """Returns a name that no file has: another `a.png` is `a (2).png`."""
        stem, dot, suffix = name.rpartition(".")
        wanted, count = name, 1
        while wanted in self._names:
            count += 1
            wanted = f"{stem} ({count}){dot}{suffix}"
        self._names.add(wanted)
        return wanted

    def put(self, name: str, content: bytes) -> bytes:
        """Returns what one more file adds."""
        self._archive.writestr(name, content)
        return self._sink.taken()

    def end(self) -> bytes:
        """Returns the last part."""
        self._archive.close()
        return self._sink.taken()


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Returns rows as CSV, in UTF-8; no cell is a formula to a spreadsheet.

    >>> archives.table([{"name": "=1+1", "seconds": 2}]).decode().splitlines()
    ['name,seconds', "'=1+1,2"]
    """
    text = io.StringIO(newline="")
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, [*columns])
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    harmful = isinstance(value, str) and value.startswith(_FORMULAS)
    return f"'{value}" if harmful else value


class _Sink(io.RawIOBase):
    """What a zip file is written to, that cannot go back."""

    def __init__(self):
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _unfit(detail: str) -> Refusal:
    return Refusal(422, "unfit_zip", "The zip file cannot be read", detail)


def _large(why: str) -> Refusal:
    detail = f"The zip file is too large: {why}; make several of it."
    return Refusal(413, "too_large_zip", "The zip file is too large", detail)
