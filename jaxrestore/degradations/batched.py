"""One degradation over a batch, a key for each image."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from jaxrestore import contracts, naming


def image_keys(key: PRNGKeyArray, count: int) -> Key[Array, " b"]:
    """Returns [count] keys: `fold_in(key, index)`, whatever the batch it stands in."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))


def degrade(
    keys: Key[Array, " b"],
    images: Float[Array, "b h w c"],
    *,
    recipe: Mapping[str, Any],
) -> Float[Array, "b hh ww cc"]:
    """Returns `images` degraded by `recipe`, image i with `keys[i]`.

    `recipe` is `{"name": file in degradations, …keyword options of its degrade}`; its
    `weight`, if there is one, is for `pixel_weight`. Raises `ValueError` for a
    degradation that does not keep `contracts.Degrade`.

    >>> images = jnp.stack([jnp.eye(4), 1 - jnp.eye(4)])[..., None]
    >>> recipe = {"name": "downsample", "scale": 2, "method": "area"}
    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> batched.degrade(keys, images, recipe=recipe)[1, :, :, 0]
    Array([[0.5, 1. ],
           [1. , 0.5]], dtype=float32)
    """
    one = naming.module("degradations", recipe["name"]).degrade
    contracts.check(contracts.Degrade, one)
    options = _options(recipe)

    def degraded(key, image):
        try:
            return _checked(one(key, image, **options), image, recipe["name"])
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            raise ValueError(
                f"degradations/{recipe['name']}.py does with an image what jax cannot "
                "compile, as NumPy, float() and `if` of its values; use jax.numpy "
                f"({str(error).splitlines()[0]:.150})"
            ) from error

    return jax.vmap(degraded)(keys, images)


def says_damage(recipe: Mapping[str, Any] | None) -> bool:
    """Returns whether a degradation knows where it loses pixels; None does not."""
    if recipe is None:
        return False
    return hasattr(naming.module("degradations", recipe["name"]), "damage")


def degrade_with_damage(
    keys: Key[Array, " b"],
    images: Float[Array, "b h w c"],
    *,
    recipe: Mapping[str, Any],
) -> tuple[Float[Array, "b hh ww cc"], Float[Array, "b h w 1"] | None]:
    """Returns what `degrade` does, and the mask of what is damaged, 1 there.

    The mask is None for a degradation without a function `damage`, as a chain.
    """
    if not says_damage(recipe):
        return degrade(keys, images, recipe=recipe), None
    home = naming.module("degradations", recipe["name"])
    options = _options(recipe)
    return jax.vmap(lambda key, image: home.damage(key, image, **options))(keys, images)


def pixel_weight(
    damage: Float[Array, "b h w 1"] | None, *, recipe: Mapping[str, Any]
) -> Float[Array, "b h w 1"]:
    """Returns what each pixel weighs in a loss, where `damage` is 1 and where it is 0.

    `recipe["weight"]` is `{"damaged": 6.0, "intact": 1.0}`, and `damage` what
    `degrade_with_damage` found. Raises `ValueError` where that is None, as of a chain,
    and for a weight that is something else.
    """
    damaged, intact = _weights(recipe["weight"])
    if damage is None:
        raise ValueError(
            f"{recipe['name']} does not say which pixels it damages (a chain of "
            "degradations cannot either); drop its weight, or choose a degradation "
            "with a damage function, such as scratches or holes"
        )
    return intact + (damaged - intact) * damage


def _checked(degraded, image, name):
    wanted = f"it must return float [h, w, c] in [0, 1], c at least {image.shape[-1]}"
    if not isinstance(degraded, jax.Array):
        raise ValueError(
            f"degrade of degradations/{name}.py returns {type(degraded).__name__}; "
            f"{wanted}"
        )
    kept = degraded.ndim == 3 and degraded.shape[-1] >= image.shape[-1]
    if not (kept and jnp.issubdtype(degraded.dtype, jnp.floating)):
        raise ValueError(
            f"degrade of degradations/{name}.py returns {degraded.dtype}"
            f"{list(degraded.shape)}; {wanted}"
        )
    return degraded


def _options(recipe):
    return {n: value for n, value in recipe.items() if n not in ("name", "weight")}


def _weights(weight):
    if not isinstance(weight, Mapping) or set(weight) != {"damaged", "intact"}:
        raise ValueError(
            f"the weight of a degradation is {weight!r}; give a number for each of "
            "'damaged' and 'intact'"
        )
    if min(weight.values()) < 0:
        raise ValueError(f"the weight {dict(weight)} is negative; 0 is the least")
    return weight["damaged"], weight["intact"]
