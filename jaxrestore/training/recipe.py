"""Turning a config into what stays fixed about its run."""

import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any

from jaxrestore import config_keys, networks, perceptual
from jaxrestore.data import pipeline
from jaxrestore.fitting import optimizers, update
from jaxrestore.training import features, rules, steps


def build(config: Mapping[str, Any], devices: int = 1) -> steps.Recipe:
    """Returns what stays fixed about a run, for a machine of `devices` devices.

    Raises `ConfigError` for a config that breaks one of the `rules`, and what
    `features.load` raises.
    """
    rules.check(config, devices)
    epoch = pipeline.image_count(config["data"]) if counts_epochs(config) else None
    return assemble(in_steps(config, epoch), features.load(config), epoch)


def counts_epochs(config: Mapping[str, Any]) -> bool:
    """Returns whether the length of a run, or one of its schedules, counts epochs."""
    players = ["generator"] + ["discriminator"] * (config["adversarial"] is not None)
    schedules = {config["optimizer"][player]["schedule"] for player in players}
    return bool(config["epochs"] or schedules & {*optimizers.EPOCH_SCHEDULES})


def assemble(
    config: Mapping[str, Any],
    network: perceptual.Features | None = None,
    epoch: float | None = None,
) -> steps.Recipe:
    """Returns the same for a config that was checked and has its lengths in steps.

    `network` is that of `features.load`, `epoch` the images of an epoch, which a config
    that does not `counts_epochs` can do without. What `numbers` names may be traced,
    and so may the variables of `network`.
    """
    gan, optimizer = config["adversarial"], config["optimizer"]
    every_generator, every_discriminator = steps.cycle(gan)
    generator = _player(config, "generator", every_generator, epoch)
    discriminator = None
    if gan is not None:
        discriminator = _player(config, "discriminator", every_discriminator, epoch)
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


def in_steps(config: Mapping[str, Any], epoch: float | None) -> Mapping[str, Any]:
    """Returns the config with its lengths in steps, if `epochs` gave them in epochs.

    These are `steps` and the `config_keys.intervals`. `epoch` are the images of one.
    """
    if not config["epochs"]:
        return config
    assert epoch is not None
    together = config["steps_per_call"]

    def steps_of(epochs):
        calls = epochs * epoch / (config["batch_size"] * together)
        return together * max(1, round(calls))

    lengths = {"steps": steps_of(config["epochs"])}
    for key in config_keys.intervals():
        held = functools.reduce(operator.getitem, key.split("."), config)
        lengths[key] = steps_of(held)
    return with_numbers(config, lengths)


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


def _player(config, role, every, epoch):
    optimizer, shown = config["optimizer"][role], (1, 1)
    if optimizer["schedule"] in optimizers.EPOCH_SCHEDULES:
        assert epoch is not None
        shown = config["batch_size"] * every, max(1, round(epoch))
    rate = optimizers.schedule(optimizer, config["steps"] // every, shown)
    return update.Player(
        networks.build(role.capitalize(), config[role], config["precision"]),
        optimizers.adam(optimizer, rate),
        rate,
        waits=optimizer["schedule"] == "plateau",
    )
