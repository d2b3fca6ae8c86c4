"""Image metrics: `(a, b) -> [b]`, one number an image, in the metric's own unit.

Images are float [b, h, w, c] in [0, 1], any number of channels; sums are float32. Where
a metric takes `weight` [b, h, w, 1], not negative, its mean is weighted by pixel.
Nothing is clipped, rounded, cropped or converted here: `protocols` does that, by name.
Integers, other layouts and weights and, outside of `jax.jit`, values in [0, 255] or
[-1, 1] are a `ValueError`: `ops.checks.pair` has the rule, and how to do without.

NIQE is not here. Its published numbers hold only with the model of pristine images that
its authors fitted to 125 photographs; a model fitted to others has another scale, and
its numbers could be compared with nobody's.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore.ops import averages, checks, color, filters, no_reference, similarity

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

Images = Float[Array, "b h w c"]
Weight = Float[Array, "b h w 1"]


def mse(a: Images, b: Images, *, weight: Weight | None = None) -> Float[Array, " b"]:
    """Returns the mean squared error over height, width and channels.

    >>> metrics.mse(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    Array([0.0625], dtype=float32)
    """
    a, b = checks.pair(a, b, weight)
    return averages.image_mean(jnp.square(a - b), weight)


def mae(a: Images, b: Images, *, weight: Weight | None = None) -> Float[Array, " b"]:
    """Returns the mean absolute error over height, width and channels.

    >>> metrics.mae(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    Array([0.25], dtype=float32)
    """
    a, b = checks.pair(a, b, weight)
    return averages.image_mean(jnp.abs(a - b), weight)


def psnr(a: Images, b: Images, *, weight: Weight | None = None) -> Float[Array, " b"]:
    """Returns the peak signal-to-noise ratio in dB, peak 1; identical images: +inf.

    The mean over images of this number is what papers report, not the PSNR of the
    mean error.

    >>> target = jnp.full((1, 4, 4, 3), 0.5)
    >>> f"{metrics.psnr(target + 0.1, target)[0]:.2f} dB"
    '20.00 dB'
    """
    return -10 * jnp.log10(mse(a, b, weight=weight))


def cosine_similarity(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the cosine of the angle between the images as long vectors, in [-1, 1].

    Not centred: anything resembling the target scores above 0.98, so print four
    decimals. Two black images score 1, a black one and another 0. Use `losses.cosine`
    to compare colours.

    >>> red, orange = jnp.array([[[[1.0, 0, 0]]]]), jnp.array([[[[1.0, 0.5, 0]]]])
    >>> f"{metrics.cosine_similarity(red, orange)[0]:.4f}"
    '0.8944'
    """
    a, b = checks.pair(a, b)
    dot = (a * b).sum((1, 2, 3))
    squares_a, squares_b = jnp.square(a).sum((1, 2, 3)), jnp.square(b).sum((1, 2, 3))
    norms = jnp.sqrt(squares_a * squares_b)
    both_black = (squares_a + squares_b == 0).astype(jnp.float32)
    black = norms == 0
    return jnp.where(black, both_black, dot / jnp.where(black, 1, norms))


def nrmse(a: Images, b: Images, *, denominator: str = "norm") -> Float[Array, " b"]:
    """Returns the root of the mean squared error, divided by what `b` names; 0 is best.

    `denominator` is `"norm"`, the root of the mean of b^2; `"range"`, the maximum of b
    less its minimum; or `"mean"`. Equal images score 0 and others +inf where it is 0.

    Source: `skimage.metrics.normalized_root_mse`, whose names for the three are
    euclidean, min-max and mean. Raises `ValueError` for another denominator.

    >>> metrics.nrmse(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    Array([0.5], dtype=float32)
    """
    a, b = checks.pair(a, b)
    whole = (1, 2, 3)
    if denominator == "norm":
        size = jnp.sqrt(jnp.square(b).mean(whole))
    elif denominator == "range":
        size = b.max(whole) - b.min(whole)
    elif denominator == "mean":
        size = b.mean(whole)
    else:
        raise ValueError(
            f"denominator is {denominator!r}; it must be 'norm', 'range' or 'mean'"
        )
    root = jnp.sqrt(jnp.square(a - b).mean(whole))
    return jnp.where(root == 0, 0, root / size)


def psnr_b(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the PSNR in dB of `a`, to be `b`, with its blocking counted as error.

    The mean squared error is raised by the blocking effect factor of `a`: by how much
    squared steps across the borders of its 8x8 blocks exceed those elsewhere (never
    below 0), times log2(8) over log2 of the shorter side. Channels count together, as
    in `psnr`; the first block begins at the corner. An image with itself scores
    +inf only if it has no such excess.

    Source: Yim, Bovik, "Quality Assessment of Deblocked Images", TIP 2011. Steps are
    counted where they are; the paper's counts are of sides that 8 divides.

    >>> blocks = jnp.repeat(jnp.array([0.2, 0.4]), 8)[None, None, :, None]  # of 8 px
    >>> target = jnp.full((1, 1, 16, 1), 0.3)
    >>> psnr, psnr_b = metrics.psnr(blocks, target), metrics.psnr_b(blocks, target)
    >>> f"{psnr[0]:.2f} dB, {psnr_b[0]:.2f} dB"
    '20.00 dB, 13.01 dB'
    """
    a, b = checks.pair(a, b)
    return -10 * jnp.log10(jnp.square(a - b).mean((1, 2, 3)) + _blocking(a))


def _blocking(images):
    borders, elsewhere = no_reference.block_steps(images)
    shorter = min(images.shape[1:3])
    return 3 / np.log2(max(shorter, 8)) * jnp.maximum(borders - elsewhere, 0)


def sharpness(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the gradient energy of `a` over that of `b`: 1 as sharp, below 1 blurred.

    The energy is the sum of the squared differences of neighbours, down and across.
    Noise raises it as detail does, so read it beside an error. 1e-8 a pixel, far below
    one 8-bit level, stands with both: flat images are as sharp as each other.

    Source: the squared ratio of the spatial frequencies of Eskicioglu, Fisher, "Image
    quality measures and their performance", IEEE Transactions on Communications 1995.

    >>> target = jnp.eye(4)[None, ..., None]
    >>> f"{metrics.sharpness(target / 2, target)[0]:.3f}"
    '0.250'
    """
    a, b = checks.pair(a, b)
    ours, theirs = (no_reference.gradient_energy(images) + 1e-8 for images in (a, b))
    return ours / theirs


def colour_angle(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the angle in degrees between the colours of a pixel, mean over pixels.

    Blind to brightness. Two black pixels are 0 degrees apart, a black one and another
    90. The angle is that of gamma-encoded RGB, as files have it.

    Source: the angular error of colour constancy, Hordley, Finlayson, "Re-evaluating
    colour constancy algorithms", ICPR 2004. Raises `ValueError` unless there are 3
    channels.

    >>> red, yellow = jnp.array([[[[1.0, 0, 0]]]]), jnp.array([[[[1.0, 1.0, 0]]]])
    >>> f"{metrics.colour_angle(red, yellow)[0]:.1f}"
    '45.0'
    """
    a, b = _rgb_pair("colour_angle", a, b)
    # The tangent, as a cosine near 1 cannot tell small angles apart; and a x (b - a)
    # for a x b, as it is 0 to the bit for equal colours.
    cross = jnp.cross(a, b - a)
    angle = jnp.arctan2(jnp.sqrt(jnp.square(cross).sum(-1)), (a * b).sum(-1))
    one_black = (a == 0).all(-1) != (b == 0).all(-1)
    return jnp.where(one_black, 90, jnp.rad2deg(angle)).mean((1, 2))


def ciede2000(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the colour difference CIEDE2000 of sRGB, mean over pixels.

    About 1 is just seen; white is D65. Raises `ValueError` unless there are 3 channels.

    Source: see `ops.color.ciede2000` and `ops.color.lab`.

    >>> red, darker = jnp.array([[[[1.0, 0, 0]]]]), jnp.array([[[[0.9, 0, 0]]]])
    >>> f"{metrics.ciede2000(red, darker)[0]:.1f}"
    '5.5'
    """
    a, b = _rgb_pair("ciede2000", a, b)
    # Converted in one go: compiled twice, equal colours may round differently.
    lab_a, lab_b = color.lab(jnp.stack([a, b]))
    return color.ciede2000(lab_a, lab_b).mean((1, 2))


def _rgb_pair(name, a, b):
    a, b = checks.pair(a, b)
    if a.shape[-1] != 3:
        raise ValueError(
            f"{name} is defined for 3 channels, got {a.shape[-1]}; a grey image has no "
            "colour to compare"
        )
    return a, b


def ssim(a: Images, b: Images, *, weight: Weight | None = None) -> Float[Array, " b"]:
    """Returns the structural similarity, 1 for equal images; mean over channels.

    Gaussian window of 11 and deviation 1.5, no padding, population covariance,
    K = (0.01, 0.03). A side below 11 shrinks the window to the largest odd size that
    fits. `weight` counts at the centre of the window.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", TIP 2004. Equal to scikit-image's
    `structural_similarity(gaussian_weights=True, use_sample_covariance=False)`.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> f"{metrics.ssim(target / 2, target)[0]:.4f}"
    '0.6473'
    """
    a, b = checks.pair(a, b, weight)
    window = similarity.gaussian(*a.shape[1:3])
    return similarity.ssim(a, b, window, weight).mean(-1)


def ssim_skimage(a: Images, b: Images) -> Float[Array, " b"]:
    """Returns scikit-image's default SSIM: 7x7 equal weights, sample covariance.

    Another number than `ssim`: never put the two in one column. Mean over channels.

    Source: `skimage.metrics.structural_similarity(data_range=1)`. Raises `ValueError`
    for a side below 7.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> f"{metrics.ssim_skimage(target / 2, target)[0]:.4f}"
    '0.6887'
    >>> f"{metrics.ssim(target / 2, target)[0]:.4f}"
    '0.6473'
    """
    a, b = checks.pair(a, b)
    if min(a.shape[1:3]) < 7:
        raise checks.TooSmall(
            f"ssim_skimage has a window of 7 px, got {a.shape[1]}x{a.shape[2]}; pass "
            "larger images, or use ssim"
        )
    return similarity.ssim(a, b, similarity.uniform(7)).mean(-1)


class SsimComponents(NamedTuple):
    """The three factors of SSIM, each the mean over positions and channels."""

    luminance: Float[Array, " b"]
    contrast: Float[Array, " b"]
    structure: Float[Array, " b"]


def ssim_components(a: Images, b: Images) -> SsimComponents:
    """Returns luminance, contrast and structure, each 1 for equal images.

    Window and constants are those of `ssim`, with C3 = C2 / 2. The mean of their
    product is SSIM; the product of these means is not.

    Source: equations 6, 9 and 10 of the paper of `ssim`.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> parts = metrics.ssim_components(target / 2, target)
    >>> f"{parts.luminance[0]:.4f}, {parts.contrast[0]:.4f}, {parts.structure[0]:.4f}"
    '0.8068, 0.8023, 1.0000'
    """
    a, b = checks.pair(a, b)
    window = similarity.gaussian(*a.shape[1:3])
    rows, columns = np.array(window.rows), np.array(window.columns)
    stack = jnp.stack([a, b, a * a, b * b, a * b])
    means = filters.separable_valid(stack, rows, columns)
    mean_a, mean_b, square_a, square_b, product = means
    spread_a, spread_b = (
        jnp.sqrt(jnp.maximum(square - mean**2, 0))
        for square, mean in ((square_a, mean_a), (square_b, mean_b))
    )
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * spread_a * spread_b + c2) / (spread_a**2 + spread_b**2 + c2)
    covariance = product - mean_a * mean_b
    structure = (covariance + c2 / 2) / (spread_a * spread_b + c2 / 2)
    whole = (1, 2, 3)
    return SsimComponents(*(x.mean(whole) for x in (luminance, contrast, structure)))


def ms_ssim(
    a: Images, b: Images, *, scales: int = 0, weight: Weight | None = None
) -> Float[Array, " b"]:
    """Returns the multi-scale structural similarity, 1 for equal images.

    Contrast-structure at the finer scales, whole SSIM at the coarsest, each mean
    raised to its published weight; per channel, then averaged. Negative means count
    as 1e-6, which keeps the value finite; its gradient there is the exponent times
    that of the mean, as 0 would leave an image in negative for good.

    Five scales need a side above 160. `scales=0` takes as many as fit, largest first
    to go: above 80 four, above 40 three, above 20 two, else one; the weights left are
    scaled to sum 1. Numbers with different scales cannot be compared. `weight` counts
    at the centre of the window; each coarser scale has the means of 2x2 of it.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar 2003. Raises `ValueError` if `scales` do not fit.

    >>> target = jnp.eye(16)[None, ..., None]  # one scale fits
    >>> f"{metrics.ms_ssim(target / 2, target)[0]:.4f}"
    '0.6473'
    """
    a, b = checks.pair(a, b, weight)
    side = min(a.shape[1:3])
    fitting = ms_ssim_scales(side)
    if scales > fitting:
        raise ValueError(
            f"ms_ssim: {scales} scales need sides above {10 * 2 ** (scales - 1)} px, "
            f"got {a.shape[1]}x{a.shape[2]}; pass scales={fitting} or larger crops"
        )
    scales = scales or fitting
    exponents = np.array(MS_SSIM_WEIGHTS[:scales])
    if scales < len(MS_SSIM_WEIGHTS):  # the five as published: they sum to 1.0001
        exponents = exponents / exponents.sum()
    product = jnp.ones(())
    below = jnp.zeros(())
    for scale, exponent in enumerate(exponents.tolist()):
        last = scale == scales - 1
        factor = similarity.ssim if last else similarity.contrast_structure
        mean = factor(a, b, similarity.gaussian(*a.shape[1:3]), weight)
        product = product * jnp.maximum(mean, 1e-6) ** exponent
        below = below + exponent * jnp.minimum(mean - 1e-6, 0)
        if not last:
            a, b = filters.halve(a), filters.halve(b)
            weight = None if weight is None else filters.halve(weight)
    # A slope without a value.
    return (product + (below - jax.lax.stop_gradient(below))).mean(-1)


def ms_ssim_scales(side: int) -> int:
    """Returns how many scales of MS-SSIM an image whose shorter side is `side` has.

    >>> metrics.ms_ssim_scales(64), metrics.ms_ssim_scales(256)
    (3, 5)
    """
    fitting = [m for m in range(1, 6) if side > 10 * 2 ** (m - 1)]
    return max(fitting, default=1)
