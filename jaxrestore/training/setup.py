"""What is known of a run before it runs: shapes, sizes, where its data come from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrestore import errors, networks, sharding
from jaxrestore.data import inventory, pipeline
from jaxrestore.evaluation import evaluate, outcome
from jaxrestore.fitting import state
from jaxrestore.training import batches, cost, features, recipe, rules, steps


class Setup(NamedTuple):
    """A checked config and what follows from it.

    `sources` are (images, share) pairs to train on, `epoch` the images of an epoch,
    where the config counts epochs. `mesh` has those of `devices`, so many, that share a
    batch equally. `notices` are sentences about doubtful images. `state` and `batch`
    are the shapes and places of what the train step takes, `restore` is jitted
    `(variables, degraded)`.
    """

    config: Mapping[str, Any]
    recipe: steps.Recipe
    mesh: jax.sharding.Mesh
    devices: int
    sources: list[tuple[Any, float]]
    epoch: float | None
    evaluator: evaluate.Evaluator
    notices: list[str]
    restore: Callable[..., Any]
    state: state.TrainState
    batch: jax.ShapeDtypeStruct


def prepare(config: Mapping[str, Any], devices: Sequence[Any] | None = None) -> Setup:
    """Returns the setup of a run on `devices` (default: all); nothing is compiled.

    Of the devices of one process it takes as many as share a batch equally.

    Raises `ConfigError` for a config that cannot be meant and `NoInputError` for a
    folder that is missing or empty, and for a file of weights that cannot be read.
    """
    devices = jax.devices() if devices is None else devices
    several = jax.process_count() > 1  # each must keep rows of its own
    rules.check(config, len(devices) if several else 1)
    rows = config["batch_size"] // config["optimizer"]["accumulate"]
    mesh = sharding.mesh(devices if several else sharding.dividing(devices, rows))
    sources, scored = pipeline.both_sources(
        config["data"], config["seed"], config["crop"]
    )
    counts = recipe.counts_epochs(config)
    epoch = pipeline.epoch_images(sources) if counts else None
    config = recipe.in_steps(config, epoch)
    built = recipe.assemble(config, features.load(config), epoch)
    evaluator = outcome.evaluator_of(scored, config, mesh)
    side, together = config["crop"], config["steps_per_call"]
    channels = pipeline.channels(config["data"], sources)  # six are a pair
    batch = jax.ShapeDtypeStruct(
        (together, config["batch_size"], side, side, channels),
        np.uint8,
        sharding=sharding.by_row(mesh, axis=1),
    )
    _check_sizes(built, config, channels)
    try:
        key = jax.random.key(config["seed"])
        shapes = jax.eval_shape(initial(built, config), key)
        jax.eval_shape(steps.train_steps(built), shapes, batch)
    except (TypeError, ValueError, KeyError) as error:
        raise errors.ConfigError(
            f"this config cannot run on crops of {side} px: {error}"
        ) from error
    everywhere = sharding.replicated(mesh)
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
        shapes,
    )
    restore = networks.restore_function(
        built.generator.model, config["evaluation"]["statistics"]
    )
    if config["evaluation"]["statistics"] == "pix2pix":
        _check_scoring(restore, shapes.ema, built, config, channels)
    return Setup(
        config=config,
        recipe=built,
        mesh=mesh,
        devices=len(devices),
        sources=sources,
        epoch=epoch,
        evaluator=evaluator,
        notices=inventory.notices(
            config["data"], [images for images, _ in sources], scored
        ),
        restore=restore,
        state=placed,
        batch=batch,
    )


def _degraded(built, side, channels):
    """The shape of an image of such a side once it is degraded."""
    images = jax.ShapeDtypeStruct((1, side, side, channels), np.uint8)
    make = lambda images: batches.make(
        jax.random.key(0),
        images,
        degradation=built.degradation,
        augment=built.augment,
    )
    return jax.eval_shape(make, images)["degraded"]


def _check_scoring(restore, variables, built, config, channels):
    """Evaluation images have statistics of their own."""
    side = config["data"]["evaluation_crop"] or config["crop"]
    side -= side % built.generator.model.scale
    try:
        jax.eval_shape(restore, variables, _degraded(built, side, channels))
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(
            "config.evaluation.statistics is 'pix2pix', which cannot be had of "
            f"evaluation images of {side} px: {error}"
        ) from error


def _check_sizes(built, config, channels):
    """The generator brings degraded crops back to the size of the crop."""
    side, scale = config["crop"], built.generator.model.scale
    try:
        degraded = _degraded(built, side, channels)
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(f"config.degradation: {error}") from error
    height, width = degraded.shape[1:3]
    if (scale * height, scale * width) != (side, side):
        damage = (config["degradation"] or {"name": "pairs"})["name"]
        names = damage, config["generator"]["name"]
        raise errors.ConfigError(
            f"config.degradation ({names[0]}) makes {width}x{height} px of a crop of "
            f"{side}x{side} and needs a generator of scale {round(side / height)}, but "
            f"config.generator ({names[1]}) has scale {scale}; choose another one, or "
            "other options of the degradation"
        )
    try:
        networks.check_result(built.generator.model, degraded)
    except (TypeError, ValueError) as error:
        raise errors.ConfigError(f"config.generator: {error}") from error


def initial(built: steps.Recipe, config: Mapping[str, Any]) -> Callable[..., Any]:
    """Returns `key -> state` before the first step."""
    return lambda key: steps.initial_state(built, key, config["crop"])


def headline(setup: Setup) -> str:
    """Returns the first line of a run: devices, parameters, memory.

    A GPU that this jax cannot use comes before everything else.
    """
    sizes = [f"generator {state.count_parameters(setup.state.generator.params):,}"]
    if setup.state.discriminator is not None:
        count = state.count_parameters(setup.state.discriminator.params)
        sizes.append(f"discriminator {count:,}")
    if setup.recipe.features is not None:
        count = state.count_parameters(setup.recipe.features.variables)
        sizes.append(f"of the perceptual loss {count:,}")
    held = cost.held(setup.state)
    device = setup.mesh.devices.flat[0]
    place = f"{setup.mesh.size} x {device.device_kind} ({device.platform})"
    if setup.devices > setup.mesh.size:
        batch = setup.config["batch_size"]
        place += f", of {setup.devices} the most that share a batch of {batch} equally"
    line = (
        f"{place}; parameters: "
        f"{', '.join(sizes)}; memory: state {cost.in_words(held)} of "
        f"{cost.in_words(cost.device_memory())}"
    )
    if cost.unused_gpu():
        line = (
            "an NVIDIA GPU is here, but this jax cannot use it: pip install "
            f"'jaxrestore[cuda]'\n{line}"
        )
    return line
