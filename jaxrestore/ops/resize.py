"""Resizing as two products with dense matrices: MATLAB's imresize, static and traced.

`METHODS` are the interpolation kernels. Pixels are unit squares whose centres stand at
0.5, 1.5, ...; the image is mirrored at its border, edge pixel repeated. With
`antialias` a kernel is stretched by the shrinking factor, as MATLAB and Pillow do;
without, as `torch.nn.functional.interpolate` does, pixels between the taps are lost.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

METHODS = ("bicubic", "bilinear", "area")


class Extent(NamedTuple):
    """The part of a canvas that is image: its first rows and columns; may be traced."""

    height: int | Int[Array, ""]
    width: int | Int[Array, ""]


def resize(
    images: Float[Array, "*b h w c"],
    height: int,
    width: int,
    *,
    method: str = "bicubic",
    antialias: bool = True,
) -> Float[Array, "*b hh ww c"]:
    """Returns `images` at `height` x `width`; nothing is clipped or rounded.

    `bicubic` is Keys' kernel with a = -0.5, `bilinear` the triangle; `area` is the mean
    over the part of the image that an output pixel covers, shrinking or enlarging
    (`antialias` is of no meaning to it).

    Source: MATLAB's `imresize(images, [height width], method)`; Keys, "Cubic
    convolution interpolation for digital image processing", TASSP 1981. Raises
    `ValueError` for an unknown method or a side below 1.
    """
    if min(height, width) < 1:
        raise ValueError(f"cannot resize to {height}x{width}; sides are 1 px or more")
    (rows, columns), kind = images.shape[-3:-1], _position(method)
    return _multiply(
        _static(rows, height, height / rows, kind, antialias),
        _static(columns, width, width / columns, kind, antialias),
        images,
    )


def rescale(
    images: Float[Array, "*b h w c"],
    scale: float | int,
    *,
    method: str = "bicubic",
    antialias: bool = True,
) -> Float[Array, "*b hh ww c"]:
    """Returns `images` `scale` times as large, sides rounded up; methods of `resize`.

    Where `scale` does not divide a side, the last output pixels reach over the border:
    the first ones are what they would be in a larger image.

    Source: MATLAB's `imresize(images, scale, method)`. Raises `ValueError` for an
    unknown method or a scale that is not positive.
    """
    if not scale > 0:
        raise ValueError(f"scale is {scale}; it must be above 0 (1 / 4 shrinks)")
    (rows, columns), kind = images.shape[-3:-1], _position(method)
    return _multiply(
        _static(rows, scaled_side(rows, scale), scale, kind, antialias),
        _static(columns, scaled_side(columns, scale), scale, kind, antialias),
        images,
    )


def scaled_side(side: int, scale: float | int) -> int:
    """Returns the side that `rescale` gives: ceil(side * scale), at least 1."""
    return max(1, math.ceil(side * scale - 1e-9))  # 100 * 1.1 is 110.000...01


@functools.partial(jax.jit, static_argnames=("shape", "antialias"))
def resize_extent(
    canvas: Float[Array, "h w c"],
    source: Extent,
    target: Extent,
    shape: tuple[int, int],
    *,
    method: int | Int[Array, ""] = 0,
    antialias: bool = True,
) -> Float[Array, "hh ww c"]:
    """Returns the `source` part of `canvas` resized to `target`, on a new canvas.

    The jittable form of `resize` for sizes and methods (a position in `METHODS`) that
    are drawn at run time: only `shape`, that of the new canvas, is static. The image
    stands in the top left corner; what lies beyond `target` repeats its edge, so that a
    later filter sees no black. What lies beyond `source` has weight 0.
    """
    height, width = canvas.shape[:2]
    return _multiply(
        _traced(height, shape[0], source.height, target.height, method, antialias),
        _traced(width, shape[1], source.width, target.width, method, antialias),
        canvas,
    )


def _position(method: str) -> int:
    if method not in METHODS:
        raise ValueError(f"resizing has no {method!r}: there is {', '.join(METHODS)}")
    return METHODS.index(method)


def _multiply(rows: Any, columns: Any, images: Any) -> Any:
    highest = jax.lax.Precision.HIGHEST
    images = jnp.einsum("ih,...hwc->...iwc", rows, images, precision=highest)
    return jnp.einsum("jw,...hwc->...hjc", columns, images, precision=highest)


@functools.lru_cache(maxsize=32)
def _static(
    side: int, out: int, scale: float | int, kind: int, antialias: bool
) -> np.ndarray:
    # A kernel reaches 2 / scale px from a centre that is at most 0.5 / scale outside.
    reach = side + 2.5 / min(scale, 1)
    periods = math.ceil((reach / side - 1) / 2)
    row, tap = np.arange(out, dtype=np.float64), np.arange(side)
    weights = _weights(row, tap, side, scale, kind, antialias, periods)
    return _normalised(weights).astype(np.float32)


def _traced(
    side: int, out: int, old: Any, new: Any, method: Any, antialias: bool
) -> Array:
    old, new = jnp.asarray(old, jnp.float32), jnp.asarray(new, jnp.float32)
    # Rows beyond the new extent are copies of its last one.
    row = jnp.minimum(jnp.arange(out, dtype=jnp.float32), new - 1)
    # One period more on each side is enough: with new >= 1 no kernel reaches further
    # than two old sides.
    kinds = [
        _weights(row, np.arange(side), old, new / old, kind, antialias, periods=1)
        for kind in range(len(METHODS))
    ]
    return _normalised(jnp.stack(kinds)[method])


def _weights(
    row: Any,
    tap: np.ndarray,
    side: Any,
    scale: Any,
    kind: int,
    antialias: bool,
    periods: int,
) -> Any:
    """Returns [row, tap] weights, of NumPy or of jax as `row` is; rows do not sum to 1.

    Pixel `tap` of an image of `side` also stands, mirrored, at -1 - tap, and both
    repeat with period 2 * side.
    """
    centre = ((row + 0.5) / scale - 0.5)[:, None, None]
    mirrored = np.stack([tap, -1 - tap] * (2 * periods + 1))
    period = np.repeat(np.arange(-periods, periods + 1), 2)[:, None]
    distance = abs(centre - (mirrored + 2 * period * side))
    return _KERNELS[kind](distance, scale, antialias).sum(1) * (tap < side)


def _normalised(weights: Any) -> Any:
    return weights / weights.sum(-1, keepdims=True)


# Products with truth values, not `where`: one text for NumPy and for traced arrays.


def _bicubic(distance: Any, scale: Any, antialias: bool) -> Any:
    x = distance * _stretch(scale, antialias)
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return (x <= 1) * near + ((x > 1) & (x < 2)) * far


def _bilinear(distance: Any, scale: Any, antialias: bool) -> Any:
    x = distance * _stretch(scale, antialias)
    return (x < 1) * (1 - x)


def _area(distance: Any, scale: Any, antialias: bool) -> Any:
    del antialias
    covered = 1 / scale  # the side of an output pixel, in input pixels
    overlap = ((covered + 1) / 2 - distance).clip(0, 1)
    return overlap.clip(0, covered)


def _stretch(scale: Any, antialias: bool) -> Any:
    # scale where it shrinks, else 1
    return scale * (scale < 1) + (scale >= 1) if antialias else 1


_KERNELS: tuple[Callable[[Any, Any, bool], Any], ...] = (_bicubic, _bilinear, _area)
