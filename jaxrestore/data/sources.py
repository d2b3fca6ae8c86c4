"""Where images come from: random-access sources for Grain.

A source has a length, a stable `repr`, and at each index a dict of `image`
(uint8[h, w, channels], sRGB; six channels are a pair) and `name`. What lies at an index
depends on the files alone, not on what was asked before, so a run resumes without any
iterator state.
"""

import bisect
import copy
import hashlib
import itertools
import operator
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, folders, images
from jaxrestore.data import splits

_TRIES = 10
_STRIDE = 7919  # prime, and far: the neighbours of a damaged file often are damaged too


class Folder:
    """All image files below a folder, sorted by their path; hidden ones left out.

    In the place of a damaged file stands another, always the same one, and the others
    keep their places. `damaged` says why, by name, for each such file met so far;
    `paths` are the files.
    """

    channels = 3

    def __init__(self, root: Path | str, *, minimum: int = 1):
        """Lists the files; images with a side below `minimum` pixels count as damaged.

        Raises `errors.NoInputError` when there is no folder or no image file in it.
        """
        self.root = Path(root)
        self.minimum = minimum
        # Loader threads write here. setdefault is atomic, so it needs no lock, and
        # without a lock the source can be sent to worker processes.
        self.damaged: dict[str, str]
        self.paths, self.damaged = folders.find(self.root)

    def __len__(self) -> int:
        """Returns the number of image files, damaged ones included."""
        return len(self.paths)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """Returns the image at `index`, or the substitute of a damaged one.

        Raises `errors.NoInputError` when ten files in turn were damaged.
        """
        count = len(self)
        start = _position(index, count)
        # A stride that shares no factor with the count meets every file.
        stride = _STRIDE if count % _STRIDE else 1
        tries = [(start + stride * k) % count for k in range(min(_TRIES, count))]
        for position in tries:
            name = self.name(position)
            try:
                return {"image": self._read(position), "name": name}
            except images.ImageError as error:
                self.damaged.setdefault(name, str(error))
        names = ", ".join(self.name(position) for position in tries)
        raise errors.NoInputError(
            f"{self.root}: {len(tries)} of {count} image files were tried and none can "
            f"be used: {names}. The first: {self.damaged[self.name(start)]}"
        )

    def __repr__(self) -> str:
        """Returns the folder, the count and the limit: the same in every process."""
        kind = type(self).__name__
        return f"{kind}({str(self.root)!r}, minimum={self.minimum}, images={len(self)})"

    def report(self) -> dict[str, Any]:
        """Returns what was found and what was damaged so far, ready for JSON."""
        damaged = sorted(self.damaged.items())
        return {
            "root": str(self.root),
            "images": len(self),
            "damaged": [{"name": name, "reason": reason} for name, reason in damaged],
        }

    def only(self, positions: Iterable[int]) -> "Folder":
        """Returns a source of these images alone, also as substitutes of damaged ones.

        There may be none, for a part of several folders; see `Joined`.
        """
        chosen = copy.copy(self)
        chosen.paths = [self.paths[position] for position in positions]
        chosen.damaged = dict(self.damaged)
        return chosen

    def fingerprints(self, position: int) -> list[str]:
        """Returns the SHA-256 of each file of an image (a pair may have two)."""
        return [splits.fingerprint(path) for path in self.files(position)]

    def files(self, position: int) -> list[Path]:
        """Returns the files of an image: one, or two of a pair."""
        return [self.paths[position]]

    def name(self, position: int) -> str:
        """Returns the path of a file below the folder, readable or not."""
        name = self.paths[position].relative_to(self.root).as_posix()
        # Names that are no UTF-8 would fail later, in a report or a table.
        return os.fsencode(name).decode("utf-8", "backslashreplace")

    def _read(self, position: int) -> UInt8[np.ndarray, "h w 3"]:
        image = images.decode(self.paths[position])
        height, width, _ = image.shape
        if min(height, width) < self.minimum:
            raise images.ImageError(
                f"{self.paths[position]}: {width}x{height} is below the minimum of "
                f"{self.minimum} pixels a side; remove it or use smaller crops."
            )
        return image


class Arrays:
    """Images in memory, each with its name; handed out read-only."""

    channels = 3

    def __init__(self, arrays: Sequence[np.ndarray], names: Sequence[str]):
        """Keeps views of uint8[h, w, 3] arrays; raises `ValueError` for others."""
        if not names or len(arrays) != len(names):
            raise ValueError(
                f"one name per image and at least one image are needed, "
                f"got {len(arrays)} images and {len(names)} names"
            )
        for array, name in zip(arrays, names, strict=True):
            if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
                raise ValueError(
                    f"{name}: expected uint8[h, w, 3], got {array.dtype}"
                    f"{list(array.shape)}; convert it first"
                )
        self.names = tuple(names)
        self._arrays = [array.view() for array in arrays]
        for array in self._arrays:
            array.flags.writeable = False

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """Returns the image at `index`."""
        position = _position(index, len(self))
        return {"image": self._arrays[position], "name": self.names[position]}

    def name(self, position: int) -> str:
        """Returns the name of an image."""
        return self.names[position]

    def only(self, positions: Iterable[int]) -> "Arrays":
        """Returns a source of these images alone; raises `ValueError` for none."""
        chosen = [*positions]
        names = [self.names[position] for position in chosen]
        return Arrays([self._arrays[position] for position in chosen], names)

    def fingerprints(self, position: int) -> list[str]:
        """Returns the SHA-256 of an image's pixels, as a list of one."""
        return [hashlib.sha256(self._arrays[position].tobytes()).hexdigest()]

    def __repr__(self) -> str:
        """Returns the names."""
        return f"Arrays({', '.join(self.names)})"

    def report(self) -> dict[str, Any]:
        """Returns the count; nothing here can be damaged."""
        return {"root": "memory", "images": len(self), "damaged": []}


class Joined:
    """Several sources, one after another, as one.

    A name begins with the number of its source, since two folders may hold one name.
    """

    def __init__(self, *sources: "Folder | Arrays | Joined"):
        """Keeps the sources; raises `ValueError` when there is none."""
        if not sources:
            raise ValueError("Joined needs at least one source, got none")
        self.sources = sources
        self.channels: int = sources[0].channels
        self._ends = list(itertools.accumulate(len(source) for source in sources))

    def __len__(self) -> int:
        """Returns the number of images of all sources together."""
        return self._ends[-1]

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """Returns the image at `index`, counted through all sources."""
        which, position = self._place(_position(index, len(self)))
        element = self.sources[which][position]
        return {**element, "name": f"{which}/{element['name']}"}

    def name(self, position: int) -> str:
        """Returns the name of an image, its source's number before it."""
        which, position = self._place(position)
        return f"{which}/{self.sources[which].name(position)}"

    def _place(self, position: int) -> tuple[int, int]:
        which = bisect.bisect_right(self._ends, position)
        return which, position - self._ends[which] + len(self.sources[which])

    def __repr__(self) -> str:
        """Returns the sources' own."""
        return f"Joined({', '.join(map(repr, self.sources))})"

    def report(self) -> dict[str, Any]:
        """Returns the sources' reports as one, in the form of a single one."""
        reports = [source.report() for source in self.sources]
        return {
            "root": " + ".join(report["root"] for report in reports),
            "images": len(self),
            "damaged": [row for report in reports for row in report["damaged"]],
        }


def _position(index: SupportsIndex, count: int) -> int:
    """Returns the index as an int; from an IndexError, `for` knows the end."""
    position = operator.index(index)
    if not 0 <= position < count:
        raise IndexError(f"index {position} is outside 0 to {count - 1}")
    return position
