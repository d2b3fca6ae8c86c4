"""Blur kernels [k, k] of sum 1, and the filter that applies one to an image.

`size`, the odd side k, is fixed when compiled; every other number may be traced, so one
program makes a different kernel for each image. Pixel centres are at whole numbers, the
middle one at 0; lengths are in pixels. Angles are in radians, from the axis of the
columns (to the right) towards the axis of the rows (downwards). All kernels but
`sinc` are non-negative; all but `camera_shake` are symmetric about the middle.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

Scalar = float | int | Float[Array, ""]

# Coefficients of Abramowitz and Stegun, lowest power first: 9.4.4 in (x / 3)^2, the
# modulus and the phase of 9.4.6 in 3 / x.
_SMALL = (0.5, -0.56249985, 0.21093573, -0.03954289, 0.00443319, -3.1761e-4, 1.109e-5)
_MODULUS = (0.79788456, 1.56e-6, 0.01659667, 1.7105e-4, -0.00249511, 0.00113653)
_MODULUS = (*_MODULUS, -2.0033e-4)
_PHASE = (-2.35619449, 0.12499612, 5.650e-5, -0.00637879, 7.4348e-4, 7.9824e-4)
_PHASE = (*_PHASE, -2.9166e-4)


def gaussian(
    size: int, deviation_x: Scalar, deviation_y: Scalar, angle: Scalar
) -> Float[Array, "k k"]:
    """Returns a Gaussian sampled at pixel centres.

    Its axes have standard deviations `deviation_x` and `deviation_y`; `angle` is the
    direction of the first. A deviation of 0 blurs nothing along its axis.
    """
    return _scaled(jnp.exp(-_ellipse(size, deviation_x, deviation_y, angle) / 2))


def generalised_gaussian(
    size: int, deviation_x: Scalar, deviation_y: Scalar, angle: Scalar, shape: Scalar
) -> Float[Array, "k k"]:
    """Returns `exp(-q**shape / 2)`; q is 1 on the ellipse of one deviation.

    `shape` 1 is the Gaussian; below, a sharper peak with longer tails; above, flatter.

    Source: Liu et al., "Estimating generalized Gaussian blur kernels for out-of-focus
    image deblurring", TCSVT 2021, as Real-ESRGAN uses it.
    """
    ellipse = _ellipse(size, deviation_x, deviation_y, angle)
    return _scaled(jnp.exp(-(ellipse**shape) / 2))


def plateau(
    size: int, deviation_x: Scalar, deviation_y: Scalar, angle: Scalar, shape: Scalar
) -> Float[Array, "k k"]:
    """Returns `1 / (1 + q**shape)`; q is 1 on the ellipse of one deviation.

    Source: Wang, Xie, Dong, Shan, "Real-ESRGAN: training real-world blind
    super-resolution with pure synthetic data", ICCVW 2021.
    """
    ellipse = _ellipse(size, deviation_x, deviation_y, angle)
    return _scaled(1 / (1 + ellipse**shape))


def sinc(size: int, cutoff: Scalar) -> Float[Array, "k k"]:
    """Returns the ideal circular low-pass filter, cut to a square: it rings.

    Frequencies above `cutoff` (radians per pixel, 0 to pi) are removed.

    Source: Wang et al., "Real-ESRGAN", ICCVW 2021: c J1(c r) / (2 pi r).
    """
    rows, columns = _offsets(size)
    phase = jnp.asarray(cutoff, jnp.float32) * np.hypot(rows, columns)
    middle = phase == 0
    # J1(x) / x tends to 1/2; the constant in front goes when the sum becomes 1.
    return _scaled(jnp.where(middle, 0.5, j1(phase) / jnp.where(middle, 1, phase)))


def j1(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns the Bessel function of the first kind and order 1, to about 1e-7.

    Source: Abramowitz, Stegun, "Handbook of mathematical functions", 1964, 9.4.4 and
    9.4.6.
    """
    size = jnp.abs(x)
    near = x * _polynomial(_SMALL, jnp.square(jnp.minimum(size, 3) / 3))
    large = jnp.maximum(size, 3)
    modulus = _polynomial(_MODULUS, 3 / large) / jnp.sqrt(large)
    far = jnp.sign(x) * modulus * jnp.cos(large + _polynomial(_PHASE, 3 / large))
    return jnp.where(size < 3, near, far)


def line(size: int, length: Scalar, angle: Scalar) -> Float[Array, "k k"]:
    """Returns the trace of a point that moves `length` pixels straight and evenly.

    Eight points a pixel of `size` are shared bilinearly between their four
    neighbours: 45 degrees are as smooth as 0. A length of 0 is no blur.
    """
    count = 8 * size
    along = length * ((np.arange(count, dtype=np.float32) + 0.5) / count - 0.5)
    return _splat(size, along * jnp.sin(angle), along * jnp.cos(angle))


def camera_shake(
    key: PRNGKeyArray,
    size: int,
    extent: Scalar,
    *,
    inertia: Scalar = 0.7,
    jerk: Scalar = 0.005,
    steps: int = 200,
) -> Float[Array, "k k"]:
    """Returns the trace of a random walk whose centre of mass is the middle pixel.

    Each step keeps the share `inertia` of the velocity and adds a Gaussian impulse, one
    in `1 / jerk` of them ten times as strong. The path is scaled so that the longer
    side of the box around it is `extent`. A `size` of `2 * extent + 3` holds every
    path; what leaves a smaller one is lost, and the rest scaled to sum 1.

    Source: after Boracchi, Foi, "Modeling the performance of image restoration from
    motion blur", TIP 2012, with a simpler walk.
    """
    impulse_key, jerk_key = jax.random.split(key)
    impulses = jax.random.normal(impulse_key, (steps, 2))
    strong = jax.random.bernoulli(jerk_key, jerk, (steps, 1))
    # What is left of an impulse n steps later is inertia^n: a product with a matrix,
    # not a loop.
    lag = np.arange(steps)[:, None] - np.arange(steps)
    left = jnp.where(lag >= 0, inertia ** np.maximum(lag, 0), 0)
    impulses = impulses * jnp.where(strong, 10, 1)
    velocity = jnp.matmul(left, impulses, precision=jax.lax.Precision.HIGHEST)
    path = velocity.cumsum(0)
    path = path * (extent / jnp.ptp(path, axis=0).max())
    path = path - path.mean(0)
    return _splat(size, path[:, 0], path[:, 1])


def within(
    kernel: Float[Array, "k k"], support: Scalar | Int[Array, ""]
) -> Float[Array, "k k"]:
    """Returns `kernel` cut to its middle `support` x `support`, again of sum 1.

    The array keeps its size: kernels of sizes that differ from image to image fit one
    program. An odd `support` is meant.
    """
    rows, columns = _offsets(kernel.shape[0])
    inside = 2 * np.maximum(abs(rows), abs(columns)) < support
    return _scaled(jnp.where(inside, kernel, 0))


def convolve(
    image: Float[Array, "h w c"], kernel: Float[Array, "k k"]
) -> Float[Array, "h w c"]:
    """Returns every channel of `image` correlated with `kernel`, size unchanged.

    Outside, the image is mirrored without repeating the edge; an axis too short for
    that (side <= k // 2) repeats the edge. A loop over the rows of the kernel, each a
    sum of shifted images: on CPUs as quick as a Fourier transform up to k = 31, exact
    where the kernel is a single 1, and much quicker than a batch of convolutions with
    a kernel each.

    Raises `ValueError` for an even side of the kernel.
    """
    size = kernel.shape[0]
    _offsets(size)
    height, width, channels = image.shape
    padded = jnp.moveaxis(_bordered(image, size // 2), -1, 0)

    def add_row(row, total):
        lines = jax.lax.dynamic_slice_in_dim(padded, row, height, axis=1)
        shifted = (lines[:, :, step : step + width] for step in range(size))
        weights = kernel[row]
        return total + sum(weights[step] * part for step, part in enumerate(shifted))

    total = jnp.zeros((channels, height, width), image.dtype)
    return jnp.moveaxis(jax.lax.fori_loop(0, size, add_row, total), 0, -1)


def _bordered(image, radius):
    for axis, side in enumerate(image.shape[:2]):
        pad = [(0, 0)] * 3
        pad[axis] = (radius, radius)
        image = jnp.pad(image, pad, mode="reflect" if side > radius else "edge")
    return image


def _offsets(size):
    """Returns rows [k, 1] and columns [1, k] counted from the middle."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a kernel has an odd size, got {size}; pass {abs(size) + 1}")
    position = np.arange(size, dtype=np.float32) - size // 2
    return position[:, None], position[None, :]


def _ellipse(size, deviation_x, deviation_y, angle):
    """Returns the squared distance from the middle, in deviations."""
    rows, columns = _offsets(size)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    along = (columns * cosine + rows * sine) / jnp.maximum(deviation_x, 1e-3)
    across = (rows * cosine - columns * sine) / jnp.maximum(deviation_y, 1e-3)
    return jnp.square(along) + jnp.square(across)


def _splat(size, rows, columns):
    """Returns points [n] shared bilinearly between their four pixels, sum 1."""
    grid = _offsets(size)[1]
    highest = jax.lax.Precision.HIGHEST
    down = jnp.maximum(1 - jnp.abs(rows[:, None] - grid), 0)
    across = jnp.maximum(1 - jnp.abs(columns[:, None] - grid), 0)
    return _scaled(jnp.matmul(down.T, across, precision=highest))


def _scaled(kernel):
    return kernel / kernel.sum()


def _polynomial(coefficients, x):
    return sum(value * x**power for power, value in enumerate(coefficients))
