"""A network that starts at the identity must be able to leave it under L1.

A ReLU or a small factor before the last layer can die there: the output then equals
the input for good, and only a training run shows it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore import losses, metrics
from jaxrestore.models import fcn

DEVIATION = 25 / 255


def _pairs(key, count):
    """Smooth random images of 32 px, and the same with Gaussian noise."""
    image_key, noise_key = jax.random.split(key)
    coarse = jax.random.uniform(image_key, (count, 5, 5, 3))
    target = jax.image.resize(coarse, (count, 32, 32, 3), "cubic").clip(0, 1)
    noise = DEVIATION * jax.random.normal(noise_key, target.shape)
    return target + noise, target


def test_a_small_l1_denoiser_leaves_the_identity():
    model = fcn.Generator(width=16, blocks=2)
    optimizer = optax.adam(2e-3)
    held_out, target = _pairs(jax.random.key(1), 8)
    variables = model.init(jax.random.key(0), held_out, train=False)

    def loss(variables, degraded, target):
        restored, _ = model.apply(variables, degraded, train=False)
        return losses.l1(restored, target).mean()

    @jax.jit
    def train(carry, key):
        variables, moments = carry
        gradient = jax.grad(loss)(variables, *_pairs(key, 8))
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(variables, updates), moments

    carry = variables, optimizer.init(variables)
    for key in jax.random.split(jax.random.key(2), 80):
        carry = train(carry, key)
    restored, _ = model.apply(carry[0], held_out, train=False)
    gain = metrics.psnr(restored, target) - metrics.psnr(held_out, target)
    assert jnp.isfinite(gain).all()
    assert np.mean(gain) > 1.5
