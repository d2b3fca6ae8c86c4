"""Networks before any training, for the tests of `models/`: inputs, shapes, weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def noise(*shape, seed=0):
    """Returns an array of numbers from 0 to 1, the same for the same seed."""
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def image(side):
    """Returns the shape of a batch of one square RGB image."""
    return jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)


def shapes(model, *inputs):
    """Returns the shapes of the variables, without computing anything."""
    init = functools.partial(model.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), *inputs)


def init(model, *inputs):
    """Returns the variables."""
    make = jax.jit(functools.partial(model.init, train=False))
    return make(jax.random.key(0, impl="rbg"), *inputs)  # quicker to compile


def count(variables):
    """Returns how many numbers the parameters are."""
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
