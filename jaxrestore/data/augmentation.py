"""Flips, quarter turns and other colours, on the device, from one key an image."""

import dm_pix
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from jaxrestore.ops import color

AUGMENTATIONS = ("none", "flip", "flip_and_turn", "flip_turn_and_recolor")


def augment(
    kind: str, keys: Key[Array, " b"], images: Float[Array, "b s s c"]
) -> Float[Array, "b s s c"]:
    """Returns square images, each moved by its key as one of `AUGMENTATIONS` says."""
    if kind == "none":
        return images
    if kind == "flip":
        flip = lambda key, image: jnp.asarray(dm_pix.random_flip_left_right(key, image))
        return jax.vmap(flip)(keys, images)
    turned = jax.vmap(flip_and_turn)(keys, images)
    if kind == "flip_and_turn":
        return turned
    assert kind == "flip_turn_and_recolor", kind
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 1)
    return jax.vmap(recolor)(keys, turned)


def flip_and_turn(
    key: PRNGKeyArray, image: Float[Array, "s s c"]
) -> Float[Array, "s s c"]:
    """Returns a square image in one of its eight orientations, all equally likely."""
    flip_key, turn_key = jax.random.split(key)
    image = jnp.asarray(dm_pix.random_flip_left_right(flip_key, image))
    quarters = jax.random.randint(turn_key, (), 0, 4)
    turns = [lambda image, k=k: dm_pix.rot90(image, k) for k in range(4)]
    return jax.lax.switch(quarters, turns, image)


def recolor(key: PRNGKeyArray, image: Float[Array, "s s c"]) -> Float[Array, "s s c"]:
    """Returns an image in [0, 1] as it is, or with other colours.

    One in four is a negative; of RGB, one in two has its channels exchanged, one in
    five is grey, and three in ten have up to four times their saturation.
    """
    negative_key, order_key, exchange_key, saturation_key, kind_key = jax.random.split(
        key, 5
    )
    image = jnp.where(jax.random.bernoulli(negative_key, 0.25), 1 - image, image)
    if image.shape[-1] != 3:
        return image
    exchanged = image[..., jax.random.permutation(order_key, 3)]
    image = jnp.where(jax.random.bernoulli(exchange_key), exchanged, image)
    kind = jax.random.uniform(kind_key)
    more = jax.random.uniform(saturation_key, (), minval=1.0, maxval=4.0)
    saturation = jnp.where(kind < 0.2, 0.0, jnp.where(kind < 0.5, more, 1.0))
    grey = color.luma(image)
    return jnp.clip(grey + saturation * (image - grey), 0, 1)
