"""A folder of any number of pictures restored to another: `jaxrestore collection`."""

import collections
import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

from jaxrestore import errors, folders, images
from jaxrestore.collection import cluster, keys, ledger, listing, worker
from jaxrestore.inference import folders as restored_folders

# What carries out a plan: `cluster.run`, but for its options.
Lines = Generator[list[str], None, None]
Carry = Callable[[listing.Plan, worker.Job, keys.Table], Lines]


class Outcome(NamedTuple):
    """How many pictures there are, were restored now, were there, and have failed.

    `report` names those that failed, `reasons` the first of them.
    """

    inputs: int
    done: int
    there: int
    failed: int
    report: Path
    reasons: dict[str, str]


def restore(
    source: Path,
    destination: Path,
    *,
    task: str | None = None,
    weights: Path | None = None,
    options: keys.Options | None = None,
    max_pixels: int = images.MAX_PIXELS,
    overwrite: bool = False,
    carry: Carry = cluster.run,
    progress: Callable[[int, int], object] = lambda seen, of: None,
) -> Outcome:
    """Restores all pictures below `source` to files below `destination`.

    With the network of a `task` that ships, or with `weights`. What has been restored
    from the same content, by the same network with the same `options`, is left as it
    is, so that a run that was killed goes on when it is begun again. A picture that
    cannot be restored ends nothing: it stands in the report.

    Both folders must be seen by all workers under these paths. `carry` says where the
    work is done: `functools.partial(cluster.run, address=…)`. `progress` is called with
    the number of pictures that were looked at, and of all.

    Raises `NoInputError` without pictures, `ConfigError` for folders that cannot be
    meant, for options that are of no use to the network, and while another run is at
    work; `DiskError` where results cannot be written; `MismatchError` where workers
    differ, and `PartialError` where some did not answer.
    """
    options = options or keys.Options()
    source, destination = source.resolve(), destination.resolve()
    folders.refuse_no_folder(source)
    folders.refuse_inside(destination, source)
    _refuse_empty(source)
    network = keys.of_network(worker.weights(task, weights))
    said = {"task": task, "weights": None if weights is None else str(weights)}
    settings = {**said, "network": network, "options": options._asdict()}
    ledger.refuse_other(destination, settings, overwrite=overwrite)
    with ledger.alone(destination):
        run = ledger.begin(destination, settings)
        plan = _planned(source, ledger.room(destination, "plan"))
        (table,) = ledger.table(ledger.rows(destination), ledger.sized)
        _clear(ledger.room(destination, "attempts"))
        job = worker.Job(
            source, destination, run, network, task, weights, options, max_pixels
        )
        try:
            with contextlib.closing(carry(plan, job, table)) as told:
                return _carried(told, plan.count, destination, progress)
        finally:
            shutil.rmtree(ledger.room(destination, "plan"), ignore_errors=True)


def _planned(source: Path, place: Path) -> listing.Plan:
    unlisted: dict[str, str] = {}
    found = listing.entries(source, folders.walk(source, unlisted))
    plan = listing.plan(found, place)
    if unlisted:
        listed = errors.listed(unlisted, "left out")
        warnings.warn(listed, errors.Notice, stacklevel=3)
    return plan


def _refuse_empty(source: Path) -> None:
    if next(listing.entries(source, folders.walk(source, {})), None) is None:
        raise errors.NoInputError(
            f"{source} holds no pictures; a collection is made of files below it that "
            f"end in {', '.join(images.SUFFIXES)}"
        )


def _clear(room: Path) -> None:
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()


def _carried(lines, count, destination, progress) -> Outcome:
    """Counts what becomes of pictures, and writes the report of those that failed."""
    states, behind = collections.Counter(), collections.Counter()
    failed = []
    for some in lines:
        for text in some:
            one = worker.Told(*json.loads(text))
            states[one.state] += 1
            behind.update(one.behind)
            if one.state == worker.FAILED:
                failed.append(ledger.Failed(one.source, one.content, one.reason))
        progress(states.total(), count)
    report = ledger.report(destination, failed)
    restored_folders.tell_left_behind(behind)
    if states.total() != count:
        raise errors.PartialError(
            f"{states.total()} of {count} pictures were answered for; give the same "
            "command again, which does only what is missing"
        )
    done, there = states[worker.DONE], states[worker.THERE]
    reasons = {row.source: row.reason for row in sorted(failed)[:10]}
    return Outcome(count, done, there, len(failed), report, reasons)
