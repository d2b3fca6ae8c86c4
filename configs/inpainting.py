"""Filling holes: DeepFill, coarse to fine, its texture copied from around the hole.

    python -m jaxrestore.main --config configs/inpainting.py:demo

Arguments, joined by commas after a colon (`configs/inpainting.py:v1,demo`):
  v2    gated convolutions, a spectrally normalised critic of patches, hinge; holes are
        a box and brush strokes together; the default
  v1    plain convolutions, a critic of the whole and one of the hole's surroundings,
        WGAN-GP with five critic steps a generator step; holes are boxes
  demo  crops of 128 px and small networks: half an hour on two CPU cores. It is scored
        on pictures of 256 px; without --config.data.train=FOLDER it trains on ten
        embedded photographs, enough to see that it runs

Images lie in [0, 1], where an error is half of what it is in [-1, 1], in which the
papers weigh it. So L1 counts twice beside the hinge; beside WGAN-GP it does not, since
critics of slope 1 halve with it. `steps` are those of the critic: with `v1` the
generator moves in every fifth.

With `v1`, L1 outside of the hole is a mean over known pixels, as in the released code,
and L1 inside one over discounted weights, where the code divides by the pixels of the
local patch: it weighs more here, by the inverse of the mean discount. The discount is
the paper's 0.99; the code has 0.9. The adversary's weight is that of each of two
critics times two, for the mean of their logits is taken and not the sum.

Source: Yu et al., "Generative image inpainting with contextual attention", CVPR 2018;
Yu et al., "Free-form image inpainting with gated convolution", ICCV 2019. Both train on
256 px in batches of 16; how long, and with which average of weights, is ours.
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    if set(words) - {"v1", "v2", "demo"} or {"v1", "v2"} <= set(words):
        raise ValueError(
            f"argument {argument!r}: give at most one of v1 and v2, and demo"
        )
    first = "v1" in words
    config = gan_full.get_config()
    config.steps = 500_000
    config.batch_size = 16
    config.crop = 256
    config.augment = "flip"
    config.data.leaves = 0.0
    config.degradation = ConfigDict()
    config.degradation.name = "holes"
    config.degradation.kinds = {"box" if first else "both": 1.0}
    config.generator = ConfigDict()
    config.generator.name = "deepfill"
    config.generator.gated = not first
    config.generator.width = 32 if first else 48
    config.objective = _first_objective() if first else _second_objective()
    adversary = config.adversarial
    adversary.mode = "wgan" if first else "hinge"
    adversary.weight = 2e-3 if first else 1.0
    adversary.discriminator_steps = 5 if first else 1
    adversary.mismatched = 0.0
    adversary.identity = 0.0
    adversary.penalty = "gradient_damaged" if first else "none"
    config.discriminator = ConfigDict()
    config.discriminator.name = "deepfill_critics" if first else "sn_patchgan"
    config.discriminator.filters = 64
    for player in (config.optimizer.generator, config.optimizer.discriminator):
        player.rate = 1e-4
        player.schedule = "constant"
        player.warmup = 0
        player.clip = 0.0
        player.beta2 = 0.9 if first else 0.999
    config.evaluation.protocol = "inpainting"
    if "demo" in words:
        _shrink(config, first)
    return config


def _first_objective():
    def rows(share):
        return {
            "spatially_discounted_l1": {
                "weight": 1.2 * share,
                "where": "damaged",
                "gamma": 0.99,
            },
            "l1": {"weight": 1.2 * share, "where": "intact"},
        }

    return ConfigDict({"coarse": rows(1.2), "refined": rows(1.0)})


def _second_objective(**options):
    weight = {"weight": 2.0, **options} if options else 2.0
    return ConfigDict({"coarse": {"l1": weight}, "refined": {"l1": weight}})


def _shrink(config, first):
    """Cuts the run down to half an hour on two CPU cores."""
    config.steps = 6_000 if first else 5_000
    config.batch_size = 4
    config.crop = 128
    config.ema = 0.995
    config.generator.width = 16
    config.discriminator.filters = 16
    # Where images are clipped no gradient is left, and larger rates clip them.
    config.optimizer.generator.rate = 3e-4 if first else 1e-3
    config.optimizer.generator.schedule = "cosine"
    config.optimizer.generator.warmup = 50 if first else 100
    if not first:
        # In so few steps L1 has to lead, and where it counts.
        config.adversarial.weight = 0.02
        config.objective = _second_objective(where="damaged")
    config.evaluation.every = 1_000
    config.log_every = 50
    config.checkpoint_every = 500
