"""Sides that are names yet: an exported program takes images of any size.

While a function is traced for it (`jax.export.symbolic_shape`), a side is a polynomial
of names. No form is chosen by its size then, and nothing is padded by as many pixels as
it needs, but what stands where is looked up.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array, Float


def are_unknown(x: jax.Array | np.ndarray | jax.ShapeDtypeStruct) -> bool:
    """Returns whether a side of `x`, or how many images it has, is a name.

    >>> sides.are_unknown(jnp.zeros((1, 8, 8, 3)))
    False
    """
    return any(map(export.is_symbolic_dim, x.shape))


def mirrored(
    images: Float[Array, "b h w c"], rooms: Any, *, fits: Any = True
) -> Float[Array, "b hh ww c"]:
    """Returns `images` with so many pixels more around, by looking each one up.

    `rooms` are two pairs: above and below, left and right. What is added mirrors the
    image without repeating its edge, or is its edge where the image is too small for
    that, which `fits` says.

    >>> row = jnp.arange(3.0).reshape(1, 1, 3, 1)
    >>> sides.mirrored(row, ((0, 0), (1, 2)))[0, 0, :, 0]
    Array([1., 0., 1., 2., 1., 0.], dtype=float32)
    """
    for axis, (before, after) in enumerate(rooms, 1):
        if before == 0 and after == 0:
            continue
        last = jnp.asarray(images.shape[axis] - 1)
        place = jnp.arange(before + images.shape[axis] + after) - before
        there = last - jnp.abs(last - jnp.abs(place))
        if fits is not True:
            there = jnp.where(fits, there, jnp.clip(place, 0, last))
        images = jnp.take(images, there, axis=axis, mode="clip")
    return images
