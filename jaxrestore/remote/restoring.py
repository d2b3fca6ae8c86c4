"""One picture restored elsewhere: sent, waited for, fetched, and deleted there."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxrestore import errors
from jaxrestore.remote.server import Refused, Server, printable

FORMATS = ("png", "jpeg", "webp", "tiff", "avif")  # of results

_TRIES = 3  # of a job that a server has lost, as where it was started anew
_LOOK = 1  # seconds after which a server tells how far a job is that has not ended
_PAUSE = 0.05  # seconds between two looks, where something between hides that wish
_PATIENCE_AT_THE_END = 5.0  # seconds for what only tidies up

# Words of problems and of jobs that say that a server has lost what it was given; but
# no_image with 415 says that it was no picture.
_LOST = {"no_image", "no_job", "no_mask", "expired", "engine_restarted"}
_LOST |= {"server_restarted"}


@dataclass(frozen=True)
class Wanted:
    """What is to be done to a picture, and how its result is written.

    `method` is one of the task's, the best of them if None, and `options` are those of
    it; `format` is one of `FORMATS`, and `quality` of jpeg, webp and avif.
    """

    task: str
    method: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    format: str = "png"
    quality: int | None = None


class _Lost(Exception):
    """A server has lost what it was given; it is worth to give it again."""


def restore(
    server: Server,
    picture: bytes,
    wanted: Wanted,
    *,
    mask: bytes | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> bytes:
    """Returns the file of a result; `picture`, and the `mask`, are bytes of a file.

    White in the mask is missing. `progress` is called with what is done, 0 to 1. What
    the server keeps of it is deleted there at the end. What it has lost is sent again,
    three times at most. Raises `ImageError` for what it refuses of this picture, and
    what `Server.ask` does.
    """
    why = ""
    for _ in range(_TRIES):
        try:
            return _restored(server, picture, wanted, mask, progress)
        except _Lost as lost:
            why = str(lost)
        except Refused as refused:
            if refused.status == 415 or refused.code not in _LOST:
                raise errors.ImageError(str(refused)) from refused
            why = str(refused)
    raise errors.ImageError(f"the server lost it {_TRIES} times ({why})")


def _restored(
    server: Server,
    picture: bytes,
    wanted: Wanted,
    mask: bytes | None,
    progress: Callable[[float], object],
) -> bytes:
    image = _part(server.ask("POST", "images", content=picture).json, "id", server)
    try:
        job = {"image_id": image, "task": wanted.task, "params": dict(wanted.options)}
        if wanted.method is not None:
            job["method"] = wanted.method
        if mask is not None:
            answer = server.ask("POST", f"images/{image}/masks", content=mask)
            job["mask_id"] = _part(answer.json, "id", server)
        done = _waited(
            server, server.ask("POST", "jobs", json=job, wait=_LOOK).json, progress
        )
        asked = {"format": wanted.format, "quality": wanted.quality}
        given = {name: value for name, value in asked.items() if value is not None}
        return server.ask("GET", f"jobs/{done}/result", params=given).content
    finally:
        with contextlib.suppress(errors.UserError):
            server.ask("DELETE", f"images/{image}", patience=_PATIENCE_AT_THE_END)


def _waited(server: Server, job: Any, progress: Callable[[float], object]) -> str:
    """The id of a job once it is done.

    It is looked at now and then: what streams is held back by some proxies, and cannot
    be interrupted.
    """
    while (status := _part(job, "status", server)) in ("queued", "running"):
        share = job.get("progress")
        progress(share if isinstance(share, int | float) else 0.0)
        server.pause(_PAUSE)
        place = f"jobs/{_part(job, 'id', server)}"
        job = server.ask("GET", place, wait=_LOOK).json
    if status == "done":
        return _part(job, "id", server)
    why = job.get("error") or {}
    code, said = (printable(str(why.get(name, ""))) for name in ("code", "detail"))
    if status == "expired" or code in _LOST:
        raise _Lost(said or "it came to nothing there")
    raise errors.ImageError(said or f"the server says of it: {status}")


def _part(found: Any, name: str, server: Server) -> str:
    """A text in what a server has said; it is no server of ours without."""
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str):
        raise errors.ServerError(
            f"{server.url} answers without {name}; check that it is the address of a "
            "web app of this package, of this version"
        )
    return value
