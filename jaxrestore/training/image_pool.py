"""A pool of earlier restored images, some of which the discriminator sees again.

Source: Shrivastava et al., "Learning from Simulated and Unsupervised Images through
Adversarial Training", CVPR 2017; the rule of exchange is that of pix2pix and CycleGAN.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

Pool = dict[str, Array]
Images = Mapping[str, Array]


def empty(count: int, *, restored: Array, degraded: Array) -> Pool:
    """Returns a pool for `count` pairs of the shapes [1, h, w, c] of these images."""
    room = lambda image: jnp.zeros((count, *image.shape[1:]), jnp.float32)
    return {
        "restored": room(restored),
        "degraded": room(degraded),
        "held": jnp.zeros((), jnp.int32),
    }


def exchange(key: PRNGKeyArray, pool: Pool, fresh: Images) -> tuple[Pool, Images]:
    """Returns the pool after the batch `fresh` and the pairs to show in its place.

    The pairs come one by one. While the pool has room a pair is stored and shown. Once
    it is full, every second pair on average, drawn by `key`, is shown as it is; any
    other takes the place of a stored pair, drawn uniformly, which is shown instead.
    """
    count, size = len(pool["restored"]), len(fresh["restored"])
    images = {name: leaf for name, leaf in pool.items() if name != "held"}

    def one(carry, row):
        images, held = carry
        key, pair = row
        swap_key, place_key = jax.random.split(key)
        full = held == count
        place = jnp.where(full, jax.random.randint(place_key, (), 0, count), held)
        swaps = full & jax.random.bernoulli(swap_key)
        stored = jax.tree.map(lambda leaf: leaf[place], images)
        pick = lambda choice: lambda a, b: jnp.where(choice, a, b)
        kept = jax.tree.map(pick(~full | swaps), pair, stored)
        images = jax.tree.map(lambda leaf, new: leaf.at[place].set(new), images, kept)
        return (images, jnp.minimum(held + 1, count)), jax.tree.map(
            pick(swaps), stored, pair
        )

    rows = jax.random.split(key, size), dict(fresh)
    (images, held), shown = jax.lax.scan(one, (images, pool["held"]), rows)
    return {**images, "held": held}, shown
