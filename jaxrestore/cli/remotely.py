"""What `jaxrestore remote` does around the restoring: files to a server, and back."""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from jaxrestore import errors, files, images, tables
from jaxrestore.cli import progress, restorations
from jaxrestore.image_files import formats
from jaxrestore.remote import restoring, tasks
from jaxrestore.remote.server import Server

AT_ONCE = 4  # pictures that are with the server; it takes no more of one client
_OFTEN = 0.1  # seconds between two looks at what is done


def by_server(work: restorations.Work, server: Server, offer: tasks.Offer) -> None:
    """Restores what is to be by a server; `work.skipped` gets why others are not.

    Several pictures are with it at once, and results are written in the order of the
    files. Raises as `folders.each`, `ServerError`, and `ConfigError` for a format that
    servers do not write.
    """
    _refuse_formats(work)
    # Imported here: --help answers without it.
    from jaxrestore.inference import folders

    told = restorations.on_the_way(work)
    with _pool(server) as pool:
        sent = _Sent(work, server, offer, pool)

        def restore(name: str, place: Any) -> bool:
            content = sent.result(name, told.get("progress", lambda share: None))
            place.destination.parent.mkdir(parents=True, exist_ok=True)
            files.write_bytes(place.destination, content)
            return sent.is_as_sent(name)

        try:
            work.skipped |= folders.each(
                restore,
                work.rest.places,
                masks=work.masks,
                manifest=work.manifest,
                others=bool(work.rest.kept),
                done=told["done"],
            )
        finally:
            progress.line("")


class _Sent:
    """Pictures that are with a server: the one asked for, and a few after it."""

    def __init__(
        self,
        work: restorations.Work,
        server: Server,
        offer: tasks.Offer,
        pool: futures.Executor,
    ):
        self._work, self._server, self._offer, self._pool = work, server, offer, pool
        self._next = iter(work.rest.places)
        self._coming: dict[str, futures.Future[bytes]] = {}
        self._shares: dict[str, float] = {}
        self._digests: dict[str, str] = {}

    def result(self, name: str, progress: Callable[[float], object]) -> bytes:
        """The file of a result; names are asked for in the order of the files."""
        for more in itertools.islice(self._next, AT_ONCE - len(self._coming)):
            self._coming[more] = self._pool.submit(self._fetched, more)
        coming = self._coming.pop(name)
        while not futures.wait([coming], _OFTEN).done:
            progress(self._shares.get(name, 0.0))
        return coming.result()

    def is_as_sent(self, name: str) -> bool:
        """Whether the source still is what was sent, of which the result is."""
        source = self._work.rest.places[name].source
        now = hashlib.sha256(source.read_bytes()).hexdigest() if source.exists() else ""
        return now == self._digests.pop(name)

    def _fetched(self, name: str) -> bytes:
        place, masks = self._work.rest.places[name], self._work.masks
        picture = self._read(place.source)
        self._digests[name] = hashlib.sha256(picture).hexdigest()
        try:
            return restoring.restore(
                self._server,
                picture,
                _wanted(self._work, place.destination),
                mask=self._read(Path(masks[name])) if masks else None,
                progress=lambda share: self._shares.update({name: share}),
            )
        except images.ImageError as error:
            raise images.ImageError(f"{place.source}: {error}") from error

    def _read(self, path: Path) -> bytes:
        content, most = path.read_bytes(), self._offer.max_bytes
        if len(content) > most:
            raise images.ImageError(
                f"{path} has {len(content) / 2**20:.1f} MiB, and the server takes "
                f"{most / 2**20:.1f} at most; make it smaller"
            )
        return content


@contextlib.contextmanager
def _pool(server: Server) -> Iterator[futures.Executor]:
    """Threads that ask a server; at the end, however it comes, they wait no more."""
    pool = futures.ThreadPoolExecutor(AT_ONCE)
    try:
        yield pool
    finally:
        server.stop()
        pool.shutdown(cancel_futures=True)


def _wanted(work: restorations.Work, destination: Path) -> restoring.Wanted:
    kind = formats.of_suffix(destination.suffix).kind.lower()
    return restoring.Wanted(
        work.by["task"],
        work.by.get("method"),
        work.options,
        format=kind,
        quality=work.writing.quality,
    )


def _refuse_formats(work: restorations.Work) -> None:
    for suffix in {place.destination.suffix for place in work.rest.places.values()}:
        found = formats.of_suffix(suffix).kind.lower()
        if found not in restoring.FORMATS:
            raise errors.ConfigError(
                f"servers write {', '.join(restoring.FORMATS)}, and no {found}; give "
                "`output` another suffix, or another `format`"
            )


def listed(offer: tasks.Offer) -> str:
    """Returns what a server can do as a table, and below it what it cannot, and why."""
    rows = [
        [
            task.name,
            task.label,
            ", ".join(task.methods) or "-",
            ", ".join([*task.options, *(["mask"] if task.needs_mask else [])]),
        ]
        for task in offer.tasks.values()
    ]
    table = tables.aligned(["task", "what it does", "by", "takes"], rows)
    lacking = [
        f"{task.name} has no {method}: {why}"
        for task in offer.tasks.values()
        for method, why in task.why_not.items()
    ]
    return "\n".join([table, *lacking])
