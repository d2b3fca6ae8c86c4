"""Downsampling: the low-resolution image of super-resolution, as the papers make it."""

from typing import Annotated

from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import ranges, resize


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    scale: Annotated[float | int, ranges.Range(1, None, "4 is a quarter")] = 4,
    method: Annotated[str, ranges.Words(resize.METHODS)] = "bicubic",
) -> Float[Array, "hh ww c"]:
    """Returns `image` at 1 / `scale` of its size, sides rounded up; nothing is random.

    `method` is `"bicubic"` (MATLAB's antialiased imresize, what Set5 and its like are
    scored with), `"bilinear"` (antialiased too) or `"area"` (means of blocks). Where
    `scale` does not divide a side, the last pixels reach over the border, which is
    mirrored; a x4 network then makes an image larger than the target, so training and
    scoring crop the target to a multiple of `scale` first. Not clipped (bicubic
    overshoots at edges) and not rounded: chain `eight_bit` for what a file would hold.

    Source: MATLAB's `imresize(image, 1 / scale)`, the degradation of Timofte et al.,
    "NTIRE 2017 challenge on single image super-resolution", CVPRW 2017. Raises
    `ValueError` for a `scale` below 1 or an unknown method.

    >>> image = jnp.eye(4)[..., None]
    >>> downsample.degrade(jax.random.key(0), image, scale=2, method="area")[..., 0]
    Array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    ranges.check(degrade, locals())
    del key
    return resize.rescale(image, 1 / scale, method=method)
