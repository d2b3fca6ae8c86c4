"""The rules that a config with an adversary must keep."""

from collections.abc import Mapping
from typing import Any

from jaxrestore import errors, networks
from jaxrestore.degradations import batched


def check(config: Mapping[str, Any], parts: int, scale: int) -> None:
    """Raises `ConfigError` where the keys of the adversary contradict each other.

    A batch is cut into `parts`; the generator enlarges by `scale`.
    """
    gan = config["adversarial"]
    model = networks.build("Discriminator", config["discriminator"])
    if min(gan["generator_steps"], gan["discriminator_steps"]) > 1:
        raise errors.ConfigError(
            "config.adversarial.generator_steps and discriminator_steps are "
            f"{gan['generator_steps']} and {gan['discriminator_steps']}; one is 1"
        )
    conditional = getattr(model, "conditional", True)
    if scale != 1 and conditional:
        raise errors.ConfigError(
            f"config.generator ({config['generator']['name']}) has scale {scale}, so "
            "the discriminator cannot see the degraded image beside the judged one; "
            "set config.discriminator.conditional to False"
        )
    for pair in ("mismatched", "identity"):
        if gan[pair] and not conditional:
            raise errors.ConfigError(
                f"config.adversarial.{pair} is {gan[pair]}, but the discriminator does "
                f"not see the degraded image; set {pair} to 0, or choose one that does "
                "(patchgan with conditional True)"
            )
    if gan["mismatched"] and config["batch_size"] // parts < 2:
        raise errors.ConfigError(
            "config.adversarial.mismatched pairs an image with another one; it needs "
            "config.batch_size / config.optimizer.accumulate of 2 or more"
        )
    if gan["cutmix"] and getattr(model, "one_number", False):
        raise errors.ConfigError(
            "config.adversarial.cutmix is judged patch by patch; choose a "
            "discriminator of patches (patchgan with one_number False), or set cutmix "
            "to 0"
        )
    if gan["cutmix"] and gan["mode"].startswith("relativistic"):
        raise errors.ConfigError(
            f"config.adversarial.mode is {gan['mode']!r}, which compares images, but "
            "cutmix shows both kinds in one; choose another mode, or set cutmix to 0"
        )
    if gan["penalty"] != "none" and getattr(model, "norm", "") == "batch":
        raise errors.ConfigError(
            f"config.adversarial.penalty is {gan['penalty']!r}, the gradient of each "
            "image by itself, but batch normalisation ties the images of a batch "
            "together; set config.discriminator.norm to 'instance' or 'none'"
        )
    if gan["penalty"] == "gradient_damaged" and not batched.says_damage(
        config["degradation"]
    ):
        how = config["degradation"]["name"] if config["degradation"] else "pairs"
        raise errors.ConfigError(
            "config.adversarial.penalty is 'gradient_damaged', the gradient at damaged "
            f"pixels alone, but {how} cannot say which they are; set it to 'gradient', "
            "or choose a degradation that does, as holes or scratches"
        )
    penalised = gan["penalty"] != "none" and gan["penalty_weight"] > 0
    held = penalised or getattr(model, "spectral_norm", True)
    if gan["mode"] == "wgan" and not held:
        raise errors.ConfigError(
            "config.adversarial.mode is 'wgan', whose critic grows without bound if "
            "nothing holds its slope; set config.adversarial.penalty to 'gradient', or "
            "config.discriminator.spectral_norm to True"
        )
