"""What `jaxrestore restore` does around the restoring: before it and after it."""

import dataclasses
import os
import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrestore import errors, tables
from jaxrestore.cli import ending, prior, progress


@dataclasses.dataclass
class Work:
    """What is to be restored and why else is not, by name; and what became of it.

    `by` says what restores, `options` how, `limit` is `max_pixels`, if that is given,
    and `writing` an `images.Writing`: parts of the `settings` that were asked for,
    which are ready for JSON. `plan`, `rest` and `masks` are those of `inference.plans`,
    `references` the files that results are scored against, and `unscored` why some are
    not. `done` has the `folders.Done` of each file that was come to.
    """

    output: Path
    by: Mapping[str, Any]
    options: Mapping[str, Any]
    limit: Mapping[str, Any]
    writing: Any
    settings: Mapping[str, Any]
    plan: Any
    rest: Any = None
    masks: Mapping[str, Any] | None = None
    manifest: Any = None
    references: Mapping[str, Path] | None = None
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    unscored: dict[str, str] = dataclasses.field(default_factory=dict)
    done: dict[str, Any] = dataclasses.field(default_factory=dict)
    begun: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Returns how long it has taken."""
        return time.monotonic() - self.begun

    @property
    def restored(self) -> list[Any]:
        """Returns those of `done` that are not skipped."""
        return [one for one in self.done.values() if not one.why]


def planned(
    sources: Sequence[Path],
    output: str,
    *,
    mask: str | None,
    recursive: bool,
    reference: Path | None,
    overwrite: bool,
    skip_existing: bool,
    max_pixels: int | None,
    by: Mapping[str, Any],
    options: Mapping[str, Any],
    writing: Any,
) -> Work:
    """Returns what is to be restored; tells what is left out, and what stays.

    `by` says what restores: one of `checkpoint`, perhaps with `step`, `weights`, `task`
    and `prior`; `options` are those that change results, `writing` is how they are
    written. What is None is not given. The manifest of a folder tells all of it. Raises
    as the functions of `inference.plans`.
    """
    # Imported here: --help answers without loading jax.
    from jaxrestore.inference import masks, plans

    place, into = Path(output), output.endswith(("/", os.sep))
    plan = plans.planned(
        sources, place, into=into, recursive=recursive, writing=writing
    )
    if plan.left_out:
        _notice(errors.listed(plan.left_out, "left out"))
    limit = _given({"max_pixels": max_pixels})
    beside = {"mask": mask, "reference": reference, "recursive": recursive}
    beside |= {"format": writing.format, **_as_written(writing)}
    settings = _given({**by, **options, **limit, **beside})
    work = Work(place, _given(by), _given(options), limit, writing, settings, plan)
    if mask is not None:
        given = mask if mask in masks.WORDS else Path(mask)
        work.masks, work.skipped = plans.masked(plan.places, given)
        places = {name: plan.places[name] for name in work.masks}
        work.plan = plan._replace(places=places)
    if reference is not None:
        found = plans.partners(work.plan.places, reference, "reference")
        work.references, work.unscored = found
    work.rest = plans.outstanding(
        work.plan,
        overwrite=overwrite,
        skip_existing=skip_existing,
        difference=_difference(work),
        frame=options.get("frame"),
        opaque=mask in masks.WORDS,
        elsewhere="server" in by,
        **limit,
    )
    _tell_kept(work)
    return work


def _tell_kept(work: Work) -> None:
    """Tells which results stay though they may not be what would be made now."""
    if work.manifest is None:
        return
    unknown = "nothing tells what it was made of"
    kept = {n: why or unknown for n, why in work.rest.kept.items() if why != ""}
    if kept:
        _notice(errors.listed(kept, "kept as they are; --overwrite restores again"))


def _difference(work: Work) -> Callable[[str], str | None]:
    """What `plans.outstanding` asks of results that are there; opens the manifest."""
    from jaxrestore.inference import manifests

    if not work.plan.into:
        return lambda name: None
    weights = fingerprint(work)
    # A prior is known by its name alone: it has no weights.
    prior = {"prior": work.by.get("prior")}
    options = _given({**prior, **work.options, **_as_written(work.writing)})
    work.manifest = manifests.opened(
        work.output, by=work.by, weights=weights, options=options
    )
    mask = lambda name: None if work.masks is None else work.masks[name]
    return lambda name: work.manifest.difference(work.plan.places[name], mask(name))


def by_network(work: Work) -> None:
    """Restores what is to be with a network; `work.skipped` gets why others are not.

    Raises as `folders.restore_all` and `restorer.check_options`.
    """
    from jaxrestore.inference import folders, restorer

    progress.line(f"loading {next(iter(work.by.values()))}")
    network, options = _network(**work.by), dict(work.options)
    told = {name: options.get(name) for name in ("level", "strength", "tile")}
    confine, masked = options.get("confine", False), work.masks is not None
    restorer.check_options(network, confine=confine, masked=masked, **told)
    more = {**options, **work.limit, **_told(work), **on_the_way(work)}
    try:
        progress.compiling(network.name)
        work.skipped |= folders.restore_all(
            network, work.rest.places, masks=work.masks, **more
        )
    finally:
        progress.line("")


def by_prior(work: Work, *, preview: Path | None, overwrite: bool) -> None:
    """Restores what is to be without a network; `work.skipped` gets why others are not.

    Raises as `cli.prior.restore`.
    """
    work.skipped |= prior.restore(
        work.rest.places,
        task=work.by["prior"],
        masks=work.masks,
        iterations=work.options.get("iterations", "auto"),
        scale=work.options.get("scale"),
        frame=work.options.get("frame"),
        preview=preview,
        overwrite=overwrite,
        done=_record(work),
        **_told(work),
        **work.limit,
    )


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are given, ready for JSON."""
    given = {name: value for name, value in options.items() if value is not None}
    return {n: str(v) if isinstance(v, Path) else v for n, v in given.items()}


def _network(
    *,
    checkpoint: str = "",
    step: int | None = None,
    weights: str = "",
    task: str = "",
) -> Any:
    """The one of the three that is given, as a restorer."""
    from jaxrestore.inference import restorer, shipped

    if checkpoint:
        # Orbax is loaded for runs alone.
        from jaxrestore.inference import of_runs

        return of_runs.load(Path(checkpoint), step)
    return restorer.load_weights(Path(weights)) if weights else shipped.load(task)


def _as_written(writing: Any) -> dict[str, Any]:
    """How results are written, but for the format: that stands in their names."""
    stripped = None if writing.metadata else True
    written = {"quality": writing.quality, "bit_depth": writing.bits}
    return {**written, "strip_metadata": stripped}


def _told(work: Work) -> dict[str, Any]:
    """How results are written, and what `folders.each` is told of other ones."""
    others = bool(work.rest.kept)
    return {"writing": work.writing, "manifest": work.manifest, "others": others}


def _record(work: Work) -> Callable[[Any], object]:
    return lambda one: work.done.update({one.name: one})


def on_the_way(work: Work) -> dict[str, Any]:
    """Returns the `progress` and `done` of `folders.restore_all`: records, and a line.

    The line is for a terminal alone: else no header is read for it.
    """
    from jaxrestore import image_headers, images

    record = _record(work)
    if not progress.on_terminal():
        return {"done": record}
    headers = (
        image_headers.format_and_size(place.source, images.FORMATS)
        for place in work.rest.places.values()
    )
    meter = progress.Meter([width * height for _, (width, height) in headers])

    def done(one):
        record(one)
        meter.next()

    return {"progress": meter.within, "done": done}


def fingerprint(work: Work) -> str:
    """Returns a SHA-256 of what restores; "" for a prior, which has no weights.

    Of a server it is what that tells.

    Raises as `shipped.path` and `cards.fingerprint`.
    """
    from jaxrestore.inference import shipped
    from jaxrestore.weights import cards

    by = work.by
    if "prior" in by or "server" in by:
        return by.get("sha256", "")
    given = by.get("checkpoint") or by.get("weights")
    place = Path(given) if given else shipped.path(by["task"])
    return cards.fingerprint(place, by.get("step"))


def said(work: Work) -> str:
    """Returns as a sentence how much was restored in which time, and what was there."""
    restored, kept = work.restored, len(work.rest.kept)
    pixels = sum(one.pixels for one in restored)
    took = f": {progress.speed(pixels, work.seconds)}" if restored else ""
    if work.plan.into:
        before = f", {kept} more were there" if kept else ""
        count = tables.counted(len(restored), "image")
        return f"{count} in {work.output}{before}{took}"
    return f"{work.output} was there" if kept else f"{work.output}{took}"


def interrupted(work: Work, by: KeyboardInterrupt) -> errors.Interrupted:
    """Returns what Ctrl-C, or SIGTERM, ends with: what is done, and how to go on."""
    said = f"interrupted; {work.output} is not written"
    if work.plan.into:
        done, all_of_it = len(work.restored), len(work.rest.places)
        said = f"interrupted; {done} of {tables.counted(all_of_it, 'image')} restored "
        said += f"in {work.output}; the same command restores the rest"
    stopped = isinstance(by, ending.Terminated)
    return errors.Interrupted(said, signal.SIGTERM if stopped else signal.SIGINT)


def raise_partial(work: Work) -> None:
    """Raises `PartialError` for what is not restored, or not scored."""
    unscored = {n: why for n, why in work.unscored.items() if n not in work.skipped}
    groups = (work.skipped, "skipped"), (unscored, "not scored")
    lines = [errors.listed(reasons, what) for reasons, what in groups if reasons]
    if lines:
        raise errors.PartialError("\n".join(lines))


def _notice(text: str) -> None:
    warnings.warn(text, errors.Notice, stacklevel=3)
