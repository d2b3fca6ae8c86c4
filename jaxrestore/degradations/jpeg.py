"""JPEG artefacts: blocks and ringing of lossy files, in the 8 bits that these store."""

from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import draws, jpeg_codec, ranges

# Blocks of 8 in chroma at half resolution cover 16 pixels.
_GRID = 16

Quality = Annotated[draws.Number, ranges.Range(1, 100, "75 is usual", whole=True)]


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    quality: Quality = (30, 95),
    subsampling: Annotated[
        str | float | int | Float[Array, ""],
        ranges.Words(("4:2:0", "4:4:4")),
        ranges.Range(0, 1, "the probability of 4:2:0"),
    ] = "4:2:0",
    rounding: Annotated[
        str, ranges.Words(("straight_through", "cubic"))
    ] = "straight_through",
    random_grid: Annotated[
        bool | float | int, ranges.Range(0, 1, "how probable it is")
    ] = False,
) -> Float[Array, "h w c"]:
    """Returns `image` as a JPEG file of `quality`, 1 to 100, would give it back.

    As files have it, the result is clipped to [0, 1] and has 8 bits; it is what Pillow
    reads from what it writes, to the bit. Takes one channel or RGB.

    Args:
      key: Decides quality, subsampling and grid.
      image: Float image in [0, 1].
      quality: An integer or a range to draw one from, both ends included.
      subsampling: Chroma at half resolution, `"4:2:0"`, at full, `"4:4:4"`, or the
        probability of `"4:2:0"`, which costs the time of both.
      rounding: `"straight_through"`: the gradient ignores roundings and limits.
        `"cubic"`: coefficients are rounded by a cubic curve and nothing else is, for a
        gradient that knows what is lost; the result is then not that of a file.
      random_grid: Whether, or how probably, the blocks begin somewhere above and left
        of the image, as in a crop of a compressed picture; what lies there is the edge,
        continued.

    Source: ITU-T Recommendation T.81 as libjpeg implements it; both gradients are
    those of `ops.jpeg_codec`, which names theirs. Random grids: KAIR, which crops
    after compression in half of the cases, `data/dataset_jpeg.py` in
    https://github.com/cszn/KAIR.

    Raises `ValueError` for numbers out of range, unknown names and other channels.

    >>> image = jnp.linspace(0, 1, 8)[None, :, None]
    >>> degraded = jpeg.degrade(jax.random.key(0), image, quality=10)
    >>> (degraded * 255)[0, :, 0].round()
    Array([  2.,  34.,  77., 113., 143., 179., 222., 254.], dtype=float32)
    """
    ranges.check(degrade, locals())
    quality_key, chroma_key, grid_key = jax.random.split(key, 3)
    steps = jpeg_codec.tables(draws.integer(quality_key, quality))
    if isinstance(subsampling, str):
        halved = subsampling == "4:2:0"
    else:
        halved = jax.random.uniform(chroma_key) < subsampling
    codec = jpeg_codec.coded_smoothly if rounding == "cubic" else jpeg_codec.coded
    if not random_grid:
        return codec(image, steps, halved=halved)
    down, right = jax.random.randint(grid_key, (2,), 0, _GRID)
    if random_grid < 1:
        elsewhere = jax.random.bernoulli(jax.random.fold_in(grid_key, 1), random_grid)
        down, right = elsewhere * down, elsewhere * right
    large = _moved(image, down, right)
    coded = codec(large, steps, halved=halved)
    return jax.lax.dynamic_slice(coded, (down, right, 0), image.shape)


def _moved(image, down, right):
    """Returns `image` moved on a canvas with room for every phase of the grid."""
    room = _GRID - 1
    height, width, channels = image.shape
    wide = jnp.pad(image, ((room, room), (room, room), (0, 0)), mode="edge")
    canvas = (height + room, width + room, channels)
    return jax.lax.dynamic_slice(wide, (room - down, room - right, 0), canvas)
