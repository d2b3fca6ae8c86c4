"""Deblurring faces: SSIM and a discriminator, as a student project trained it.

    python -m jaxrestore.main --config configs/deblur_gan.py:source

Arguments, joined by commas after a colon (`configs/deblur_gan.py:source,demo`):
  source  the project's network and losses exactly: 1 - SSIM plus the adversary at
          weight 1, constant rates, no EMA; the network draws the image anew
  demo    the same networks on batches of 8, an EMA of the weights: a quarter of an
          hour on two CPU cores
  pairs   damaged files instead of blur: folders of equal names (input and target, or A
          and B) in config.data.train and config.data.evaluation

Without `source` the network adds to its input, L1 joins 1 - SSIM, and the adversary
weighs 0.01. Either way the generator moves three times for each move of the
discriminator. Crops are 64 px, the blur is half Gaussian and half motion.

Measured with `demo` on 3000 faces, one seed: 25.03 dB and SSIM 0.803 from 23.63 dB and
0.710; with `source,demo` SSIM 0.722, but 21.42 dB.

Source: the layer table, losses and rates of a student project on CelebA; what it leaves
out (the blur, the noise of the camera) is this package's.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    if set(words) - {"source", "demo", "pairs"}:
        raise ValueError(f"argument {argument!r}: give any of source, demo and pairs")
    config = gan_full.get_config()
    config.steps = 60_000
    config.batch_size = 64
    config.crop = 64
    config.augment = "flip"  # faces stand upright
    config.data.leaves = 0.0
    config.data.evaluation_crop = 64
    config.degradation = ConfigDict()
    config.degradation.name = "chain"
    config.degradation.stages = (
        {"name": "blur"},  # lengths for 64 px; options: see degradations/blur.py
        {"name": "noise", "level": (0.0, 2 / 255)},  # of the camera
        {"name": "eight_bit"},
    )
    config.generator = ConfigDict()
    config.generator.name = "deblur_fcn"
    config.generator.filters = 64
    config.generator.norm = "none"  # or batch, instance
    config.generator.residual = True
    config.generator.border = 0  # px mirrored around the image for the network
    config.objective.restored = {"ssim": 1.0, "l1": 1.0}
    config.adversarial.generator_steps = 3
    config.adversarial.mismatched = 0.0
    config.adversarial.identity = 0.0
    config.discriminator = ConfigDict()
    config.discriminator.name = "deblur_fcn"
    config.discriminator.filters = 64
    config.discriminator.norm = "batch"  # or none, instance
    config.discriminator.conditional = False  # it judges the image by itself
    config.discriminator.head = "dense"  # or average
    config.optimizer.discriminator.rate = 2e-4
    config.evaluation.batch_size = 16
    if "source" in words:
        _as_the_source(config)
    if "pairs" in words:
        config.degradation = None
        config.data.layout = "folders"
    if "demo" in words:
        _shrink(config, "source" in words)
    return config


def _as_the_source(config):
    config.generator.residual = False
    config.objective.restored = {"ssim": 1.0}
    config.adversarial.weight = 1.0
    config.ema = 0.0
    for player in (config.optimizer.generator, config.optimizer.discriminator):
        player.schedule = "constant"
        player.warmup = 0
        player.clip = 0.0


def _shrink(config, source):
    """Cuts the run down to a quarter of an hour on two CPU cores."""
    config.steps = 900
    config.batch_size = 8
    config.evaluation.every = 150
    config.log_every = 25
    config.checkpoint_every = 150
    # An eighth of the batch, an eighth of the rate: a faster one leads the generator
    # away from faces at first (see it with --config.optimizer.discriminator.rate=2e-4).
    config.optimizer.discriminator.rate = 2.5e-5
    # So few images a step make the last weights a matter of luck: an EMA is scored.
    config.ema = 0.99
    if source:
        return
    config.optimizer.generator.rate = 1e-3
    config.optimizer.generator.warmup = 20
    config.optimizer.generator.beta1 = 0.9
