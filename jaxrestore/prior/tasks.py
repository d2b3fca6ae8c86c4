"""What the prior restores: the damage it explains, the network and how it is fitted."""

import functools
import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import errors
from jaxrestore.ops import ranges, resize

# What is known to have been done to a picture, on batches; nothing in it is random.
Operator = Callable[[Float[Array, "b h w c"]], Float[Array, "b hh ww c"]]

Scale = Annotated[int, ranges.Range(2, 16, whole=True)]
Deviation = Annotated[float | int, ranges.Range(0.1, 16, "px")]


class Task(NamedTuple):
    """How a picture is fitted.

    `widths`, `skips` and `upsampling` are those of `models/skip.py`. Its code has
    `code` channels, and in each iteration gets noise of the standard deviation
    `jitter`. `rate` is Adam's; `iterations` are those after which a fit ends anyway.
    """

    iterations: int
    jitter: float
    code: int = 32
    widths: tuple[int, ...] = (128,) * 5
    skips: tuple[int, ...] = (4,) * 5
    upsampling: str = "bilinear"
    rate: float = 0.01


# The published settings, but for `inpaint`, where those of half the pixels missing are
# 11000 iterations at a tenth of this rate, and for `jpeg`, of half as many iterations:
# pixels held out share the blocks of those that are not, and would not end it.
TASKS = {
    "denoise": Task(3000, 1 / 30),
    "jpeg": Task(1200, 1 / 30, 3, (8, 16, 32, 64, 128), (0, 0, 0, 4, 4)),
    "sr": Task(2000, 0.03),
    "inpaint": Task(3000, 0.03),
}


def named(name: str) -> Task:
    """Returns the settings of a task; raises `ConfigError` with all for another name.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018, and its code.

    >>> tasks.named("denoise").iterations
    3000
    """
    if name not in TASKS:
        raise errors.ConfigError(
            f"the prior knows no task {name!r}: there is {', '.join(TASKS)}"
        )
    return TASKS[name]


def identity(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns the images: damage that the network cannot draw needs no operator."""
    return images


def downsampling(scale: Scale, method: str = "bicubic") -> Operator:
    """Returns the operator that makes images `scale` times smaller.

    `method` is one of `resize.METHODS`, antialiased. Raises `ConfigError` for another
    method, or a scale that is no whole number from 2 to 16.
    """
    if not ranges.holds(ranges.of(Scale), scale):
        raise errors.ConfigError(
            f"`scale` is {scale!r}; it must be a whole number from 2 to 16"
        )
    if method not in resize.METHODS:
        raise errors.ConfigError(
            f"`method` is {method!r}; it must be one of {', '.join(resize.METHODS)}"
        )
    return _downsampling(scale, method)


def blurring(deviation: Deviation) -> Operator:
    """Returns the operator that blurs images by a Gaussian of so many px.

    The border is mirrored. Raises `ConfigError` for a deviation outside 0.1 to 16.

    >>> blurring(2.0)(jnp.ones((1, 8, 8, 3))).shape
    (1, 8, 8, 3)
    """
    if not ranges.holds(ranges.of(Deviation), deviation):
        raise errors.ConfigError(
            f"`deviation` is {deviation!r}; it must be a number from 0.1 to 16"
        )
    return _blurring(float(deviation))


@functools.cache  # one function for one operator: its programs are found again
def _blurring(deviation):
    radius = math.ceil(3 * deviation)
    weights = np.exp(-np.square(np.arange(-radius, radius + 1) / deviation) / 2)
    weights /= weights.sum()

    def matrix(side):
        """What each pixel of a side gets from each: products are quick to compile."""
        mirrored = np.pad(np.arange(side), radius, "reflect" if side > 1 else "edge")
        seen = np.lib.stride_tricks.sliding_window_view(mirrored, len(weights))
        made = np.zeros((side, side))
        np.add.at(made, (np.arange(side)[:, None], seen), weights)
        return jnp.asarray(made, jnp.float32)

    def blurred(images):
        rows, columns = map(matrix, images.shape[1:3])
        return jnp.einsum("ai,bj,nijc->nabc", rows, columns, images)

    return blurred


@functools.cache
def _downsampling(scale, method):
    return lambda images: resize.rescale(images, 1 / scale, method=method)
