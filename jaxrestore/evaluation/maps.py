"""Where a restored image was invented and copied from, and how sure one may be of it.

A map is a probe (`evaluate.Probe`): it looks at each question and its restoration, and
finds numbers and panels. Restored images and samples are clipped to [0, 1] before.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import metrics, programs
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate, strips

SHOWN_SAMPLES = 3

# Folded into the key of an evaluation, where the indices of its images are folded in.
_SAMPLES = 2**31 - 1

FARTHEST = 0.5  # of the longer side: vectors from there on have full colour

Look = Callable[..., Float[Array, "b h w 2"] | None]  # degraded -> vectors, px
Sample = Callable[..., Float[Array, "b hh ww d"]]  # (key, degraded) -> restored


def consistency(degradation: Mapping[str, Any]) -> evaluate.Probe:
    """Returns a probe for what could not have been the original of its input.

    Each restored image is degraded by the recipe `degradation` as its target was, with
    the same key, and compared with the input. The panel `consistency` is the
    difference, `strips.ERROR_GAIN` times larger, mid-grey where there is none; that of
    an input smaller than its target is enlarged by repetition, so that no place shows
    what its neighbour differs by. `consistency_psnr`, in dB, is the PSNR of one
    degraded image against the other, of their colours alone; it is infinite where they
    are equal, and neither is clipped or rounded for it.

    Where the map differs, something was invented or removed for sure, within the reach
    of the degradation. Where it does not, the image may be invented all the same: what
    the degradation destroyed, as the inside of a hole, cannot contradict. The noise of
    an input is known with its key, and excuses nothing.

    Source: the data-consistency error of Lugmayr et al., "SRFlow: Learning the
    Super-Resolution Space with Normalizing Flow", ECCV 2020 (there LR-PSNR).
    """

    @programs.compiled
    def compare(keys, restored, degraded):
        colours = restored.shape[-1]  # a mask beside them comes of the key alone
        again = batched.degrade(keys, jnp.clip(restored, 0, 1), recipe=degradation)
        again, degraded = again[..., :colours], degraded[..., :colours]
        difference = jax.image.resize(again - degraded, restored.shape, "nearest")
        return metrics.psnr(again, degraded), 0.5 + strips.ERROR_GAIN * difference

    def probe(question, restored):
        psnr, panel = compare(question.keys, restored, question.degraded)
        numbers = {"consistency_psnr": np.asarray(psnr)}
        return evaluate.Found(numbers, {"consistency": panel})

    return probe


def uncertainty(sample: Sample, *, count: int = 16, seed: int = 0) -> evaluate.Probe:
    """Returns a probe for how far `count` samples of each restored image differ.

    `sample` is `(key, degraded) -> restored`; sample j of every batch has the key
    `fold_in(fold_in(key(seed), 2**31 - 1), j)`. A pixel's deviation is the standard
    deviation over the samples (n - 1 in the denominator), the mean of its channels.
    Panels are the first samples, `SHOWN_SAMPLES` at most, and `deviation`:
    `strips.DEVIATION_GAIN` times the deviation, black where all samples agree.

    `samples_deviation` is the mean over pixels, in 8-bit levels.
    `samples_correlation` says whether the generator knows where it errs: the rank
    correlation over pixels of the deviation with the absolute error of the restored
    image, 1 where the pixel of more deviation always has more error, 0 where one says
    nothing of the other, NaN where the deviation is the same everywhere. It does not
    say whether the deviation is as large as the error.

    Source: the deviation of samples as uncertainty is that of Kendall, Gal, "What
    uncertainties do we need in Bayesian deep learning for computer vision?", NIPS 2017.
    """
    key = jax.random.fold_in(jax.random.key(seed), _SAMPLES)

    def probe(question, restored):
        mean = squares = jnp.zeros_like(restored)
        panels = {}
        for index in range(count):
            drawn = sample(jax.random.fold_in(key, index), question.degraded)
            drawn, mean, squares = _one_more(drawn, index, mean, squares)
            if index < SHOWN_SAMPLES:
                panels[f"sample {index + 1}"] = drawn
        restored = jnp.clip(restored, 0, 1)
        *pixels, panel = _spread(squares, count, restored, question.target)
        deviation, error = (np.asarray(x).reshape(len(restored), -1) for x in pixels)
        correlation = [*map(rank_correlation, deviation, error)]
        numbers = {
            "samples_deviation": 255 * deviation.mean(1),
            "samples_correlation": np.array(correlation),
        }
        return evaluate.Found(numbers, {**panels, "deviation": panel})

    return probe


def attention(look: Look) -> evaluate.Probe:
    """Returns a probe for where a generator with attention copies from.

    `look` is `degraded -> vectors`: for each pixel the way to the place that it looks
    at most, in px down and to the right (`networks.attention_function`). The panel
    `attention` is `flow_colors` of them. There is none where `look` gives None.
    """

    def probe(question, restored):
        vectors = look(question.degraded)
        panels = {} if vectors is None else {"attention": flow_colors(vectors)}
        return evaluate.Found({}, panels)

    return probe


@programs.compiled
def flow_colors(vectors: Float[Array, "b h w 2"]) -> Float[Array, "b h w 3"]:
    """Returns vectors (down, right), in px, as colours in [0, 1].

    White is no way at all; the farther, the more colour, which is full from `FARTHEST`
    of the longer side on. The hue is the direction: red is right, lime down, cyan
    left, violet up, and between them lie the hues of the circle in equal steps.

    Source: the pictures of optical flow of Baker et al., "A Database and Evaluation
    Methodology for Optical Flow", IJCV 2011, whose circle has steps of other sizes; of
    attention, Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR
    2018.
    """
    down, right = vectors[..., :1], vectors[..., 1:]
    length = jnp.hypot(down, right) / (FARTHEST * max(vectors.shape[1:3]))
    turns = jnp.arctan2(down, right) / (2 * jnp.pi)
    # Red, green and blue are a third of a turn apart; each fades over a third.
    distance = jnp.abs((turns - jnp.array([0, 1, 2]) / 3 + 0.5) % 1 - 0.5)
    pure = jnp.clip(2 - 6 * distance, 0, 1)
    return 1 - jnp.minimum(length, 1) * (1 - pure)


@programs.compiled
def _one_more(drawn, index, mean, squares):
    """The clipped sample, and mean and sum of squared deviations that include it.

    Source: Welford, "Note on a method for calculating corrected sums of squares and
    products", Technometrics 1962.
    """
    drawn = jnp.clip(drawn, 0, 1)
    moved = mean + (drawn - mean) / (index + 1)
    return drawn, moved, squares + (drawn - mean) * (drawn - moved)


@programs.compiled
def _spread(squares, count, restored, target):
    """The deviation and the error of each pixel, and the deviation as a panel."""
    # Rounding may leave a sum of squares just below 0.
    deviation = jnp.sqrt(jnp.maximum(squares, 0) / (count - 1)).mean(-1)
    error = jnp.abs(restored - target).mean(-1)
    panel = strips.DEVIATION_GAIN * deviation[..., None]
    return deviation, error, jnp.broadcast_to(panel, restored.shape)


def rank_correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Returns Spearman's rank correlation, in [-1, 1]; NaN where one is constant.

    Equal values share the mean of their ranks.

    Source: Spearman, "The proof and measurement of association between two things",
    American Journal of Psychology 1904.
    """
    ranks = [_ranks(values) for values in (a, b)]
    first, second = (rank - rank.mean() for rank in ranks)
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size else float("nan")


def _ranks(values):
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
