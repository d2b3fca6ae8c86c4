"""Real-ESRGAN's degradation: blur, resize, noise and JPEG, all of it twice.

What the original draws once for a batch (sizes, interpolation, kind of noise, order of
the last steps) is drawn for each image here, in one compiled program: an image stands
in the top left corner of a canvas that holds the largest size that can be drawn.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxrestore.degradations import eight_bit, jpeg, noise
from jaxrestore.ops import draws, kernels, ranges, resize

_SIZE = 21  # of the kernels; each is drawn with an odd support of 7 to 21 px
_SMALLEST = 7
# Elongated kernels have a second deviation and an angle. A tenth are sinc filters.
_KERNELS = {
    "gaussian": 0.9 * 0.45,
    "gaussian_elongated": 0.9 * 0.25,
    "generalised": 0.9 * 0.12,
    "generalised_elongated": 0.9 * 0.03,
    "plateau": 0.9 * 0.12,
    "plateau_elongated": 0.9 * 0.03,
    "sinc": 0.1,
}
_GREY_NOISE = 0.4  # share of the images whose noise is the same in all channels
_RINGING = 0.8  # share of the images with a sinc filter at the end
_RESIZED_BEFORE_JPEG = 0.5  # share of the images whose JPEG step comes last

Factors = Annotated[Sequence[float | int], ranges.Range(0, above=True)]


class _Shares(NamedTuple):
    """Shares of the images, for one of the two stages."""

    blurred: float
    enlarged: float
    shrunk: float


_FIRST = _Shares(blurred=1.0, enlarged=0.2, shrunk=0.7)
_SECOND = _Shares(blurred=0.8, enlarged=0.3, shrunk=0.4)


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    scale: ranges.Count = 4,
    blur: draws.NotNegative = (0.2, 3.0),
    resized: Factors = (0.15, 1.5),
    gaussian: draws.Level = (1 / 255, 30 / 255),
    poisson: noise.Factor = (0.05, 3.0),
    quality: jpeg.Quality = (30, 95),
    second_blur: draws.NotNegative = (0.2, 1.5),
    second_resized: Factors = (0.3, 1.2),
    second_gaussian: draws.Level = (1 / 255, 25 / 255),
    second_poisson: noise.Factor = (0.05, 2.5),
    second_quality: jpeg.Quality = (30, 95),
) -> Float[Array, "hh ww c"]:
    """Returns `image` at 1 / `scale` (sides rounded up), twice degraded.

    Each stage blurs, resizes, adds noise and compresses; the second resizes to the
    final size and filters with a sinc, either before or after its JPEG. The result is
    clipped and rounded to 8 bits. Images have 1 or 3 channels.

    `blur` is the standard deviation of the kernels in px; `resized` (low, high) the
    range of factors, uniform below 1 or uniform above (the second stage's are relative
    to the final size; static, they size the canvas); `gaussian` and `poisson` are
    levels as in `noise`, of which each image has one; `quality` is JPEG's. Kinds of
    kernel, shares and supports are the paper's.

    As in the released code, resizing does not guard against aliasing. Differences: the
    cubic has a = -0.5, there -0.75; `area` is exact at fractional factors; photons are
    counted in 255 levels and not in as many as the image has. Real-ESRGAN sharpens the
    *target* by an unsharp mask beforehand; that is not part of the degradation.

    Source: Wang, Xie, Dong, Shan, "Real-ESRGAN: training real-world blind
    super-resolution with pure synthetic data", ICCVW 2021; numbers of the code at
    https://github.com/xinntao/Real-ESRGAN. Raises `ValueError` for a range of factors
    that does not hold 1 and a `scale` below 1.

    >>> image = jnp.full((16, 16, 3), 0.5)
    >>> jax.eval_shape(second_order.degrade, jax.random.key(0), image).shape
    (4, 4, 3)
    """
    ranges.check(degrade, locals())
    for factors in (resized, second_resized):
        if len(factors) != 2 or not 0 < factors[0] <= 1 <= factors[1]:
            raise ValueError(
                f"factors of resizing are {tuple(factors)}; give (low, high) with 1 in "
                "between"
            )
    first_key, jpeg_key, second_key, last_key = jax.random.split(key, 4)
    height, width = image.shape[:2]
    whole = resize.Extent(height, width)
    final = resize.Extent(math.ceil(height / scale), math.ceil(width / scale))
    kinds = _noises(gaussian, poisson)
    image, extent = _stage(first_key, image, whole, whole, _FIRST, blur, resized, kinds)
    image = _jpeg(jpeg_key, image, quality)
    kinds = _noises(second_gaussian, second_poisson)
    image, extent = _stage(
        second_key, image, extent, final, _SECOND, second_blur, second_resized, kinds
    )
    return _last_steps(last_key, image, extent, final, second_quality)


def _stage(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    extent: resize.Extent,
    unit: resize.Extent,
    shares: _Shares,
    blur: draws.Number,
    resized: Sequence[float | int],
    kinds: dict[str, Any],
) -> tuple[Float[Array, "hh ww c"], resize.Extent]:
    """Blurs, resizes to a drawn multiple of `unit` (static sides) and adds noise."""
    kernel_key, uniform_key, noise_key = jax.random.split(key, 3)
    uniform = jax.random.uniform(uniform_key, (4,))
    image = _convolve_if(uniform[0] < shares.blurred, image, _kernel(kernel_key, blur))
    factor = _factor(uniform[1], uniform[2], shares, resized)
    target = resize.Extent(*(jnp.maximum(jnp.floor(side * factor), 1) for side in unit))
    rows, columns = (math.ceil(side * max(resized)) for side in unit)
    method = _nth(uniform[3], len(resize.METHODS))
    image = _resize(image, extent, target, (rows, columns), method)
    noisy = noise.degrade(noise_key, image, kind=kinds, grey=_GREY_NOISE)
    return jnp.clip(noisy, 0, 1), target


def _last_steps(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    extent: resize.Extent,
    final: resize.Extent,
    quality: draws.Number,
) -> Float[Array, "hh ww c"]:
    """Resizes to `final` and rings: both before JPEG, or both after it."""
    uniform_key, jpeg_key, rounding_key = jax.random.split(key, 3)
    uniform = jax.random.uniform(uniform_key, (5,))
    early, rings = uniform[0] < _RESIZED_BEFORE_JPEG, uniform[1] < _RINGING
    method = _nth(uniform[2], len(resize.METHODS))
    ringing = kernels.sinc(_SIZE, _between(uniform[3], np.pi / 3, np.pi))
    kernel = kernels.within(ringing, _support(uniform[4]))
    middle = resize.Extent(
        jnp.where(early, final.height, extent.height),
        jnp.where(early, final.width, extent.width),
    )
    shape = image.shape[0], image.shape[1]
    image = _resize(image, extent, middle, shape, method)
    image = _convolve_if(rings & early, image, kernel)
    image = _jpeg(jpeg_key, image, quality)
    whole = int(final.height), int(final.width)
    image = _resize(image, middle, final, whole, method)
    image = _convolve_if(rings & ~early, image, kernel)
    return eight_bit.degrade(rounding_key, image)


def _factor(
    way: Float[Array, ""],
    position: Float[Array, ""],
    shares: _Shares,
    resized: Sequence[float | int],
) -> Float[Array, ""]:
    low, high = resized
    smaller, larger = _between(position, low, 1), _between(position, 1, high)
    kept = jnp.where(way < shares.enlarged + shares.shrunk, smaller, 1)
    return jnp.where(way < shares.enlarged, larger, kept)


def _resize(
    image: Float[Array, "h w c"],
    source: resize.Extent,
    target: resize.Extent,
    shape: tuple[int, int],
    method: Int[Array, ""],
) -> Float[Array, "hh ww c"]:
    return resize.resize_extent(
        image, source, target, shape, method=method, antialias=False
    )


def _noises(gaussian: draws.Number, poisson: draws.Number) -> dict[str, Any]:
    return {
        "gaussian": {"weight": 0.5, "level": gaussian},
        "poisson": {"weight": 0.5, "level": poisson},
    }


def _jpeg(
    key: PRNGKeyArray, image: Float[Array, "h w c"], quality: draws.Number
) -> Float[Array, "h w c"]:
    return jpeg.degrade(key, image, quality=quality)


def _convolve_if(
    condition: Bool[Array, ""],
    image: Float[Array, "h w c"],
    kernel: Float[Array, "k k"],
) -> Float[Array, "h w c"]:
    # In a batch both branches of a condition are computed; a single 1 costs nothing.
    pulse = np.zeros((_SIZE, _SIZE), np.float32)
    pulse[_SIZE // 2, _SIZE // 2] = 1
    return kernels.convolve(image, jnp.where(condition, kernel, pulse))


def _kernel(key: PRNGKeyArray, deviation: draws.Number) -> Float[Array, "k k"]:
    """Draws a kernel of one of `_KERNELS`."""
    kind_key, first_key, second_key, uniform_key = jax.random.split(key, 4)
    kind = draws.choice(kind_key, _KERNELS)
    is_round = np.array([not word.endswith("elongated") for word in _KERNELS])
    first, second = (draws.number(one, deviation) for one in (first_key, second_key))
    second = jnp.where(jnp.asarray(is_round)[kind], first, second)
    uniform = jax.random.uniform(uniform_key, (5,))
    support = _support(uniform[0])
    ellipse = (_SIZE, first, second, _between(uniform[1], -np.pi, np.pi))
    # Half of the shapes are below 1, half above; the plateaus' lower half is 1 itself.
    below, share = uniform[2] < 0.5, uniform[3]
    general = jnp.where(below, _between(share, 0.5, 1), _between(share, 1, 4))
    flat = jnp.where(below, 1, _between(share, 1, 2))
    lowest = jnp.where(support < 13, np.pi / 3, np.pi / 5)
    families = {
        "gaussian": kernels.gaussian(*ellipse),
        "generalised": kernels.generalised_gaussian(*ellipse, general),
        "plateau": kernels.plateau(*ellipse, flat),
        "sinc": kernels.sinc(_SIZE, _between(uniform[4], lowest, np.pi)),
    }
    drawn = [families[word.removesuffix("_elongated")] for word in _KERNELS]
    return kernels.within(jnp.stack(drawn)[kind], support)


def _support(uniform: Float[Array, ""]) -> Int[Array, ""]:
    return _SMALLEST + 2 * _nth(uniform, (_SIZE - _SMALLEST) // 2 + 1)


def _nth(uniform: Float[Array, ""], count: int) -> Int[Array, ""]:
    # The product of a number just below 1 may be rounded up to `count`.
    return jnp.minimum(jnp.floor(uniform * count), count - 1).astype(jnp.int32)


def _between(uniform: Float[Array, ""], low: Any, high: Any) -> Float[Array, ""]:
    return low + uniform * (high - low)
