"""Named, locked ways to score: the name of a protocol stands beside every number.

A protocol is a function `(images, target) -> {metric: [b]}` that fixes colour space,
border, rounding, window and metrics. Change what it computes, change its name.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import metrics

_LEVELS = np.arange(256, dtype=np.float32) / 255


def rgb8(
    images: Float[Array, "b h w c"], target: Float[Array, "b h w c"]
) -> dict[str, Float[Array, "b"]]:
    """Returns psnr (dB), ssim, ms_ssim and cosine of 8-bit images in their channels.

    Both are clipped to [0, 1] and rounded to 1/255, as a PNG file would hold them; the
    whole image counts, no border is cut. PSNR over all channels together; SSIM
    (Gaussian 11, 1.5, no padding) and MS-SSIM (as many scales as fit) per channel.
    Source: the definitions in `metrics`.
    """
    images, target = _eight_bit(images), _eight_bit(target)
    return {
        "psnr": metrics.psnr(images, target),
        "ssim": metrics.ssim(images, target),
        "ms_ssim": metrics.ms_ssim(images, target),
        "cosine": metrics.cosine_similarity(images, target),
    }


def _eight_bit(images):
    images = images.astype(jnp.float32)
    levels = jnp.round(jnp.clip(images, 0, 1) * 255).astype(jnp.int32)
    # Looked up, not divided: a compiler may contract the division with a metric's
    # subtraction, and images of equal levels would no longer be identical.
    rounded = jnp.asarray(_LEVELS)[levels]
    return jnp.where(jnp.isnan(images), jnp.nan, rounded)
