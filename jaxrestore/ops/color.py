"""Colour spaces. Images [..., 3], RGB in [0, 1], gamma-encoded as files have them."""

import jax.numpy as jnp
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
