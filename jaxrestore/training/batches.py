"""The batch of a step, made on the device from 8-bit images and one key."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from jaxrestore import metrics
from jaxrestore.data import augmentation
from jaxrestore.degradations import batched


def make(
    key: PRNGKeyArray,
    images: UInt8[Array, "b h w c"],
    *,
    degradation: Mapping[str, Any] | None,
    augment: str,
) -> dict[str, Array]:
    """Returns `target`, `degraded`, float32 in [0, 1], and `key`.

    Without a `degradation` the images are pairs of six channels, the target's first. A
    degradation that says which pixels it damages adds `damage` [b, h, w, 1], 1 there,
    and with a `weight` of its own the `weight` [b, h, w, 1] that pixels have in the
    losses. Image i is turned and degraded by keys of its own, whatever
    device holds it.
    """
    turn_key, degrade_key, model_key = jax.random.split(key, 3)
    target = images.astype(jnp.float32) / 255
    keys = batched.image_keys(turn_key, len(images))
    target = augmentation.augment(augment, keys, target)
    if degradation is None:
        target, degraded = jnp.split(target, 2, axis=-1)
        return {"target": target, "degraded": degraded, "key": model_key}
    keys = batched.image_keys(degrade_key, len(images))
    degraded, damage = batched.degrade_with_damage(keys, target, recipe=degradation)
    batch = {"target": target, "degraded": degraded, "key": model_key}
    if damage is not None:
        batch["damage"] = damage
    if "weight" in degradation:
        batch["weight"] = batched.pixel_weight(damage, recipe=degradation)
    return batch


def psnr_terms(
    batch: Mapping[str, Array], restored: Float[Array, "b h w c"]
) -> dict[str, Float[Array, ""]]:
    """Returns the mean PSNR of `restored`, in dB, and its gain over the input.

    An input of another size than its target has no PSNR, and so there is no gain.
    """
    target, channels = batch["target"], batch["target"].shape[-1]
    after = metrics.psnr(jnp.clip(restored, 0, 1), target)
    terms = {"train/psnr": after.mean()}
    # Further channels, as the mask of holes, are no colours.
    degraded = batch["degraded"][..., :channels]
    if degraded.shape == target.shape:
        before = metrics.psnr(jnp.clip(degraded, 0, 1), target)
        terms["train/psnr_gain"] = (after - before).mean()
    return terms
