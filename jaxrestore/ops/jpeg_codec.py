"""Baseline JPEG on arrays: coding and decoding in one, without the bit stream.

Levels are numbers in [0, 255]; a plane is [..., h, w]; a table is [8, 8], the vertical
frequency first. Entropy coding loses nothing and is left out. Sides that are not whole
blocks are continued by their edge, as encoders do.

`coded` computes in the integers of libjpeg: the result is the same with and without
jit, alone and in a batch, and it is libjpeg's to the last bit. `coded_smoothly`
computes in real numbers and can be differentiated.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxrestore.ops import jpeg_arithmetic

# ITU-T Recommendation T.81, tables K.1 (luma) and K.2 (chroma).
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


def tables(quality: Int[Array, ""]) -> Int[Array, "2 8 8"]:
    """Returns the quantisation tables of luma and chroma at a quality of 1 to 100.

    Steps for orthonormal DCT coefficients of levels; 50 gives the standard's example
    tables, 100 ones. Qualities outside count as the nearest one.

    Source: ITU-T Recommendation T.81 (1992), annex K, tables K.1 and K.2; scaled by
    `jpeg_quality_scaling` of the Independent JPEG Group's libjpeg, limited to 255.
    """
    quality = jnp.clip(quality, 1, 100)
    percent = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    steps = (jnp.array([_LUMA, _CHROMA], jnp.int32) * percent + 50) // 100
    return jnp.clip(steps, 1, 255)


def coded(
    image: Float[Array, "h w c"],
    steps: Int[Array, "2 8 8"],
    *,
    halved: bool | Bool[Array, ""],
) -> Float[Array, "h w c"]:
    """Returns `image` after 8-bit JPEG with the tables `steps`; multiples of 1/255.

    The image is clipped to [0, 1] and rounded to 8 bits. One channel is grey, three
    are RGB, stored as YCbCr; `halved` is 4:2:0, chroma at half resolution, else 4:4:4.

    The gradient goes straight through: it is that of the codec without its roundings
    and limits, in which chroma at half resolution is all that is lost.

    Source: the C code of libjpeg and libjpeg-turbo with its defaults, which are
    Pillow's: the "islow" DCT, triangular upsampling of chroma. Equal to it for images
    at least 5 px wide. Straight through: Bengio, Leonard, Courville, "Estimating or
    propagating gradients through stochastic neurons for conditional computation", 2013.
    Raises `ValueError` unless there are 1 or 3 channels.
    """
    levels = jnp.round(jnp.clip(image, 0, 1) * 255).astype(jnp.int32)
    levels = _through(levels, steps, halved, jpeg_arithmetic.INTEGERS)
    # The model is for gradients; where none are taken, the compiler drops it.
    model = _through(image, steps, halved, jpeg_arithmetic.LOSSLESS)
    return _straight_through(levels.astype(jnp.float32) / 255, model)


def coded_smoothly(
    image: Float[Array, "h w c"],
    steps: Int[Array, "2 8 8"],
    *,
    halved: bool | Bool[Array, ""],
) -> Float[Array, "h w c"]:
    """Returns JPEG with `cubic_round` for the coefficients; no other rounding or limit.

    A coefficient near a whole number of steps gets a gradient near 0, one halfway
    between two the most: unlike that of `coded`, it knows what JPEG removes.

    Source: Shin, Song, "JPEG-resistant adversarial images", NIPS 2017 workshop.
    Raises `ValueError` unless there are 1 or 3 channels.
    """
    return _through(image, steps, halved, jpeg_arithmetic.CUBIC)


@jax.custom_jvp
def _straight_through(value, model):
    del model
    return value


@_straight_through.defjvp
def _(primals, tangents):
    return primals[0], tangents[1]


def _through(image, steps, halved, arithmetic: jpeg_arithmetic.Arithmetic):
    if image.shape[-1] == 1:
        return _code(image[..., 0], steps[0], arithmetic)[..., None]
    if image.shape[-1] != 3:
        raise ValueError(
            f"JPEG stores 1 or 3 channels, got {image.shape[-1]}; pass grey or RGB"
        )
    luma, chroma = arithmetic.separate(image)
    luma = _code(luma, steps[0], arithmetic)
    if isinstance(halved, bool):
        code_chroma = _code_halved if halved else _code
        chroma = code_chroma(chroma, steps[1], arithmetic)
    else:
        half = _code_halved(chroma, steps[1], arithmetic)
        chroma = jnp.where(halved, half, _code(chroma, steps[1], arithmetic))
    return arithmetic.join(luma, chroma)


def _code(planes, table, arithmetic: jpeg_arithmetic.Arithmetic):
    height, width = planes.shape[-2:]
    whole = arithmetic.code(_continued(planes, 8, 8), table)
    return whole[..., :height, :width]


def _code_halved(planes, table, arithmetic: jpeg_arithmetic.Arithmetic):
    height, width = planes.shape[-2:]
    # libjpeg continues columns before it halves them and rows after.
    planes = _continued(planes, 2, 16)
    sums = planes[..., ::2, :] + planes[..., 1::2, :]
    small = arithmetic.quarter(sums[..., ::2] + sums[..., 1::2])
    small = _code(small, table, arithmetic)[..., : (width + 1) // 2]
    large = arithmetic.sixteenth(_triangle(_triangle(small, -2), -1))
    return large[..., :height, :width]


def _continued(planes, rows: int, columns: int):
    """Returns planes with sides of whole `rows` and `columns`."""
    height, width = planes.shape[-2:]
    pad = [(0, 0)] * (planes.ndim - 2) + [(0, -height % rows), (0, -width % columns)]
    return jnp.pad(planes, pad, mode="edge")


def _triangle(planes, axis: int):
    """Returns, twice as long, 3 times the nearest value plus the next nearest."""
    axis += planes.ndim
    first, others = jnp.split(planes, [1], axis)
    most, last = jnp.split(planes, [planes.shape[axis] - 1], axis)
    before = jnp.concatenate([first, most], axis)
    after = jnp.concatenate([others, last], axis)
    pairs = jnp.stack([3 * planes + before, 3 * planes + after], axis + 1)
    shape = list(planes.shape)
    shape[axis] *= 2
    return pairs.reshape(shape)
