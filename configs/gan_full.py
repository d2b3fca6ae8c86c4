"""The main job: remove the pixel shuffle with L1 + MS-SSIM + cosine + an adversary.

    python -m jaxrestore.main --config configs/gan_full.py

Arguments, joined by commas after a colon (`configs/gan_full.py:low,demo`):
  low    distortion rate 0.15    (the study's "low":  40.67 dB on its own faces)
  high   distortion rate 0.40    (the default, "high": 37.68 dB on its own faces)
  demo   a small network and 64 px crops: minutes on two CPU cores

Measured with `demo`, one seed: +4.72 dB at 0.40, +3.88 dB at 0.15 over the input.
The study trained on PubFig faces, which are not to be had; its numbers compare with
nothing that you run here. Compare the gain over the degraded input instead.

This recipe holds every key; the others import it and change what they study. What a
key may hold stands in docs/config.md, which `jaxrestore keys` prints. Lengths are in
pixels, a `rate` of an optimiser is its learning rate, images lie in [0, 1].
"""

from typing import Any

from ml_collections import ConfigDict, FieldReference

from jaxrestore import config_keys


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    unknown = set(words) - {"low", "high", "demo"}
    if unknown or {"low", "high"} <= set(words):
        raise ValueError(
            f"argument {argument!r}: give at most one of low and high, and demo"
        )
    config = ConfigDict()
    config.seed = 0  # of everything random: weights, batches, degradations
    config.steps = 100_000  # batches in all
    # If not 0: passes over the training images, instead of steps. evaluation.every,
    # log_every and checkpoint_every then count epochs as well.
    config.epochs = 0.0
    config.batch_size = 16  # images a step, over all devices
    config.crop = 128  # side of the training crops
    config.augment = "flip_and_turn"  # on the device; or flip, none
    config.precision = "float32"  # or bfloat16: the arithmetic inside the networks
    config.steps_per_call = 1  # steps a dispatch; more hides latency of small steps
    # A run, or a file of weights, from which the generator starts: else from a seed.
    config.init_from = ""
    config.max_bad_steps = 10  # non-finite updates in a row before the run stops

    config.data = ConfigDict()
    config.data.train = "embedded"  # or public_domain, or folders with commas between
    # images: damaged on the fly. Pairs, with config.degradation = None: AB (side by
    # side in one file), folders (A and B, or input and target).
    config.data.layout = "images"
    config.data.direction = "AtoB"  # A is the input of a pair; or BtoA
    config.data.colors = "rgb"  # or gray: one channel, the luma
    config.data.include = ""  # patterns such as *_0.jpg,cats/*, or a file of names
    # Of data.train, in place of data.evaluation: (share that trains, seed), (fold,
    # folds, seed), or two files of names.
    config.data.split = ()
    # crop: at random. Or resize_and_crop, scale_width, scale_width_and_crop, none.
    config.data.preprocess = "crop"
    config.data.load_size = 286  # the side or width before the crop of the others
    config.data.leaves = 0.5  # share of dead-leaves images, 0 to 1
    config.data.leaves_bank = 160  # dead-leaves images held at a time
    config.data.leaves_side = 192  # their side
    config.data.leaves_zoom = 1.0  # how much larger the smallest of them are
    config.data.leaves_refresh = 16_000  # leaves drawn until all are new ones
    config.data.evaluation = "embedded"  # or a folder; several with commas between
    config.data.evaluation_crop = 256  # side of the centre crop; 0: the whole image
    config.data.threads = 2  # that decode and crop

    config.degradation = ConfigDict()
    config.degradation.name = "pixel_shuffle"  # a file in degradations/; its options:
    # Share of active sites; (low, high): drawn for each image.
    config.degradation.rate = number_or_range(0.15 if "low" in words else 0.40)
    config.degradation.radius = 2  # 2: windows of 5x5
    config.degradation.order = "raster"  # or colour: quicker on GPUs, not identical

    config.generator = ConfigDict()
    config.generator.name = "fcn"  # a file in models/; its options:
    config.generator.width = 64
    config.generator.blocks = 16
    # Decay of the exponential moving average (EMA) of the generator, which is scored.
    config.ema = 0.999

    # {output: {loss: weight, or {"weight": w, option of the loss: value}}}; the options
    # "warmup" and "where" (damaged, intact) belong to the row, whatever its loss.
    config.objective = ConfigDict()
    config.objective.restored = {"l1": 1.0, "ms_ssim_luma": 1.0, "cosine": 0.5}

    # Or {"weights": a file of VGG19, "weight", "layers", "criterion"}: see esrgan.py.
    config.perceptual = None

    config.adversarial = ConfigDict()  # None: no adversary
    # Or lsgan, hinge, wgan, relativistic_vanilla, relativistic_lsgan.
    config.adversarial.mode = "vanilla"
    config.adversarial.weight = 0.01  # in the generator's objective
    config.adversarial.generator_steps = 1  # generator : discriminator updates;
    config.adversarial.discriminator_steps = 1  # one of the two is 1
    config.adversarial.mismatched = 0.25  # weight of (degraded, another's target)
    config.adversarial.identity = 0.25  # weight of (degraded, degraded)
    config.adversarial.cutmix = 0.0  # weight of patchwise mixed images
    config.adversarial.pool = 0  # earlier restored images that are shown again
    config.adversarial.penalty = "none"  # or gradient (WGAN-GP), gradient_damaged, r1
    config.adversarial.penalty_weight = 10.0  # the papers': 10; 5 for r1

    config.discriminator = ConfigDict()
    config.discriminator.name = "patchgan"  # a file in models/; its options:
    config.discriminator.filters = 64
    config.discriminator.stages = 3  # 1 to 5
    config.discriminator.norm = "instance"  # or none, batch
    config.discriminator.spectral_norm = False
    config.discriminator.conditional = True  # it sees the degraded image too
    config.discriminator.one_number = False  # one logit an image, not one a patch

    config.optimizer = ConfigDict()
    config.optimizer.accumulate = 1  # parts a batch is cut into to save memory
    config.optimizer.generator = ConfigDict()
    config.optimizer.generator.rate = 2e-4
    # Or constant; linear_epochs, step_epochs, cosine_epochs (those of pix2pix, which
    # change between epochs); plateau (a fifth after 6 evaluations without 1 % less).
    config.optimizer.generator.schedule = "cosine"
    config.optimizer.generator.constant_epochs = 100  # before linear_epochs falls
    config.optimizer.generator.drop_epochs = 50  # of step_epochs: tenfold drops
    # Updates. Without it the first one, from a last layer of zeros, throws the output
    # 10 dB below the input (21.96 to 11.51 dB over the first
    # two batches; see it with --config.optimizer.generator.warmup=0).
    config.optimizer.generator.warmup = 1_000
    config.optimizer.generator.final_rate = 1e-6
    config.optimizer.generator.beta1 = 0.5
    config.optimizer.generator.beta2 = 0.999
    config.optimizer.generator.clip = 1.0  # largest norm of the gradient; 0: any
    config.optimizer.discriminator = (
        config.optimizer.generator.copy_and_resolve_references()
    )
    config.optimizer.discriminator.rate = 5e-5  # below the generator's: a stabiliser
    config.optimizer.discriminator.warmup = 0

    config.evaluation = ConfigDict()
    config.evaluation.every = 5_000  # steps
    config.evaluation.protocol = "rgb8"  # a function of protocols.py
    config.evaluation.statistics = "eval"  # or pix2pix: an image's own, with dropout
    config.evaluation.batch_size = 4  # images, over all devices
    config.evaluation.seed = 1  # of the fixed degradations of the evaluation images
    # At the end, degrade each output as its target was: where is it not the input?
    config.evaluation.consistency = False
    config.evaluation.samples = 0  # at the end, of each image; for a vae alone
    config.log_every = 100  # steps
    config.checkpoint_every = 1_000  # steps

    # Keys that have a row in config_keys.py and no line here.
    config.update(config_keys.completed(config.to_dict()))
    if "demo" in words:
        _shrink(config)
    return config


def number_or_range(value: Any) -> FieldReference:
    """A value that the command line may replace by one of another type."""
    return FieldReference(value, field_type=object)


def _shrink(config: ConfigDict) -> None:
    """Cuts the run down to minutes on two CPU cores."""
    config.steps = 700
    config.batch_size = 8
    config.crop = 64
    config.generator.width = 32
    config.generator.blocks = 4
    config.ema = 0.99
    config.discriminator.filters = 16
    config.discriminator.stages = 2
    config.optimizer.generator.rate = 2e-3
    config.optimizer.generator.warmup = 20
    config.optimizer.generator.beta1 = 0.9
    config.optimizer.discriminator.rate = 2e-4
    config.evaluation.every = 175
    config.log_every = 25
    config.checkpoint_every = 175
