"""Networks before any training, for tests: small ones, inputs, shapes, weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

# As small as they can be; every network that restores pictures is here.
SMALL = {
    "deblur_fcn": {"filters": 4},
    "dncnn": {"width": 4, "depth": 4},
    "drunet": {"widths": (4, 6), "blocks": 1},
    "fcn": {"width": 4, "blocks": 2},
    "ffdnet": {"width": 4, "depth": 4},
    "mwcnn": {"widths": (4, 6), "convs": 1},
    "nafnet": {"width": 4, "encoders": (1,), "middle": 1, "decoders": (1,)},
    "pix2pix_resnet": {"filters": 4, "blocks": 1},
    "pix2pix_unet": {"filters": 4, "downs": 3},
    "rrdbnet": {"width": 4, "growth": 2, "blocks": 1},
    "srvggnet": {"width": 4, "convs": 2},
    "unet": {"widths": (4, 6), "blocks": (1, 1)},
    "vae": {"filters": 4, "downs": 3, "latent": 4},
}
TOLD = ("drunet", "ffdnet")  # the level of noise


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
