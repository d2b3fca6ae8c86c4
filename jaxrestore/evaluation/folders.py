"""Scores of image files under named protocols, whoever made them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import contracts, errors, folders, images, naming, perceptual, programs
from jaxrestore import protocols as scorings
from jaxrestore.data import colors
from jaxrestore.evaluation import hole_shares, outcome, sizes, summaries

BATCH_PIXELS = 2**20  # of one side of a batch
WAITING_PIXELS = 2**24  # of images that wait for others of their shape

Row = dict[str, Any]
# By role: prediction, target, perhaps input and mask.
Pictures = dict[str, UInt8[np.ndarray, "h w c"]]
Batch = dict[str, UInt8[np.ndarray, "b h w c"]]
Judge = Callable[..., dict[str, Any]]  # of predictions, targets, and masks or None


class Scores(NamedTuple):
    """What was scored and, by stem, why something was not.

    `rows` has one entry for each image and protocol: their names, `restored_` of every
    metric and, where inputs were given, `degraded_` and `gain_`; where masks were, the
    `hole_shares.columns` too. `notes` are sentences about pictures that were cut or
    enlarged first, see `sizes.matched`.
    """

    rows: list[Row]
    skipped: dict[str, str]
    notes: tuple[str, ...] = ()


def score(
    predictions: Path,
    targets: Path,
    inputs: Path | None = None,
    masks: Path | None = None,
    *,
    protocols: Iterable[str] = ("rgb8",),
    lpips: perceptual.Lpips | None = None,
) -> Scores:
    """Returns the scores of the files below `predictions` against those of `targets`.

    Each is a folder, or one file. Files belong together by their path without suffix;
    one that lacks a partner, cannot be read or has a size that does not belong to its
    target's is skipped, see `sizes.matched`. An image whose target *file* is grey (one
    channel, as for MATLAB; three equal channels are colour) is scored as grey, a colour
    prediction by its BT.601 luma. Alpha does not count. Where `masks` are white pixels
    were lost: protocols that score those apart need them. With `lpips` each row has
    that distance of the whole images too, whatever its protocol; an image too small for
    it is skipped.

    Raises `ConfigError` for an unknown protocol and for one that needs `masks` where
    there are none, `NoInputError` when nothing is left.
    """
    judges = {name: _judge(_protocol(name, masks)) for name in protocols}
    measure = None if lpips is None else _distance(lpips)
    places = {"prediction": predictions, "target": targets}
    if inputs is not None:
        places["input"] = inputs
    if masks is not None:
        places["mask"] = masks
    partners, skipped = folders.partners(places)
    rows: dict[tuple[str, str], Row] = {}
    changes: dict[str, dict[str, str]] = {}
    for stems, pictures in _batches(_readable(partners, skipped, changes)):
        try:
            more = {} if measure is None else _scored(measure, pictures)
        except ValueError as error:
            skipped |= {stem: str(error) for stem in stems}
            continue
        if masks is not None:
            batch = _floats(pictures)
            roles = ("prediction", "target", "mask")
            more |= hole_shares.columns(*(batch[role] for role in roles))
        for name, judge in judges.items():
            try:
                scored = _scored(judge, pictures) | more
            except ValueError as error:
                skipped |= {f"{stem} under {name}": str(error) for stem in stems}
                continue
            for index, stem in enumerate(stems):
                numbers = {metric: float(v[index]) for metric, v in scored.items()}
                rows[stem, name] = {"image": stem, "protocol": name, **numbers}
    if not rows:
        raise errors.NoInputError(f"nothing was scored; {next(iter(skipped.values()))}")
    order = [(stem, name) for stem in partners for name in judges]
    ordered = [rows[place] for place in order if place in rows]
    return Scores(ordered, skipped, sizes.notes(changes))


def summarize(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Returns by protocol `fixes`, a clause that says what; `images`; and `metrics`.

    Each metric has the `median` and `p05` (5th percentile) of the predictions where it
    is defined, their `mean` over the `images`, so many, where it is finite, and for how
    many it is `infinite`. Where inputs were scored too, it has their mean, `degraded`,
    and `gain` with `ci95`, as `summaries.summarize`, over the images where both are
    finite, as `mean` is then if there are any. A number that is not finite is None.
    Where masks were given there are `holes`, see `hole_shares.summarize`.
    """
    summary = {}
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        own = [row for row in rows if row["protocol"] == protocol]
        metrics = {
            name.removeprefix("restored_"): summaries.distribution(
                [row[name] for row in own]
            )
            for name in own[0]
            if name.startswith("restored_")
        }
        if "gain_psnr" in own[0]:
            for name, against in summaries.summarize(own)["metrics"].items():
                metrics[name] |= {k: against[k] for k in ("degraded", "gain", "ci95")}
                if count := against["images"]:
                    metrics[name] |= {"mean": against["restored"], "images": count}
        fixes = clause(protocol)
        summary[protocol] = {"fixes": fixes, "images": len(own), "metrics": metrics}
        if "hole_share" in own[0]:
            summary[protocol]["holes"] = hole_shares.summarize(own)
    return summary


def clause(protocol: str) -> str:
    """Returns what a protocol fixes, in one clause: its docstring's first line."""
    function = naming.function("protocols", protocol)
    first = (inspect.getdoc(function) or "").partition("\n")[0]
    return first.removeprefix("Returns ")


def spread(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a sentence: how far PSNR depends on the protocol alone."""
    means = {
        name: (part["metrics"]["psnr"], part["images"])
        for name, part in summary.items()
    }
    known = {
        name: psnr["mean"]
        for name, (psnr, images) in means.items()
        if psnr["images"] == images
    }
    if len(known) < 2:
        return (
            f"PSNR is infinite for an image under {len(means) - len(known)} of "
            f"{len(means)} protocols; there is no spread to speak of."
        )
    low, high = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
    return (
        f"The same files have a PSNR of {known[low]:.2f} dB under {low} and of "
        f"{known[high]:.2f} dB under {high}: {known[high] - known[low]:.2f} dB by "
        "protocol alone."
    )


def document(
    scores: Scores,
    predictions: Path,
    targets: Path,
    inputs: Path | None = None,
    masks: Path | None = None,
) -> dict[str, Any]:
    """Returns all that was found, ready for JSON, and the versions that found it."""
    numbers = [
        {k: v if isinstance(v, str) else summaries.finite(v) for k, v in row.items()}
        for row in scores.rows
    ]
    return {
        "predictions": str(predictions),
        "targets": str(targets),
        "inputs": None if inputs is None else str(inputs),
        "masks": None if masks is None else str(masks),
        "protocols": summarize(scores.rows),
        "skipped": scores.skipped,
        "notes": [*scores.notes],
        "environment": outcome.environment(),
        "rows": numbers,
    }


def names(*, masks: bool) -> list[str]:
    """Returns the protocols that files can be scored under, with masks or without."""
    known = naming.public(scorings)
    return [name for name in known if masks or not contracts.takes_damage(known[name])]


def _protocol(name: str, masks: Path | None) -> contracts.Scoring:
    try:
        protocol = naming.function("protocols", name)
    except ValueError as error:
        raise errors.ConfigError(str(error)) from error
    if masks is None and contracts.takes_damage(protocol):
        raise errors.ConfigError(
            f"{name} scores lost pixels apart; give their masks, white where pixels "
            "were lost, or take rgb8"
        )
    return protocol


def _judge(protocol: contracts.Scoring) -> Judge:
    return programs.compiled(functools.partial(contracts.scores, protocol))


def _distance(lpips: perceptual.Lpips) -> Judge:
    """Returns a judge whose answer is `{"lpips_vgg": [b]}`.

    The backbone is in the name: numbers of two backbones do not compare.
    """
    name = f"lpips_{perceptual.backbone(lpips.features)}"

    @programs.compiled
    def measure(variables, heads, images, target):
        network = lpips.features._replace(variables=variables)
        model = perceptual.Lpips(network, heads)
        return {name: perceptual.lpips(model, images, target)}

    # Arguments: a hundred megabytes of constants would be slow to compile.
    placed = jax.device_put((lpips.features.variables, lpips.heads))
    return lambda images, target, damage: measure(*placed, images, target)


def _readable(
    partners: Mapping[str, Mapping[str, Path]],
    skipped: dict[str, str],
    changes: dict[str, dict[str, str]],
) -> Iterator[tuple[str, Pictures]]:
    """Yields what can be read, in one size; writes the others to `skipped`.

    What a picture's size took is written to `changes`.
    """
    for stem, files in partners.items():
        try:
            pictures, changed = sizes.matched(_pictures(files), files)
        except images.ImageError as error:
            skipped[stem] = str(error)
            continue
        for what, how in changed.items():
            changes.setdefault(what, {})[stem] = how
        yield stem, pictures


def _pictures(files: Mapping[str, Path]) -> Pictures:
    pictures = {role: images.decode(file) for role, file in files.items()}
    grey = images.is_grey(files["target"])
    for role, picture in pictures.items():
        if grey or role == "mask":
            pictures[role] = colors.gray(picture)
    return pictures


def _batches(
    images_by_stem: Iterable[tuple[str, Pictures]],
) -> Iterator[tuple[list[str], Batch]]:
    """Yields stems and [b, h, w, c] of each role, of one shape; memory is bounded."""
    waiting: dict[tuple[int, ...], list[tuple[str, Pictures]]] = {}
    compiled: set[tuple[int, ...]] = set()
    held = 0
    for stem, pictures in images_by_stem:
        shape = pictures["target"].shape
        group = waiting.setdefault(shape, [])
        group.append((stem, pictures))
        pixels = shape[0] * shape[1]
        held += pixels
        if len(group) >= BATCH_PIXELS // pixels:
            compiled.add(shape)
            held -= pixels * len(group)
            yield _stack(waiting.pop(shape))
        elif held > WAITING_PIXELS:
            yield from map(_stack, waiting.values())
            waiting, held = {}, 0
    for shape, group in waiting.items():
        # Repeats, which nobody reads, where they save compiling for another shape.
        full = BATCH_PIXELS // (shape[0] * shape[1])
        repeats = (full - len(group)) * (shape in compiled)
        stems, pictures = _stack(group + group[-1:] * repeats)
        yield stems[: len(group)], pictures


def _stack(group: list[tuple[str, Pictures]]) -> tuple[list[str], Batch]:
    stems, pictures = zip(*group, strict=True)
    return [*stems], {r: np.stack([one[r] for one in pictures]) for r in pictures[0]}


def _floats(pictures: Batch) -> dict[str, np.ndarray]:
    return {role: x.astype(np.float32) / 255 for role, x in pictures.items()}


def _scored(judge: Judge, pictures: Batch) -> dict[str, np.ndarray]:
    """Returns by metric `restored_` and, if there are inputs, `degraded_`, `gain_`."""
    batch = _floats(pictures)
    asked = batch["target"], batch.get("mask")
    restored = jax.device_get(judge(batch["prediction"], *asked))
    # PSNR first; jit has sorted the protocol's names by letter.
    names = sorted(restored, key=lambda name: (name != "psnr", name))
    if "input" not in batch:
        return {f"restored_{name}": restored[name] for name in names}
    degraded = jax.device_get(judge(batch["input"], *asked))
    scored = {}
    for name in names:
        before, after = degraded[name], restored[name]
        scored |= {f"degraded_{name}": before, f"restored_{name}": after}
        scored[f"gain_{name}"] = summaries.gain(before, after)
    return scored
