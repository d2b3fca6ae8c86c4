"""Means over an image, plain or weighted by pixel."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def image_mean(
    values: Float[Array, "b h w c"], weight: Float[Array, "b h w 1"] | None = None
) -> Float[Array, " b"]:
    """Returns the mean over height, width and channels; sums in float32 or wider.

    With `weight` (not negative) it is `sum(weight * values) / sum(weight)`, so a
    constant weight changes nothing; an image whose weights are all zero has mean 0.
    """
    values = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    if weight is None:
        return values.mean((1, 2, 3))
    weight = weight.astype(values.dtype)
    total = weight.sum((1, 2, 3))
    shares = weight / jnp.where(total > 0, total, 1)[:, None, None, None]
    return (shares * values).sum((1, 2, 3)) / values.shape[-1]
