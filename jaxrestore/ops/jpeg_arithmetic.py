"""The steps of JPEG that round: in libjpeg's integers, or in real numbers.

`INTEGERS` takes int32 levels of 0 to 255, with the factors and shifts of libjpeg's
fixed-point arithmetic; `LOSSLESS` and `CUBIC` take floats around [0, 1]. A plane is
[..., h, w] with sides of whole blocks of 8; a table is [8, 8], the vertical frequency
first, and holds steps of levels.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore.ops import color

# Left half of libjpeg's slow integer DCT, one row a frequency, times 2**13: what its
# butterflies add up to. It is sqrt(2) * cos((2 n + 1) k pi / 16), within one unit
# after rounding: the butterflies add factors that are rounded one by one.
_HALF_DCT = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)


class Arithmetic(NamedTuple):
    """What `jpeg_codec` needs of a way to compute."""

    separate: Callable[[Array], tuple[Array, Array]]  # [h w 3]: luma, both chromas
    quarter: Callable[[Array], Array]  # sums of four: their means
    code: Callable[[Array, Array], Array]  # plane, table: the plane as decoded
    sixteenth: Callable[[Array], Array]  # sums of weight 16: means
    join: Callable[[Array, Array], Array]  # the inverse of separate


def cubic_round(values: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns r + (value - r) ** 3 with r the nearest whole number."""
    whole = jax.lax.stop_gradient(jnp.round(values))
    return whole + (values - whole) ** 3


def _separate_integers(image):
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    luma = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
    # 2**15 - 1, not 2**15: the largest chroma shall not round up to 256.
    middle = (128 << 16) + 2**15 - 1
    blueness = (-11059 * red - 21709 * green + 2**15 * blue + middle) >> 16
    redness = (2**15 * red - 27439 * green - 5329 * blue + middle) >> 16
    return luma, jnp.stack([blueness, redness])


def _join_integers(luma, chroma):
    blueness, redness = chroma[0] - 128, chroma[1] - 128
    half = 2**15
    red = luma + ((91881 * redness + half) >> 16)
    green = luma + ((-22554 * blueness - 46802 * redness + half) >> 16)
    blue = luma + ((116130 * blueness + half) >> 16)
    return jnp.clip(jnp.stack([red, green, blue], -1), 0, 255)


def _quarter_integers(sums):
    # A half is rounded down in even columns and up in odd ones: no drift.
    return (sums + 1 + np.arange(sums.shape[-1], dtype=np.int32) % 2) >> 2


def _sixteenth_integers(sums):
    return (sums + 8 - np.arange(sums.shape[-1], dtype=np.int32) % 2) >> 4


def _integer_dct(planes, axis: int, *, shift: int, inverse: bool = False):
    half = np.array(_HALF_DCT, np.int32)
    signs = np.array([1, -1] * 4, np.int32)[:, None]
    matrix = np.concatenate([half, signs * half[:, ::-1]], 1)
    sums = _transformed(planes, matrix.T if inverse else matrix, axis)
    return (sums + 2 ** (shift - 1)) >> shift


def _code_integers(planes, table):
    # Two bits more than needed are kept between the directions. The coefficients are
    # 8 times the orthonormal ones.
    rows = _integer_dct(planes - 128, -1, shift=11)
    coefficients = _integer_dct(rows, -2, shift=15)
    steps = _tiled(table, planes.shape)
    restored = steps * _quotient(coefficients, 8 * steps)
    columns = _integer_dct(restored, -2, shift=11, inverse=True)
    decoded = _integer_dct(columns, -1, shift=18, inverse=True)
    return jnp.clip(decoded + 128, 0, 255)


def _quotient(values, divisors):
    """Returns the integers nearest to values / divisors, halves away from zero."""
    # Division is many times faster in floats. The half keeps their error away from
    # whole numbers, even that of hardware that multiplies by a rounded inverse.
    sizes = (jnp.abs(values) + divisors // 2).astype(jnp.float32) + 0.5
    return jnp.sign(values) * jnp.floor(sizes / divisors).astype(jnp.int32)


INTEGERS = Arithmetic(
    separate=_separate_integers,
    quarter=_quarter_integers,
    code=_code_integers,
    sixteenth=_sixteenth_integers,
    join=_join_integers,
)


def _separate(image):
    luma, *chroma = jnp.moveaxis(color.rgb_to_ycbcr(image), -1, 0)
    return luma, jnp.stack(chroma)


def _join(luma, chroma):
    return color.ycbcr_to_rgb(jnp.stack([luma, *chroma], -1))


def _code_cubic(planes, table):
    frequency, position = np.arange(8)[:, None], np.arange(8)
    dct = np.cos((2 * position + 1) * frequency * np.pi / 16) / 2
    dct[0] = 8**-0.5
    dct = dct.astype(np.float32)
    rows = _transformed(255 * planes - 128, dct, -1)
    steps = _tiled(table, planes.shape)
    restored = steps * cubic_round(_transformed(rows, dct, -2) / steps)
    columns = _transformed(restored, dct.T, -2)
    return (_transformed(columns, dct.T, -1) + 128) / 255


LOSSLESS = Arithmetic(
    separate=_separate,
    quarter=lambda sums: sums / 4,
    code=lambda planes, table: planes,
    sixteenth=lambda sums: sums / 16,
    join=_join,
)
CUBIC = LOSSLESS._replace(code=_code_cubic)


def _transformed(planes, matrix, axis: int):
    """Returns each run of eight along `axis` (-2 or -1) times `matrix`."""
    height, width = planes.shape[-2:]
    highest = jax.lax.Precision.HIGHEST
    if axis == -1:
        runs = planes.reshape(*planes.shape[:-1], width // 8, 8)
        products = jnp.einsum("kn,...n->...k", matrix, runs, precision=highest)
    else:
        runs = planes.reshape(*planes.shape[:-2], height // 8, 8, width)
        products = jnp.einsum("kn,...nw->...kw", matrix, runs, precision=highest)
    return products.reshape(planes.shape)


def _tiled(table, shape):
    return jnp.tile(table, (shape[-2] // 8, shape[-1] // 8))
