"""`jaxrestore restore --prior`: pictures restored without any training."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore import errors, files, images
from jaxrestore.cli import ending


def limit(max_pixels: int | None) -> int:
    """Returns how many pixels a result may have: what was given, or what memory has."""
    from jaxrestore.prior import pictures

    return max_pixels or pictures.MAX_PIXELS


@ending.flags("iterations", "mask", "max_pixels", "overwrite", "scale")
def restore(
    places: Mapping[str, Any],
    *,
    task: str,
    masks: Mapping[str, Any] | None,
    scale: int,
    iterations: str,
    preview: Path | None,
    overwrite: bool,
    max_pixels: int,
) -> None:
    """Writes each picture restored; says iterations and time on the way.

    `places` and `masks` are those of `inference.folders`. An interrupt ends the fit,
    and writes the best picture so far; a second one ends the command.
    """
    # Imported here: --help answers without loading jax.
    from jaxrestore.inference import folders
    from jaxrestore.inference import masks as holes
    from jaxrestore.prior import pictures, tasks

    tasks.named(task)
    count = _count(iterations)
    if preview is not None and not overwrite:
        files.refuse_existing([preview])
    behind: list[str] = []
    for name, place in places.items():
        picture = images.decode_as_stored(place.source, max_pixels=max_pixels)
        picture, hole = holes.with_hole(
            picture,
            None if masks is None else masks[name],
            place.source,
            max_pixels=max_pixels,
        )
        with _interruptible() as asked:
            told = _progress(name, preview, asked)
            try:
                restored = pictures.restore_picture(
                    picture,
                    task=task,
                    mask=None if hole is None else hole[..., None],
                    scale=scale,
                    iterations=count,
                    progress=told,
                    max_pixels=max_pixels,
                )
            except errors.UserError as error:
                _keep(error, place.destination)
                raise
        images.encode(restored.picture, place.destination)
        behind += images.left_behind(place.source)
        _line("")
        if hole is not None:
            folders.tell_lossy(place.destination)
        said = f"the fit {_SAID[restored.ended]}; this is iteration"
        print(f"{place.destination}: {said} {restored.iterations}")
    folders.tell_left_behind(behind)


_SAID = {
    "rule": "ended by itself",
    "iterations": "ended with its last iteration",
    "asked": "was interrupted",
}


def _count(iterations: str) -> int | str:
    """Returns the number that was given, or `auto`."""
    if iterations == "auto":
        return iterations
    if not iterations.isdecimal() or int(iterations) < 1:
        raise errors.ConfigError(
            f"`iterations` is {iterations!r}; it must be auto or a whole number, 1 or "
            "more"
        )
    return int(iterations)


def _progress(
    name: str, preview: Path | None, asked: Sequence[bool]
) -> Callable[[Any], bool]:
    """Returns what is told of a fit: a line, the preview, and whether to stop."""
    seen: list[tuple[float, int]] = []

    def told(now):
        seen.append((time.monotonic(), now.iteration))
        line = f"{name}: iteration {now.iteration} of at most {now.most}"
        if len(seen) > 1:  # the first interval was compiled before
            (begun, first), (last, iteration) = seen[0], seen[-1]
            left = (last - begun) / (iteration - first) * (now.most - iteration)
            line += f", {_clock(left)} left at most"
        _line(line)
        if preview is not None:
            images.encode(now.picture, preview)
        return bool(asked)

    return told


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{round(seconds)} s"


def _line(text: str) -> None:
    """Writes over the line before, on a terminal alone."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _keep(error: errors.UserError, destination: Path) -> None:
    """Writes the best picture before an error, if there is one, and says so."""
    restored = getattr(error, "result", None)
    if restored is not None:
        images.encode(restored.picture, destination)
        error.args = (
            f"{error}; the best picture until then, of iteration "
            f"{restored.iterations}, is in {destination}",
        )


@contextlib.contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Inside, the first interrupt joins the list; the next one is as before."""
    asked: list[bool] = []
    before = signal.getsignal(signal.SIGINT)

    def ask(number, frame):
        asked.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
