"""Image metrics: `(a, b) -> [b]`, one number an image, in the metric's own unit.

Images are float [b, h, w, c] in [0, 1], any number of channels; sums are float32.
Nothing is clipped, rounded, cropped or converted here: `protocols` does that, by name.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore.ops import filters

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11
_DEVIATION = 1.5


def mse(a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]) -> Float[Array, "b"]:
    """Returns the mean squared error over height, width and channels."""
    a, b = _pair(a, b)
    return jnp.square(a - b).mean((1, 2, 3))


def mae(a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]) -> Float[Array, "b"]:
    """Returns the mean absolute error over height, width and channels."""
    a, b = _pair(a, b)
    return jnp.abs(a - b).mean((1, 2, 3))


def psnr(a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]) -> Float[Array, "b"]:
    """Returns the peak signal-to-noise ratio in dB, peak 1; identical images: +inf.

    The mean over images of this number is what papers report, not the PSNR of the
    mean error.
    """
    return -10 * jnp.log10(mse(a, b))


def cosine_similarity(
    a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """Returns the cosine of the angle between the images as long vectors, in [-1, 1].

    Not centred: anything resembling the target scores above 0.98, so print four
    decimals. Two black images score 1, a black one and another 0. Use `losses.cosine`
    to compare colours.
    """
    a, b = _pair(a, b)
    dot = (a * b).sum((1, 2, 3))
    squares_a, squares_b = jnp.square(a).sum((1, 2, 3)), jnp.square(b).sum((1, 2, 3))
    norms = jnp.sqrt(squares_a * squares_b)
    both_black = (squares_a + squares_b == 0).astype(jnp.float32)
    black = norms == 0
    return jnp.where(black, both_black, dot / jnp.where(black, 1, norms))


class SsimTerms(NamedTuple):
    """Means over positions, for each image and channel."""

    ssim: Float[Array, "b c"]
    contrast_structure: Float[Array, "b c"]


def ssim(a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]) -> Float[Array, "b"]:
    """Returns the structural similarity, 1 for equal images; mean over channels.

    Gaussian window of 11 and deviation 1.5, no padding, population covariance,
    K = (0.01, 0.03). A side below 11 shrinks the window to the largest odd size that
    fits.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", TIP 2004. Equal to scikit-image's
    `structural_similarity(gaussian_weights=True, use_sample_covariance=False)`.
    """
    return _ssim_terms(*_pair(a, b)).ssim.mean(-1)


def ms_ssim(
    a: Float[Array, "b h w c"], b: Float[Array, "b h w c"], *, scales: int = 0
) -> Float[Array, "b"]:
    """Returns the multi-scale structural similarity, 1 for equal images.

    Contrast-structure at the finer scales, whole SSIM at the coarsest, each mean
    raised to its published weight; per channel, then averaged. Negative means count
    as 1e-6, which keeps value and gradient finite.

    Five scales need a side above 160. `scales=0` takes as many as fit, largest first
    to go: above 80 four, above 40 three, above 20 two, else one; the weights left are
    scaled to sum 1. Numbers with different scales cannot be compared.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar 2003. Raises `ValueError` if `scales` do not fit.
    """
    a, b = _pair(a, b)
    side = min(a.shape[1:3])
    fitting = ms_ssim_scales(side)
    if scales > fitting:
        raise ValueError(
            f"ms_ssim: {scales} scales need sides above {10 * 2 ** (scales - 1)} px, "
            f"got {a.shape[1]}x{a.shape[2]}; pass scales={fitting} or larger crops"
        )
    scales = scales or fitting
    weights = np.array(MS_SSIM_WEIGHTS[:scales])
    if scales < len(MS_SSIM_WEIGHTS):  # the five as published: they sum to 1.0001
        weights = weights / weights.sum()
    product = jnp.ones(())
    for scale, weight in enumerate(weights):
        terms = _ssim_terms(a, b)
        last = scale == scales - 1
        mean = terms.ssim if last else terms.contrast_structure
        product = product * jnp.maximum(mean, 1e-6) ** weight
        if not last:
            a, b = filters.halve(a), filters.halve(b)
    return product.mean(-1)


def ms_ssim_scales(side: int) -> int:
    """Returns how many scales of MS-SSIM an image whose shorter side is `side` has."""
    fitting = [m for m in range(1, 6) if side > 10 * 2 ** (m - 1)]
    return max(fitting, default=1)


def _ssim_terms(a, b) -> SsimTerms:
    height, width = a.shape[1:3]
    rows, columns = _window(height), _window(width)
    # Four windowed means: the squares enter only as their sum. The covariance enters
    # through the variance of the difference, so that equal images score 1 to the bit
    # however it is compiled. max() keeps the denominator positive; the numerator has
    # none: compiled twice, it masks the two terms of its gradient differently.
    difference = a - b
    stack = jnp.stack([a, difference, a * a + b * b, difference * difference])
    means = filters.separable_valid(stack, rows, columns)
    mean_a, mean_difference, squares, squared_differences = means
    mean_b = mean_a - mean_difference
    variances = jnp.maximum(squares - mean_a**2 - mean_b**2, 0)
    differing = squared_differences - mean_difference**2
    c1, c2 = 0.01**2, 0.03**2
    structure = 1 - differing / (variances + c2)
    luminance = 1 - mean_difference**2 / (mean_a**2 + mean_b**2 + c1)
    return SsimTerms((luminance * structure).mean((1, 2)), structure.mean((1, 2)))


def _window(side: int) -> np.ndarray:
    size = min(_WINDOW, side - (side + 1) % 2)
    return filters.gaussian_window(size, _DEVIATION)


def _pair(a, b):
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(
            f"two images [b, h, w, c] of one shape are compared, got {a.shape} and "
            f"{b.shape}"
        )
    return a.astype(jnp.float32), b.astype(jnp.float32)
