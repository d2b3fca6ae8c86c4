"""Colour spaces. Images [..., 3], RGB in [0, 1], gamma-encoded as files have them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def luma(images: Float[Array, "*b h w c"]) -> Float[Array, "*b h w 1"]:
    """Returns full-range BT.601 luma, 0.299 R + 0.587 G + 0.114 B; one channel as is.

    Source: ITU-R Recommendation BT.601; the grey that JPEG and OpenCV use.
    Raises `ValueError` unless there are 1 or 3 channels.
    """
    if images.shape[-1] == 1:
        return images
    if images.shape[-1] != 3:
        raise ValueError(
            f"luma is defined for 1 or 3 channels, got {images.shape[-1]}; pass RGB"
        )
    weights = jnp.array([0.299, 0.587, 0.114], images.dtype)
    return (images * weights).sum(-1, keepdims=True)


# Rows are what Y, Cb and Cr take of red, green and blue: Cb is (B - Y) / 1.772 and
# Cr is (R - Y) / 1.402, so that both have a width of 1.
_LUMA = np.array([0.299, 0.587, 0.114])
_YCBCR = np.stack([_LUMA, ([0, 0, 1] - _LUMA) / 1.772, ([1, 0, 0] - _LUMA) / 1.402])
_NO_CHROMA = 128 / 255


def rgb_to_ycbcr(images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Returns full-range Y, Cb, Cr in [0, 1]; grey has a Cb and Cr of 128/255.

    Chroma is full-range too: blue has Cb 0.5 + 128/255, a little above 1, for which
    8-bit files store 255. Nothing is clipped.

    Source: ITU-T Recommendation T.871 (JFIF), with the weights of BT.601.
    """
    y, cb, cr = _mixed(_YCBCR, *_channels(images))
    return jnp.stack([y, cb + _NO_CHROMA, cr + _NO_CHROMA], -1)


def ycbcr_to_rgb(images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Returns the inverse of `rgb_to_ycbcr`; not clipped."""
    y, cb, cr = _channels(images)
    inverse = np.linalg.inv(_YCBCR)
    return jnp.stack(_mixed(inverse, y, cb - _NO_CHROMA, cr - _NO_CHROMA), -1)


def _channels(images):
    return [images[..., channel] for channel in range(3)]


def _mixed(matrix, *channels):
    # Sums of planes: a product of matrices with sides of 3 takes 25 times longer.
    return [
        sum(weight * plane for weight, plane in zip(row, channels, strict=True))
        for row in matrix.tolist()
    ]


# XYZ of linear sRGB, and of its white, D65: ITU-R BT.709 primaries, 2 degree observer.
_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(images: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Returns CIE L*a*b* of sRGB: L* in [0, 100], a* and b* about [-110, 100].

    The white is D65, the observer that of 2 degrees; always float32.

    Source: IEC 61966-2-1 (sRGB) and CIE 15 (L*a*b*), with the constants of
    scikit-image. Raises `ValueError` unless there are 3 channels.
    """
    if images.shape[-1] != 3:
        raise ValueError(
            f"L*a*b* is defined for 3 channels, got {images.shape[-1]}; pass RGB"
        )
    images = images.astype(jnp.float32)
    powers = ((jnp.maximum(images, 0.04045) + 0.055) / 1.055) ** 2.4
    linear = jnp.where(images > 0.04045, powers, images / 12.92)
    to_ratios = jnp.asarray((_XYZ / _WHITE[:, None]).T, jnp.float32)
    ratios = jnp.matmul(linear, to_ratios, precision=jax.lax.Precision.HIGHEST)
    roots = jnp.cbrt(jnp.maximum(ratios, 0.008856))
    x, y, z = jnp.moveaxis(
        jnp.where(ratios > 0.008856, roots, 7.787 * ratios + 16 / 116), -1, 0
    )
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def ciede2000(a: Float[Array, "*b 3"], b: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
    """Returns the colour difference CIEDE2000 of L*a*b* colours; about 1 is just seen.

    All three weights k are 1.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation
    notes, supplementary test data, and mathematical observations", Color Research and
    Application 2005.
    """
    mean_chroma = (
        jnp.hypot(a[..., 1], a[..., 2]) + jnp.hypot(b[..., 1], b[..., 2])
    ) / 2
    stretch = 1.5 - 0.5 * _high_chroma(mean_chroma)
    chroma_a, hue_a = _polar(a, stretch)
    chroma_b, hue_b = _polar(b, stretch)
    turn, mean_hue = _hues(hue_a, hue_b, grey=chroma_a * chroma_b == 0)
    lightness = (a[..., 0] + b[..., 0]) / 2
    chroma = (chroma_a + chroma_b) / 2
    hue_weight = (
        1
        - 0.17 * jnp.cos(mean_hue - np.deg2rad(30))
        + 0.24 * jnp.cos(2 * mean_hue)
        + 0.32 * jnp.cos(3 * mean_hue + np.deg2rad(6))
        - 0.20 * jnp.cos(4 * mean_hue - np.deg2rad(63))
    )
    middle = jnp.square(lightness - 50)
    in_lightness = (b[..., 0] - a[..., 0]) / (
        1 + 0.015 * middle / jnp.sqrt(20 + middle)
    )
    in_chroma = (chroma_b - chroma_a) / (1 + 0.045 * chroma)
    in_hue = 2 * jnp.sqrt(chroma_a * chroma_b) * jnp.sin(turn / 2)
    in_hue = in_hue / (1 + 0.015 * chroma * hue_weight)
    blue = jnp.exp(-jnp.square((mean_hue - np.deg2rad(275)) / np.deg2rad(25)))
    rotation = -2 * _high_chroma(chroma) * jnp.sin(np.deg2rad(60) * blue)
    squares = jnp.square(in_lightness) + jnp.square(in_chroma) + jnp.square(in_hue)
    # max() guards against a negative sum from rounding.
    return jnp.sqrt(jnp.maximum(squares + rotation * in_chroma * in_hue, 0))


def _high_chroma(chroma):
    """Returns sqrt(C^7 / (C^7 + 25^7))."""
    power = (chroma / 25) ** 7
    return jnp.sqrt(power / (1 + power))


def _polar(color, stretch):
    """Returns chroma and hue angle in [0, 2 pi), a* stretched; the hue of grey is 0."""
    red = color[..., 1] * stretch
    hue = jnp.arctan2(color[..., 2], red)
    return jnp.hypot(red, color[..., 2]), jnp.where(hue < 0, hue + 2 * np.pi, hue)


def _hues(hue_a, hue_b, *, grey):
    """Returns the turn from one hue to the other by the short way, and their mean."""
    turn = hue_b - hue_a
    # Opposite hues turn as the formula has it; rounding must not send them round.
    apart = jnp.abs(turn) > np.pi + 1e-6
    total = hue_a + hue_b
    round_trip = jnp.where(total < 2 * np.pi, 2 * np.pi, -2 * np.pi)
    mean = (total + jnp.where(apart, round_trip, 0)) / 2
    turn = turn - jnp.where(apart, 2 * np.pi * jnp.sign(turn), 0)
    return jnp.where(grey, 0, turn), jnp.where(grey, total, mean)
