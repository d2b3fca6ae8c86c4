"""A trained network as a function from images to images."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from jaxrestore import contracts, errors, networks
from jaxrestore.inference import tiles
from jaxrestore.ops import color, resize
from jaxrestore.runs import checkpoints
from jaxrestore.weights import conversion


@dataclasses.dataclass(frozen=True)
class Restorer:
    """`apply` maps degraded images [b, h, w, c] in [0, 1] to restored [b, H, W, d].

    Any side is taken; the result is `scale` times as large. It is not clipped.
    `channels` are its colours, d: 1 or 3. A network with a `level_map` takes one more,
    the standard deviation of the noise, in units of the range [0, 1].
    """

    apply: contracts.Restore
    scale: int
    multiple: int
    name: str
    channels: int = 3
    level_map: bool = False


def load(workdir: Path, step: int | None = None) -> Restorer:
    """Returns the averaged generator of a run, at its best step or at `step`.

    Raises `MismatchError` when `workdir` holds no finished checkpoint, or not `step`,
    and `ConfigError` for a network that takes a mask, or another image than it gives.
    """
    config = checkpoints.read_config(workdir)
    step = checkpoints.chosen_step(workdir, step)
    variables = checkpoints.load_restorer(workdir, step)
    facts = conversion.described(config["generator"], variables)
    return build(
        config["generator"],
        variables,
        config["precision"],
        networks.statistics(config),
        level_map=_has_level_map(workdir, facts, config),
    )


def load_weights(path: Path) -> Restorer:
    """Returns the network of a weight file of ours, as its card describes it.

    Raises what `conversion.load` raises: `MismatchError` for a file that is not the one
    its card was written for; and `ConfigError` as `load`.
    """
    card, variables = conversion.load(path)
    source = card.get("source")
    run = source.get("config") if isinstance(source, Mapping) else None
    return build(
        card["generator"],
        variables,
        statistics=card["statistics"],
        level_map=_has_level_map(path, card, run),
    )


def build(
    generator: Mapping[str, Any],
    variables: Any,
    precision: str = "float32",
    statistics: str = "eval",
    *,
    level_map: bool = False,
) -> Restorer:
    """Returns the restorer of a config's `generator` with these variables.

    Its arithmetic is in `precision` and its `statistics` are those of
    `networks.restore_function`, as they were when the run was scored. `level_map` says
    whether its last input is a level of noise.
    """
    model = networks.build("Generator", generator, precision)
    variables = jax.device_put(variables)
    apply = networks.restore_function(model, statistics)
    return Restorer(
        lambda degraded: apply(variables, degraded),
        model.scale,
        model.multiple,
        generator["name"],
        networks.channels(model),
        level_map,
    )


def restore_image(
    restorer: Restorer,
    image: UInt8[np.ndarray, "h w c"],
    *,
    level: float | int | None = None,
    tile: int = 1024,
    overlap: int = 64,
) -> UInt8[np.ndarray, "hh ww d"]:
    """Returns the restored 8-bit image of 1, 3 or 4 channels, `scale` times as large.

    Alpha, the fourth channel, is kept as it is; where the network enlarges, so is
    alpha, by bicubic interpolation. A network of one channel restores a grey image (one
    channel, or equal ones) as grey, and of a colour picture the luma alone: Y, Cb and
    Cr are those of JPEG (BT.601, full range), the chroma is kept, or enlarged as alpha
    is. A network of colours takes one channel as three equal ones and gives three.

    `level` is the standard deviation of the noise, 0 to 255, for a network that is told
    it. An image of more than `tile` x `tile` pixels is restored in tiles of this side,
    so that memory is bounded by the tile's. Each pixel is taken from a tile that
    continues `overlap` px beyond it: to a network that sees no further the result is
    that of the whole image; one that uses statistics of the whole sees the tile's.

    Raises `ConfigError` for a level that is missing, of no use or outside its range,
    and `TrainingError` when the network's output is not finite.
    """
    _check_level(restorer, level)
    height, width = image.shape[:2]
    if height * width <= tile**2:
        return _restored(restorer, image, level)
    small, scale = _padded(image, restorer.multiple), restorer.scale
    rows, columns = (
        tiles.spans(side, tile, overlap, restorer.multiple) for side in small.shape[:2]
    )
    strips = []
    for row in rows:
        squares = []
        for column in columns:
            square = small[row.start : row.stop, column.start : column.stop]
            restored = _restored(restorer, square, level)
            squares.append(restored[row.kept(scale), column.kept(scale)])
        strips.append(np.concatenate(squares, 1))
    return np.concatenate(strips)[: height * scale, : width * scale]


def _check_level(restorer: Restorer, level: float | int | None) -> None:
    if restorer.level_map and level is None:
        raise errors.ConfigError(
            f"{restorer.name} must be told how noisy its input is; give --level, the "
            "noise's standard deviation from 0 to 255, such as 25"
        )
    if not restorer.level_map and level is not None:
        raise errors.ConfigError(
            f"{restorer.name} finds the level of noise by itself; leave --level out"
        )
    if level is not None and not 0 <= level <= 255:
        raise errors.ConfigError(
            f"--level is {level}; it must be the standard deviation of the noise, "
            "from 0 to 255"
        )


def _restored(restorer: Restorer, image: Any, level: float | int | None) -> Any:
    """The 8-bit image of a network that sees the whole of it."""
    small = image[None].astype(np.float32) / 255
    colors, alpha = small[..., :3], small[..., 3:]
    if restorer.channels == 3:
        shape = (*colors.shape[:3], 3)
        restored = _applied(restorer, np.broadcast_to(colors, shape), level)
    elif (colors == colors[..., :1]).all():
        restored = _applied(restorer, colors[..., :1], level)
        restored = np.repeat(restored, colors.shape[3], -1)
    else:
        parts = np.asarray(color.rgb_to_ycbcr(jnp.asarray(colors)))
        luma = _applied(restorer, parts[..., :1], level)
        chroma = _enlarged(parts[..., 1:], restorer.scale)
        parts = np.concatenate([luma, chroma], -1)
        restored = np.asarray(color.ycbcr_to_rgb(jnp.asarray(parts)))
    if alpha.shape[3]:
        alpha = _enlarged(alpha, restorer.scale)
        restored = np.concatenate([restored, alpha], -1)
    return np.round(np.clip(restored[0], 0, 1) * 255).astype(np.uint8)


def _applied(restorer: Restorer, colors: Any, level: float | int | None) -> Any:
    if level is not None:
        plane = np.full((*colors.shape[:3], 1), level / 255, np.float32)
        colors = np.concatenate([colors, plane], -1)
    restored = np.asarray(restorer.apply(jnp.asarray(colors)))
    if not np.isfinite(restored).all():
        raise errors.TrainingError(
            f"{restorer.name} gave values that are not finite; its weights are damaged "
            "or its training diverged. Use another checkpoint."
        )
    return restored


def _enlarged(images: Any, scale: int) -> Any:
    if scale == 1:
        return images
    height, width = (side * scale for side in images.shape[1:3])
    return np.asarray(resize.resize(jnp.asarray(images), height, width))


def _padded(image: Any, multiple: int) -> Any:
    """As `patches.pad_to_multiple`, in 8 bits: a photograph's floats fill memory."""
    below, right = (-side % multiple for side in image.shape[:2])
    mode = "reflect" if below < image.shape[0] and right < image.shape[1] else "edge"
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode)


def _has_level_map(path: Path, facts: Mapping[str, Any], run: Any) -> bool:
    """Returns whether a network takes a level of noise; refuses what else it may take.

    A fourth channel may be a mask: of a run it is known, published ones take none.
    """
    colors = 1 if facts["colors"] == "gray" else 3
    more = facts["inputs"] - colors
    told = not isinstance(run, Mapping) or _appends_level(run.get("degradation"))
    if more and not (more == 1 and told):
        raise errors.ConfigError(
            f"{path} takes {facts['inputs']} channels and gives {colors}; pictures are "
            "restored by networks that take what they give, or a level of noise beside"
        )
    return more == 1


def _appends_level(degradation: Any) -> bool:
    """Returns whether a config's degradation appends the level of its noise."""
    if isinstance(degradation, Mapping):
        appends = degradation.get("level_map", False)
        return bool(appends) or _appends_level(degradation.get("stages"))
    stages = degradation if isinstance(degradation, list | tuple) else ()
    return any(map(_appends_level, stages))
