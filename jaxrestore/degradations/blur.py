"""Blur: Gaussian, motion, or kernels from a file; one of them or a mixture."""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import draws, kernels, ranges

# Half Gaussian, 7 of 10 isotropic; half motion, 6 of 10 straight.
MIX = MappingProxyType(
    {"isotropic": 0.35, "anisotropic": 0.15, "line": 0.3, "shake": 0.2}
)

KINDS = ("isotropic", "anisotropic", "line", "shake", "given")

Angle = Annotated[
    draws.Number, ranges.Range(-2 * np.pi, 2 * np.pi, "radians, of which pi is 180")
]


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    kind: Annotated[str | Mapping[str, float | int], ranges.Words(KINDS)] = MIX,
    deviation: draws.NotNegative = (0.8, 3.0),
    deviations: draws.NotNegative = (0.8, 3.5),
    length: draws.NotNegative = (3.0, 13.0),
    extent: draws.NotNegative = (3.0, 13.0),
    angle: Angle = (0.0, np.pi),
    given: str | Sequence[Any] | np.ndarray | Array = "",
    size: Annotated[int, ranges.Range(1, None, "odd", whole=True)] = 31,
) -> Float[Array, "h w c"]:
    """Returns `image` blurred by a kernel drawn for it; the border is mirrored.

    `kind` is one of these words, or a mixture of several as {word: weight}:

    - `"isotropic"`: a Gaussian of standard deviation `deviation`;
    - `"anisotropic"`: a Gaussian of two `deviations`, drawn apart, the first along
      `angle`;
    - `"line"`: even motion over `length` along `angle`;
    - `"shake"`: a camera's random walk that spans `extent`, centred;
    - `"given"`: one of the kernels `given`, an array [n, k, k] or the path of a .npy
      or .npz file, with equal chance and scaled to sum 1.

    Lengths are in pixels and meant for images of 64 px: multiply them for larger
    ones. The angle is in radians, from right to down. Gaussians end at three
    deviations. `size` is the odd side that holds every kernel; what reaches beyond is
    cut off, and it sets the cost.

    Raises `ValueError` for an unknown kind, an even size, and kernels that are
    missing, not square or larger than `size`.

    Source: the mixture, made for a deblurring GAN on faces whose authors name only
    "Gaussian and motion blur", is ours; formulas: see `ops.kernels`.

    >>> kernel = jnp.zeros((3, 3)).at[1].set(jnp.array([0.25, 0.5, 0.25]))
    >>> image = jnp.zeros((5, 5, 1)).at[2, 2].set(1)
    >>> blur.degrade(jax.random.key(0), image, kind="given", given=kernel)[2, :, 0]
    Array([0.  , 0.25, 0.5 , 0.25, 0.  ], dtype=float32)
    """
    ranges.check(degrade, locals())
    makers = (
        functools.partial(_isotropic, size=size, deviation=deviation),
        functools.partial(_anisotropic, size=size, deviations=deviations, angle=angle),
        functools.partial(_line, size=size, length=length, angle=angle),
        functools.partial(_shake, size=size, extent=extent),
        functools.partial(_given, size=size, given=given),
    )
    weights = {kind: 1.0} if isinstance(kind, str) else dict(kind)
    kind_key, kernel_key = jax.random.split(key)
    chosen = draws.choice(kind_key, weights)
    branches = [makers[KINDS.index(word)] for word in weights]
    return kernels.convolve(image, jax.lax.switch(chosen, branches, kernel_key))


def _isotropic(key, *, size, deviation):
    drawn = draws.number(key, deviation)
    return _three_deviations(kernels.gaussian(size, drawn, drawn, 0.0), drawn)


def _anisotropic(key, *, size, deviations, angle):
    first_key, second_key, angle_key = jax.random.split(key, 3)
    first = draws.number(first_key, deviations)
    second = draws.number(second_key, deviations)
    kernel = kernels.gaussian(size, first, second, draws.number(angle_key, angle))
    return _three_deviations(kernel, jnp.maximum(first, second))


def _three_deviations(kernel, deviation):
    return kernels.within(kernel, 2 * jnp.ceil(3 * deviation) + 1)


def _line(key, *, size, length, angle):
    length_key, angle_key = jax.random.split(key)
    drawn = draws.number(length_key, length)
    return kernels.line(size, drawn, draws.number(angle_key, angle))


def _shake(key, *, size, extent):
    extent_key, walk_key = jax.random.split(key)
    return kernels.camera_shake(walk_key, size, draws.number(extent_key, extent))


def _given(key, *, size, given):
    stack = jnp.concatenate([_framed(array, size) for array in _arrays(given)])
    kernel = stack[jax.random.randint(key, (), 0, len(stack))]
    return kernel / kernel.sum()


def _arrays(given):
    """Returns arrays [k, k] or [n, k, k]; an archive's in the order of their names."""
    if not isinstance(given, str):
        return [jnp.asarray(given, jnp.float32)]
    if not given:
        raise ValueError(
            "the blur 'given' has no kernels; set given to an array [n, k, k] or to "
            "the path of a .npy or .npz file"
        )
    try:
        loaded = np.load(given)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the kernels that given names, {given}, cannot be read: {error}; give the "
            "path of a .npy or .npz file"
        ) from error
    if isinstance(loaded, np.ndarray):
        return [loaded]
    with loaded:
        return [loaded[name] for name in sorted(loaded.files)]


def _framed(array, size):
    """Returns kernels [n, size, size] with zeros around them."""
    side = array.shape[-1]
    square = array.ndim in (2, 3) and array.shape[-2] == side
    if not square or side % 2 == 0 or side > size:
        raise ValueError(
            f"kernels are [k, k] or [n, k, k] with k odd and at most size={size}, got "
            f"{array.shape}; pad or crop them, or raise size"
        )
    border = (size - side) // 2
    kernel = jnp.asarray(array, jnp.float32).reshape(-1, side, side)
    return jnp.pad(kernel, ((0, 0), (border, border), (border, border)))
