"""The orthonormal Haar transform of images [..., h, w, c].

Channel order and signs are those of MWCNN's reference code, so that its weights fit.

Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def haar(images: Float[Array, "*b h w c"]) -> Float[Array, "*b hh ww d"]:
    """Returns [..., h / 2, w / 2, 4c]: all LL channels, then all HL, all LH, all HH.

    Orthonormal: the sum of squares stays, and LL is twice the local mean. HL is right
    less left, LH bottom less top. Raises `ValueError` for an odd side.
    """
    height, width, channels = images.shape[-3:]
    if height % 2 or width % 2:
        raise ValueError(
            f"haar needs even sides, got {height}x{width}; pad or crop by one pixel"
        )
    blocks = (*images.shape[:-3], height // 2, 2, width // 2, 2, channels)
    halves = images.reshape(blocks) / 2
    top, bottom = halves[..., 0, :, :, :], halves[..., 1, :, :, :]
    low, high = top + bottom, bottom - top
    bands = [
        low[..., 0, :] + low[..., 1, :],
        low[..., 1, :] - low[..., 0, :],
        high[..., 0, :] + high[..., 1, :],
        high[..., 1, :] - high[..., 0, :],
    ]
    return jnp.concatenate(bands, -1)


def inverse_haar(bands: Float[Array, "*b h w d"]) -> Float[Array, "*b hh ww c"]:
    """Returns [..., 2h, 2w, d / 4], the images whose transform by `haar` is `bands`.

    Raises `ValueError` when the channels are not four bands of one size.
    """
    height, width, channels = bands.shape[-3:]
    if channels % 4:
        raise ValueError(
            f"inverse_haar needs four bands of one size, got {channels} channels; pass "
            "a multiple of 4"
        )
    ll, hl, lh, hh = jnp.split(bands / 2, 4, axis=-1)
    top = jnp.stack([ll - hl - lh + hh, ll + hl - lh - hh], -2)
    bottom = jnp.stack([ll - hl + lh - hh, ll + hl + lh + hh], -2)
    rows = jnp.stack([top, bottom], -4)  # [..., h, 2, w, 2, c]
    return rows.reshape(*bands.shape[:-3], 2 * height, 2 * width, channels // 4)
