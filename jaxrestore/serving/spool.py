"""The folder in which pixels live until they expire, and what belongs to them.

An image, a job and a batch have a folder each, named by its id, of which nothing that
a client sends is ever a part. Beside the pixels stands what the service knows of it, so
that a later process can take it up.
"""

import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from jaxrestore import errors, files
from jaxrestore.serving import refusals
from jaxrestore.serving.values import Batch, Image, Job, Status

_ID = re.compile("[0-9a-f]{32}")
_KINDS: Mapping[type, str] = {Image: "images", Job: "jobs", Batch: "batches"}
_TOLD = "told.json"
_Value = TypeVar("_Value", Image, Job, Batch)


def new_id() -> str:
    """Returns 32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def checked(id: str, what: str) -> str:
    """Returns an id of "image", "job", ...; raises 404 for other words."""
    if not _ID.fullmatch(id):
        raise refusals.not_found(what)
    return id


class Spool:
    """The folder, which nobody else may read, of one server at once."""

    def __init__(self, folder: Path):
        """Writes nothing yet."""
        self.folder = folder
        self._sizes: dict[Path, int] = {}
        self._lock: int | None = None

    def open(self) -> None:
        """Makes the folder, and keeps other servers out of it.

        What was being uploaded is deleted. Raises `DiskError` for a place that cannot
        be written, and `ConfigError` where another server uses it.
        """
        import fcntl  # not on Windows

        try:
            for folder in (self.folder, *map(self._home, _KINDS), self.incoming):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise errors.disk_error(error, self.folder) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise errors.ConfigError(
                f"{self.folder} is used by another server; give this one another "
                "`folder`"
            ) from error
        self._lock = lock
        for left in self.incoming.iterdir():
            left.unlink()

    def close(self) -> None:
        """Lets other servers in."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    @property
    def incoming(self) -> Path:
        """The folder of what is being uploaded."""
        return self.folder / "incoming"

    def place(self, kind: type, id: str) -> Path:
        """Returns the folder of an `Image`, a `Job` or a `Batch`, or raises 404."""
        return self._home(kind) / checked(id, kind.__name__.lower())

    def values(self, image: str) -> Path:
        """Returns the place of an image's array."""
        return self.place(Image, image) / "values.npy"

    def profile(self, image: str) -> Path:
        """Returns the place of an image's ICC profile, where it has one."""
        return self.place(Image, image) / "profile.icc"

    def cells(self, image: str) -> Path:
        """Returns the place of what an image's JPEG file says, where it was one."""
        return self.place(Image, image) / "cells.json"

    def mask(self, image: str, mask: str) -> Path:
        """Returns the place of a mask's array."""
        return self.place(Image, image) / f"mask-{checked(mask, 'mask')}.npy"

    def result(self, job: str) -> Path:
        """Returns the place of a job's result, an array."""
        return self.place(Job, job) / "result.npy"

    def fit(self, job: str) -> Path:
        """Returns the place of a picture of a fit on its way, an array."""
        return self.place(Job, job) / "fit.npy"

    def keep(self, value: Image | Job | Batch) -> None:
        """Writes down what is known of something in its folder, which is there.

        Raises `DiskError` where it cannot be written.
        """
        place = self.place(type(value), value.id)
        files.write_json(place / _TOLD, dataclasses.asdict(value))

    def make(self, kind: type, id: str) -> Path:
        """Returns the new folder of something; raises `DiskError`."""
        place = self.place(kind, id)
        try:
            place.mkdir(mode=0o700)
        except OSError as error:
            raise errors.disk_error(error, place) from error
        return place

    def kept(self, kind: type[_Value]) -> Iterator[_Value]:
        """Yields all of a kind; a folder that does not say what it is, is deleted."""
        for place in sorted(self._home(kind).iterdir()):
            try:
                value = _of_json(kind, json.loads((place / _TOLD).read_bytes()))
                if value.id != place.name:
                    raise ValueError(value.id)
            except (OSError, ValueError, TypeError, KeyError):
                shutil.rmtree(place, ignore_errors=True)
                continue
            self.weigh(place)
            yield value

    def delete(self, kind: type, id: str) -> None:
        """Deletes a folder and all in it; one that is not there too."""
        place = self.place(kind, id)
        shutil.rmtree(place, ignore_errors=True)
        self._sizes.pop(place, None)

    def weigh(self, place: Path) -> None:
        """Counts the bytes in the folder of something."""
        self._sizes[place] = _bytes_in(place)
        if not place.is_dir():  # deleted meanwhile, perhaps by another thread
            self._sizes.pop(place, None)

    def size(self, place: Path) -> int:
        """Returns the bytes in the folder of something as they were last counted."""
        return self._sizes.get(place, 0)

    def strays(self, kind: type, known: Collection[str], before: float) -> list[str]:
        """Returns the ids of folders that nobody knows, not touched since a time."""
        found = []
        for entry in os.scandir(self._home(kind)):
            with contextlib.suppress(FileNotFoundError):
                if entry.name not in known and entry.stat().st_mtime < before:
                    found.append(entry.name)
        return found

    @property
    def bytes(self) -> int:
        """The bytes in all folders, as they were last counted, and of what comes in."""
        return sum(self._sizes.values()) + _bytes_in(self.incoming)

    def free(self) -> int:
        """Returns the bytes that are free on its disk."""
        return shutil.disk_usage(self.folder).free

    def _home(self, kind: type) -> Path:
        return self.folder / _KINDS[kind]


def _bytes_in(folder: Path) -> int:
    """The bytes of the files in a folder; 0 where it is not there."""
    size = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # as of one that is renamed
                size += entry.stat().st_size
    return size


def _of_json(kind: type[_Value], document: dict[str, Any]) -> _Value:
    if kind is Job:
        document["status"] = Status(document["status"])
    for name in ("jobs", "notices"):
        if name in document:
            document[name] = tuple(document[name])
    return kind(**document)
