"""Whether a collection is whole: each picture restored from what it holds, or named."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

from jaxrestore import folders
from jaxrestore.collection import keys, ledger, listing

NAMED = 1000  # of what is wrong, by name; the rest is counted
DONE, FAILED = "done", "failed"
_TOGETHER = 1024  # pictures whose hashes are under way


class Verdict(NamedTuple):
    """How many pictures there are, how many are done and failed, and what is wrong.

    `inputs` is the sum of `done`, `failed` and `wrong`; `named` has a reason for each
    of the first `NAMED` that are wrong.
    """

    inputs: int
    done: int
    failed: int
    wrong: int
    named: dict[str, str]


def verify(
    source: Path,
    destination: Path,
    *,
    progress: Callable[[int], object] = lambda count: None,
) -> Verdict:
    """Returns whether a collection is whole, by reading all pictures and all results.

    A picture is done where a result lies on the disk to the bit as it was written, made
    by the network and the options of the collection of what the picture holds now. It
    has failed where the report names it with what it holds. `progress` is given the
    number of those that were looked at, now and then. Raises `NoInputError` where there
    is no collection, or no folder of sources.
    """
    folders.refuse_no_folder(source)
    settings = ledger.settings(destination)
    options = keys.Options(**settings["options"])
    judge = _Judge(source, destination, keys.of_setting(settings["network"], options))
    unlisted: dict[str, str] = {}
    found = listing.entries(source, folders.walk(source, unlisted))
    counts, named = collections.Counter(), {}
    for entry, word in _judged(judge, found):
        kind = word if word in (DONE, FAILED) else "wrong"
        counts[kind] += 1
        if kind == "wrong" and len(named) < NAMED:
            named[entry.source] = word
        if counts.total() % 100 == 0:
            progress(counts.total())
    counts["wrong"] += len(unlisted)
    wrong, named = counts["wrong"], named | unlisted
    return Verdict(counts.total(), counts[DONE], counts[FAILED], wrong, named)


class _Judge:
    """Says of a picture `DONE`, `FAILED`, or what is wrong."""

    def __init__(self, source: Path, destination: Path, setting: str):
        self._source, self._destination = source, destination
        self._setting = setting
        self._known, self._made, self._whole = ledger.table(
            ledger.rows(destination),
            lambda row: (row.source, row.output),
            lambda row: (row.source, row.output, row.key),
            lambda row: (row.output, row.key, row.result),
        )
        failed = ledger.reported(destination)
        self._failed = {(row.source, row.content) for row in failed}

    def __call__(self, entry: listing.Entry) -> str:
        try:
            content = keys.of_file(self._source / entry.source)
        except OSError:
            content = ""
        if (entry.source, content) in self._failed:
            return FAILED
        if not content:
            return "it cannot be read"
        if not self._known.holds(*entry):
            return "it has not been restored"
        key = keys.of_result(content, self._setting)
        if not self._made.holds(*entry, key):
            return "it has changed since it was restored"
        try:
            result = keys.of_file(self._destination / entry.output)
        except OSError:
            return f"its result, {entry.output}, is missing"
        if not self._whole.holds(entry.output, key, result):
            return f"its result, {entry.output}, has changed since it was written"
        return DONE


def _judged(
    judge: _Judge, found: Iterable[listing.Entry]
) -> Iterator[tuple[listing.Entry, str]]:
    """Yields each entry with what is said of it; several files are read at once."""
    left = iter(found)
    with futures.ThreadPoolExecutor() as pool:
        while some := [*itertools.islice(left, _TOGETHER)]:
            yield from zip(some, pool.map(judge, some), strict=True)
