"""ESRGAN: perceptual loss and a relativistic adversary, from the first stage's weights.

    python -m jaxrestore.main --config configs/esrgan_psnr.py
    python -m jaxrestore.main --config configs/esrgan.py \\
        --config.perceptual.weights=vgg19-dcbb9e9d.pth

Arguments are those of `esrgan_psnr.py` and, joined by a comma,
  perceptual=none  no VGG19 is at hand: L1 keeps its whole weight instead

VGG19's weights are torchvision's, not ours, and nothing is downloaded: give the file
(`.pth` or `.safetensors`). The run starts from `config.init_from`, by default where
`esrgan_psnr.py` with the same arguments leaves its run. With `real` the
discriminator is Real-ESRGAN's U-Net, one judgement a pixel, and the perceptual loss has
its five layers. Between the two stages: `jaxrestore interpolate FIRST SECOND OUT`.

Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial
Networks", ECCVW 2018, with the weights and halves of BasicSR; Wang et al.,
"Real-ESRGAN", ICCVW 2021, whose sharpened targets are left out.
"""

from ml_collections import ConfigDict

from configs import esrgan_psnr, gan_full

_BARE = "perceptual=none"
_REAL = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    first = [word for word in words if word != _BARE]
    config = esrgan_psnr.get_config(",".join(first))
    real = "real" in words
    config.init_from = "-".join(["runs/esrgan_psnr", *first])
    config.steps = 400_000
    config.objective.restored = {"l1": 1.0 if real or _BARE in words else 0.01}
    if _BARE not in words:
        config.perceptual = ConfigDict()
        config.perceptual.weights = ""  # a file of torchvision's VGG19
        config.perceptual.weight = 1.0
        config.perceptual.layers = _REAL if real else {"conv5_4": 1.0}
        config.perceptual.criterion = "l1"
    _add_adversary(config, real)
    config.optimizer.generator.rate = 1e-4
    config.optimizer.generator.warmup = 0
    if "demo" in words:
        config.steps = 600
        config.discriminator.filters = 16
        config.evaluation.every = 300
        config.log_every = 50
        config.checkpoint_every = 300
    return config


def _add_adversary(config, real):
    adversary = gan_full.get_config().adversarial
    adversary.mode = "vanilla" if real else "relativistic_vanilla"
    adversary.weight = 0.1 if real else 0.005
    adversary.mismatched = 0.0
    adversary.identity = 0.0
    config.adversarial = adversary
    config.discriminator = ConfigDict()
    config.discriminator.name = "unet_discriminator" if real else "vgg_discriminator"
    config.discriminator.filters = 64
    if not real:
        config.discriminator.side = config.crop
    player = config.optimizer.discriminator
    player.rate, player.warmup, player.clip = 1e-4, 0, 0.0
    player.beta1, player.beta2, player.final_rate = 0.9, 0.99, 1e-7
