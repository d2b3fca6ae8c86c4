"""The border of a hole: whether what fills it meets what is known."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import checks

Images = Float[Array, "b h w c"]
Damage = Float[Array, "b h w 1"]


class BorderStep(NamedTuple):
    """Steps across the border of a hole, in 8-bit levels; NaN where it has none."""

    mean: Float[Array, " b"]
    worst: Float[Array, " b"]


def border_step(images: Images, damage: Damage) -> BorderStep:
    """Returns how far pixels of a hole differ from their known neighbours.

    Counted are all pairs, across and down, of a lost pixel (`damage` above 0.5) and a
    known one, each channel by itself. A seam or a shift of colour raises the mean;
    edges of the picture cross the border too, so read both beside those of the
    original. A picture without a hole, or that is all hole, has NaN.

    Source: the boundary that `psnr_b` looks at, of holes; absolute steps.

    >>> damage = jnp.zeros((1, 4, 4, 1)).at[:, :, 2:].set(1)
    >>> step = hole_borders.border_step(0.2 + 0.2 * damage, damage)
    >>> f"{step.mean[0]:.1f} levels, at most {step.worst[0]:.1f}"
    '51.0 levels, at most 51.0'
    """
    images, lost = checks.judged(images, damage), damage > 0.5
    total = worst = pairs = jnp.zeros(len(images))
    for axis in (1, 2):
        steps = 255 * jnp.abs(jnp.diff(images, axis=axis))
        crossing = jnp.diff(lost, axis=axis)
        steps = jnp.where(crossing, steps, 0)
        total = total + steps.sum((1, 2, 3))
        worst = jnp.maximum(worst, steps.max((1, 2, 3), initial=0))
        pairs = pairs + images.shape[-1] * crossing.sum((1, 2, 3))
    found = (total / pairs, worst)
    return BorderStep(*(jnp.where(pairs > 0, x, jnp.nan) for x in found))
