"""Losses: `(restored, target) -> [b]`, one number an image, 0 for equal images.

Images are float [b, h, w, c] with values around [0, 1], any number of channels,
float32 or bfloat16 in, float32 out. The caller takes the mean over the batch. Values
and gradients are finite everywhere, also for identical, black and constant images.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore import metrics
from jaxrestore.ops import color


def l1(
    restored: Float[Array, "b h w c"], target: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """Returns the mean absolute error; its minimiser is the median of the posterior.

    Where fewer than half of the pixels are damaged, that median is the input itself.
    """
    return metrics.mae(restored, target)


def mse(
    restored: Float[Array, "b h w c"], target: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """Returns the mean squared error; its minimiser is the mean of the posterior."""
    return metrics.mse(restored, target)


def charbonnier(
    restored: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    *,
    epsilon: float = 1e-3,
) -> Float[Array, "b"]:
    """Returns the mean of `sqrt(difference^2 + epsilon^2) - epsilon`.

    L1 for differences above `epsilon`, a parabola below; shifted to be 0 at equality.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization
    algorithms for computed imaging", ICIP 1994.
    """
    difference = restored.astype(jnp.float32) - target.astype(jnp.float32)
    smooth = jnp.sqrt(jnp.square(difference) + epsilon**2) - epsilon
    return smooth.mean((1, 2, 3))


def ssim(
    restored: Float[Array, "b h w c"], target: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """Returns 1 - SSIM per channel, in [0, 2]; source: see `metrics.ssim`."""
    return 1 - metrics.ssim(restored, target)


def ms_ssim(
    restored: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    *,
    scales: int = 0,
) -> Float[Array, "b"]:
    """Returns 1 - MS-SSIM per channel, in [0, 1].

    `scales=0` takes as many scales as fit the image; source and rule: see
    `metrics.ms_ssim`.
    """
    return 1 - metrics.ms_ssim(restored, target, scales=scales)


def ms_ssim_luma(
    restored: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    *,
    scales: int = 0,
) -> Float[Array, "b"]:
    """Returns 1 - MS-SSIM of the BT.601 luma, in [0, 1]; blind to colour.

    Takes one or three channels. SSIM is defined on grey images, and the pixel-shuffle
    study measures it there; source and scales: see `metrics.ms_ssim`.
    """
    return ms_ssim(color.luma(restored), color.luma(target), scales=scales)


def cosine(
    restored: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    *,
    epsilon: float = 1e-3,
) -> Float[Array, "b"]:
    """Returns 1 - cosine of the angle between the colours of a pixel, mean over pixels.

    Blind to brightness, sensitive to hue. `epsilon` stands under both roots, so that
    the gradient stays below `epsilon ** -0.5` and two black pixels cost nothing.

    Source: the RGB cosine term of the pixel-shuffle study named in
    `degradations.pixel_shuffle`; the placement of epsilon is ours.
    """
    restored, target = restored.astype(jnp.float32), target.astype(jnp.float32)
    dot = (restored * target).sum(-1) + epsilon
    square_norms = (jnp.square(restored).sum(-1) + epsilon) * (
        jnp.square(target).sum(-1) + epsilon
    )
    return (1 - dot / jnp.sqrt(square_norms)).mean((1, 2))
