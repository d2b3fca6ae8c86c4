"""A trained network as a function from images to images."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxrestore import checkpoints, errors, networks


@dataclasses.dataclass(frozen=True)
class Restorer:
    """`apply` maps degraded images [b, h, w, c] in [0, 1] to restored [b, H, W, 3].

    Any side is taken; the result is `scale` times as large. It is not clipped.
    """

    apply: Callable[[Float[Array, "b h w c"]], Float[Array, "b hh ww d"]]
    scale: int
    multiple: int
    name: str


def load(workdir: Path, step: int | None = None) -> Restorer:
    """Returns the averaged generator of a run, at its best step or at `step`.

    Raises `MismatchError` when `workdir` holds no finished checkpoint, or not `step`.
    """
    config = checkpoints.read_config(workdir)
    finished = checkpoints.steps(workdir)
    if step is not None and step not in finished:
        raise errors.MismatchError(
            f"{workdir} has no checkpoint of step {step}; it has {finished}"
        )
    step = checkpoints.best_step(workdir) if step is None else step
    variables = checkpoints.load_restorer(workdir, step)
    return build(
        config["generator"],
        variables,
        config["precision"],
        networks.statistics(config),
    )


def build(
    generator: Mapping[str, Any],
    variables: Any,
    precision: str = "float32",
    statistics: str = "eval",
) -> Restorer:
    """Returns the restorer of a config's `generator` with these variables.

    Its arithmetic is in `precision` and its `statistics` are those of
    `networks.restore_function`, as they were when the run was scored.
    """
    model = networks.build("Generator", generator, precision)
    variables = jax.device_put(variables)
    apply = networks.restore_function(model, statistics)
    return Restorer(
        lambda degraded: apply(variables, degraded),
        model.scale,
        model.multiple,
        generator["name"],
    )


def restore_image(
    restorer: Restorer, image: UInt8[np.ndarray, "h w c"]
) -> UInt8[np.ndarray, "hh ww c"]:
    """Returns the restored 8-bit image; an alpha channel (the fourth) is kept as it is.

    Raises `TrainingError` when the network's output is not finite.
    """
    color = jnp.asarray(image[None, :, :, :3], jnp.float32) / 255
    restored = np.asarray(restorer.apply(color)[0])
    if not np.isfinite(restored).all():
        raise errors.TrainingError(
            f"{restorer.name} gave values that are not finite; its weights are damaged "
            "or its training diverged. Use another checkpoint."
        )
    restored = np.round(np.clip(restored, 0, 1) * 255).astype(np.uint8)
    if image.shape[2] == 4:
        restored = np.concatenate([restored, image[..., 3:]], -1)
    return restored
