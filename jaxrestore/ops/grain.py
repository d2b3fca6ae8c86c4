"""White noise made to look as cameras and editors leave it: its neighbours are alike.

Each takes noise [h, w, c] of deviation 1 and gives noise of about the same deviation.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import color

Noise = Float[Array, "h w c"]


def white(key: PRNGKeyArray, noise: Noise) -> Noise:
    """Returns `noise` as it is."""
    del key
    return noise


def blurred(key: PRNGKeyArray, noise: Noise) -> Noise:
    """Returns noise that was smoothed by a Gaussian of 0.4 to 1.5 px."""
    deviation = jax.random.uniform(key, (), minval=0.4, maxval=1.5)
    return _smoothed(noise, deviation)


def enlarged(key: PRNGKeyArray, noise: Noise) -> Noise:
    """Returns noise of half the resolution, enlarged bilinearly from a drawn place."""
    height, width, channels = noise.shape
    low = noise[: height // 2 + 2, : width // 2 + 2]
    scale = jnp.full(2, 2.0)
    place = jax.random.uniform(key, (2,), minval=-2.0, maxval=0.0)
    shape = (height, width, channels)
    large = jax.image.scale_and_translate(low, shape, (0, 1), scale, place, "linear")
    return large / np.sqrt(0.39)  # (5/8)^2: the mean energy of the bilinear weights


def mosaiced(key: PRNGKeyArray, noise: Noise) -> Noise:
    """Returns noise of a sensor with one colour a pixel (Bayer), filled in bilinearly.

    Of one channel, the noise as it is.
    """
    if noise.shape[-1] != 3:
        return noise
    rows, columns = (jnp.arange(size)[:, None] for size in noise.shape[:2])
    row, column = jax.random.randint(key, (2,), 0, 2)
    odd_row, odd_column = (rows + row) % 2, ((columns + column) % 2).T
    red, blue = (1 - odd_row) * (1 - odd_column), odd_row * odd_column
    masks = jnp.stack([red, 1 - red - blue, blue], -1).astype(noise.dtype)
    known = _cross(noise * masks)
    return known / jnp.sqrt(jnp.array([9 / 16, 5 / 8, 9 / 16], noise.dtype))


def chroma(key: PRNGKeyArray, noise: Noise) -> Noise:
    """Returns blotches of colour: smooth noise without luma; of one channel, white."""
    if noise.shape[-1] != 3:
        return noise
    deviation = jax.random.uniform(key, (), minval=0.8, maxval=2.5)
    smooth = _smoothed(noise, deviation)
    return smooth - color.luma(smooth)


def _cross(planes):
    """Bilinear interpolation of a mosaic: green from 4 neighbours, others from 8."""
    padded = jnp.pad(planes, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    height, width = planes.shape[:2]
    at = lambda i, j: padded[1 + i : 1 + i + height, 1 + j : 1 + j + width]
    straight = at(0, 1) + at(0, -1) + at(1, 0) + at(-1, 0)
    corners = at(1, 1) + at(1, -1) + at(-1, 1) + at(-1, -1)
    green = jnp.array([0.0, 1.0, 0.0], planes.dtype)
    return planes + straight * (0.5 - 0.25 * green) + corners * (0.25 - 0.25 * green)


def _smoothed(noise, deviation):
    """Noise under a Gaussian of a traced deviation, with its own deviation kept."""
    reach = 5
    offsets = jnp.arange(-reach, reach + 1)
    weights = jnp.exp(-0.5 * (offsets / deviation) ** 2)
    weights = weights / jnp.sqrt(jnp.square(weights).sum())
    return _along(_along(noise, weights, 0), weights, 1)


def _along(noise, weights, axis):
    reach = len(weights) // 2
    widths = [(reach, reach) if axis == a else (0, 0) for a in range(3)]
    padded, size = jnp.pad(noise, widths, mode="wrap"), noise.shape[axis]
    parts = [
        jax.lax.slice_in_dim(padded, start, start + size, axis=axis)
        for start in range(len(weights))
    ]
    return jnp.tensordot(weights, jnp.stack(parts), 1)
