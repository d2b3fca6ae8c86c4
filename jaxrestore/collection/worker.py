"""What one device does: pictures restored to files, line by line of a plan.

Nothing here knows of Ray. Whoever kills a worker loses nothing: results appear whole or
not at all, and count once a row in the ledger says so.
"""

import contextlib
import json
import platform
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrestore import errors, images
from jaxrestore.collection import keys, ledger, listing
from jaxrestore.inference import folders, restorer, shipped

DONE, THERE, FAILED = "done", "there", "failed"
ATTEMPTS = 3  # of a picture whose worker ends without a word
SECONDS = 10.0  # of work that a killed worker may lose, and the picture it is at


class Job(NamedTuple):
    """What a run asks of all its workers.

    `network` is the hash of its weights, which are those of a `task` that ships, or
    those of a file.
    """

    source: Path
    destination: Path
    run: int
    network: str
    task: str | None = None
    weights: Path | None = None
    options: keys.Options = keys.Options()
    max_pixels: int = images.MAX_PIXELS


class Told(NamedTuple):
    """What became of a picture: `DONE`, `THERE` already, or `FAILED` with the reason.

    `content` is the hash of what it held, "" where it cannot be read; `behind` is what
    it held beside 8 bits of sRGB, which is not written.
    """

    state: str
    source: str
    content: str = ""
    reason: str = ""
    behind: tuple[str, ...] = ()


def weights(task: str | None, file: Path | None) -> Path:
    """Returns the file of weights that a task means, or a path.

    Raises `NoInputError` where there is no file, and as `shipped.path`.
    """
    if task is not None:
        return shipped.path(task)
    if file is None or not file.is_file():
        raise errors.NoInputError(
            f"{file} is no file; give the path of weights, which jaxrestore convert "
            "makes of a run"
        )
    return file


class Worker:
    """Restores pictures of a collection with one network, which it loads when needed.

    `table` has what is `ledger.sized` of the results that need not be made.
    """

    def __init__(self, job: Job, table: keys.Table):
        """Loads no network yet."""
        self._job, self._table = job, table
        self._network: restorer.Restorer | None = None
        self._setting = keys.of_setting(job.network, job.options)
        # Of a worker that was killed, whose pictures are handed to this one.
        rows = ledger.rows(job.destination, job.run)
        (self._since,) = ledger.table(rows, ledger.sized)

    def __call__(self, lines: Iterable[str]) -> list[str]:
        """Restores what stands in lines of a plan; returns a line of `Told` for each.

        Raises `DiskError` where the disk is full, `MismatchError` where this machine
        has other weights than the job's, or lacks one of the folders, and `ConfigError`
        where the options are of no use to the network.
        """
        if not self._job.source.is_dir():
            raise errors.MismatchError(
                f"{self._job.source} is no folder on {platform.node()}; both folders "
                "of a collection must lie on all machines under the same path"
            )
        told, made, since = [], [], time.monotonic()
        for text in lines:
            told.append(self._visited(listing.of_line(text), made))
            if made and time.monotonic() - since > SECONDS:
                ledger.add(self._job.destination, self._job.run, made)
                made, since = [], time.monotonic()
        if made:
            ledger.add(self._job.destination, self._job.run, made)
        return [json.dumps(one) for one in told]

    def _visited(self, entry: listing.Entry, made: list[ledger.Done]) -> Told:
        source = self._job.source / entry.source
        output = self._job.destination / entry.output
        try:
            content = keys.of_file(source)
        except OSError as error:
            return Told(FAILED, entry.source, reason=f"it cannot be read ({error})")
        key = keys.of_result(content, self._setting)
        with contextlib.suppress(OSError):
            known = entry.output, key, str(output.stat().st_size)
            if self._table.holds(*known):
                return Told(THERE, entry.source, content)
            if self._since.holds(*known):
                return Told(DONE, entry.source, content)
        network = self._loaded()  # what it raises is of the job, not of this picture
        try:
            behind = self._restored(network, entry)
        except Exception as error:
            why = _why(error).removeprefix(f"{source}: ")
            return Told(FAILED, entry.source, content, why)
        size, result = output.stat().st_size, keys.of_file(output)
        made.append(ledger.Done(*entry, key, size, result))
        return Told(DONE, entry.source, content, behind=tuple(behind))

    def _restored(self, network: restorer.Restorer, entry: listing.Entry) -> list[str]:
        """Restores one picture; returns what of it is not written."""
        job, room = self._job, ledger.room(self._job.destination, "attempts")
        source, output = job.source / entry.source, job.destination / entry.output
        lost: list[str] = []
        with _attempt(room / keys.of_bytes(listing.line(entry).encode())):
            output.parent.mkdir(parents=True, exist_ok=True)
            folders.restore_file(
                network,
                source,
                output,
                max_pixels=job.max_pixels,
                lost=lost.extend,
                **job.options._asdict(),
            )
        return lost

    def _loaded(self) -> restorer.Restorer:
        if self._network is None:
            job, place = self._job, weights(self._job.task, self._job.weights)
            if keys.of_network(place) != job.network:
                raise errors.MismatchError(
                    f"{place} on {platform.node()} is not the network that the run "
                    "began with; install one version of jaxrestore, and of its "
                    "weights, on all machines"
                )
            if job.task is None:
                network = restorer.load_weights(place)
            else:
                network = shipped.load(job.task)
            options = job.options
            restorer.check_options(
                network,
                level=options.level,
                strength=options.strength,
                confine=options.confine,
                masked=options.mask is not None,
                tile=options.tile,
            )
            self._network = network
        return self._network


@contextlib.contextmanager
def _attempt(mark: Path) -> Iterator[None]:
    """Refuses a picture that has ended its workers, by folders that they left behind.

    Without it one that makes a decoder crash, or takes all memory, would be tried
    forever: Ray starts a worker that has ended anew, with the same pictures.
    """
    made = []
    for number in range(ATTEMPTS):
        made.append(mark.with_name(f"{mark.name}-{number}"))
        try:
            made[-1].mkdir()
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise errors.MismatchError(
                f"{made[-1].parent} cannot be written on {platform.node()} "
                f"({error.strerror}); the folder of results must be on all machines"
            ) from error
    else:
        raise images.ImageError(
            f"it has ended {ATTEMPTS} workers that tried to restore it; look at the "
            "file, and at the memory of the machines"
        )
    try:
        yield
    finally:
        for folder in made:
            folder.rmdir()


def _why(error: Exception) -> str:
    """Returns what a picture has met; raises what the next one would meet too."""
    if isinstance(error, errors.MismatchError):
        raise error
    try:
        return str(errors.of_one_file(error))
    except errors.UserError:
        raise
    except OSError as full:
        raise errors.disk_error(full, full.filename) from full
    except Exception as bug:
        return f"{type(bug).__name__}: {bug}"
