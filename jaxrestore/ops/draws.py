"""Options that are a number, or a range to draw one from."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxrestore.ops.ranges import Range

# A number, also a traced one, or (low, high). Lists are what JSON makes of pairs.
Number = float | int | Float[Array, ""] | Int[Array, ""] | Sequence[float | int]
Share = Annotated[Number, Range(0, 1)]
NotNegative = Annotated[Number, Range(0)]
WholeNumber = Annotated[Number, Range(0, whole=True)]
# Of noise, and as tables of denoising have it.
Level = Annotated[
    Number,
    Range(0, 1, "deviation on images in [0, 1]: 25 of 255 is 25/255, about 0.098"),
]


def number(key: PRNGKeyArray, option: Number) -> Float[Array, ""]:
    """Returns `option` as float32; of a pair (low, high), a uniform draw from it.

    Raises `ValueError` for a sequence that is no pair.
    """
    if not isinstance(option, Sequence):
        return jnp.asarray(option, jnp.float32)
    low, high = _pair(option)
    return jax.random.uniform(key, (), jnp.float32, low, high)


def integer(key: PRNGKeyArray, option: Number) -> Int[Array, ""]:
    """Returns `option` as int32; of a pair, a uniform draw with both ends included."""
    if not isinstance(option, Sequence):
        return jnp.asarray(option, jnp.int32)
    low, high = _pair(option)
    return jax.random.randint(key, (), int(low), int(high) + 1, jnp.int32)


def highest(option: Number) -> float:
    """Returns the largest value that `number` can return; `option` is not traced."""
    return float(max(option)) if isinstance(option, Sequence) else float(option)


def choice(key: PRNGKeyArray, weights: Mapping[str, float | int]) -> Int[Array, ""]:
    """Returns the position of an entry, drawn in proportion to its weight.

    Raises `ValueError` when a weight is negative, or none is above 0.
    """
    values = list(weights.values())
    if min(values, default=0) < 0 or sum(values) <= 0:
        raise ValueError(
            f"weights to choose by are {dict(weights)}; none may be negative, and one "
            "must be above 0"
        )
    shares = jnp.asarray(values, jnp.float32)
    return jax.random.categorical(key, jnp.log(shares)).astype(jnp.int32)


def _pair(option: Sequence[float | int]) -> tuple[float | int, float | int]:
    if len(option) != 2 or not option[0] <= option[1]:
        raise ValueError(
            f"a range is a pair (low, high), got {tuple(option)}; give two numbers, or "
            "one to fix the value"
        )
    return option[0], option[1]
