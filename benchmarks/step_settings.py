"""What `train_step` times: the config of a system, its batch, its state, our step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import operations as counted
from jaxrestore import config_files
from jaxrestore.data import samples
from jaxrestore.degradations import batched
from jaxrestore.fitting import state
from jaxrestore.training import recipe, setup, steps


class Batch(NamedTuple):
    """uint8 targets, and float32 targets with their degraded images, [b, h, w, c]."""

    photographs: np.ndarray
    target: np.ndarray
    degraded: np.ndarray


def config_of(options: Any, gpu: bool) -> dict[str, Any]:
    """Returns the package's config of the step that is timed."""
    _, config = config_files.load("configs/gan_full.py" + ("" if gpu else ":demo"))
    config = config.to_dict()
    config |= {"precision": options.precision or ("bfloat16" if gpu else "float32")}
    config |= {"augment": "none"}
    for player in ("generator", "discriminator"):
        config["optimizer"][player] |= {"schedule": "constant", "warmup": 0}
    if options.system == "pix2pix":
        config |= {"batch_size": 64 if gpu else 2, "crop": 256}
    if options.small:
        config |= {"batch_size": 2, "crop": 32}
    config["batch_size"] = options.batch or config["batch_size"]
    config["crop"] = options.crop or config["crop"]
    if config["batch_size"] == 1:
        config["adversarial"]["mismatched"] = 0.0  # it needs another image
    if options.system == "pix2pix":
        _make_pix2pix(config, options.filters or (64 if gpu else 32))
    return config


def _make_pix2pix(config, filters):
    config["generator"] = {
        "name": "pix2pix_unet",
        "filters": filters,
        "downs": min(config["crop"].bit_length() - 1, 8),
        "norm": "batch",
        "dropout": 0.0,
    }
    config["discriminator"] |= {"filters": filters, "stages": 3, "norm": "batch"}
    # 100 on images in [-1, 1] is 200 on images in [0, 1].
    config["objective"] = {"restored": {"l1": 200.0}}
    config["adversarial"] |= {"weight": 1.0, "mismatched": 0.0, "identity": 0.0}
    for player in ("generator", "discriminator"):
        adam = {"rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "clip": 0.0}
        config["optimizer"][player] |= adam


def start(built: steps.Recipe, config: dict[str, Any]) -> state.TrainState:
    """Returns a state whose last layers are not zero, so that every weight counts."""
    run = jax.jit(setup.initial(built, config))(jax.random.key(0))
    rng = np.random.default_rng(0)

    def stir(leaf):
        return leaf + jnp.asarray(0.01 * rng.standard_normal(leaf.shape), leaf.dtype)

    def stirred(player):
        return player.replace(params=jax.tree.map(stir, player.params))

    generator = stirred(run.generator)
    average = jax.tree.map(jnp.copy, state.variables(generator))
    return run.replace(
        generator=generator, discriminator=stirred(run.discriminator), ema=average
    )


def make_batch(config: dict[str, Any], size: int) -> Batch:
    """Returns `size` crops of scikit-image's photographs, degraded as configured."""
    source, rng, side = samples.evaluation(), np.random.default_rng(0), config["crop"]
    crops = []
    for index in range(size):
        image = source[index % len(source)]["image"]
        top, left = (rng.integers(0, edge - side + 1) for edge in image.shape[:2])
        crops.append(image[top : top + side, left : left + side])
    photographs = np.stack(crops)
    target = photographs.astype(np.float32) / 255
    keys = batched.image_keys(jax.random.key(2), size)
    degrade = jax.jit(lambda x: batched.degrade(keys, x, recipe=config["degradation"]))
    return Batch(photographs, target, np.array(degrade(target)))


def ready_step(built: steps.Recipe) -> Callable[..., Any]:
    """Returns `(run, target, degraded) -> (run, terms)`: the step without its batch."""

    def step(run, target, degraded):
        key = jax.random.fold_in(run.key, run.step)
        batch = {"target": target, "degraded": degraded, "key": key}
        run, restored, terms = steps.generator_step(built, run, batch)
        run, more = steps.discriminator_step(built, run, batch, restored)
        terms = terms | more | {"restored": restored}
        return run.replace(step=run.step + 1), terms

    return step


def operations(config: dict[str, Any], batch: Batch) -> float:
    """Returns the additions and multiplications of a ready step: `operations.count`."""
    built = recipe.build(config)
    run = jax.eval_shape(setup.initial(built, config), jax.random.key(0))
    return counted.count(ready_step(built), run, batch.target, batch.degraded)
