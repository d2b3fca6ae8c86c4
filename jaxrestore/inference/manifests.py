"""What the results in a folder were made of: a line for each, in the folder itself.

A line is written after its result, so that a run that is killed leaves what it has
done, and the next one does what is missing. Lines are JSON; of several for one result
the last one counts. One run at a time writes to a folder: two would replace each
other's results, and lines would tell of files that the other one has made.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxrestore import __version__, errors, files
from jaxrestore.inference import plans

NAME = ".jaxrestore.jsonl"

Line = dict[str, Any]

_CHANGES = {
    "source": "its source is another now",
    "mask": "its mask is another now",
    "weights": "its weights were other ones",
    "options": "its options were other ones",
}


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The lines of a folder by their `output`, and what makes new results.

    `by` says in words what that is, and `weights` is the SHA-256 of its network, ""
    without one. `options` are those that change a result. All are ready for JSON.
    `size` is that of the file of lines, in bytes.
    """

    folder: Path
    by: Mapping[str, Any]
    weights: str
    options: Mapping[str, Any]
    lines: Mapping[str, Line]
    size: int = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other runs out of the folder, which is made, until all is written.

        Raises `DiskError`, and `ConfigError` while another run is at work there, or
        where one has written since this was `opened`: what is missing was asked before.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise errors.disk_error(error, self.folder) from error
        with files.alone(self.folder / NAME, self.folder):
            if (self.folder / NAME).stat().st_size != self.size:
                raise errors.ConfigError(
                    f"another run has just written to {self.folder}; give the same "
                    "command again, which restores what is missing"
                )
            yield

    def origin(self, place: plans.Place, mask: plans.Mask | None = None) -> Line:
        """Returns what a place would be restored from now: a line without its output.

        `source` is its path as in the folder of results, with its own suffix; `sha256`
        has `source`, `mask` (or a word, or ""), `weights` and `options`, of these as
        sorted JSON without spaces. A file that cannot be read has "".
        """
        text = json.dumps(self.options, sort_keys=True, separators=(",", ":"))
        output = self._output(place)
        return {
            "output": output.as_posix(),
            "source": output.with_name(place.source.name).as_posix(),
            "by": dict(self.by),
            "options": dict(self.options),
            "jaxrestore": __version__,
            "sha256": {
                "source": _sha256(place.source),
                "mask": _sha256(mask) if isinstance(mask, Path) else mask or "",
                "weights": self.weights,
                "options": hashlib.sha256(text.encode()).hexdigest(),
            },
        }

    def difference(
        self, place: plans.Place, mask: plans.Mask | None = None
    ) -> str | None:
        """Returns what is another now than when a result was made, as a clause.

        "" where nothing is, so that it would be the same again; None where no line
        tells of it.
        """
        line = self.lines.get(self._output(place).as_posix())
        if line is None:
            return None
        if line["jaxrestore"] != __version__:
            return f"it was made by jaxrestore {line['jaxrestore']}"
        then, now = line["sha256"], self.origin(place, mask)["sha256"]
        for what, said in _CHANGES.items():
            if then[what] != now[what]:
                return said
        same = then["output"] == _sha256(place.destination)
        return "" if same else "it was changed after it was made"

    def append(self, place: plans.Place, origin: Line) -> None:
        """Writes the line of a result that was just made; raises `DiskError`."""
        digests = {**origin["sha256"], "output": _sha256(place.destination)}
        line = json.dumps({**origin, "sha256": digests})
        files.append_line(self.folder / NAME, line)

    def _output(self, place: plans.Place) -> Path:
        return place.destination.relative_to(self.folder)


def opened(
    folder: Path, *, by: Mapping[str, Any], weights: str, options: Mapping[str, Any]
) -> Manifest:
    """Returns the manifest of a folder, empty where it has none.

    What is no whole line, as a kill may leave, counts as none.

    >>> opened(Path("results"), by={"task": "jpeg"}, weights="", options={}).lines
    {}
    """
    lines: dict[str, Line] = {}
    path = folder / NAME
    text = path.read_bytes() if path.is_file() else b""
    for raw in text.splitlines():
        try:
            line = json.loads(raw)
            whole = {*_CHANGES, "output"} <= line["sha256"].keys()
            if whole and line["jaxrestore"]:
                lines[line["output"]] = line
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            continue
    return Manifest(folder, by, weights, options, lines, len(text))


def _sha256(path: Path) -> str:
    try:
        return files.sha256(path)
    except OSError:  # whoever reads it will say what is wrong
        return ""
