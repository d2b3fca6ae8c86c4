"""Every rule that a config must keep, and the message when it does not.

What a key may hold by itself stands in `config_keys`; here is how it is checked, and
what keys must hold together.

Every mistake is a `ConfigError` of one sentence that names the key, what it holds, what
it must hold, and the nearest right name.
"""

from collections.abc import Mapping
from typing import Any

from jaxrestore import (
    config_keys,
    contracts,
    degradations,
    errors,
    naming,
    networks,
)
from jaxrestore.degradations import batched, chain
from jaxrestore.ops import ranges
from jaxrestore.training import adversary, features, objective

_OF_ROWS = ("warmup", "where")  # options of a row, whatever its loss


def check(config: Mapping[str, Any], devices: int = 1) -> None:
    """Raises `ConfigError` for a config that a machine of `devices` devices cannot run.

    A missing or unknown key, a wrong type, a value out of range, an unknown name or
    option, and keys that contradict each other. Shapes are not looked at:
    `jax.eval_shape` of the step does that.
    """
    _check_section(config, config_keys.inside(), "")
    _check_names(config)
    _check_together(config, devices)


def _check_section(section, keys, prefix):
    if not isinstance(section, Mapping):
        raise errors.ConfigError(
            f"config.{prefix.rstrip('.')} is {section!r}; it must hold keys"
        )
    for name in section:
        if name not in keys:
            raise errors.ConfigError(
                f"config.{prefix}{name} is no key: {naming.nearest(name, keys)}"
            )
    for name, key in keys.items():
        if name not in section:
            usual = key.default not in (None, {})
            default = f"its default is {key.default!r}, and " if usual else ""
            raise errors.ConfigError(
                f"config.{key.name} is missing; {default}configs/gan_full.py has every "
                "key"
            )
        value = section[name]
        if key.holds == config_keys.SECTION:
            if value is not None or not key.optional:
                _check_section(value, config_keys.inside(key.name), f"{key.name}.")
        elif isinstance(key.holds, type):
            _check_value(value, key)


def _check_value(value, key):
    if words := config_keys.choices(key):
        if value not in words:
            hint = naming.nearest(str(value), words)
            raise errors.ConfigError(f"config.{key.name} is {value!r}: {hint}")
        return
    if wanted := config_keys.misfit(key.holds, value):
        raise errors.ConfigError(f"config.{key.name} is {value!r}; it must be {wanted}")
    low, high = key.low, key.high
    if (low is not None and not value >= low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise errors.ConfigError(f"config.{key.name} is {value!r}; it must be {bounds}")


def _check_names(config):
    """Networks, degradation, losses and protocol exist and know their options."""
    roles = ["generator"] + ["discriminator"] * (config["adversarial"] is not None)
    for role in roles:
        _named(config, role)
        with _naming_key(f"config.{role}"):
            model = networks.model_class(role.capitalize(), config[role]["name"])
            _check_options(role, config[role], networks.fields(model))
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
        name, kinds = config["degradation"]["name"], degradations.kinds()
        if name not in kinds:
            hint = naming.nearest(name, kinds)
            raise ValueError(f"degradations has no {name!r}: {hint}")
        home = naming.module("degradations", name)
        if not hasattr(home, "degrade"):
            raise ValueError(f"{home.__name__} has no degrade; choose another")
        contracts.check(contracts.Degrade, home.degrade)
        options = {**config["degradation"]}
        del options["name"]
        options.pop("weight", None)
        known = {*networks.keyword_options(home.degrade), "weight"}
        _check_options("degradation", config["degradation"], known)
        ranges.check(home.degrade, options)
        chain.check(options.get("stages", ()))
    if "weight" in config["degradation"]:
        _check_pixel_weight(config["degradation"]["weight"], home)


def _check_objective(config):
    if not config["objective"]:
        raise errors.ConfigError("config.objective is empty; give it a row of losses")
    for output, rows in config["objective"].items():
        for name, entry in rows.items():
            with _naming_key(f"config.objective.{output}.{name}"):
                loss = naming.function("losses", name)
                contracts.check(contracts.Loss, loss)
                if isinstance(entry, Mapping) and "weight" not in entry:
                    raise ValueError("a row with options needs a weight")
                weight, options = objective.weight_and_options(entry)
                _known(options, {*networks.keyword_options(loss), *_OF_ROWS})
                ranges.check(loss, options)
                if isinstance(weight, bool) or not isinstance(weight, int | float):
                    raise ValueError(f"the weight is {weight!r}; it must be a number")
                _check_warmup(objective.warmup(entry))
                if isinstance(entry, Mapping) and "where" in entry:
                    _check_where(entry["where"], loss, config["degradation"])


def _check_warmup(rise):
    if isinstance(rise, bool) or not isinstance(rise, int) or rise < 0:
        raise ValueError(
            f"the warmup is {rise!r}; it must be a whole number of updates of the "
            "generator, 0 or more"
        )


def _check_where(place, loss, degradation):
    if place not in objective.PLACES:
        hint = naming.nearest(str(place), objective.PLACES)
        raise ValueError(f"the where is {place!r}: {hint}")
    if not objective.takes_weight(loss):
        raise ValueError(
            f"the where is {place!r}, but losses.{loss.__name__} takes no weight of "
            "pixels and looks at the whole image; leave the where out"
        )
    if not batched.says_damage(degradation):
        how = degradation["name"] if degradation else "pairs of images"
        raise ValueError(
            f"the where is {place!r}, but {how} cannot say which pixels are damaged; "
            "leave the where out, or choose a degradation that does, as holes or "
            "scratches"
        )


def _check_pixel_weight(weight, home):
    if not hasattr(home, "damage"):
        raise errors.ConfigError(
            f"config.degradation.weight is {weight!r}, but "
            f"{home.__name__.split('.')[-1]} does not say which pixels it damages; "
            "leave the weight out"
        )
    here = "degradation.weight."
    pixels = {
        n: config_keys.Key(here + n, float, None, low=0) for n in objective.PLACES
    }
    _check_section(weight, pixels, here)


def _check_together(config, devices):
    parts = config["optimizer"]["accumulate"]
    if config["batch_size"] % (devices * parts):
        raise errors.ConfigError(
            f"config.batch_size is {config['batch_size']}; it must divide by "
            f"{devices} devices x {parts} parts (config.optimizer.accumulate)"
        )
    together = config["steps_per_call"]
    # Lengths in epochs are rounded to whole calls.
    lengths = ("steps", *config_keys.intervals())
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
        section = {**config["generator"], "channels": wanted}
        remedy = config_keys.whole("generator", section)
        if "channels" not in networks.fields(type(generator)):
            remedy = f"another network, for {section['name']} makes no others"
        raise errors.ConfigError(
            f"config.data.colors is {config['data']['colors']!r}, but config.generator "
            f"makes images of {networks.channels(generator)} channels; give {remedy}"
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


def _check_options(section, values, known):
    """As `_known` for a section with a name; says how another name is given."""
    ours = {option: x for option, x in values.items() if option in known}
    try:
        _known((option for option in values if option != "name"), known)
    except ValueError as error:
        whole = config_keys.whole(section, {"name": values["name"], **ours})
        raise ValueError(
            f"{values['name']} has {error} Give the section whole, such as {whole}"
        ) from None


class _naming_key:
    """Turns the `ValueError` of a look-up into a `ConfigError` that names the key."""

    def __init__(self, key):
        self._key = key

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, ValueError):
            raise errors.ConfigError(f"{self._key}: {error}") from error
