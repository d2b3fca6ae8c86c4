"""Named, locked ways to score: the name of a protocol stands beside every number.

A protocol is a function `(images, target) -> {metric: [b]}` that fixes colour space,
border, rounding, window and metrics. Change what it computes, change its name. Both
images are first clipped to [0, 1] and rounded to 1/255, as a PNG file holds them; what
is not meant for that is refused (`ops.checks.pair`). One that scores lost pixels apart
takes their mask, `damage`, beside the images.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import metrics
from jaxrestore.ops import checks

Images = Float[Array, "b h w c"]
Damage = Float[Array, "b h w 1"]
Scores = dict[str, Float[Array, " b"]]

_LEVELS = np.arange(256, dtype=np.float32) / 255
# Thousandths of an 8-bit level: weights of R, G, B at level 255, and the offset.
_FULL = ((299 * 255, 587 * 255, 114 * 255), 0)
_STUDIO = ((65481, 128553, 24966), 16000)


def rgb8(images: Images, target: Images) -> Scores:
    """Returns psnr (dB), ssim, ms_ssim and cosine of 8-bit images in their channels.

    The whole image counts, no border is cut. PSNR over all channels together; SSIM
    (Gaussian 11, 1.5, no padding) and MS-SSIM (as many scales as fit) per channel.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> scores = protocols.rgb8(target / 2, target)
    >>> f"{scores['psnr'][0]:.2f} dB, SSIM {scores['ssim'][0]:.4f}"
    '18.10 dB, SSIM 0.6502'
    """
    images, target = map(_eight_bit, checks.pair(images, target))
    return {
        **_psnr_ssim(images, target),
        "ms_ssim": metrics.ms_ssim(images, target),
        "cosine": metrics.cosine_similarity(images, target),
    }


def gray8(images: Images, target: Images) -> Scores:
    """Returns psnr (dB) and ssim of the full-range grey, whole image.

    Grey is BT.601's 0.299 R + 0.587 G + 0.114 B rounded to 8 bits, as MATLAB's rgb2gray
    and OpenCV have it; one channel is taken as it is. SSIM as in `rgb8`.

    >>> target = jnp.full((1, 16, 16, 3), 0.5)
    >>> redder = target.at[..., 0].add(0.1)
    >>> f"{protocols.gray8(redder, target)['psnr'][0]:.2f} dB"
    '31.23 dB'
    """
    images, target = checks.pair(images, target)
    return _psnr_ssim(_luma(images, *_FULL), _luma(target, *_FULL))


def sr_y_x2(images: Images, target: Images) -> Scores:
    """Returns psnr (dB) and ssim of the studio-range Y, a border of 2 px cut.

    Super-resolution's tables: Y is MATLAB's rgb2ycbcr of 8-bit RGB, 16 to 235, rounded
    to 8 bits; one channel is taken as it is, three are converted even if equal. Peak
    255; SSIM as in `rgb8`. The target's sides were cut to multiples of the scale.
    Source: the bicubic rows of the tables (Set5 33.66, 30.39, 28.42 dB), met within
    0.02 dB; code that does not round Y has x2 0.03 dB higher.

    >>> target = jnp.full((1, 20, 20, 3), 0.5)
    >>> f"{protocols.sr_y_x2(target + 0.1, target)['psnr'][0]:.2f} dB"
    '21.69 dB'
    """
    return _sr_y(images, target, border=2)


def sr_y_x3(images: Images, target: Images) -> Scores:
    """Returns psnr (dB) and ssim of the studio-range Y, a border of 3 px cut.

    Source: see `sr_y_x2`.

    >>> target = jnp.full((1, 22, 22, 1), 0.5)  # grey: Y itself
    >>> f"{protocols.sr_y_x3(target + 0.1, target)['psnr'][0]:.2f} dB"
    '20.17 dB'
    """
    return _sr_y(images, target, border=3)


def sr_y_x4(images: Images, target: Images) -> Scores:
    """Returns psnr (dB) and ssim of the studio-range Y, a border of 4 px cut.

    Source: see `sr_y_x2`.

    >>> target = jnp.full((1, 24, 24, 1), 0.5)
    >>> wrong_border = target.at[:, :4].set(1)
    >>> f"{protocols.sr_y_x4(wrong_border, target)['psnr'][0]:.2f} dB"
    'inf dB'
    """
    return _sr_y(images, target, border=4)


def jpeg_y(images: Images, target: Images) -> Scores:
    """Returns psnr (dB), ssim and psnr_b of the studio-range Y, whole image.

    JPEG's tables: colour (LIVE1) as in `sr_y_x2`; grey (Classic5) as it is, which is
    one channel, or a target of three equal ones: its full-range luma is that grey.

    >>> target = jnp.full((1, 16, 16, 1), 0.5)
    >>> scores = protocols.jpeg_y(target.at[:, :, 8:].add(0.1), target)  # two blocks
    >>> f"{scores['psnr'][0]:.2f} dB, PSNR-B {scores['psnr_b'][0]:.2f} dB"
    '23.18 dB, PSNR-B 20.75 dB'
    """
    images, target = checks.pair(images, target)
    levels = _levels(target)
    grey = (levels == levels[..., :1]).all((1, 2, 3), keepdims=True)
    y = lambda image: jnp.where(grey, _luma(image, *_FULL), _luma(image, *_STUDIO))
    images, target = y(images), y(target)
    return {**_psnr_ssim(images, target), "psnr_b": metrics.psnr_b(images, target)}


def pixelation_group(images: Images, target: Images) -> Scores:
    """Returns psnr (dB) whose peak is the target's own maximum, mse and cosine.

    As the pixelation study of `PieterBijl/Group28` was scored: `mse` in squared 8-bit
    levels, over all channels; a black target has a peak of one level. PSNR is below
    that of `rgb8` by 20 log10(255 / maximum).

    >>> target = jnp.full((1, 16, 16, 3), 0.5)
    >>> scores = protocols.pixelation_group(target + 0.1, target)
    >>> f"{scores['psnr'][0]:.2f} dB, {scores['mse'][0]:.0f}"
    '14.19 dB, 625'
    """
    images, target = map(_eight_bit, checks.pair(images, target))
    peak = jnp.maximum(target.max((1, 2, 3)), 1 / 255)
    return {
        "psnr": metrics.psnr(images, target) + 20 * jnp.log10(peak),
        "mse": 255**2 * metrics.mse(images, target),
        "cosine": metrics.cosine_similarity(images, target),
    }


def damaged_faces(images: Images, target: Images) -> Scores:
    """Returns psnr (dB), mse and nrmse on [0, 1], and scikit-image's default ssim.

    The table of the study of damaged faces: all channels together, whole image; NRMSE
    over the norm of the target; `metrics.ssim_skimage`, another number than `rgb8`'s.

    >>> target = jnp.eye(16)[None, ..., None]
    >>> scores = protocols.damaged_faces(target / 2, target)
    >>> f"NRMSE {scores['nrmse'][0]:.4f}, SSIM {scores['ssim'][0]:.4f}"
    'NRMSE 0.4980, SSIM 0.6913'
    """
    images, target = map(_eight_bit, checks.pair(images, target))
    return {
        "psnr": metrics.psnr(images, target),
        "mse": metrics.mse(images, target),
        "nrmse": metrics.nrmse(images, target),
        "ssim": metrics.ssim_skimage(images, target),
    }


def inpainting(
    images: Images, target: Images, *, damage: Damage | None = None
) -> Scores:
    """Returns psnr (dB), ssim and l1 of whole 8-bit images, and of their holes alone.

    Inpainting's tables have the whole picture, in which the known pixels are those of
    the target; `hole_psnr`, `hole_ssim` and `hole_l1` count lost pixels only, of which
    `damage` is 1. `l1` is the mean of absolute errors on [0, 1]; SSIM as in `rgb8`, its
    map weighted by the hole. An image without a hole has NaN there.

    Raises `ValueError` without `damage`.

    >>> target = jnp.full((1, 16, 16, 3), 0.5)
    >>> damage = jnp.zeros((1, 16, 16, 1)).at[:, :8].set(1)
    >>> scores = protocols.inpainting(target + 0.1 * damage, target, damage=damage)
    >>> f"{scores['psnr'][0]:.2f} dB, in the hole {scores['hole_psnr'][0]:.2f} dB"
    '23.18 dB, in the hole 20.17 dB'
    """
    if damage is None:
        raise ValueError(
            "inpainting scores holes apart: give their masks, or a degradation that "
            "says where it lost pixels, as holes and scratches do"
        )
    images, target = map(_eight_bit, checks.pair(images, target, damage))
    lost = (damage > 0.5).astype(jnp.float32)
    hole = {
        "hole_psnr": metrics.psnr(images, target, weight=lost),
        "hole_ssim": metrics.ssim(images, target, weight=lost),
        "hole_l1": metrics.mae(images, target, weight=lost),
    }
    any_lost = lost.any((1, 2, 3))
    return {
        **_psnr_ssim(images, target),
        "l1": metrics.mae(images, target),
        **{name: jnp.where(any_lost, score, jnp.nan) for name, score in hole.items()},
    }


def _psnr_ssim(images, target):
    return {"psnr": metrics.psnr(images, target), "ssim": metrics.ssim(images, target)}


def _sr_y(images, target, *, border):
    images, target = checks.pair(images, target)
    height, width = target.shape[1:3]
    if min(height, width) <= 2 * border:
        size = f"{width}x{height} less a border of {border} px"
        raise checks.TooSmall(
            f"{size} is nothing; take another protocol or larger images"
        )
    inside = (slice(None), slice(border, -border), slice(border, -border))
    return _psnr_ssim(_luma(images, *_STUDIO)[inside], _luma(target, *_STUDIO)[inside])


def _luma(images, weights, offset):
    if images.shape[-1] == 1:
        return _eight_bit(images)
    if images.shape[-1] != 3:
        raise ValueError(
            f"grey and Y need 1 or 3 channels, got {images.shape[-1]}; take rgb8"
        )
    # In integers, halves rounded up: no compiler rounds an image and its equal apart.
    thousandths = (_levels(images) * np.array(weights)).sum(-1, keepdims=True)
    levels = (thousandths + 255 * offset + 127_500) // 255_000
    return _looked_up(levels, jnp.isnan(images).any(-1, keepdims=True))


def _eight_bit(images):
    return _looked_up(_levels(images), jnp.isnan(images))


def _levels(images):
    images = jnp.clip(images.astype(jnp.float32), 0, 1)
    return jnp.round(images * 255).astype(jnp.int32)


def _looked_up(levels, is_nan):
    # Looked up, not divided: a compiler may contract the division with a metric's
    # subtraction, and images of equal levels would no longer be identical.
    return jnp.where(is_nan, jnp.nan, jnp.asarray(_LEVELS)[levels])
