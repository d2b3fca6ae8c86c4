"""Flips and quarter turns, on the device, from one key an image."""

import dm_pix
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

AUGMENTATIONS = ("none", "flip", "flip_and_turn")


def augment(
    kind: str, keys: Key[Array, " b"], images: Float[Array, "b s s c"]
) -> Float[Array, "b s s c"]:
    """Returns square images, each moved by its key as one of `AUGMENTATIONS` says."""
    if kind == "none":
        return images
    if kind == "flip":
        flip = lambda key, image: jnp.asarray(dm_pix.random_flip_left_right(key, image))
        return jax.vmap(flip)(keys, images)
    assert kind == "flip_and_turn", kind
    return jax.vmap(flip_and_turn)(keys, images)


def flip_and_turn(
    key: PRNGKeyArray, image: Float[Array, "s s c"]
) -> Float[Array, "s s c"]:
    """Returns a square image in one of its eight orientations, all equally likely."""
    flip_key, turn_key = jax.random.split(key)
    image = jnp.asarray(dm_pix.random_flip_left_right(flip_key, image))
    quarters = jax.random.randint(turn_key, (), 0, 4)
    turns = [lambda image, k=k: dm_pix.rot90(image, k) for k in range(4)]
    return jax.lax.switch(quarters, turns, image)
