"""The factors of SSIM at every position of a window, with a gradient of their own.

Inside, width and channels are one axis with the channel innermost: rows are long loops.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore.ops import filters

_C1, _C2 = 0.01**2, 0.03**2


class Window(NamedTuple):
    """Weights down and across, and what a variance is multiplied by: n / (n - 1) or 1.

    Tuples, so that a window is a constant of the compiled function.
    """

    rows: filters.Weights
    columns: filters.Weights
    covariance: float = 1.0


def gaussian(height: int, width: int) -> Window:
    """Returns the window of 11 and deviation 1.5, as large as fits with an odd size."""
    rows, columns = (
        filters.gaussian_window(min(11, side - (side + 1) % 2), 1.5)
        for side in (height, width)
    )
    return Window(tuple(rows.tolist()), tuple(columns.tolist()))


def uniform(size: int) -> Window:
    """Returns `size` x `size` equal weights, with the covariance of a sample."""
    weights, count = (1 / size,) * size, size * size
    return Window(weights, weights, count / (count - 1))


class Means(NamedTuple):
    """Means over positions, for each image and channel."""

    ssim: Float[Array, "b c"]
    contrast_structure: Float[Array, "b c"]


def means(
    a: Float[Array, "b h w c"],
    b: Float[Array, "b h w c"],
    window: Window,
    weight: Float[Array, "b h w 1"] | None = None,
) -> Means:
    """Returns the mean SSIM and the mean of its contrast-structure factor.

    `weight` counts where the centre of the window lies; weights that are all zero
    there give 1.
    """
    batch, height, width, channels = a.shape
    flat = (batch, height, width * channels)
    luminance, structure = maps(a.reshape(flat), b.reshape(flat), window, channels)
    if weight is not None:
        below, right = len(window.rows) // 2, len(window.columns) // 2
        weight = weight[:, below : height - below, right : width - right]
        weight = weight.astype(a.dtype)

    def mean(values):
        if weight is None:  # rows first, so that the loops stay long
            return values.mean(1).reshape(batch, -1, channels).mean(1)
        errors = (1 - values).reshape(*weight.shape[:3], channels)
        total = weight.sum((1, 2))
        return 1 - (weight * errors).sum((1, 2)) / jnp.where(total > 0, total, 1)

    return Means(mean(luminance * structure), mean(structure))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def maps(
    a: Float[Array, "b h wc"],
    b: Float[Array, "b h wc"],
    window: Window,
    channels: int,
) -> tuple[Float[Array, "b hh wwc"], Float[Array, "b hh wwc"]]:
    """Returns luminance and contrast-structure wherever the window fits.

    With means m, variances v and the covariance v_ab under the window they are
    `(2 m_a m_b + C1) / (m_a^2 + m_b^2 + C1)` and `(2 v_ab + C2) / (v_a + v_b + C2)`,
    with C1 = 0.01^2 and C2 = 0.03^2 for images in [0, 1]. Equal images give 1 to the
    bit. Four windows; the gradient for one image takes three more. Reverse-mode
    derivatives only.

    Source: Wang et al., TIP 2004 (see `metrics.ssim`); the arrangement is ours.
    """
    return _forward(a, b, window, channels)[0]


def _forward(a, b, window, channels):
    # Four windowed means: the squares enter only as their sum. The covariance enters
    # through the variance of the difference, so that equal images score 1 to the bit
    # however it is compiled.
    difference = a - b
    terms = _stack(a, difference, a * a + b * b, difference * difference)
    windowed = filters.valid(terms, window.rows, window.columns, channels)
    mean_a, mean_difference, *_ = windowed
    mean_b = mean_a - mean_difference
    variances, differing = _variances(windowed, window)
    structure = 1 - differing / (variances + _C2)
    luminance = 1 - mean_difference**2 / (mean_a**2 + mean_b**2 + _C1)
    return (luminance, structure), (a, b, windowed)


def _variances(windowed, window):
    """The sum of both variances, and the variance of the difference."""
    mean_a, mean_difference, squares, squared_differences = windowed
    mean_b = mean_a - mean_difference
    # max() keeps the denominator positive; the numerator has none: compiled twice, it
    # masks the two terms of its gradient differently.
    variances = jnp.maximum(squares - mean_a**2 - mean_b**2, 0)
    differing = squared_differences - mean_difference**2
    return window.covariance * variances, window.covariance * differing


def _backward(window, channels, residuals, cotangents):
    a, b, windowed = residuals
    mean_a, mean_difference, *_ = windowed
    mean_b = mean_a - mean_difference
    for_a = _gradient(a, b, mean_a, mean_b, windowed, cotangents, window, channels)
    for_b = _gradient(b, a, mean_b, mean_a, windowed, cotangents, window, channels)
    return for_a, for_b


def _gradient(x, y, mean_x, mean_y, windowed, cotangents, window, channels):
    """The gradient for `x` of two symmetric functions of `x` and `y`.

    The window's adjoint is applied to the derivatives for the mean of x, for the sum
    of squares and for the squared difference; the last two then meet x and x - y.
    """
    luminance, structure = cotangents
    variances, differing = _variances(windowed, window)
    mean_difference = mean_x - mean_y
    brightness = mean_x**2 + mean_y**2 + _C1
    spread = variances + _C2
    inverse = 1 / (brightness * spread)  # one division, so one loop makes all three
    by_difference = -window.covariance * structure * brightness * inverse
    by_squares = jnp.where(variances > 0, -by_difference * differing, 0)
    by_squares = by_squares * brightness * inverse
    ratio = mean_difference * spread * inverse
    by_mean = 2 * luminance * ratio * (ratio * mean_x - 1) - 2 * (
        mean_difference * by_difference + mean_x * by_squares
    )
    stack = _stack(by_mean, 2 * by_squares, 2 * by_difference)
    parts = filters.adjoint(stack, window.rows, window.columns, channels)
    return parts[0] + x * parts[1] + (x - y) * parts[2]


maps.defvjp(_forward, _backward)


def _stack(*arrays):
    """`jnp.stack` as a sum: a copy by parts would be a loop with a branch inside."""
    shape = (len(arrays),) + (1,) * arrays[0].ndim
    rows = np.eye(len(arrays), dtype=np.float32)
    return sum(
        row.reshape(shape) * array[None]
        for row, array in zip(rows, arrays, strict=True)
    )
