"""Every key of a training config, once: what it may hold, its default, what it means.

The checks of a config (`training/rules.py`), what runs of older builds have under keys
that they lack (`runs/checkpoints.py`), and docs/config.md come from this table. A test
holds configs/gan_full.py, the recipe to read and to copy, to its keys and defaults.

The options of networks, degradations and losses are no keys of this table: a name in a
config is a file's name, or a function's, and that file tells its options.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxrestore import naming

SECTION = "keys"  # what a section holds, each with a row of its own
LENGTH = "steps; epochs if `epochs` is not 0"  # the unit of intervals
TYPES = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}


class Key(NamedTuple):
    """A key: its name with dots, what it holds, its default and a sentence about it.

    `holds` is int, float, str or bool; `SECTION`; or words for what is checked where it
    is used. A section whose default is None may be left out, and whoever gives it gives
    all of its keys, which have no default. `low` and `high` are the bounds of a number,
    themselves allowed; None is no bound. `choices` names the list of words to choose
    from, as `module.NAME`. `since` is the first `VERSION` of configs with this key.
    """

    name: str
    holds: type | str
    default: Any
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: str = ""
    optional: bool = False
    since: int = 1
    meaning: str = ""

    def means(self, sentence: str) -> "Key":
        """Returns the key with its meaning, which stands below its other facts."""
        return self._replace(meaning=sentence)


def _player(name, *, rate, warmup):
    """The rows of the optimiser of a player."""
    here = f"optimizer.{name}"
    return (
        Key(here, SECTION, {}).means(f"The optimiser of the {name}."),
        Key(f"{here}.rate", float, rate, low=0, high=1).means(
            "The learning rate, where it is highest."
        ),
        Key(
            f"{here}.schedule", str, "cosine", choices="fitting.optimizers.SCHEDULES"
        ).means(
            "How the rate falls; the `_epochs` are those of pix2pix, and `plateau` "
            "divides by 5 after 6 evaluations that are not 1 % better."
        ),
        Key(f"{here}.constant_epochs", float, 100, unit="epochs", low=0, since=3).means(
            "Epochs before the rate of `linear_epochs` falls."
        ),
        Key(f"{here}.drop_epochs", float, 50, unit="epochs", low=1e-3, since=3).means(
            "Epochs between the tenfold drops of `step_epochs`."
        ),
        Key(f"{here}.warmup", int, warmup, unit="updates", low=0).means(
            "Updates over which the rate rises from 0."
        ),
        Key(f"{here}.final_rate", float, 1e-6, low=0, high=1).means(
            "The rate at the end of `cosine`."
        ),
        Key(f"{here}.beta1", float, 0.5, low=0, high=0.9999).means(
            "The decay of Adam's mean of gradients."
        ),
        Key(f"{here}.beta2", float, 0.999, low=0, high=0.99999).means(
            "The decay of Adam's mean of squared gradients."
        ),
        Key(f"{here}.clip", float, 1.0, low=0).means(
            "The largest norm of a gradient, which is scaled down to it; 0: any."
        ),
    )


KEYS = (
    Key("seed", int, 0, low=0, high=2**31 - 1).means(
        "Everything random follows from it: first weights, batches, degradations."
    ),
    Key("steps", int, 100_000, unit="steps", low=1).means(
        "The length of the run in batches, unless `epochs` gives it."
    ),
    Key("epochs", float, 0.0, unit="epochs", low=0, since=3).means(
        "If not 0, the length of the run in passes over the training images; other "
        "lengths then count epochs as well."
    ),
    Key("batch_size", int, 16, unit="images", low=1).means(
        "Images in a batch, over as many devices as share it equally."
    ),
    Key("crop", int, 128, unit="px", low=8).means("The side of the training crops."),
    Key(
        "augment", str, "flip_and_turn", choices="data.augmentation.AUGMENTATIONS"
    ).means("How crops are mirrored and turned at random, on the device."),
    Key("precision", str, "float32", choices="networks.PRECISIONS").means(
        "The arithmetic inside the networks; their weights are float32 in any case."
    ),
    Key("steps_per_call", int, 1, unit="steps", low=1).means(
        "Steps in one call of the compiled program; more of them hide the latency of "
        "small steps."
    ),
    Key("init_from", str, "", since=5).means(
        "A run, or a file of weights, from which the generator starts; empty: random "
        "weights."
    ),
    Key("max_bad_steps", int, 10, unit="updates", low=1).means(
        "The run stops after so many non-finite updates in a row."
    ),
    Key("data", SECTION, {}).means("The images that are trained on and evaluated."),
    Key("data.train", str, "embedded").means(
        "The training images: `embedded` (photographs inside scikit-image), "
        "`public_domain`, or folders with commas between."
    ),
    Key("data.layout", str, "images", choices="data.pipeline.LAYOUTS", since=3).means(
        "What a training image is: one to be damaged on the fly, or a pair, side by "
        "side in one file (`AB`) or of two folders (`folders`)."
    ),
    Key("data.direction", str, "AtoB", choices="data.paired.DIRECTIONS", since=3).means(
        "Which half of a pair is the input, and which the target."
    ),
    Key("data.colors", str, "rgb", choices="data.colors.COLORS", since=5).means(
        "Whether images have colours, or one channel: their luma."
    ),
    Key("data.include", str, "", since=3).means(
        "Which of the training images there are: globs with commas between, such as "
        "`*_0.jpg,cats/*`, or a file of names; empty: all."
    ),
    Key(
        "data.split",
        "`()`, `(share, seed)`, `(fold, folds, seed)` or two files of names",
        (),
        since=3,
    ).means(
        "Which part of the training images trains, the rest being evaluated in place "
        "of `data.evaluation`; `()`: all of them train."
    ),
    Key(
        "data.preprocess", str, "crop", choices="data.resizing.PREPROCESS", since=3
    ).means("How an image is resized before the random crop, if at all."),
    Key("data.load_size", int, 286, unit="px", low=1, since=3).means(
        "The side or width that `data.preprocess` resizes to."
    ),
    Key("data.leaves", float, 0.5, low=0, high=1).means(
        "The share of painted dead-leaves images among the training images."
    ),
    Key("data.drawings", float, 0.0, low=0, high=1, since=6).means(
        "The share of these that are drawings instead: flat colours, outlines, text."
    ),
    Key("data.leaves_bank", int, 160, unit="images", low=1).means(
        "Dead-leaves images that are held at a time."
    ),
    Key("data.leaves_side", int, 192, unit="px", low=16).means(
        "The side of the dead-leaves images."
    ),
    Key("data.leaves_zoom", float, 1.0, low=0.5, since=7).means(
        "How much larger the smallest dead leaves are, as where pictures are shrunk."
    ),
    Key("data.leaves_refresh", int, 16_000, unit="images", low=1).means(
        "After so many of them are drawn, all that are held are new ones."
    ),
    Key("data.evaluation", str, "embedded").means(
        "The images that are evaluated: `embedded`, `public_domain`, or folders with "
        "commas between."
    ),
    Key("data.evaluation_crop", int, 256, unit="px", low=0).means(
        "The side of the centre crop that is evaluated; 0: the whole image."
    ),
    Key("data.threads", int, 2, unit="threads", low=1, high=256).means(
        "Those that decode and crop."
    ),
    Key("degradation", "`name` and its options", {}, optional=True).means(
        "How images are damaged, perhaps with the `weight` that damaged and intact "
        "pixels have in the losses; None with pairs."
    ),
    Key("degradation.name", str, "pixel_shuffle").means(
        "A file in `degradations/`, which tells its options."
    ),
    Key("generator", "`name` and its options", {}).means("The network that restores."),
    Key("generator.name", str, "fcn").means(
        "A file in `models/` with a `Generator`, whose fields are its options."
    ),
    Key("ema", float, 0.999, low=0, high=0.999999).means(
        "The decay of the exponential moving average (EMA) of the generator's weights "
        "and running statistics, which is what is scored and kept for use; 0: none, "
        "the generator itself is."
    ),
    Key(
        "objective",
        "`{output: {loss: weight}}`",
        {"restored": {"l1": 1.0, "ms_ssim_luma": 1.0, "cosine": 0.5}},
    ).means(
        "What the generator minimises: functions of `losses.py` of its outputs, each "
        'with its weight or with `{"weight": weight, option: value}`, '
        'where `"where": "damaged"` is a loss of damaged pixels alone, and `"intact"` '
        "of the others."
    ),
    Key("perceptual", SECTION, None, optional=True, since=5).means(
        "The perceptual loss, a distance between features of VGG19."
    ),
    Key("perceptual.weights", str, None, since=5).means(
        "The file of the weights of torchvision's VGG19."
    ),
    Key("perceptual.weight", float, None, low=0, since=5).means(
        "The weight of the perceptual loss in the objective."
    ),
    Key("perceptual.layers", "`{layer: weight}`", None, since=5).means(
        "The layers whose maps are compared, such as `conv5_4`, and the weight of each."
    ),
    Key(
        "perceptual.criterion", str, None, choices="perceptual.CRITERIA", since=5
    ).means("How two maps are compared."),
    Key("adversarial", SECTION, {}, optional=True).means(
        "The adversary; None: there is none, and no discriminator."
    ),
    Key("adversarial.mode", str, "vanilla", choices="adversarial.MODES").means(
        "What the two players minimise."
    ),
    Key("adversarial.weight", float, 0.01, low=0).means(
        "The weight of the adversary in the objective of the generator."
    ),
    Key("adversarial.generator_steps", int, 1, unit="updates", low=1).means(
        "Updates of the generator to those of the discriminator; one of the two is 1."
    ),
    Key("adversarial.discriminator_steps", int, 1, unit="updates", low=1).means(
        "Updates of the discriminator to those of the generator."
    ),
    Key("adversarial.mismatched", float, 0.25, low=0).means(
        "The weight of a degraded image beside the target of another one, shown as "
        "false."
    ),
    Key("adversarial.identity", float, 0.25, low=0).means(
        "The weight of a degraded image beside itself, shown as false."
    ),
    Key("adversarial.cutmix", float, 0.0, low=0).means(
        "The weight of restored images with a rectangle of their target, judged patch "
        "by patch."
    ),
    Key("adversarial.pool", int, 0, unit="images", low=0, since=3).means(
        "Earlier restored images that are kept and shown again."
    ),
    Key(
        "adversarial.penalty", str, "none", choices="adversarial.PENALTIES", since=2
    ).means(
        "What holds the slope of the discriminator: the gradient penalty of WGAN-GP, "
        "the same at damaged pixels alone, or R1."
    ),
    Key("adversarial.penalty_weight", float, 10.0, low=0, since=2).means(
        "The weight of the penalty; the papers have 10, and 5 for R1."
    ),
    Key("discriminator", "`name` and its options", {}).means(
        "The network that judges; without an adversary nobody looks at it."
    ),
    Key("discriminator.name", str, "patchgan").means(
        "A file in `models/` with a `Discriminator`, whose fields are its options."
    ),
    Key("optimizer", SECTION, {}).means("Adam, for either player."),
    Key("optimizer.accumulate", int, 1, low=1).means(
        "Parts that a batch is cut into to save memory."
    ),
    # Without the warmup the first update, from a last layer of zeros, costs 10 dB.
    *_player("generator", rate=2e-4, warmup=1_000),
    *_player("discriminator", rate=5e-5, warmup=0),
    Key("evaluation", SECTION, {}).means("How the EMA of the generator is scored."),
    Key("evaluation.every", int, 5_000, unit=LENGTH, low=1).means(
        "How often it is scored during the run."
    ),
    Key("evaluation.protocol", str, "rgb8").means(
        "What is measured and how: a function of `protocols.py`."
    ),
    Key(
        "evaluation.statistics", str, "eval", choices="networks.STATISTICS", since=3
    ).means(
        "What batch normalisation uses: the running statistics of training, or each "
        "image's own statistics with dropout on, as pix2pix tests."
    ),
    Key("evaluation.batch_size", int, 4, unit="images", low=1).means(
        "Images that are restored at a time, rounded up to what all devices share."
    ),
    Key("evaluation.seed", int, 1, low=0, high=2**31 - 1).means(
        "The degradations of the evaluated images follow from it."
    ),
    Key("evaluation.consistency", bool, False, since=4).means(
        "Whether, at the end, outputs are damaged as their targets were, which shows "
        "where they do not fit their input."
    ),
    Key("evaluation.samples", int, 0, unit="samples", low=0, since=4).means(
        "Samples of each image at the end, from a generator that draws them, such as "
        "`vae`; 0: none."
    ),
    Key("log_every", int, 100, unit=LENGTH, low=1).means(
        "How often the terms of the losses are logged."
    ),
    Key("checkpoint_every", int, 1_000, unit=LENGTH, low=1).means(
        "How often the run is saved."
    ),
)
# Of the configs that this build writes and reads.
VERSION = max(key.since for key in KEYS)


def inside(section: str = "") -> dict[str, Key]:
    """Returns the keys directly in a section, by their last name; `""` is the config.

    A section that tells its keys elsewhere has none, or its `name` alone.
    """
    parts = ((key.name.rpartition("."), key) for key in KEYS)
    return {name: key for (home, _, name), key in parts if home == section}


def named(name: str) -> Key:
    """Returns the key of that name, with its dots."""
    return next(key for key in KEYS if key.name == name)


def choices(key: Key) -> tuple[str, ...]:
    """Returns the words that a key may hold, or none: it is not chosen from a list."""
    home, _, words = key.choices.rpartition(".")
    return naming.words(home, words) if words else ()


def misfit(holds: type, value: Any) -> str:
    """Returns what a value must be where it is of another type; else nothing.

    >>> config_keys.misfit(int, 1e4), config_keys.misfit(float, 1)
    ('a whole number, such as 10000', '')
    """
    # JSON and command lines write 1 for 1.0; True is no number.
    fits = isinstance(value, int | float if holds is float else holds)
    if holds not in TYPES or (fits and isinstance(value, bool) == (holds is bool)):
        return ""
    whole = holds is int and isinstance(value, float) and value.is_integer()
    return TYPES[holds] + (f", such as {value:.0f}" if whole else "")


def whole(section: str, values: Mapping[str, Any]) -> str:
    """Returns the override that gives a section whole, its `name` first.

    >>> print(config_keys.whole("generator", {"blocks": 4, "name": "fcn"}))
    config.generator="{'name': 'fcn', 'blocks': 4}"
    """
    first = {"name": values["name"]} if "name" in values else {}
    return f'config.{section}="{first | dict(values)}"'


def intervals() -> tuple[str, ...]:
    """Returns the keys that say how often, in steps, or epochs if `epochs` is not 0."""
    return tuple(key.name for key in KEYS if key.unit == LENGTH)


def completed(config: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """Returns a config, or its `section`, with the keys that are younger than it.

    They are the defaults, as JSON has them: what builds before a key did is its
    default. Keys as old as their section are not added, so a config that was never
    whole stays so; sections that are missing or None stay so too.
    """
    since = named(section).since if section else 1
    found = dict(config)
    for name, key in inside(section).items():
        if name in found:
            if key.holds == SECTION and isinstance(found[name], Mapping):
                found[name] = completed(found[name], key.name)
        elif key.since > since:
            found[name] = default(key)
    return found


def default(key: Key) -> Any:
    """Returns a key's default as JSON has it: for a section, those of all its keys."""
    if key.holds != SECTION or key.default is None:
        return json.loads(json.dumps(key.default))
    return {name: default(below) for name, below in inside(key.name).items()}
