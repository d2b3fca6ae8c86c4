"""Scores of image files under named protocols, whoever made them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrestore import contracts, errors, folders, naming, perceptual, programs
from jaxrestore import protocols as scorings
from jaxrestore.evaluation import batches, hole_shares, outcome, sizes, summaries

Row = dict[str, Any]
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
    places = {"prediction": predictions, "target": targets}
    if inputs is not None:
        places["input"] = inputs
    if masks is not None:
        places["mask"] = masks
    partners, skipped = folders.partners(places)
    found = _score(partners, judges, lpips, skipped)
    if not found.rows:
        raise errors.NoInputError(f"nothing was scored; {next(iter(skipped.values()))}")
    return found


def score_files(
    partners: Mapping[str, Mapping[str, Path]], *, protocol: str = "rgb8"
) -> Scores:
    """Returns what `score` does of files whose partners are known, by stem and role.

    Each has a prediction, a target and an input. Raises `ConfigError` for an unknown
    protocol and for one that needs masks.
    """
    return _score(partners, {protocol: _judge(_protocol(protocol, None))}, None, {})


def _score(
    partners: Mapping[str, Mapping[str, Path]],
    judges: Mapping[str, Judge],
    lpips: perceptual.Lpips | None,
    skipped: dict[str, str],
) -> Scores:
    """As `score`; why something is not scored joins `skipped`."""
    measure = None if lpips is None else _distance(lpips)
    rows: dict[tuple[str, str], Row] = {}
    changes: dict[str, dict[str, str]] = {}
    for stems, pictures in batches.of_files(partners, skipped, changes):
        try:
            more = {} if measure is None else _scored(measure, pictures)
        except ValueError as error:
            skipped |= {stem: str(error) for stem in stems}
            continue
        if "mask" in pictures:
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


def _floats(pictures: batches.Batch) -> dict[str, np.ndarray]:
    return {role: x.astype(np.float32) / 255 for role, x in pictures.items()}


def _scored(judge: Judge, pictures: batches.Batch) -> dict[str, np.ndarray]:
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
