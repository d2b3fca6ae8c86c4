"""Every rule that a config must keep, and the message when it does not.

Every mistake is a `ConfigError` of one sentence that names the key, what it holds, what
it must hold, and the nearest right name.
"""

from collections.abc import Mapping
from typing import Any

from jaxrestore import adversarial, errors, naming, networks, perceptual
from jaxrestore.data import augmentation, colors, paired, pipeline, resizing
from jaxrestore.fitting import optimizers
from jaxrestore.training import adversary, features, objective

# Type, and for a number its lowest and highest value (None: no bound). A tuple of
# words lists the choices. Sections that are None here hold options of what they name.
_ANY = None
_PLAYER = {
    "rate": (float, 0, 1),
    "schedule": optimizers.SCHEDULES,
    "warmup": (int, 0, _ANY),
    "final_rate": (float, 0, 1),
    "beta1": (float, 0, 0.9999),
    "beta2": (float, 0, 0.99999),
    "clip": (float, 0, _ANY),
    "constant_epochs": (float, 0, _ANY),
    "drop_epochs": (float, 1e-3, _ANY),
}
_RULES: dict[str, Any] = {
    "seed": (int, 0, 2**31 - 1),
    "steps": (int, 1, _ANY),
    "epochs": (float, 0, _ANY),
    "batch_size": (int, 1, _ANY),
    "crop": (int, 8, _ANY),
    "augment": augmentation.AUGMENTATIONS,
    "precision": networks.PRECISIONS,
    "steps_per_call": (int, 1, _ANY),
    "max_bad_steps": (int, 1, _ANY),
    "init_from": (str, _ANY, _ANY),
    "data": {
        "train": (str, _ANY, _ANY),
        "layout": pipeline.LAYOUTS,
        "direction": paired.DIRECTIONS,
        "colors": colors.COLORS,
        "include": (str, _ANY, _ANY),
        "split": None,
        "preprocess": resizing.PREPROCESS,
        "load_size": (int, 1, _ANY),
        "leaves": (float, 0, 1),
        "leaves_bank": (int, 1, _ANY),
        "leaves_side": (int, 16, _ANY),
        "leaves_refresh": (int, 1, _ANY),
        "evaluation": (str, _ANY, _ANY),
        "evaluation_crop": (int, 0, _ANY),
        "threads": (int, 1, 256),
    },
    "degradation": None,
    "generator": None,
    "ema": (float, 0, 0.999999),
    "objective": None,
    "perceptual": {
        "weights": (str, _ANY, _ANY),
        "weight": (float, 0, _ANY),
        "layers": None,
        "criterion": perceptual.CRITERIA,
    },
    "adversarial": {
        "mode": adversarial.MODES,
        "weight": (float, 0, _ANY),
        "generator_steps": (int, 1, _ANY),
        "discriminator_steps": (int, 1, _ANY),
        "mismatched": (float, 0, _ANY),
        "identity": (float, 0, _ANY),
        "cutmix": (float, 0, _ANY),
        "pool": (int, 0, _ANY),
        "penalty": adversarial.PENALTIES,
        "penalty_weight": (float, 0, _ANY),
    },
    "discriminator": None,
    "optimizer": {
        "accumulate": (int, 1, _ANY),
        "generator": _PLAYER,
        "discriminator": _PLAYER,
    },
    "evaluation": {
        "every": (int, 1, _ANY),
        "protocol": (str, _ANY, _ANY),
        "statistics": networks.STATISTICS,
        "batch_size": (int, 1, _ANY),
        "seed": (int, 0, 2**31 - 1),
        "consistency": (bool, _ANY, _ANY),
        "samples": (int, 0, _ANY),
    },
    "log_every": (int, 1, _ANY),
    "checkpoint_every": (int, 1, _ANY),
}


def check(config: Mapping[str, Any], devices: int = 1) -> None:
    """Raises `ConfigError` for a config that a machine of `devices` devices cannot run.

    A missing or unknown key, a wrong type, a value out of range, an unknown name or
    option, and keys that contradict each other. Shapes are not looked at:
    `jax.eval_shape` of the step does that.
    """
    _check_section(config, _RULES, "")
    _check_names(config)
    _check_together(config, devices)


def _check_section(section, rules, prefix):
    if not isinstance(section, Mapping):
        raise errors.ConfigError(
            f"config.{prefix.rstrip('.')} is {section!r}; it must hold keys"
        )
    for name in section:
        if name not in rules:
            raise errors.ConfigError(
                f"config.{prefix}{name} is no key: {naming.nearest(name, rules)}"
            )
    for name, rule in rules.items():
        key = f"{prefix}{name}"
        if name not in section:
            raise errors.ConfigError(
                f"config.{key} is missing; configs/gan_full.py has every key"
            )
        value = section[name]
        if isinstance(rule, dict):
            if value is not None or name not in ("adversarial", "perceptual"):
                _check_section(value, rule, f"{key}.")
        elif rule is not None:
            _check_value(key, value, rule)


def _check_value(key, value, rule):
    if isinstance(rule[0], str):
        if value not in rule:
            hint = naming.nearest(str(value), rule)
            raise errors.ConfigError(f"config.{key} is {value!r}: {hint}")
        return
    kind, low, high = rule
    # JSON and command lines write 1 for 1.0; True is no number.
    fits = isinstance(value, int | float if kind is float else kind)
    if not fits or isinstance(value, bool) != (kind is bool):
        raise errors.ConfigError(
            f"config.{key} is {value!r}; it must be of type {kind.__name__}"
        )
    if (low is not None and not value >= low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise errors.ConfigError(f"config.{key} is {value!r}; it must be {bounds}")


def _check_names(config):
    """Networks, degradation, losses and protocol exist and know their options."""
    roles = ["generator"] + ["discriminator"] * (config["adversarial"] is not None)
    for role in roles:
        _named(config, role)
        with _naming_key(f"config.{role}"):
            networks.build(role.capitalize(), config[role])
    if config["degradation"] is not None:
        _check_degradation(config)
    _check_objective(config)
    if config["perceptual"] is not None:
        features.check(config["perceptual"])
    with _naming_key("config.evaluation.protocol"):
        naming.function("protocols", config["evaluation"]["protocol"])


def _check_degradation(config):
    _named(config, "degradation")
    with _naming_key("config.degradation"):
        home = naming.module("degradations", config["degradation"]["name"])
        if not hasattr(home, "degrade"):
            raise ValueError(f"{home.__name__} has no degrade; choose another")
        options = set(config["degradation"]) - {"name", "weight"}
        _known(options, networks.keyword_options(home.degrade))
    if "weight" in config["degradation"]:
        _check_pixel_weight(config["degradation"]["weight"], home)


def _check_objective(config):
    if not config["objective"]:
        raise errors.ConfigError("config.objective is empty; give it a row of losses")
    for output, rows in config["objective"].items():
        for name, entry in rows.items():
            with _naming_key(f"config.objective.{output}.{name}"):
                loss = naming.function("losses", name)
                if isinstance(entry, Mapping) and "weight" not in entry:
                    raise ValueError("a row with options needs a weight")
                weight, options = objective.weight_and_options(entry)
                _known(options, {*networks.keyword_options(loss), "warmup"})
                if isinstance(weight, bool) or not isinstance(weight, int | float):
                    raise ValueError(f"the weight is {weight!r}; it must be a number")
                rise = objective.warmup(entry)
                if isinstance(rise, bool) or not isinstance(rise, int) or rise < 0:
                    raise ValueError(
                        f"the warmup is {rise!r}; it must be a whole number of updates "
                        "of the generator, 0 or more"
                    )


def _check_pixel_weight(weight, home):
    if not hasattr(home, "damage"):
        raise errors.ConfigError(
            f"config.degradation.weight is {weight!r}, but "
            f"{home.__name__.split('.')[-1]} does not say which pixels it damages; "
            "leave the weight out"
        )
    number = (float, 0, _ANY)
    _check_section(weight, {"damaged": number, "intact": number}, "degradation.weight.")


def _check_together(config, devices):
    parts = config["optimizer"]["accumulate"]
    if config["batch_size"] % (devices * parts):
        raise errors.ConfigError(
            f"config.batch_size is {config['batch_size']}; it must divide by "
            f"{devices} devices x {parts} parts (config.optimizer.accumulate)"
        )
    if config["evaluation"]["batch_size"] % devices:
        raise errors.ConfigError(
            f"config.evaluation.batch_size is {config['evaluation']['batch_size']}; it "
            f"must divide by the {devices} devices"
        )
    together = config["steps_per_call"]
    lengths = ("steps", "log_every", "checkpoint_every", "evaluation.every")
    # Lengths in epochs are rounded to whole calls.
    for key in lengths if not config["epochs"] else ():
        section, _, name = key.rpartition(".")
        value = (config[section] if section else config)[name]
        if value % together:
            raise errors.ConfigError(
                f"config.{key} is {value}; it must divide by config.steps_per_call, "
                f"which is {together}"
            )
    generator = networks.build("Generator", config["generator"])
    multiple = generator.multiple * generator.scale
    if config["crop"] % multiple:
        raise errors.ConfigError(
            f"config.crop is {config['crop']}; it must divide by {multiple} for the "
            f"generator {config['generator']['name']}"
        )
    if (config["degradation"] is None) != (config["data"]["layout"] != "images"):
        raise errors.ConfigError(
            f"config.data.layout is {config['data']['layout']!r} and "
            f"config.degradation is {config['degradation'] and 'set'}; pairs bring "
            "their degraded images, so set degradation to None with them, and with "
            "them alone"
        )
    _check_colors(config, generator)
    _check_maps(config, generator)
    if config["adversarial"] is not None:
        adversary.check(config, parts, generator.scale)


def _check_colors(config, generator):
    wanted = 1 if config["data"]["colors"] == "gray" else 3
    if networks.channels(generator) != wanted:
        raise errors.ConfigError(
            f"config.data.colors is {config['data']['colors']!r}, but config.generator "
            f"makes images of {networks.channels(generator)} channels; set "
            f"config.generator.channels to {wanted}"
        )


def _check_maps(config, generator):
    if config["evaluation"]["consistency"] and config["degradation"] is None:
        raise errors.ConfigError(
            "config.evaluation.consistency is True, but nobody knows how pairs were "
            "damaged, so that the output cannot be damaged alike; set it to False"
        )
    samples = config["evaluation"]["samples"]
    if samples and not getattr(generator, "stochastic", False):
        raise errors.ConfigError(
            f"config.evaluation.samples is {samples}, but the generator "
            f"{config['generator']['name']} restores an image in one way only; set it "
            "to 0, or choose a generator that draws samples, such as vae"
        )
    if samples == 1:
        raise errors.ConfigError(
            "config.evaluation.samples is 1, and one sample deviates from nothing; "
            "give 2 or more, or 0 for none"
        )


def _named(config, key):
    if not isinstance(config[key], Mapping) or "name" not in config[key]:
        held = ", ".join(config[key]) if isinstance(config[key], Mapping) else "no keys"
        raise errors.ConfigError(
            f"config.{key} has no 'name', which names a file; it holds {held}"
        )


def _known(options, known):
    for name in options:
        if name not in known:
            raise ValueError(f"no option {name!r}: {naming.nearest(name, known)}")


class _naming_key:
    """Turns the `ValueError` of a look-up into a `ConfigError` that names the key."""

    def __init__(self, key):
        self._key = key

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, ValueError):
            raise errors.ConfigError(f"{self._key}: {error}") from error
