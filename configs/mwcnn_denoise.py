"""MWCNN removes Gaussian noise.

    python -m jaxrestore.main --config configs/mwcnn_denoise.py:gray,sigma=25

Arguments, joined by commas after a colon (`configs/mwcnn_denoise.py:rgb,blind`):
  gray      one channel, the luma (the paper's); or rgb, the default
  sigma=25  the standard deviation of the noise, of 255; 25 if not given
  blind     instead: of each image another one, from 0 to 55
  compact   a network a sixth as large
  demo      half an hour on two CPU cores

Noise is neither clipped nor rounded, as the papers' tables have it. Network, patches
of 256 px and batches of 24 as in the paper; its rate, ten times smaller at the end.

Measured with `compact,demo` on two cores, one seed, 397 photographs: 29.85 dB on CBSD68
from 20.53; on dead leaves alone 29.36.

Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018: 29.41
dB on BSD68 at `gray,sigma=25`, after 40 epochs on 6000 batches' worth of photographs
(BSD, DIV2K, Waterloo).
"""

from ml_collections import ConfigDict

from configs import gan_full


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    sigmas = [word for word in words if word.startswith("sigma=")]
    colors = {"gray", "rgb"} & set(words)
    known = {"gray", "rgb", "blind", "compact", "demo", *sigmas}
    if set(words) - known or len(colors) > 1 or len(sigmas) + ("blind" in words) > 1:
        raise ValueError(
            f"argument {argument!r}: give at most one of gray and rgb, one of sigma=25 "
            "and blind, and compact, demo"
        )
    sigma = number(sigmas[0]) if sigmas else 25.0
    config = network("gray" if "gray" in words else "rgb")
    config.degradation = ConfigDict()
    config.degradation.name = "noise"
    config.degradation.level = gan_full.number_or_range(
        (0.0, 55 / 255) if "blind" in words else sigma / 255
    )
    if "compact" in words:
        config.generator.widths = (48, 96, 128)
    if "demo" in words:
        shrink(config)
    return config


def number(word: str) -> float:
    """Returns the number of a word such as `sigma=25`, which must not be negative."""
    name, _, text = word.partition("=")
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError(f"argument {word!r}: {name} is a number, such as {name}=25")
    return float(text)


def network(colors: str) -> ConfigDict:
    """Returns the paper's training of MWCNN, whatever it is to remove."""
    config = gan_full.get_config()
    config.steps = 240_000
    config.batch_size = 24
    config.crop = 256
    config.data.colors = colors
    config.data.leaves = 0.0
    config.data.evaluation_crop = 0
    config.generator = ConfigDict()
    config.generator.name = "mwcnn"
    config.generator.widths = (160, 256, 256)
    config.generator.convs = 3
    config.generator.channels = 1 if colors == "gray" else 3
    config.objective.restored = {"mse": 1.0}
    config.adversarial = None
    config.optimizer.generator.rate = 1e-3
    config.optimizer.generator.final_rate = 1e-4
    config.optimizer.generator.beta1 = 0.9
    config.evaluation.protocol = "gray8" if colors == "gray" else "rgb8"
    config.evaluation.batch_size = 2
    return config


def shrink(config: ConfigDict) -> None:
    """Cuts the run down to half an hour on two CPU cores."""
    config.steps = 5_000
    config.batch_size = 8
    config.crop = 64
    config.ema = 0.995
    config.optimizer.generator.warmup = 100
    config.optimizer.generator.final_rate = 1e-5
    config.evaluation.every = 2_500
    config.log_every = 250
    config.checkpoint_every = 1_000
