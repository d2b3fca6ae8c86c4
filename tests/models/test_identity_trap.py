"""A network that starts at the identity must be able to leave it under L1.

A ReLU or a small factor before the last layer can die there: the output then equals
the input for good, and only a training run shows it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore import losses, metrics
from jaxrestore.models import (
    dncnn,
    fcn,
    mwcnn,
    nafnet,
    pix2pix_resnet,
    pix2pix_unet,
)

DEVIATION = 25 / 255


def _pairs(key, count):
    """Smooth random images of 32 px, and the same with Gaussian noise."""
    image_key, noise_key = jax.random.split(key)
    coarse = jax.random.uniform(image_key, (count, 5, 5, 3))
    target = jax.image.resize(coarse, (count, 32, 32, 3), "cubic").clip(0, 1)
    noise = DEVIATION * jax.random.normal(noise_key, target.shape)
    return target + noise, target


def _blocks(key, count):
    """Smooth random images of 32 px, and the same in squares of 4 px."""
    _, target = _pairs(key, count)
    means = target.reshape(count, 8, 4, 8, 4, 3).mean((2, 4))
    return means.repeat(4, 1).repeat(4, 2), target


def _gain(model, pairs, rate=2e-3):
    """The PSNR on other images above the degraded ones', after 80 steps of Adam."""
    optimizer = optax.adam(rate)
    held_out, target = pairs(jax.random.key(1), 8)
    variables = model.init(jax.random.key(0), held_out, train=False)

    def loss(params, stats, degraded, target):
        (restored, _), moved = model.apply(
            {"params": params, **stats}, degraded, train=True, mutable="batch_stats"
        )
        return losses.l1(restored, target).mean(), moved

    @jax.jit
    def train(carry, key):
        params, stats, moments = carry
        gradient, stats = jax.grad(loss, has_aux=True)(params, stats, *pairs(key, 8))
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(params, updates), stats, moments

    params = variables.pop("params")
    carry = params, variables, optimizer.init(params)
    for key in jax.random.split(jax.random.key(2), 80):
        carry = train(carry, key)
    restored, _ = model.apply({"params": carry[0], **carry[1]}, held_out, train=False)
    gain = metrics.psnr(restored, target) - metrics.psnr(held_out, target)
    assert jnp.isfinite(gain).all()
    return np.mean(gain)


@pytest.mark.slow
def test_a_small_l1_denoiser_leaves_the_identity():
    assert _gain(fcn.Generator(width=16, blocks=2), _pairs) > 1.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "gain"),
    [
        (dncnn.Generator(width=16, depth=5), 1.5),
        # A chain of ReLUs without skips between them: it learns, but later.
        (mwcnn.Generator(widths=(8, 12, 16), convs=2), 0.2),
        (nafnet.Generator(width=8, encoders=(1, 1), middle=1, decoders=(1, 1)), 1.5),
    ],
    ids=["dncnn", "mwcnn", "nafnet"],
)
def test_small_published_denoisers_leave_the_identity(model, gain):
    assert _gain(model, _pairs) > gain


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_small_residual_networks_of_pix2pix_leave_the_identity_of_squares(norm):
    options = {"filters": 8, "norm": norm, "dropout": 0.0, "residual": True}
    assert _gain(pix2pix_unet.Generator(downs=3, **options), _blocks) > 1.5
    # The published rate: a last layer of 7x7 from zero overshoots at ten times that.
    assert _gain(pix2pix_resnet.Generator(blocks=2, **options), _blocks, 2e-4) > 0.3
