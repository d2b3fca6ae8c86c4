"""Damaged faces by a variational autoencoder; `unet_gan.py` is the GAN beside it.

    python -m jaxrestore.main --config configs/vae.py --config.data.train=FACES

Arguments, joined by commas after a colon:
  no_skips   not the source's: the image comes from the latent alone, a VAE proper,
             whose KL term rises to its full weight over a tenth of the run
  demo       64 px and a network of half the width: five minutes on two cores; without
             a folder it trains on ten embedded photographs

A folder of faces in `data.train` is cut in two by `data.split`: nine of ten train, the
others are evaluated. `demo` takes all of `data.train` and evaluates `data.evaluation`.
Images of any size are resized to a square. The clean image is the target, the damage is
drawn anew in every step.

The loss of the source is, for each image, the sum of squared differences plus BETA
times the KL divergence of the posterior from N(0, 1). `losses.mse` is a mean over h * w
* c numbers, so KL weighs BETA / (h * w * c) here: the same up to a factor, to which
Adam is blind. With another --config.crop give that weight too.

Watch `generator/latent/kl_gaussian`, in nats an image: the skips let the decoder do
without the latent, and at 0 its samples are all alike. `demo` ends at 0.02.

Source: a comparison of a VAE with a GAN on 8000 damaged faces, known by description
only: 8 layers down and up at 256 px, 64 latent numbers, Adam at 1e-4, 100 epochs, a
split of 90 to 10. Widths, batch, BETA and seed are ours.
"""

from ml_collections import ConfigDict

from configs import gan_full

BETA = 1.0


def get_config(argument: str = "") -> ConfigDict:
    words = words_of(argument, "no_skips", "demo")
    config = damaged_faces(demo="demo" in words)
    side = config.crop
    config.generator = ConfigDict()
    config.generator.name = "vae"
    config.generator.filters = 64
    config.generator.downs = 8  # log2 of the side: the map ends as one pixel
    config.generator.latent = 64  # numbers
    config.generator.skips = "no_skips" not in words
    config.objective = ConfigDict()
    config.objective.restored = {"mse": 1.0}
    kl = BETA / (side * side * 3)
    config.objective.latent = {"kl_gaussian": kl}
    if "no_skips" in words:
        # Updates: a tenth of the run, which is 10 epochs of the source's 7200 faces.
        warmup = config.steps // 10 if "demo" in words else 4_500
        config.objective.latent = {"kl_gaussian": {"weight": kl, "warmup": warmup}}
    config.adversarial = None
    config.optimizer.generator.beta1 = 0.9
    config.evaluation.samples = 8  # of the posterior, for the map of their deviation
    if "demo" in words:
        config.generator.filters = 32
        config.generator.downs = 6
    return config


def words_of(argument: str, *known: str) -> set[str]:
    """The words of an argument, which are all known."""
    words = {word for word in argument.split(",") if word}
    if not words <= {*known}:
        raise ValueError(f"argument {argument!r}: give any of {', '.join(known)}")
    return words


def damaged_faces(*, demo: bool) -> ConfigDict:
    """What the VAE and the GAN share: data, damage, budget, seeds and scores."""
    config = gan_full.get_config()
    config.epochs = 100.0
    config.batch_size = 16
    config.crop = config.data.load_size = config.data.evaluation_crop = 256
    config.data.preprocess = "resize_and_crop"
    config.data.leaves = 0.0
    config.data.split = (0.9, 0)  # share that trains, seed
    config.augment = "none"  # the source names none
    config.degradation = ConfigDict()
    config.degradation.name = "scratches"
    config.ema = 0.0  # no EMA, as in the source: the last weights are scored
    for player in (config.optimizer.generator, config.optimizer.discriminator):
        player.rate = 1e-4
        player.schedule = "constant"
        player.warmup = 0
        player.clip = 0.0
    config.evaluation.protocol = "damaged_faces"
    config.evaluation.every = 5  # epochs, and so the next two
    config.log_every = 1
    config.checkpoint_every = 5
    if demo:
        _shrink(config)
    return config


def _shrink(config):
    config.epochs = 0.0
    config.steps = 2000
    config.crop = config.data.load_size = config.data.evaluation_crop = 64
    config.data.split = ()
    config.augment = "flip"  # a thousand faces are few, and a mirrored one is a face
    config.ema = 0.99
    for player in (config.optimizer.generator, config.optimizer.discriminator):
        player.rate = 1e-3
        player.schedule = "cosine"
    config.evaluation.every = config.checkpoint_every = 500
    config.evaluation.batch_size = 20
    config.log_every = 50
