"""Whether a mean over images differs from zero: interval, test, many tests at once.

`differences` are float64 [n], one an image; images are the units that are drawn again
or whose signs are flipped. The draws have fixed seeds: the same numbers come out again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000  # of the bootstrap
FLIPS = 49_999  # of signs, where there are too many ways to try them all
EXACT = 15  # images up to which all 2**n ways are tried
LEVEL = 0.05  # of wrong findings in the whole family of tests
_ROWS = 500  # of draws that are held at a time

Differences = Float[np.ndarray, " n"]


class Paired(NamedTuple):
    """How much less one arm loses than another, mean over images; `low`, `high`: 95 %.

    `p` is that of `sign_flip`. The first arm loses less on `images_better` of the
    `images`, and in `seeds_better` of the `seed_pairs`: each seed of the one beside
    each of the other, mean over images.
    """

    difference: float
    low: float
    high: float
    p: float
    images_better: int
    images: int
    seeds_better: int
    seed_pairs: int


def paired(
    first: Float[np.ndarray, "s n"], second: Float[np.ndarray, "ss n"]
) -> Paired:
    """Returns the comparison of losses (least is best) of two arms on the same images.

    Rows are seeds, whose losses are averaged for each image first: the interval and the
    test are about these networks. What other seeds would do, only seeds can tell.
    """
    differences = second.mean(0) - first.mean(0)
    by_seed = second.mean(1) - first.mean(1)[:, None]
    return Paired(
        float(differences.mean()),
        *interval(differences),
        sign_flip(differences),
        int((differences > 0).sum()),
        len(differences),
        int((by_seed > 0).sum()),
        by_seed.size,
    )


def interval(
    differences: Differences, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval of the mean, by percentiles.

    Too narrow for few images: with 10 of them it covers about 90 %, with 50 about 94
    (normal differences). A single image has an interval of no width.

    Source: Efron, Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if len(differences) == 1:
        return float(differences[0]), float(differences[0])
    from scipy import stats

    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=resamples,
        batch=_ROWS,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return float(low), float(high)


def sign_flip(differences: Differences, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Returns the two-sided p of the paired permutation test of the mean.

    If it makes no difference which of two arms restored an image, each difference could
    as well have the other sign; p is twice the share of sign patterns whose mean is at
    least as far to the side where it was seen. Up to `EXACT` images all patterns are
    tried, so p is at least 2 / 2**n and fewer than six images cannot reach 0.05.
    Beyond, `flips` patterns are drawn, the one that was seen counts as a further one,
    and p is at least 2 / (flips + 1).

    Source: Fisher, The design of experiments, 1935, section 21; the one that counts
    with the drawn ones: Phipson, Smyth, Permutation P-values should never be zero,
    Statistical Applications in Genetics and Molecular Biology 9(1), 2010.
    """
    if len(differences) == 1:
        return 1.0
    from scipy import stats

    found = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        # As many as there are: then each is tried once.
        n_resamples=2 ** len(differences) if len(differences) <= EXACT else flips,
        batch=_ROWS,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p of each of several tests, adjusted for there being several.

    Where those below a level are called findings, the chance of any wrong one among
    them is at most that level, whatever the tests have to do with each other. The
    smallest of m is multiplied by m, the next by m - 1, and so on; none is below the
    one before or above 1.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6(2), 1979.
    """
    adjusted = [1.0] * len(p_values)
    before = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        before = max(before, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, before)
    return adjusted
