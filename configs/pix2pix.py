"""The pix2pix study: photographs from their pixelated selves, in pix2pix's own names.

    python -m jaxrestore.main --config configs/pix2pix.py:ab --config.netG=unet_128

Arguments, joined by commas after a colon:
  ab            64 blocks along a side of 256 px (the default; the study's "AB")
  variational   48 to 128 blocks, drawn for each image (the study's other data)
  residual      not in the study: a network that adds to its input, no normalisation,
                and an adversary a tenth as strong as the study's
  demo          128 px, small networks and 1/2 of the blocks: half an hour on two cores

Lengths count epochs. Every other key of `gan_full` is here under its own name, but for
those that follow from pix2pix's; `translate` says how. What the reference code does
otherwise, and why it is not copied: its discriminator moves before the generator (here
both judge the image of one pass); it never adds the penalty that `wgangp` needs; its
`plateau` watches a number that is always 0; its `cosine` rises again half-way; it tests
with batch statistics and dropout on (`evaluation.statistics = "pix2pix"` does so too).

Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
Networks", CVPR 2017, and the options of its reference code; the study is the project
github.com/PieterBijl/Group28.
"""

from typing import Any

from ml_collections import ConfigDict

from configs import gan_full

NETWORKS = {  # what netG names
    "unet_256": {"name": "pix2pix_unet", "downs": 8},
    "unet_128": {"name": "pix2pix_unet", "downs": 7},
    "unet_64": {"name": "pix2pix_unet", "downs": 6},  # not pix2pix's, for small trials
    "resnet_9blocks": {"name": "pix2pix_resnet", "blocks": 9},
    "resnet_6blocks": {"name": "pix2pix_resnet", "blocks": 6},
    # Not pix2pix's: a sum of input and change, skips are sums, no normalisation.
    "residual_unet": {"name": "unet"},
}
JUDGES = ("basic", "n_layers", "pixel")
MODES = {"vanilla": "vanilla", "lsgan": "lsgan", "wgangp": "wgan"}
POLICIES = {
    "linear": "linear_epochs",
    "step": "step_epochs",
    "plateau": "plateau",
    "cosine": "cosine_epochs",
}


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    unknown = set(words) - {"ab", "variational", "residual", "demo"}
    if unknown or {"ab", "variational"} <= set(words):
        raise ValueError(
            f"argument {argument!r}: give at most one of ab and variational, and any "
            "of residual, demo"
        )
    config = gan_full.get_config()
    for key in ("epochs", "crop", "augment", "generator", "discriminator", "objective"):
        del config[key]
    for key in ("optimizer", "adversarial"):
        del config[key]
    config.n_epochs = 100  # at the full learning rate
    config.n_epochs_decay = 100  # while `linear` falls to 0
    config.steps = 0  # if not 0: the whole run and all other lengths, in steps
    config.batch_size = 1
    config.lr = 2e-4  # of both networks
    config.lr_D = config.get_oneway_ref("lr")  # unless the discriminator's is given
    config.warmup = 0  # updates over which the generator's rate rises from 0
    config.beta1 = 0.5
    config.lr_policy = "linear"  # or step, plateau, cosine
    config.lr_decay_iters = 50  # epochs between the drops of `step`
    config.gan_mode = "vanilla"  # or lsgan, wgangp
    config.lambda_L1 = 100.0  # on images in [-1, 1]; the adversary weighs 1
    config.lambda_GAN = 1.0
    config.pool_size = 0  # pix2pix's; 50 is the default of the code around it
    config.netG = "unet_256"  # or unet_128, resnet_9blocks, resnet_6blocks, …
    config.netD = "basic"  # or n_layers, pixel
    config.n_layers_D = 3  # of n_layers
    config.ngf = 64
    config.ndf = 64
    config.norm = "batch"  # or instance, none
    config.no_dropout = False
    config.init_type = "normal"  # or xavier, kaiming, orthogonal
    config.init_gain = 0.02
    config.upsampling = "deconv"  # or resize_conv, subpixel
    config.direction = "AtoB"  # of pairs: A is the input
    config.preprocess = "resize_and_crop"
    config.load_size = 286
    config.crop_size = 256
    config.no_flip = False
    for key in ("preprocess", "load_size", "direction"):
        del config.data[key]
    config.data.leaves = 0.0
    config.data.evaluation_crop = 256
    config.ema = 0.0  # no EMA: the last weights are scored
    config.degradation = ConfigDict()
    config.degradation.name = "pixelate"
    side = (48, 128) if "variational" in words else 64
    config.degradation.side = gan_full.number_or_range(side)
    config.evaluation.every = 5  # epochs, and so the next two
    config.log_every = 1
    config.checkpoint_every = 5
    if "residual" in words:
        _make_residual(config)
    if "demo" in words:
        _shrink(config)
    return config


def _make_residual(config):
    config.netG = "residual_unet"
    config.ngf = 48
    config.lr_D = 2e-4
    config.lr = 1e-3
    config.warmup = 20
    config.lr_policy = "cosine"
    # A weak adversary: a strong one trades PSNR for texture.
    config.lambda_L1 = 1000.0
    config.ema = 0.999


def _shrink(config):
    residual = config.netG == "residual_unet"
    config.degradation.side = 32 if config.degradation.side == 64 else (24, 64)
    config.crop_size = config.data.evaluation_crop = 128
    config.preprocess = "crop"
    config.ndf = 16
    config.ngf = 40 if residual else 32
    config.netG = "residual_unet" if residual else "unet_128"
    config.batch_size = 4
    config.steps = 3000
    config.evaluation.every = config.checkpoint_every = 500
    config.evaluation.batch_size = 4
    config.log_every = 50
    config.lr_policy = "cosine"
    config.ema = 0.99 if residual else 0.0


def translate(config: ConfigDict) -> dict[str, Any]:
    """Returns the config with the keys of `gan_full` alone."""
    recipe = config.to_dict()
    own = {key: recipe.pop(key) for key in _OWN}
    _check(own, recipe["steps"])
    if not recipe["steps"]:
        recipe["steps"] = 1  # `epochs` says it
        recipe["epochs"] = own["n_epochs"] + own["n_epochs_decay"]
    else:
        recipe["epochs"] = 0
    recipe["crop"] = own["crop_size"]
    recipe["augment"] = "none" if own["no_flip"] else "flip"
    for key in ("preprocess", "load_size", "direction"):
        recipe["data"][key] = own[key]
    if recipe["data"]["layout"] != "images":
        recipe["degradation"] = None  # pairs bring their damage
    recipe["generator"] = _generator(own)
    recipe["discriminator"] = _discriminator(own)
    # An L1 distance on images in [-1, 1] is twice that on images in [0, 1].
    recipe["objective"] = {"restored": {"l1": 2 * own["lambda_L1"]}}
    recipe["adversarial"] = _adversarial(own) if own["lambda_GAN"] else None
    recipe["optimizer"] = {
        **gan_full.get_config().optimizer.to_dict(),
        "generator": _optimizer(own, rate=own["lr"], warmup=own["warmup"]),
        "discriminator": _optimizer(own, rate=own["lr_D"], warmup=0),
    }
    return recipe


_OWN = (
    *("n_epochs", "n_epochs_decay", "lr", "lr_D", "warmup", "beta1"),
    *("lr_policy", "lr_decay_iters"),
    *("gan_mode", "lambda_L1", "lambda_GAN", "pool_size"),
    *("netG", "netD", "n_layers_D", "ngf", "ndf", "norm", "no_dropout"),
    *("init_type", "init_gain", "upsampling"),
    *("direction", "preprocess", "load_size", "crop_size", "no_flip"),
)


def _check(own, steps):
    words = {
        "netG": NETWORKS,
        "netD": JUDGES,
        "gan_mode": MODES,
        "lr_policy": POLICIES,
    }
    for key, known in words.items():
        if own[key] not in known:
            raise ValueError(
                f"config.{key} is {own[key]!r}; it must be one of {', '.join(known)}"
            )
    for key in ("ngf", "ndf", "n_layers_D"):
        if own[key] < 1:
            raise ValueError(f"config.{key} is {own[key]}; it must be at least 1")
    if not steps and own["n_epochs"] + own["n_epochs_decay"] < 1:
        raise ValueError(
            "config.n_epochs and config.n_epochs_decay are 0 together; give the run "
            "epochs, or config.steps"
        )


def _generator(own):
    network = dict(NETWORKS[own["netG"]])
    if network["name"] == "unet":
        width = own["ngf"]
        return {**network, "widths": (width, 2 * width, 3 * width)}
    return {
        **network,
        "filters": own["ngf"],
        "norm": own["norm"],
        "dropout": 0.0 if own["no_dropout"] else 0.5,
        "initialization": own["init_type"],
        "gain": own["init_gain"],
        "upsampling": own["upsampling"],
    }


def _discriminator(own):
    # The penalty of wgangp takes each image by itself, which batch statistics do not.
    norm = own["norm"]
    if own["gan_mode"] == "wgangp" and norm == "batch":
        norm = "instance"
    network = {
        "filters": own["ndf"],
        "norm": norm,
        "centred": True,
        "initialization": own["init_type"],
        "gain": own["init_gain"],
    }
    if own["netD"] == "pixel":
        return {"name": "pixel_gan", **network}
    stages = own["n_layers_D"] if own["netD"] == "n_layers" else 3
    return {"name": "patchgan", **network, "stages": stages}


def _adversarial(own):
    penalty = "gradient" if own["gan_mode"] == "wgangp" else "none"
    return {
        **gan_full.get_config().adversarial.to_dict(),
        "mode": MODES[own["gan_mode"]],
        "weight": own["lambda_GAN"],
        "mismatched": 0.0,
        "identity": 0.0,
        "pool": own["pool_size"],
        "penalty": penalty,
    }


def _optimizer(own, *, rate, warmup):
    return {
        **gan_full.get_config().optimizer.generator.to_dict(),
        "rate": rate,
        "schedule": POLICIES[own["lr_policy"]],
        "constant_epochs": own["n_epochs"],
        "drop_epochs": own["lr_decay_iters"],
        "warmup": warmup,
        "final_rate": 0.0,
        "beta1": own["beta1"],
        "clip": 0.0,
    }
