"""What the discriminator is shown: real pairs against wrong ones.

A pair is a degraded image and one that claims to be its original. Beside the target and
the restored image there are mixed pairs, each a further contest of the real pairs
against wrong ones, so that real and wrong keep their balance.

Source: mixed pairs from the study named in `degradations.pixel_shuffle`, which leaves
them unspecified; CutMix from Schonfeld et al., "A U-Net Based Discriminator for
Generative Adversarial Networks", CVPR 2020.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxrestore import adversarial

# (image, degraded, stats) -> (logits, new stats).
Judge = Callable[[Array, Array, Any], tuple[Array, Any]]


def discriminator_loss(
    gan: Mapping[str, Any], judge: Judge, batch: Mapping[str, Array], stats: Any
) -> tuple[Float[Array, ""], Any, dict[str, Float[Array, ""]]]:
    """Returns the loss, the statistics after it, and what the logits say.

    `gan` is the config's `adversarial`; its weights bring in `mismatched` (a degraded
    image with another image's target), `identity` (the degraded image twice) and
    `cutmix` (a restored image with a rectangle of its target, judged patch by patch).
    The restored image is `shown_restored`, with the input `shown_degraded` it was made
    of, where the batch has them: what a pool of earlier images gave.
    The statistics pass from call to call in this order; a penalty does not move them.

    `penalty_weight` is the papers', whose loss is the whole sum of two means: here the
    penalty is halved with it.
    """
    mode = adversarial.mode(gan["mode"])
    cutmix_key, penalty_key = jax.random.split(batch["key"])
    degraded = batch["degraded"]
    real, stats = judge(batch["target"], degraded, stats)
    shown = batch.get("shown_restored", batch["restored"])
    fake, stats = judge(shown, batch.get("shown_degraded", degraded), stats)
    total = adversarial.discriminator_loss(mode, real, fake)
    terms = {
        "logit_real": real.mean(),
        "logit_fake": fake.mean(),
        "accuracy_real": (real > mode.boundary(fake)).mean(),
        "accuracy_fake": (fake <= mode.boundary(real)).mean(),
    }
    wrong_images = {
        "mismatched": lambda: jnp.roll(batch["target"], 1, axis=0),
        # Of channels, as many as images have: a mask beside them is no picture.
        "identity": lambda: degraded[..., : batch["target"].shape[-1]],
    }
    for name, image in wrong_images.items():
        if gan[name]:
            wrong, stats = judge(image(), degraded, stats)
            contest = adversarial.discriminator_loss(mode, real, wrong)
            total = total + gan[name] * contest
    if gan["cutmix"]:
        image, is_real = cutmix({**batch, "key": cutmix_key})
        logits, stats = judge(image, degraded, stats)
        total = total + gan["cutmix"] * _patchwise(mode, logits, is_real)
    if gan["penalty"] != "none":
        critic = lambda image: judge(image, degraded, stats)[0]
        terms["penalty"] = _penalty(gan["penalty"], penalty_key, critic, batch)
        total = total + gan["penalty_weight"] * terms["penalty"] / 2
    return total, stats, {"loss": total, **terms}


def _penalty(name, key, critic, batch):
    if name == "r1":
        return adversarial.r1(critic, batch["target"])
    assert name in ("gradient", "gradient_damaged"), name
    mask = batch["damage"] if name == "gradient_damaged" else None
    between = batch["target"], batch["restored"]
    return adversarial.gradient_penalty(key, critic, *between, mask=mask)


def cutmix(
    batch: Mapping[str, Array],
) -> tuple[Float[Array, "b h w c"], Bool[Array, "b h w 1"]]:
    """Returns restored images with a rectangle of their target, and where that lies.

    The rectangle has the image's aspect and a uniform share of its area.
    """
    shape = batch["target"].shape
    share_key, row_key, column_key = jax.random.split(batch["key"], 3)
    side = jnp.sqrt(jax.random.uniform(share_key, (shape[0], 1, 1, 1)))

    def inside(key, axis):
        size = shape[axis]
        start = jax.random.uniform(key, side.shape) * (1 - side) * size
        index = jnp.arange(size).reshape([-1 if i == axis else 1 for i in range(4)])
        return (index >= start) & (index < start + side * size)

    is_real = inside(row_key, 1) & inside(column_key, 2)
    return jnp.where(is_real, batch["target"], batch["restored"]), is_real


def _patchwise(mode, logits, is_real):
    """A patch counts as real where half of its cell or more shows the target."""
    shape = (*logits.shape[:3], 1)
    share = jax.image.resize(is_real.astype(jnp.float32), shape, "linear")
    as_real, as_fake = mode.discriminator(logits, logits)
    return jnp.where(share >= 0.5, as_real, as_fake).mean() / 2
