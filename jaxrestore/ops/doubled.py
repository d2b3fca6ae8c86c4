"""Convolution of a map enlarged to twice its sides, without the enlarged map.

A 3x3 convolution of what was just enlarged sees the same few pixels again and again. Of
each pixel and its differences to the next ones it takes nine products, where the
enlarged map takes 36, and it gives the same numbers. Beyond the border the enlarged map
repeats its edge, so that no case of the border is left.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

METHODS = ("bilinear", "nearest")


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c d"], method: str
) -> Float[Array, "b hh ww d"]:
    """Returns the 3x3 convolution of `x` enlarged twofold, its edge repeated around.

    `nearest` repeats every pixel; `bilinear` takes 3/4 of the nearer and 1/4 of the
    other pixel along each axis, as PyTorch without `align_corners`. Raises
    `ValueError` for another method or another kernel than of 3x3.

    Source: the derivation is ours. Along one axis, with weights a, b, c, the pixels 2 m
    and 2 m + 1 of the result for `nearest` are (a + b + c) x[m] + a (x[m - 1] - x[m])
    and (a + b + c) x[m] + c (x[m + 1] - x[m]). `bilinear` is `nearest` followed by the
    filter 1/4, 1/2, 1/4, which may as well follow the convolution.
    """
    if method not in METHODS or kernel.shape[:2] != (3, 3):
        raise ValueError(
            f"a map is enlarged {method!r} for a kernel of {kernel.shape[:2]}; give "
            f"one of {', '.join(METHODS)} and a kernel of 3x3"
        )
    b, h, w, c = x.shape
    maps = [_with_steps(rows, 2) for rows in _with_steps(x, 1)]
    weights = [_with_ends(rows) for rows in _with_ends(kernel)]
    products = [
        [(one.reshape(-1, c) @ by).reshape(b, h, w, -1) for one, by in pairs]
        for pairs in map(zip, maps, weights)
    ]
    columns = [jnp.stack([all_ + even, all_ + odd], 3) for all_, even, odd in products]
    rows = jnp.stack([columns[0] + columns[1], columns[0] + columns[2]], 2)
    y = rows.reshape(b, 2 * h, 2 * w, -1)
    if method == "bilinear":
        return _smoothed(_smoothed(y, 1, 1 / 4), 2, 1 / 4)
    return y


def mean_square(x: Float[Array, "b h w c"], method: str) -> Float[Array, "b 1 1 c"]:
    """Returns the mean of the squares of `x` enlarged twofold; methods of `convolve`.

    The mean itself is that of `x`: every pixel has the same share in the enlarged map.
    """
    spread = x
    if method == "bilinear":
        # The enlarging and its transpose, one after the other, per pixel of the result.
        spread = _smoothed(_smoothed(x, 1, 3 / 16), 2, 3 / 16)
    return (x * spread).mean((1, 2), keepdims=True)


def _with_steps(x, axis):
    """The map, and its steps from each pixel to the one before and the one behind."""
    return [x, _before(x, axis) - x, _behind(x, axis) - x]


def _with_ends(kernel):
    first, middle, last = kernel
    return [first + middle + last, first, last]


# A symmetric filter, edge repeated, is its own transpose. A lambda, since pyright finds
# no type in what a partial custom_vjp returns.
@lambda function: jax.custom_vjp(function, nondiff_argnums=(1, 2))
def _smoothed(x, axis, share):
    around = _before(x, axis) + _behind(x, axis)
    return (1 - 2 * share) * x + share * around


_smoothed.defvjp(
    lambda x, axis, share: (_smoothed(x, axis, share), None),
    lambda axis, share, _, cotangent: (_smoothed(cotangent, axis, share),),
)


def _before(x, axis):
    first = jax.lax.slice_in_dim(x, 0, 1, axis=axis)
    others = jax.lax.slice_in_dim(x, 0, x.shape[axis] - 1, axis=axis)
    return jnp.concatenate([first, others], axis)


def _behind(x, axis):
    others = jax.lax.slice_in_dim(x, 1, None, axis=axis)
    last = jax.lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)
    return jnp.concatenate([others, last], axis)
