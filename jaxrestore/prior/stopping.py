"""When a fit has seen the picture and not yet its damage: rules, as values.

A rule gives each record of a fit a score. The record with the least is the best, and a
fit ends when its best one lies so many iterations behind as the rule has patience.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxrestore import errors

WINDOW = 100  # iterations, of the published moving variance


class Record(NamedTuple):
    """What is known after an interval of a fit, at `iteration`.

    `variance` is the mean variance of a pixel of the network's images over the last
    `WINDOW` iterations, infinite before there were as many. `loss` and `held_out` are
    mean squared errors: of what is fitted, and of the average where nothing is.
    """

    iteration: int
    loss: float
    held_out: float
    variance: float


class Rule(NamedTuple):
    """A score of all records, of which the least is best, and a patience."""

    scores: Callable[[Sequence[Record]], Float[np.ndarray, " n"]]
    patience: int


def _variance(records):
    return np.array([one.variance for one in records])


def _held_out(records):
    return np.array([one.held_out for one in records])


RULES = {
    "variance": Rule(_variance, 1000),
    "held_out": Rule(_held_out, 300),
}


def rule(name: str) -> Rule:
    """Returns a rule by its name; raises `ConfigError` with all for another.

    `variance` is that of the network's images in a moving window: it falls while they
    approach the picture and rises when they begin to follow the noise. `held_out` is
    the error at pixels that were not fitted, and needs no window.

    Source: Wang et al., "Early Stopping for Deep Image Prior", TMLR 2023, for
    `variance` (window 100, patience 1000); a held-out share of pixels is the
    self-validation of Quan et al., "Self2Self With Dropout", CVPR 2020, and of others.

    >>> stopping.rule("variance").patience
    1000
    """
    if name not in RULES:
        raise errors.ConfigError(
            f"a fit cannot be stopped by {name!r}: there is {', '.join(RULES)}"
        )
    return RULES[name]


def best(rule: Rule, records: Sequence[Record]) -> int:
    """Returns the position of the record with the least score; the last if none has.

    Scores that are not finite are none.
    """
    scores = np.where(np.isfinite(found := rule.scores(records)), found, np.inf)
    return int(scores.argmin()) if np.isfinite(scores).any() else len(records) - 1


def ends(rule: Rule, records: Sequence[Record]) -> bool:
    """Returns whether the best record lies as far back as the rule has patience."""
    behind = records[-1].iteration - records[best(rule, records)].iteration
    return behind >= rule.patience


def window_variance(
    means: Sequence[Float[np.ndarray, "h w c"]], variances: Sequence[float]
) -> float:
    """Returns the mean variance of a pixel over several intervals of equal length.

    `means` and `variances` are those of the intervals: the result is the mean of the
    variances and the variance of the means.
    """
    return float(np.mean(variances) + np.var(np.stack(means), axis=0).mean())
