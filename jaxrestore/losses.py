"""Losses: `(restored, target) -> [b]`, one number an image, 0 for equal images.

Images are float [b, h, w, c] with values around [0, 1], any number of channels,
float32 or bfloat16 in, float32 out; `ops.checks.pair` says what is refused. The caller
takes the mean over the batch. Values and gradients are finite everywhere, also for
identical, black and constant images.

A loss of pixels takes `weight` [b, h, w, 1], not negative, and is then a weighted mean
(`ops.averages.image_mean`): a constant weight changes nothing. Two are priors, which
look at `restored` alone and are not 0 for equal images: `total_variation` and
`kl_gaussian`.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxrestore import metrics
from jaxrestore.ops import averages, checks, color, filters, ranges
from jaxrestore.ops.wavelet import haar

Images = Float[Array, "b h w c"]
Weight = Float[Array, "b h w 1"]
Scales = Annotated[int, ranges.Range(0, 5, "0: as many as fit", whole=True)]


def l1(
    restored: Images, target: Images, *, weight: Weight | None = None
) -> Float[Array, " b"]:
    """Returns the mean absolute error; its minimiser is the median of the posterior.

    Where fewer than half of the pixels are damaged, that median is the input itself.

    >>> losses.l1(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    Array([0.25], dtype=float32)
    """
    return metrics.mae(restored, target, weight=weight)


def mse(
    restored: Images, target: Images, *, weight: Weight | None = None
) -> Float[Array, " b"]:
    """Returns the mean squared error; its minimiser is the mean of the posterior.

    >>> losses.mse(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    Array([0.0625], dtype=float32)
    """
    return metrics.mse(restored, target, weight=weight)


def charbonnier(
    restored: Images,
    target: Images,
    *,
    epsilon: ranges.Positive = 1e-3,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns the mean of `sqrt(difference^2 + epsilon^2) - epsilon`.

    L1 for differences above `epsilon`, a parabola below; shifted to be 0 at equality.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization
    algorithms for computed imaging", ICIP 1994.

    >>> loss = losses.charbonnier(jnp.full((1, 4, 4, 3), 0.75), jnp.ones((1, 4, 4, 3)))
    >>> f"{loss[0]:.3f}"
    '0.249'
    """
    restored, target = checks.pair(restored, target, weight)
    return averages.image_mean(_rounded(restored - target, epsilon), weight)


def huber(
    restored: Images,
    target: Images,
    *,
    delta: ranges.Positive = 0.1,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns the mean of `d^2 / 2`, or `delta * (|d| - delta / 2)` if `|d| > delta`.

    `d` is the difference of the two. The default is ours: with 1, differences of
    images in [0, 1] never reach the linear part.

    Source: Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical
    Statistics 1964.

    >>> loss = losses.huber(jnp.full((1, 4, 4, 3), 0.75), jnp.full((1, 4, 4, 3), 0.5))
    >>> f"{loss[0]:.3f}"
    '0.020'
    """
    restored, target = checks.pair(restored, target, weight)
    size = jnp.abs(restored - target)
    # With q = min(|d|, delta), both cases are q * (|d| - q / 2).
    quadratic = jnp.minimum(size, delta)
    return averages.image_mean(quadratic * (size - quadratic / 2), weight)


def ssim(
    restored: Images, target: Images, *, weight: Weight | None = None
) -> Float[Array, " b"]:
    """Returns 1 - SSIM per channel, in [0, 2]; source: see `metrics.ssim`.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> f"{losses.ssim(target / 2, target)[0]:.4f}"
    '0.3527'
    """
    return 1 - metrics.ssim(restored, target, weight=weight)


def ms_ssim(
    restored: Images,
    target: Images,
    *,
    scales: Scales = 0,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns 1 - MS-SSIM per channel, in [0, 1].

    `scales=0` takes as many scales as fit the image; source and rule: see
    `metrics.ms_ssim`.

    >>> target = jnp.eye(16)[None, ..., None]  # one scale fits
    >>> f"{losses.ms_ssim(target / 2, target)[0]:.4f}"
    '0.3527'
    """
    return 1 - metrics.ms_ssim(restored, target, scales=scales, weight=weight)


def ms_ssim_luma(
    restored: Images,
    target: Images,
    *,
    scales: Scales = 0,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns 1 - MS-SSIM of the BT.601 luma, in [0, 1]; blind to colour.

    Takes one or three channels. SSIM is defined on grey images, and the pixel-shuffle
    study measures it there; source and scales: see `metrics.ms_ssim`.

    >>> red, grey = jnp.array([1.0, 0, 0]), jnp.array([0.299, 0.299, 0.299])
    >>> images = jnp.zeros((1, 16, 16, 3))
    >>> f"{losses.ms_ssim_luma(images + red, images + grey)[0]:.3f}"
    '0.000'
    """
    grey = map(color.luma, checks.pair(restored, target, weight))
    return ms_ssim(*grey, scales=scales, weight=weight)


def cosine(
    restored: Images,
    target: Images,
    *,
    epsilon: ranges.Positive = 1e-3,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns 1 - cosine of the angle between the colours of a pixel, mean over pixels.

    Blind to brightness, sensitive to hue. `epsilon` stands under both roots, so that
    the gradient stays below `epsilon ** -0.5` and two black pixels cost nothing.

    Source: the RGB cosine term of the pixel-shuffle study named in
    `degradations.pixel_shuffle`; the placement of epsilon is ours.

    >>> red, orange = jnp.array([[[[1.0, 0, 0]]]]), jnp.array([[[[1.0, 0.5, 0]]]])
    >>> f"{losses.cosine(red, orange)[0]:.3f}", f"{losses.cosine(red, red / 2)[0]:.3f}"
    ('0.105', '0.000')
    """
    restored, target = checks.pair(restored, target, weight)
    dot = (restored * target).sum(-1, keepdims=True) + epsilon
    square_norms = (jnp.square(restored).sum(-1, keepdims=True) + epsilon) * (
        jnp.square(target).sum(-1, keepdims=True) + epsilon
    )
    return averages.image_mean(1 - dot / jnp.sqrt(square_norms), weight)


def gradient(
    restored: Images, target: Images, *, weight: Weight | None = None
) -> Float[Array, " b"]:
    """Returns the mean of `|down| + |across|`, the errors of the forward differences.

    Blind to brightness; edges that are lost or invented cost. A weight counts at the
    upper or left pixel of a pair.

    Source: the gradient difference of Mathieu et al., "Deep multi-scale video
    prediction beyond mean square error", ICLR 2016, which compares magnitudes; with
    signs, as here, an edge of the wrong direction costs too.

    >>> losses.gradient(jnp.eye(4)[None, ..., None], jnp.zeros((1, 4, 4, 1)))
    Array([0.75], dtype=float32)
    """
    restored, target = checks.pair(restored, target, weight)
    down, across = _forward_differences(restored - target)
    return averages.image_mean(jnp.abs(down) + jnp.abs(across), weight)


def frequency(
    restored: Images, target: Images, *, epsilon: ranges.Positive = 1e-6
) -> Float[Array, " b"]:
    """Returns the mean absolute difference of the magnitudes of the Fourier transforms.

    Orthonormal transforms of each channel, all frequencies alike; blind to phase, so
    that it cannot stand alone. A magnitude is `sqrt(re^2 + im^2 + epsilon^2)`. On
    several devices each one transforms the whole batch: XLA does not divide FFTs.

    Source: the spectra of Jiang et al., "Focal Frequency Loss for Image Reconstruction
    and Synthesis", ICCV 2021, without its phase and its focal weight.

    >>> losses.frequency(jnp.ones((1, 4, 4, 1)), jnp.full((1, 4, 4, 1), 0.5))
    Array([0.125], dtype=float32)
    """
    restored, target = checks.pair(restored, target)

    def magnitude(image):
        waves = jnp.fft.fft2(image, axes=(1, 2), norm="ortho")
        squares = jnp.square(waves.real) + jnp.square(waves.imag)
        return jnp.sqrt(squares + epsilon**2)

    return averages.image_mean(jnp.abs(magnitude(restored) - magnitude(target)))


def wavelet(
    restored: Images,
    target: Images,
    *,
    levels: ranges.Count = 3,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns the mean absolute error of Haar details, mean over `levels`.

    The details of a level are HL, LH and HH of the orthonormal transform; the next one
    transforms LL. An odd side is continued by its edge. A weight is averaged over the
    pixels of each coefficient. Blind to a shift of all pixels.

    Source: the texture term of Huang et al., "Wavelet-SRNet: A Wavelet-based CNN for
    Multi-scale Face Super Resolution", ICCV 2017, with L1.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> f"{losses.wavelet(target / 2, target, levels=1)[0]:.3f}"
    '0.021'
    """
    restored, target = checks.pair(restored, target, weight)
    low = restored - target
    total = jnp.zeros(())
    for _ in range(levels):
        channels = low.shape[-1]
        bands = haar(_even(low))
        weight = None if weight is None else filters.halve(weight)
        total = total + averages.image_mean(jnp.abs(bands[..., channels:]), weight)
        low = bands[..., :channels]
    return total / levels


def spatially_discounted_l1(
    restored: Images,
    target: Images,
    *,
    gamma: Annotated[float | int, ranges.Range(0, 1, above=True)] = 0.99,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns the mean absolute error inside a hole, discounted towards its middle.

    The hole is where `weight` is above 0: 1 there and 0 elsewhere is the mask. A pixel
    counts `weight * gamma ** distance`, in px to the nearest known one, since the
    middle of a hole has many right answers. Without a weight, or without a known
    pixel, nothing is discounted.

    Source: Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR
    2018. Its distance is to the border of a rectangle (ours holds for any shape), its
    code has gamma 0.9, and its mean is not divided by the sum of the weights.

    >>> restored = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1)  # wrong in the middle
    >>> hole = jnp.zeros((1, 5, 5, 1)).at[:, 1:4, 1:4].set(1)
    >>> target = jnp.zeros((1, 5, 5, 1))
    >>> losses.spatially_discounted_l1(restored, target, gamma=0.5, weight=hole) * 17
    Array([1.], dtype=float32)
    """
    restored, target = checks.pair(restored, target, weight)
    if weight is not None:
        weight = weight * gamma ** _distance(weight[..., 0] <= 0)[..., None]
    return l1(restored, target, weight=weight)


def total_variation(
    restored: Images,
    target: Images,
    *,
    epsilon: ranges.Positive = 1e-3,
    weight: Weight | None = None,
) -> Float[Array, " b"]:
    """Returns the mean of `|down| + |across|`, the forward differences of `restored`.

    A prior: `target` is ignored, flat images cost nothing. Anisotropic; `|x|` is
    `sqrt(x^2 + epsilon^2) - epsilon`, smooth at 0. A weight counts at the upper or left
    pixel of a pair.

    Source: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal
    algorithms", Physica D 1992, whose own is isotropic.

    >>> restored = jnp.eye(4)[None, ..., None]
    >>> f"{losses.total_variation(restored, jnp.zeros_like(restored))[0]:.3f}"
    '0.749'
    """
    del target
    down, across = _forward_differences(checks.judged(restored, weight))
    return averages.image_mean(
        _rounded(down, epsilon) + _rounded(across, epsilon), weight
    )


def kl_gaussian(
    restored: Float[Array, "b *n d"], target: Float[Array, "..."]
) -> Float[Array, " b"]:
    """Returns KL(N(mean, exp(log_variance)) || N(0, 1)), the sum over latent values.

    A prior: `target` is ignored. `restored` is an encoder's output, the means and then
    as many log-variances on the last axis; these are used as they are, so an encoder
    bounds its own. This is a sum, but `mse` a mean over h * w * c: for a VAE's sum of
    squares + KL, divide the weight of this one by that number.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix
    B. Raises `ValueError` when the last axis is odd.

    >>> losses.kl_gaussian(jnp.array([[1.0, 0.0]]), jnp.zeros(()))  # mean 1, variance 1
    Array([0.5], dtype=float32)
    """
    del target
    if restored.shape[-1] % 2:
        raise ValueError(
            "kl_gaussian takes means and log-variances on the last axis, which is "
            f"even; got {restored.shape[-1]}"
        )
    mean, log_variance = jnp.split(_exact(restored), 2, axis=-1)
    # expm1(v) - v is exp(v) - 1 - v, without its cancellation near 0.
    values = jnp.square(mean) + jnp.expm1(log_variance) - log_variance
    return values.sum(tuple(range(1, values.ndim))) / 2


def _exact(image):
    """Sums are made in float32, or in float64 where that comes in."""
    return image.astype(jnp.promote_types(image.dtype, jnp.float32))


def _rounded(values, epsilon):
    return jnp.sqrt(jnp.square(values) + epsilon**2) - epsilon


def _forward_differences(images):
    """Down and across, in the shape of `images`; 0 in the last row and column."""
    edged = jnp.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")
    return edged[:, 1:, :-1] - images, edged[:, :-1, 1:] - images


def _even(images):
    height, width = images.shape[1:3]
    pad = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    return jnp.pad(images, pad, mode="edge")


def _distance(known: Bool[Array, "b h w"]) -> Float[Array, "b h w"]:
    """Returns the Euclidean distance to the nearest known pixel, 0 where there is none.

    Exact: the squares of distances along columns, then for each column the smallest
    sum with a square along the row; h * w * w operations in the memory of h * w.

    Source: the two passes of Felzenszwalb and Huttenlocher, "Distance Transforms of
    Sampled Functions", Theory of Computing 2012, without their lower envelope.
    """
    height, width = known.shape[1:]
    far = height + width  # more than any distance
    row = jnp.arange(height)[None, :, None]
    above = jax.lax.cummax(jnp.where(known, row, -far), axis=1)
    below = jax.lax.cummin(jnp.where(known, row, height + far), axis=1, reverse=True)
    squares = jnp.square(jnp.minimum(row - above, below - row))
    columns = jnp.arange(width)
    to_column = lambda column: (squares + jnp.square(columns - column)).min(-1)
    nearest = jnp.moveaxis(jax.lax.map(to_column, columns), 0, -1)
    exists = known.any((1, 2), keepdims=True)
    return jnp.sqrt(jnp.where(exists, nearest, 0).astype(jnp.float32))
