"""Convolution of a map enlarged to twice its sides, without the enlarged map.

A 3x3 convolution of what was just enlarged sees the same few pixels again and again. Of
each pixel and its differences to the next ones it takes nine products, where the
enlarged map takes 36, and it gives the same numbers. Beyond the border the enlarged map
repeats its edge, and so does the small one.

The sums before and after the products are tables of three taps an axis, since their
gradients are the same sums, with the tables turned. As JAX derives them, each tap makes
a map of its own, with zeros around, and the gradients take twice as long.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import products

# Per map that is made, and map that it is made of: weights of the pixel before, of the
# pixel and of the one behind.
Table = Sequence[Sequence[Sequence[float | int]]]

# A map, and its steps from each pixel to the one before and the one behind.
_STEPS: Table = [[(0, 1, 0)], [(1, -1, 0)], [(0, -1, 1)]]

# Pixels 2 m and 2 m + 1, of products of a map and its steps.
_ENLARGED: Mapping[str, Table] = {
    "bilinear": [
        [(1 / 4, 3 / 4, 0), (0, 1 / 2, 0), (1 / 4, 1 / 4, 0)],
        [(0, 3 / 4, 1 / 4), (0, 1 / 4, 1 / 4), (0, 1 / 2, 0)],
    ],
    "nearest": [[(0, 1, 0), (0, 1, 0), (0, 0, 0)], [(0, 1, 0), (0, 0, 0), (0, 1, 0)]],
}

# The enlarging and its transpose, one after the other, per pixel of the result.
_SPREAD: Mapping[str, Table] = {
    "bilinear": [[(3 / 16, 10 / 16, 3 / 16)]],
    "nearest": [[(0, 1, 0)]],
}

METHODS = tuple(_ENLARGED)


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c d"], method: str
) -> Float[Array, "b hh ww d"]:
    """Returns the 3x3 convolution of `x` enlarged twofold, its edge repeated around.

    `nearest` repeats every pixel; `bilinear` takes 3/4 of the nearer and 1/4 of the
    other pixel along each axis, as PyTorch without `align_corners`. Derivatives in
    reverse mode only. Raises `ValueError` for another method or another kernel than of
    3x3.

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
    return _convolve(x, kernel, method)


def mean_square(x: Float[Array, "b h w c"], method: str) -> Float[Array, "b 1 1 c"]:
    """Returns the mean of the squares of `x` enlarged twofold; methods of `convolve`.

    The mean itself is that of `x`: every pixel has the same share in the enlarged map.
    """
    return _mean_square(x, method)


# Lambdas: pyright finds no type in what a partial custom_vjp returns.
@lambda function: jax.custom_vjp(function, nondiff_argnums=(2,))
def _convolve(x, kernel, method):
    maps, weights = _steps(x), [_ends(rows) for rows in _ends(kernel)]
    made = [
        [one @ by for one, by in zip(*rows, strict=True)]
        for rows in zip(maps, weights, strict=True)
    ]
    table = _ENLARGED[method]
    columns = [_taken(row, table, 2) for row in made]
    phases = [_taken(column, table, 1) for column in zip(*columns, strict=True)]
    rows = [jnp.stack(row, 3) for row in zip(*phases, strict=True)]
    batch, height, width, _ = x.shape
    return jnp.stack(rows, 2).reshape(batch, 2 * height, 2 * width, -1)


def _convolve_backward(method, residuals, cotangent):
    x, kernel = residuals
    batch, height, width, _ = x.shape
    maps, weights = _steps(x), [_ends(rows) for rows in _ends(kernel)]
    framed = jnp.pad(cotangent, ((0, 0), (4, 4), (4, 4), (0, 0)))
    framed = framed.reshape(batch, height + 4, 2, width + 4, 2, -1)
    table = _turned(_ENLARGED[method])
    columns = [
        _taken([framed[:, :, row, :, column] for row in (0, 1)], table, 1)
        for column in (0, 1)
    ]
    found = [_taken(row, table, 2) for row in zip(*columns, strict=True)]
    by_kernel = [
        _ends_backward([products.by_weights(*pair) for pair in zip(*rows, strict=True)])
        for rows in zip(maps, found, strict=True)
    ]
    by_map = [
        [one @ by.T for one, by in zip(*rows, strict=True)]
        for rows in zip(found, weights, strict=True)
    ]
    by_x = _steps_backward([_steps_backward(row, 2) for row in by_map], 1)
    return by_x, _ends_backward(by_kernel)


_convolve.defvjp(
    lambda x, kernel, method: (_convolve(x, kernel, method), (x, kernel)),
    _convolve_backward,
)


@lambda function: jax.custom_vjp(function, nondiff_argnums=(1,))
def _mean_square(x, method):
    return (x * _spread(x, method)).mean((1, 2), keepdims=True)


def _mean_square_backward(method, x, cotangent):
    share = 2 / (x.shape[1] * x.shape[2])
    return (share * cotangent * _spread(x, method),)  # `_spread` is its own transpose


_mean_square.defvjp(
    lambda x, method: (_mean_square(x, method), x), _mean_square_backward
)


def _spread(x, method):
    (rows,) = _taken([_framed(x, 1)], _SPREAD[method], 1)
    return _taken([rows], _SPREAD[method], 2)[0]


def _framed(x, room):
    return jnp.pad(x, ((0, 0), (room, room), (room, room), (0, 0)), mode="edge")


def _steps(x):
    """Of each pixel, and one more on every side: 3 rows of 3 maps."""
    return [_taken([rows], _STEPS, 2) for rows in _taken([_framed(x, 2)], _STEPS, 1)]


def _steps_backward(cotangents, axis):
    """The gradient of one axis, with that of the pixels that repeat the edge."""
    (inner,) = _taken(cotangents, _turned(_STEPS), axis)
    size = inner.shape[axis]
    itself, before, behind = cotangents
    at = lambda x, index: jax.lax.index_in_dim(x, index, axis)
    first = at(itself, 0) + at(before, 1) - at(behind, 0)
    last = at(itself, size + 1) + at(behind, size) - at(before, size + 1)
    place = (slice(None),) * axis
    inner = inner.at[(*place, slice(1))].add(first)
    return inner.at[(*place, slice(size - 1, size))].add(last)


def _ends(kernel):
    """The sum of three weights, the first and the last."""
    first, middle, last = kernel
    return [first + middle + last, first, last]


def _ends_backward(cotangents):
    whole, first, last = cotangents
    return jnp.stack([whole + first, whole, whole + last])


def _taken(maps: Sequence[Any], table: Table, axis: int) -> list[Any]:
    """The sums of `table`, of all pixels that have one before and one behind."""
    size = maps[0].shape[axis] - 2
    return [
        sum(
            weight * jax.lax.slice_in_dim(one, tap, tap + size, axis=axis)
            for one, taps in zip(maps, row, strict=True)
            for tap, weight in enumerate(taps)
            if weight
        )
        for row in table
    ]


def _turned(table):
    return [[row[index][::-1] for row in table] for index in range(len(table[0]))]
