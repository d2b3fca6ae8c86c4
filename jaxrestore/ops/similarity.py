"""Means of SSIM and of its contrast-structure factor, with a gradient of their own.

Inside, width and channels are one axis with the channel innermost: rows are long loops.
Derivatives are of any order, in reverse mode only.
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


def ssim(
    a: Float[Array, "b h w c"],
    b: Float[Array, "b h w c"],
    window: Window,
    weight: Float[Array, "b h w 1"] | None = None,
) -> Float[Array, "b c"]:
    """Returns the mean of SSIM over the positions of the window.

    With means m, variances v and the covariance v_ab under the window it is the
    luminance `(2 m_a m_b + C1) / (m_a^2 + m_b^2 + C1)` times the contrast-structure
    `(2 v_ab + C2) / (v_a + v_b + C2)`; C1 = 0.01^2 and C2 = 0.03^2 for images in
    [0, 1]. Equal images give 1 to the bit. `weight` counts where the centre of the
    window lies; weights that are all zero there give 1. Four windows; the gradient for
    one image takes three more.

    Source: Wang et al., TIP 2004 (see `metrics.ssim`); the arrangement is ours.
    """
    return _weighted_mean(a, b, window, weight, luminance=True)


def contrast_structure(
    a: Float[Array, "b h w c"],
    b: Float[Array, "b h w c"],
    window: Window,
    weight: Float[Array, "b h w 1"] | None = None,
) -> Float[Array, "b c"]:
    """Returns the mean of the second factor of `ssim` alone, for the finer scales."""
    return _weighted_mean(a, b, window, weight, luminance=False)


def _weighted_mean(a, b, window, weight, *, luminance):
    batch, height, width, channels = a.shape
    if weight is not None:
        below, right = len(window.rows) // 2, len(window.columns) // 2
        weight = weight[:, below : height - below, right : width - right]
        weight = jnp.repeat(weight[..., 0].astype(a.dtype), channels, -1)
    flat = (batch, height, width * channels)
    form = _Form(window, channels, luminance)
    return _mean(a.reshape(flat), b.reshape(flat), weight, form)


class _Form(NamedTuple):
    window: Window
    channels: int
    luminance: bool  # whether its factor is in the product


# A lambda: pyright finds no type in what a partial custom_vjp returns.
@lambda function: jax.custom_vjp(function, nondiff_argnums=(3,))
def _mean(a, b, weight, form):
    value, *_ = _maps(a, b, form)
    return _average(value, weight, form)


def _forward(a, b, weight, form):
    maps = _maps(a, b, form)
    return _average(maps[0], weight, form), (a, b, weight, maps)


def _backward(form, residuals, cotangent):
    a, b, weight, maps = residuals
    value, *derivatives = maps
    width = value.shape[-1] // form.channels

    def spread(means):  # [b, c] to every position
        return jnp.tile(means, (1, width))[:, None]

    if weight is None:
        by_weight = None
        share = spread(cotangent) / (value.shape[1] * width)
    else:
        total = _total(weight, form.channels)
        each = spread(cotangent / jnp.where(total > 0, total, 1))
        by_weight = each * (value - spread(_average(value, weight, form)))
        share = each * weight
    by_a = _gradient(a, b, [share * map for map in derivatives], form)
    _, *derivatives = _maps(b, a, form)  # never made if nobody asks for it
    by_b = _gradient(b, a, [share * map for map in derivatives], form)
    return by_a, by_b, by_weight


_mean.defvjp(_forward, _backward)


def _average(values, weight, form):
    # The mean of what is missing to 1: of equal images it is 0, and 1 less it is 1.
    if weight is None:
        positions = values[0].size // form.channels
        return 1 - _total(1 - values, form.channels) / positions
    total = _total(weight, form.channels)
    errors = _total(weight * (1 - values), form.channels)
    return 1 - errors / jnp.where(total > 0, total, 1)


def _total(values, channels):
    # Sixteen bands of rows are added as rows: a sum of numbers one by one is slower.
    rows = values.shape[1] // 16
    bands = [values[:, k * rows : (k + 1) * rows] for k in range(16)]
    sums = [functools.reduce(jnp.add, bands), values[:, 16 * rows :]]
    return sum(
        part.sum(1).reshape(len(values), -1, channels).sum(1)
        for part in sums
        if part.shape[1]
    )


def _maps(x, y, form):
    """The similarity at every position, and its derivatives.

    These are for the mean of x, for the sum of squares and for the squared difference;
    the last two are doubled, for they meet x and x - y.
    """
    # Four windowed means: the squares enter only as their sum. The covariance enters
    # through the variance of the difference, so that equal images score 1 to the bit
    # however it is compiled.
    window, terms = form.window, _terms(x, y)
    windowed = filters.valid(terms, window.rows, window.columns, form.channels)
    mean, mean_difference, squares, squared_differences = windowed
    mean_y = mean - mean_difference
    # max() keeps the denominator positive; the numerator has none: an image that is
    # all but flat would feel rounding as a gradient.
    variances = jnp.maximum(squares - mean**2 - mean_y**2, 0)
    differing = window.covariance * (squared_differences - mean_difference**2)
    spread = window.covariance * variances + _C2
    if form.luminance:
        brightness = mean**2 + mean_y**2 + _C1
        agreeing = brightness - mean_difference**2
    else:
        brightness = agreeing = jnp.ones_like(spread)
    inverse = 1 / (brightness * spread)
    value = agreeing * (spread - differing) / (brightness * spread)
    by_difference = -2 * window.covariance * agreeing * inverse
    by_squares = jnp.where(variances > 0, -by_difference * differing, 0) / spread
    by_mean = -mean_difference * by_difference - mean * by_squares
    if form.luminance:
        slope = mean_difference * (mean_difference * mean - brightness)
        by_mean = by_mean + 2 * slope * (spread - differing) / brightness * inverse
    return value, by_mean, by_squares, by_difference


def _gradient(x, y, derivatives, form):
    window = form.window
    by_mean, by_squares, by_difference = (
        filters.adjoint(map, window.rows, window.columns, form.channels)
        for map in derivatives
    )
    return by_mean + x * by_squares + (x - y) * by_difference


def _terms(x, y):
    """x, x - y, x^2 + y^2 and (x - y)^2 as one array.

    By one formula, u (p + q u) + r y^2 with u = x + s y: put together from parts it
    would be a loop with a branch inside.
    """
    rows = np.array(
        [[0, 1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, 1], [-1, 0, 1, 0]], np.float32
    )
    s, p, q, r = rows.T.reshape(4, 4, *(1,) * x.ndim)
    u = x + s * y
    return u * (p + q * u) + r * (y * y)
