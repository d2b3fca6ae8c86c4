"""One degradation over a batch, a key for each image."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from jaxrestore import naming


def image_keys(key: PRNGKeyArray, count: int) -> Key[Array, "b"]:
    """Returns [count] keys: `fold_in(key, index)`, whatever the batch it stands in."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))


def degrade(
    keys: Key[Array, "b"],
    images: Float[Array, "b h w c"],
    *,
    recipe: Mapping[str, Any],
) -> Float[Array, "b hh ww cc"]:
    """Returns `images` degraded by `recipe`, image i with `keys[i]`.

    `recipe` is `{"name": file in degradations, …keyword options of its degrade}`.
    """
    options = {name: value for name, value in recipe.items() if name != "name"}
    one = naming.module("degradations", recipe["name"]).degrade
    return jax.vmap(lambda key, image: one(key, image, **options))(keys, images)
