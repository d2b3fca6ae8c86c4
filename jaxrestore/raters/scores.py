"""`jaxrestore study score`: what the answers say of the methods, and of the metrics.

All intervals are of 95 % and, unless they are called over raters, take answers for
independent. Answers of one rater, or about one image, resemble each other: with few of
either the truth is less certain.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore import errors
from jaxrestore.raters import answers as perceptual_answers
from jaxrestore.raters import bradley_terry, pages

# A rater who guesses has all four of the usual catch questions right once in sixteen.
LEAST_CAUGHT = 1.0
LEAST_RATERS = 10  # fewer do not show how far raters differ

Result = dict[str, Any]
Choice = tuple[str, str, str]  # image, the role that was chosen, the other one


def score(
    folder: Path,
    answers: Sequence[Path] | None = None,
    *,
    partial: bool = False,
    least_caught: float = LEAST_CAUGHT,
) -> Result:
    """Returns the scores of the study in `folder`, ready for JSON.

    `answers` are files; without them, all that were served. A rater who gets a smaller
    share than `least_caught` of the catch questions right, or answers none of them, is
    not counted.

    `raters` has `counted` (names), `excluded` (why, by name), `least_caught` and
    `median_seconds`; `agreement` see `agreement`. Of kind 2afc, `wins` is the matrix
    {chosen: {other: times}} and `bradley_terry` has by method `score` (log-strength;
    they sum to zero), `low`, `high` and `over_raters`, which has these two as
    `bradley_terry.covariance_over_raters` gives them (None below `LEAST_RATERS`); and
    `regularised`, see `bradley_terry.fit`. Of
    kind real, `rates` has by method how often of `shown` times it was `chosen` as
    real, and `rate`, `low`, `high` (Wilson); 0.5 cannot be told from real. `metrics`
    has by metric its `means` by method over the study's images (None: infinite);
    `spearman`, the rank correlation of these with the human scores (None where all
    are equal); and, of kind 2afc, `agreement`: the share of the answers for the picture
    the metric prefers, where it prefers one.

    Raises `NoInputError` without a study or answers, `ConfigError` and `MismatchError`
    for wrong files, for partial ones unless `partial`, and when no rater is left.
    """
    if not 0 <= least_caught <= 1:
        raise errors.ConfigError(
            f"least_caught is a share from 0 to 1, got {least_caught}"
        )
    key = pages.read_key(folder)
    raters = perceptual_answers.read(folder, key, answers, partial=partial)
    excluded = _excluded(key, raters, least_caught)
    counted = [rater for rater in raters if rater.name not in excluded]
    if not counted:
        reasons = "; ".join(f"{name} {why}" for name, why in excluded.items())
        raise errors.ConfigError(
            f"no rater is left: {reasons}; collect more answers, or lower the share of "
            "catch questions asked for"
        )
    by_rater = [_choices(key, rater) for rater in counted]
    choices = [choice for own in by_rater for choice in own]
    seconds = [s for rater in counted for s in rater.seconds.values()]
    result: Result = {
        "study": key["study"],
        "kind": key["kind"],
        "questions": sum(not trial["catch"] for trial in key["trials"]),
        "answers": len(choices),
        "raters": {
            "counted": [rater.name for rater in counted],
            "excluded": excluded,
            "least_caught": least_caught,
            "median_seconds": float(np.median(seconds)),
        },
        "agreement": agreement(_tables(key, counted)),
    }
    judged = _rates if key["kind"] == "real" else _strengths
    found, human = judged([*key["methods"]], by_rater)
    return {**result, **found, "metrics": _metrics(key, human, choices)}


def agreement(tables: Sequence[tuple[int, int]]) -> dict[str, float | None]:
    """Returns `pairwise`, `chance` and Fleiss' `kappa`; None where not defined.

    `tables` has for each question how many raters chose left, and right. `pairwise` is
    the share of pairs of raters who gave one question the same answer, its mean over
    questions with two answers or more, and `chance` what the shares of left and right
    alone would give. Questions may have unequal numbers of raters, as the source's may
    not.

    Source: Fleiss, Measuring nominal scale agreement among many raters, Psychological
    Bulletin 76(5), 1971.
    """
    counts = np.array([table for table in tables if sum(table) > 1], float)
    if not len(counts):
        return {"pairwise": None, "chance": None, "kappa": None}
    given = counts.sum(1)
    same = (counts * (counts - 1)).sum(1) / (given * (given - 1))
    pairwise, chance = (
        float(same.mean()),
        float(((counts.sum(0) / counts.sum()) ** 2).sum()),
    )
    kappa = None if chance == 1 else (pairwise - chance) / (1 - chance)
    return {"pairwise": pairwise, "chance": chance, "kappa": kappa}


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Returns the rank correlation in [-1, 1]; None if all of `a` or of `b` are equal.

    Equal values share their mean rank.

    Source: Spearman, The proof and measurement of association between two things,
    American Journal of Psychology 15(1), 1904.
    """
    if len(set(a)) == 1 or len(set(b)) == 1:
        return None
    from scipy import stats

    ranks = stats.rankdata(a), stats.rankdata(b)
    return float(np.corrcoef(*ranks)[0, 1])


def _excluded(key, raters, least_caught):
    if not any(trial["catch"] for trial in key["trials"]):
        return {}
    excluded = {}
    for rater in raters:
        right, answered = perceptual_answers.caught(key, rater)
        if not answered or right < least_caught * answered:
            excluded[rater.name] = f"got {right} of {answered} catch questions right"
    return excluded


def _choices(key: Mapping[str, Any], rater: perceptual_answers.Rater) -> list[Choice]:
    """Returns what was chosen over what, catch questions left out."""
    other = {"left": "right", "right": "left"}
    return [
        (trial["image"], trial[side], trial[other[side]])
        for trial in key["trials"]
        if not trial["catch"] and (side := rater.answers.get(trial["trial"]))
    ]


def _tables(key, raters) -> list[tuple[int, int]]:
    asked = [trial["trial"] for trial in key["trials"] if not trial["catch"]]
    given = [[rater.answers.get(trial) for rater in raters] for trial in asked]
    return [(sides.count("left"), sides.count("right")) for sides in given]


def _strengths(
    methods: list[str], by_rater: Sequence[Sequence[Choice]]
) -> tuple[Result, dict[str, float]]:
    each = np.zeros((len(by_rater), len(methods), len(methods)))
    for own, choices in zip(each, by_rater, strict=True):
        for _, chosen, other in choices:
            own[methods.index(chosen), methods.index(other)] += 1
    wins = each.sum(0)
    fit = bradley_terry.fit(wins)
    over: list[Result | None] = [None] * len(methods)
    if len(by_rater) >= LEAST_RATERS:
        covariance = bradley_terry.covariance_over_raters(each, fit.strength)
        half = bradley_terry.student(len(each) - 1) * np.sqrt(np.diag(covariance))
        ends = zip(fit.strength - half, fit.strength + half, strict=True)
        over = [{"low": float(low), "high": float(high)} for low, high in ends]
    columns = (fit.strength.tolist(), fit.low.tolist(), fit.high.tolist(), over)
    names = ("score", "low", "high", "over_raters")
    scores = {
        method: dict(zip(names, row, strict=True))
        for method, *row in zip(methods, *columns, strict=True)
    }
    matrix = {
        name: {m: int(wins[i, j]) for j, m in enumerate(methods) if i != j}
        for i, name in enumerate(methods)
    }
    found = {"scores": scores, "regularised": fit.regularised}
    human = dict(zip(methods, fit.strength.tolist(), strict=True))
    return {"bradley_terry": found, "wins": matrix}, human


def _rates(
    methods: list[str], by_rater: Sequence[Sequence[Choice]]
) -> tuple[Result, dict[str, float]]:
    choices, rates = [choice for own in by_rater for choice in own], {}
    for name in methods:
        shown = sum(name in choice[1:] for choice in choices)
        chosen = sum(name == choice[1] for choice in choices)
        if not shown:
            raise errors.ConfigError(
                f"nobody who counts was asked about {name}; collect more answers"
            )
        rates[name] = {"chosen": chosen, "shown": shown, **_share(chosen, shown)}
    return {"rates": rates}, {name: part["rate"] for name, part in rates.items()}


def _share(successes: int, trials: int) -> dict[str, float]:
    low, high = bradley_terry.wilson(successes, trials)
    return {"rate": successes / trials, "low": low, "high": high}


def _metrics(key, human, choices) -> dict[str, Result]:
    """Returns by metric how it goes with what people chose; more is always better."""
    by_image = {image["stem"]: image["metrics"] for image in key["images"]}
    # Rounded, since equal strengths differ in the last bits of their arithmetic.
    ranked = [round(value, 9) for value in human.values()]
    found = {}
    for metric in next(iter(next(iter(by_image.values())).values())):
        # JSON holds no infinity: a picture equal to its target has None.
        value = lambda stem, role, metric=metric: (
            np.inf if (v := by_image[stem][role][metric]) is None else v
        )
        means = {
            name: float(np.mean([value(stem, name) for stem in by_image]))
            for name in human
        }
        row: Result = {
            "means": {n: m if np.isfinite(m) else None for n, m in means.items()},
            "spearman": spearman([*means.values()], ranked),
        }
        if key["kind"] == "2afc":
            apart = [(value(i, a), value(i, b)) for i, a, b in choices]
            apart = [(chosen, other) for chosen, other in apart if chosen != other]
            agreed = sum(chosen > other for chosen, other in apart)
            row["agreement"] = (
                {"answers": len(apart), **_share(agreed, len(apart))} if apart else None
            )
        found[metric] = row
    return found
