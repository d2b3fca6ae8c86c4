"""What a run of the kit has found so far: a JSON, whole at any moment, and a table."""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxrestore import files

STATES = ("done", "failed", "ended", "left out", "running")
_COLUMNS = {
    "ms": "ms",
    "times ours": "x ours",
    "share of floor": "floor",
    "first call s": "first s",
    "workspace MiB": "MiB",
}
# Told elsewhere, or too long for a table.
_ELSEWHERE = {"contestant", "quartiles", "floor ms", "differs by"}
_WIDTH = 62


class Results:
    """The cases of a run with their rows; each change is on the disk when it is made.

    A case is `{"name", "state", "rows"}`, with `why` where it is not done, `seconds`,
    and the commit it was measured at. Several threads may add to it.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], after: Path | None = None):
        """Begins with the finished cases of `after`, a file of another run.

        Raises `ValueError` where one of both is a rehearsal and the other is not.
        """
        self._path, self._lock = path, threading.Lock()
        self._content: dict[str, Any] = {**facts, "environment": None, "cases": []}
        self._earlier: Any = None
        if after is not None:
            earlier = json.loads(after.read_text())
            if earlier["rehearsal"] != facts["rehearsal"]:
                raise ValueError(f"{after} is of a rehearsal, or this is one: not both")
            self._earlier = earlier["environment"]
            done = [x for x in earlier["cases"] if x["state"] == "done"]
            self._content["cases"] = done
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    def finished(self) -> set[str]:
        """Returns the names of the cases that are done."""
        return {c["name"] for c in self._content["cases"] if c["state"] == "done"}

    def environment(self, found: Mapping[str, Any]) -> None:
        """Notes where all this is measured.

        Raises `ValueError` if that is another device than that of the cases taken over.
        """
        before = self._earlier and self._earlier["device"]
        if before and before != found["device"]:
            raise ValueError(f"--after is of {before}, and this is {found['device']}")
        with self._lock:
            self._content["environment"] = found
            self._write()

    def begin(self, name: str) -> dict[str, Any]:
        """Returns a new case, for `add` and `end`."""
        case: dict[str, Any] = {"name": name, "state": "running", "rows": []}
        with self._lock:
            where = self._content["environment"] or {}
            case |= {key: where.get(key) for key in ("commit", "date", "device")}
            self._content["cases"].append(case)
            self._write()
        return case

    def add(self, case: dict[str, Any], row: Mapping[str, Any]) -> None:
        """Adds a row to a case, in place of an earlier one of the same contestant."""
        with self._lock:
            rows = {known["contestant"]: known for known in case["rows"]}
            case["rows"] = [*(rows | {row["contestant"]: row}).values()]
            self._write()

    def end(self, case: dict[str, Any], state: str, **more: Any) -> None:
        """Says how a case ended, one of `STATES`, with `why` or `seconds`."""
        assert state in STATES, state
        with self._lock:
            case |= {"state": state, **more}
            self._write()

    def table(self) -> str:
        """Returns all rows as text, a block a case."""
        blocks = map(_block, self._content["cases"])
        return "\n".join(line for block in blocks for line in block)

    def _write(self):
        text = json.dumps(self._content, indent=1, allow_nan=False)
        files.write_text(self._path, text)


def _block(case) -> Iterable[str]:
    took = f", {case['seconds']:.0f} s" if "seconds" in case else ""
    why = f": {case['why']}" if "why" in case else ""
    yield f"{case['name']} [{case['state']}{took}]{why}"
    columns = _COLUMNS if any("ms" in row for row in case["rows"]) else ()
    if columns:
        yield "  " + " " * _WIDTH + "".join(f"{head:>9}" for head in columns.values())
    for row in case["rows"]:
        cells = "".join(f"{_cell(row.get(c)):>9}" for c in columns if "ms" in row)
        rest = [
            f"{name} {_cell(value)}"
            for name, value in row.items()
            if name not in _ELSEWHERE and not (cells and name in columns)
        ]
        name = row["contestant"][:_WIDTH]
        yield f"  {name:{_WIDTH}}{cells}  {', '.join(rest)}".rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
