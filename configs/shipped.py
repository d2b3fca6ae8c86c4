"""The small networks whose weights lie in the wheel, and how each was trained.

    python -m jaxrestore.main --config configs/shipped.py:photo

Arguments, joined by commas after a colon (`configs/shipped.py:jpeg`):
  denoise        Gaussian noise of any level from 0 to 55 of 255, as 8-bit files hold it
  jpeg           JPEG files of quality 10 to 100, mostly with chroma at half resolution
  pixel_shuffle  the pixel shuffle at rates from 0.05 to 0.5
  photo          what photographs suffer: noise of any look, grey or coloured, and JPEG
  inpaint        holes: boxes, brush strokes, and both together
  sr_x2, sr_x4   pictures that MATLAB's bicubic has shrunk to a half, to a quarter

One is given; `denoise` if none is. Weights are only as free as what they have seen:
what this package paints, and photographs inside scikit-image that are CC0 or in the
public domain (`data.samples.public_domain`). `jaxrestore models info` shows the cards,
`jaxrestore models verify` measures them again.

What ships was trained in sittings: `config.init_from` is the run before, or the file
that shipped before, and `config.optimizer.generator.rate` 1e-3 from the second on; of
`inpaint` 5e-4, for 3,500 steps with `config.data.drawings` 0.7. A card's `earlier`
lists them.
"""

from ml_collections import ConfigDict

from configs import gan_full

_DEGRADATIONS = {
    "denoise": {
        "name": "chain",
        "stages": (
            {"name": "noise", "level": (0.0, 55 / 255), "grey": 0.2},
            {"name": "eight_bit"},
        ),
    },
    "photo": {
        "name": "chain",
        "stages": (
            {
                "name": "noise",
                "probability": 0.8,
                "kind": {"gaussian": 4, "poisson": {"weight": 1, "level": (0.3, 3.0)}},
                "level": (0.0, 50 / 255),
                "grey": 0.3,
                "grain": {
                    "white": 5,
                    "blurred": 2,
                    "enlarged": 1,
                    "mosaiced": 2,
                    "chroma": 1,
                },
            },
            {
                "name": "jpeg",
                "probability": 0.5,
                "quality": (60, 100),
                "subsampling": 0.75,
                "random_grid": 0.25,
            },
            {"name": "eight_bit"},
        ),
    },
    "jpeg": {
        "name": "jpeg",
        "quality": (10, 100),
        "subsampling": 0.75,  # the probability of 4:2:0
        "random_grid": 0.25,  # the share of crops from compressed pictures
    },
    "pixel_shuffle": {
        "name": "pixel_shuffle",
        "rate": (0.05, 0.5),
        "radius": 2,
        "order": "raster",
    },
    "sr_x2": {
        "name": "chain",
        "stages": ({"name": "downsample", "scale": 2}, {"name": "eight_bit"}),
    },
    "sr_x4": {
        "name": "chain",
        "stages": ({"name": "downsample", "scale": 4}, {"name": "eight_bit"}),
    },
    "inpaint": {
        "name": "holes",
        "kinds": {"box": 1.0, "strokes": 2.0, "both": 1.0},
        # Crops are half as large as what is restored with it: holes to match.
        "box": (0.25, 0.75),
        "width": (12.0, 64.0),
    },
}


def get_config(argument: str = "") -> ConfigDict:
    argument = argument or "denoise"
    if argument not in _DEGRADATIONS:
        raise ValueError(
            f"argument {argument!r}: give one of {', '.join(_DEGRADATIONS)}"
        )
    config = gan_full.get_config()
    config.steps = 9_000  # 20 minutes on two CPU cores
    config.batch_size = 8
    config.crop = 64
    config.data.train = "public_domain"
    config.data.drawings = 0.5
    config.augment = "flip_turn_and_recolor"
    config.degradation = ConfigDict(_DEGRADATIONS[argument])
    config.generator = ConfigDict()
    config.generator.name = "unet"
    config.generator.widths = (32, 64, 88)  # 717,476 parameters: 1.4 MB as float16
    config.generator.blocks = (2, 2, 2)
    config.generator.shuffle = 2
    config.objective.restored = {"l1": 1.0}
    if argument == "pixel_shuffle":
        # L1 alone asks for the input at low rates: see the README's ablation.
        config.objective.restored = {"l1": 1.0, "ms_ssim_luma": 1.0, "cosine": 0.5}
    config.adversarial = None
    config.optimizer.generator.rate = 2e-3
    config.optimizer.generator.warmup = 100
    config.optimizer.generator.beta1 = 0.9
    config.evaluation.every = 3_000
    config.log_every = 250
    config.checkpoint_every = 1_000
    if argument == "inpaint":
        _fill_holes(config)
    if argument.startswith("sr_x"):
        _enlarge(config, int(argument.removeprefix("sr_x")))
    return config


def _enlarge(config, scale):
    """All layers at the size of what is enlarged, so that large pictures are cheap."""
    config.steps = 5_000 if scale == 2 else 5_500  # 45 minutes on one CPU core
    config.ema = 0.998
    config.crop = 32 * scale
    config.data.drawings = 0.2
    config.data.leaves_zoom = 0.75 * scale  # little is left of smaller ones
    config.generator = ConfigDict()
    config.generator.name = "srvggnet"
    config.generator.width = 48 if scale == 2 else 64
    config.generator.convs = 12 if scale == 2 else 16
    config.generator.scale = scale
    config.optimizer.generator.rate = 1e-3
    config.evaluation.protocol = f"sr_y_x{scale}"


def _fill_holes(config):
    """Without an adversary, for what it cannot know is scored by decibels."""
    config.steps = 7_000  # 40 minutes on one CPU core
    config.batch_size = 4
    config.crop = 128
    config.data.drawings = 0.2
    config.generator.widths = (32, 64, 96, 128)
    config.generator.blocks = (2, 2, 2, 2)
    config.generator.fills_holes = True
    config.objective.restored = {"l1": {"weight": 1.0, "where": "damaged"}}
    config.optimizer.generator.rate = 8e-4  # at 2e-3 the loss leaps to hundreds
    config.evaluation.protocol = "inpainting"
