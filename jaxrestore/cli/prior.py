"""`jaxrestore restore --prior`: pictures restored without any training."""

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxrestore import errors, files
from jaxrestore.cli import ending, progress

if TYPE_CHECKING:  # --help answers without loading NumPy
    from jaxrestore import images


def limit(task: str, max_pixels: int | None) -> int:
    """Returns how many pixels a result may have: what was given, or what memory has.

    Holes are filled crop by crop, so that there it is the limit of any picture.
    """
    from jaxrestore import images
    from jaxrestore.prior import pictures

    most = images.MAX_PIXELS if task == "inpaint" else pictures.MAX_PIXELS
    return max_pixels or most


@ending.flags("bit_depth", "iterations", "mask", "max_pixels", "overwrite", "scale")
def restore(
    places: Mapping[str, Any],
    *,
    task: str,
    masks: Mapping[str, Any] | None,
    scale: int | None,
    iterations: str,
    preview: Path | None,
    overwrite: bool,
    max_pixels: int,
    frame: int | None = None,
    writing: "images.Writing",
    manifest: Any = None,
    others: bool = False,
    done: Callable[[Any], object] = lambda one: None,
) -> dict[str, str]:
    """Writes each picture restored; says iterations and time on the way.

    `places` and `masks` are those of `inference.plans`; `manifest`, `others`, `done`
    and what is returned are those of `inference.folders.each`. An interrupt ends the
    fit, and writes the best picture so far; a second one ends the command.
    """
    # Imported here: --help answers without loading jax.
    from jaxrestore.inference import folders
    from jaxrestore.prior import tasks

    tasks.named(task)
    _check_mask(task, masks)
    _check_output(task, scale, writing)
    count = _count(iterations)
    if preview is not None and not overwrite:
        files.refuse_existing([preview])
    behind: list[str] = []

    def restore_one(name, place):
        mask = None if masks is None else masks[name]
        deep = mask is not None  # as what fills holes takes it
        options = {"max_pixels": max_pixels, "frame": frame, "writing": writing}
        picture, hole, metadata, lost = folders.opened(
            place, mask, deep=deep, **options
        )
        with _interruptible() as asked:
            parts = _parts(hole)
            told = _progress(name, parts, preview, asked)
            options = {"iterations": count, "progress": told}
            progress.compiling(f"{name}: a fit")
            if hole is None:
                fit = functools.partial(
                    _restored, task=task, scale=scale or 4, max_pixels=max_pixels
                )
            else:
                fit = functools.partial(_filled, hole=hole, parts=parts)
            made = fit(picture, **options)
        progress.line("")
        options = {"filled": hole is not None, "metadata": metadata}
        folders.written(made.picture, place.destination, writing=writing, **options)
        if made.error is not None:
            made.error.args = (f"{made.error}; {made.said} is in {place.destination}",)
            raise made.error
        behind.extend(lost)
        print(f"{place.destination}: {made.said}")
        return not asked  # another time more would become of it

    skipped = folders.each(
        restore_one, places, masks=masks, manifest=manifest, others=others, done=done
    )
    folders.tell_left_behind(behind)
    return skipped


class _Made(NamedTuple):
    """A picture, what is said of it, and the error of a fit that went bad."""

    picture: Any
    said: str
    error: errors.UserError | None = None


def _restored(picture, *, task, scale, iterations, progress, max_pixels):
    from jaxrestore.prior import pictures

    try:
        found = pictures.restore_picture(
            picture,
            task=task,
            scale=scale,
            iterations=iterations,
            progress=progress,
            max_pixels=max_pixels,
        )
    except errors.UserError as error:
        best = getattr(error, "result", None)
        if best is None:
            raise
        said = f"the best picture until then, of iteration {best.iterations},"
        return _Made(best.picture, said, error)
    return _Made(found.picture, _told(found.ended, found.iterations))


def _parts(hole):
    """How many crops fill the hole, if there is one."""
    from jaxrestore.inference import crops, inpainting

    if hole is None:
        return 0
    plan = crops.plan(hole, side=inpainting.SIDE, margin=inpainting.MARGIN)
    return sum(1 for _ in plan)


def _filled(picture, *, hole, parts, iterations, progress):
    from jaxrestore.inference import inpainting
    from jaxrestore.prior import pictures

    if parts > 1:
        print(f"{parts} parts to fill, each by a fit of its own", file=sys.stderr)
    fits = pictures.Filling(iterations=iterations, progress=progress)
    made = inpainting.fill_holes(fits, picture, hole)
    filled = len(fits.results)
    done = f"{filled} of {parts} parts of its holes filled"
    if fits.error is not None:
        if not filled:
            raise fits.error
        return _Made(made, f"the picture until then, {done},", fits.error)
    if not parts:
        return _Made(made, "it has no hole, and is as it was")
    last = _told(fits.results[-1].ended[0], fits.results[-1].iterations[0])
    return _Made(made, last if parts == 1 else f"{done}; of the last {last}")


def _told(ended: str, iterations: int) -> str:
    return f"the fit {_SAID[ended]}; this is iteration {iterations}"


def _check_output(task: str, scale: int | None, writing: "images.Writing") -> None:
    if scale is not None and task != "sr":
        raise errors.ConfigError(
            f"`scale` is of sr, which enlarges; leave it out with {task}"
        )
    if writing.bits == 16 and task != "inpaint":
        raise errors.ConfigError(
            f"`bit_depth` 16 is of inpaint, and {task} computes pictures of 8 bits; "
            "leave it out"
        )


def _check_mask(task: str, masks: Mapping[str, Any] | None) -> None:
    if masks is not None and task != "inpaint":
        raise errors.ConfigError(
            f"`mask` says which pixels are missing, and {task} has none; give it with "
            "inpaint, or leave it out"
        )
    if masks is None and task == "inpaint":
        raise errors.ConfigError(
            "inpaint has to know which pixels are missing; give `mask`, white there"
        )


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
    name: str, parts: int, preview: Path | None, asked: Sequence[bool]
) -> Callable[[Any], bool]:
    """Returns what is told of a fit: a line, the preview, and whether to stop.

    `parts` are those of a hole that are fitted one after another.
    """
    seen: list[tuple[float, int]] = []

    def told(now):
        if seen and now.iteration <= seen[-1][1]:
            seen.clear()  # another part
        seen.append((time.monotonic(), now.iteration))
        part = f", part {now.part} of {parts}" if parts > 1 else ""
        line = f"{name}{part}: iteration {now.iteration} of at most {now.most}"
        if len(seen) > 1:  # the first interval was compiled before
            (begun, first), (last, iteration) = seen[0], seen[-1]
            left = (last - begun) / (iteration - first) * (now.most - iteration)
            line += f", {progress.clock(left)} left at most"
        progress.line(line)
        if preview is not None:
            from jaxrestore import images

            images.encode(now.picture, preview)
        return bool(asked)

    return told


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
