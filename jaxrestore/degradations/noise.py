"""Noise: Gaussian, photon (Poisson), salt and pepper; one of them or a mixture."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore import naming
from jaxrestore.ops import color, draws, ranges
from jaxrestore.ops import grain as grains

_WHITE = 255  # photons that a value of 1 stands for

Factor = Annotated[
    draws.Number, ranges.Range(0, 10, "a factor, where 1 is a sensor of 255 photons")
]
LEVELS = ranges.ByWord(
    "kind",
    {
        "gaussian": ranges.of(draws.Level),
        "poisson": ranges.of(Factor),
        "salt_and_pepper": ranges.Range(0, 1, "a share of the pixels"),
    },
)
_GRAINS = naming.public(grains)


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    kind: Annotated[
        str | Mapping[str, Any], ranges.Words((*LEVELS.ranges,))
    ] = "gaussian",
    level: Annotated[draws.Number, LEVELS] = 25 / 255,
    grey: Annotated[float | int | Float[Array, ""], ranges.Range(0, 1)] = 0.0,
    grain: Annotated[
        str | Mapping[str, float | int], ranges.Words((*_GRAINS,))
    ] = "white",
    level_map: bool = False,
) -> Float[Array, "h w cc"]:
    """Returns `image` with noise of a drawn level added.

    What `level` (a number, or a range for blind denoising) is depends on the kind:

    - `"gaussian"`: the standard deviation on images in [0, 1]: what tables and
      `jaxrestore restore` call 25 (of 255) is 25 / 255, about 0.098;
    - `"poisson"`: the factor of `(photons - expected) / 255`, where `expected` is the
      8-bit value of the pixel and `photons` a Poisson draw of that mean; 1 is the
      noise of a sensor that counts 255 photons for white. For 1 or 3 channels;
    - `"salt_and_pepper"`: the share of pixels that turn white or black, half of them
      each, with all their channels.

    `kind` is one of these, or a mixture from which each image draws one:
    `{"gaussian": 3, "poisson": {"weight": 1, "level": (0.5, 2.0)}}`. A number is a
    weight; an entry with a level of its own does without the common `level`.

    `grey` is the probability that the first two kinds add the same to all channels
    (photons are then counted on the luma). `grain` is what Gaussian noise looks like, a
    function of `ops.grain` or a table of weights to draw one by: `"white"`, or noise
    whose neighbours are alike, `{"blurred": 1, "enlarged": 1, "mosaiced": 1,
    "chroma": 1}`. With `level_map`, the drawn level is appended as a constant channel,
    for networks told how noisy their input is.

    Raises `ValueError` for an unknown kind and a range that is no pair.

    Source: the level map is that of Zhang, Zuo, Zhang, "FFDNet: toward a fast and
    flexible solution for CNN-based image denoising", TIP 2018; Poisson and grey noise
    those of Wang et al., "Real-ESRGAN", ICCVW 2021.

    >>> image = jnp.full((64, 64, 1), 0.5)
    >>> f"{noise.degrade(jax.random.key(0), image, level=0.1).std():.3f}"
    '0.099'
    """
    ranges.check(degrade, locals())
    kinds = _kinds(kind, level)
    kind_key, level_key, grey_key, noise_key = jax.random.split(key, 4)
    chosen = draws.choice(kind_key, {word: entry[0] for word, entry in kinds.items()})
    level_keys = jax.random.split(level_key, len(kinds))
    levels = [
        draws.number(one_key, option)
        for one_key, (_, option) in zip(level_keys, kinds.values(), strict=True)
    ]
    drawn = jnp.stack(levels)[chosen]
    alike = jax.random.bernoulli(grey_key, grey)
    gaussian = functools.partial(_gaussian, grain=_grains(grain))
    branches = [{**_NOISES, "gaussian": gaussian}[word] for word in kinds]
    noisy = jax.lax.switch(chosen, branches, noise_key, image, drawn, alike)
    if not level_map:
        return noisy
    plane = jnp.broadcast_to(drawn, (*image.shape[:2], 1))
    return jnp.concatenate([noisy, plane], -1)


def _kinds(
    kind: str | Mapping[str, Any], level: Any
) -> dict[str, tuple[float | int, draws.Number]]:
    """Returns {word: (weight, level)}."""
    kinds: dict[str, tuple[float | int, draws.Number]] = {}
    for word, entry in ({kind: 1.0} if isinstance(kind, str) else kind).items():
        options = entry if isinstance(entry, Mapping) else {"weight": entry}
        if "weight" not in options or set(options) - {"weight", "level"}:
            raise ValueError(
                f"the noise {word!r} is {entry!r}; give a weight, or a table of "
                "weight and level"
            )
        kinds[word] = (options["weight"], options.get("level", level))
    return kinds


def _grains(grain):
    """Returns {function of `ops.grain`: weight}."""
    weights = {grain: 1.0} if isinstance(grain, str) else dict(grain)
    return {_GRAINS[word]: weight for word, weight in weights.items()}


def _gaussian(key, image, level, alike, *, grain):
    noise = jax.random.normal(key, image.shape)
    if [*grain] != [grains.white]:
        choice_key, shape_key = jax.random.split(jax.random.fold_in(key, 1))
        chosen = draws.choice(choice_key, {f.__name__: w for f, w in grain.items()})
        noise = jax.lax.switch(chosen, list(grain), shape_key, noise)
    # Last, for blotches of colour without colour would be nothing.
    return image + level * jnp.where(alike, noise[..., :1], noise)


def _poisson(key, image, level, alike):
    light = jnp.where(alike, color.luma(image), image)
    expected = jnp.clip(jnp.round(light * _WHITE), 0, _WHITE)
    # Off 0 by half a step of the draw: else 1 white pixel in 8 million would be black.
    draw = jax.random.uniform(key, image.shape) + 2.0**-24
    photons = _photons(jnp.where(alike, draw[..., :1], draw), expected)
    return image + level * (photons - expected) / _WHITE


def _photons(draw, expected):
    """Returns the Poisson quantiles of `draw` for means that are whole, 0 to 255.

    A bisection in a table: exact to the steps of `draw`, and 16 times as fast as the
    rejection sampler of jax.random on two CPU cores, where every lane of a batch
    waits for the slowest.
    """
    table = jnp.asarray(_cumulative())
    start = expected.astype(jnp.int32) * table.shape[1]
    count = jnp.zeros_like(start)
    for step in (256, 128, 64, 32, 16, 8, 4, 2, 1):
        below = table.reshape(-1).at[start + count + step - 1]
        more = below.get(mode="promise_in_bounds") < draw
        count = jnp.where(more, count + step, count)
    return count.astype(jnp.float32)


@functools.cache
def _cumulative() -> np.ndarray:
    """Returns [256, 511]: the probability of at most k photons, by mean and k."""
    means, counts = np.arange(1, _WHITE + 1)[:, None], np.arange(1, 511)
    logarithms = counts * np.log(means) - means - np.cumsum(np.log(counts))
    shares = np.exp(np.concatenate([-means, logarithms], 1))
    dark = np.ones((1, shares.shape[1]))
    return np.concatenate([dark, shares.cumsum(1)]).astype(np.float32)


def _salt_and_pepper(key, image, level, alike):
    del alike  # a pixel's channels go together anyhow
    draw = jax.random.uniform(key, (*image.shape[:2], 1))
    salted = jnp.where(draw < level, 1.0, image)
    return jnp.where(draw < level / 2, 0.0, salted)


_NOISES = {
    "gaussian": _gaussian,
    "poisson": _poisson,
    "salt_and_pepper": _salt_and_pepper,
}
