"""Turning a config into what stays fixed about its run."""

from collections.abc import Iterator, Mapping
from typing import Any

from jaxrestore import networks, perceptual
from jaxrestore.data import pipeline
from jaxrestore.fitting import optimizers, update
from jaxrestore.training import features, rules, steps


def build(config: Mapping[str, Any], devices: int = 1) -> steps.Recipe:
    """Returns what stays fixed about a run, for a machine of `devices` devices.

    Raises `ConfigError` for a config that breaks one of the `rules`, and what
    `features.load` raises.
    """
    rules.check(config, devices)
    return assemble(in_steps(config), features.load(config))


def assemble(
    config: Mapping[str, Any], network: perceptual.Features | None = None
) -> steps.Recipe:
    """Returns the same for a config that was checked and has its lengths in steps.

    `network` is that of `features.load`. What `numbers` names may be traced, and so may
    the variables of `network`.
    """
    gan, optimizer = config["adversarial"], config["optimizer"]
    every_generator, every_discriminator = steps.cycle(gan)
    generator = _player(config, "Generator", optimizer["generator"], every_generator)
    discriminator = None
    if gan is not None:
        discriminator = _player(
            config, "Discriminator", optimizer["discriminator"], every_discriminator
        )
    return steps.Recipe(
        generator=generator,
        discriminator=discriminator,
        objective=config["objective"],
        gan=gan,
        degradation=config["degradation"],
        augment=config["augment"],
        ema=config["ema"],
        accumulate=optimizer["accumulate"],
        perception=config.get("perceptual"),
        features=network,
    )


def numbers(config: Mapping[str, Any]) -> dict[str, float]:
    """Returns the scalars of a config that a compiled train step takes as arguments.

    These are the learning rates and the weights in the objective, of the perceptual
    loss and of the adversary, by their keys with dots. Runs that differ in them alone
    share a program.
    """
    found = {}
    for player in ("generator", "discriminator"):
        found[f"optimizer.{player}.rate"] = config["optimizer"][player]["rate"]
    for output, rows in config["objective"].items():
        for name, entry in rows.items():
            key = f"objective.{output}.{name}"
            if isinstance(entry, Mapping):
                found[f"{key}.weight"] = entry["weight"]
            else:
                found[key] = entry
    for section in ("perceptual", "adversarial"):
        if config.get(section) is not None:
            found[f"{section}.weight"] = config[section]["weight"]
    return {key: float(value) for key, value in found.items()}


def with_numbers(config: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Returns the config with these values, traced or not, at the keys of `numbers`."""
    for key, value in values.items():
        config = _replaced(config, key.split("."), value)
    return config


def _replaced(section, names, value):
    first, *rest = names
    return {**section, first: _replaced(section[first], rest, value) if rest else value}


def in_steps(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the config with its lengths in steps, if `epochs` gave them in epochs.

    These are `steps`, `evaluation.every`, `log_every` and `checkpoint_every`. The data
    are listed for their number. Raises `ConfigError` for data without end.
    """
    if not config["epochs"]:
        return config
    images, together = pipeline.image_count(config["data"]), config["steps_per_call"]

    def steps_of(epochs):
        calls = epochs * images / (config["batch_size"] * together)
        return together * max(1, round(calls))

    evaluation = config["evaluation"]
    return {
        **config,
        "steps": steps_of(config["epochs"]),
        "evaluation": {**evaluation, "every": steps_of(evaluation["every"])},
        "log_every": steps_of(config["log_every"]),
        "checkpoint_every": steps_of(config["checkpoint_every"]),
    }


def updates(config: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how often the generator and the discriminator move in the whole run."""
    generator, discriminator = steps.cycle(config["adversarial"])
    return config["steps"] // generator, config["steps"] // discriminator


def differences(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """Yields `key: old -> new` for every key in which two configs differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            where = f"{key}.{name}".lstrip(".")
            yield from differences(before.get(name), after.get(name), where)
    elif before != after:
        yield f"{key}: {before!r} -> {after!r}"


def _player(config, role, optimizer, every):
    epoch = (1, 1)
    if optimizer["schedule"] in optimizers.EPOCH_SCHEDULES:
        images = pipeline.image_count(config["data"])
        epoch = config["batch_size"] * every, max(1, round(images))
    rate = optimizers.schedule(optimizer, config["steps"] // every, epoch)
    return update.Player(
        networks.build(role, config[role.lower()], config["precision"]),
        optimizers.adam(optimizer, rate),
        rate,
        waits=optimizer["schedule"] == "plateau",
    )
