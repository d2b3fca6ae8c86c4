"""A network run on an image of any size and any channels: tiles, colours, alpha."""

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from jaxrestore import errors
from jaxrestore.inference import tiles
from jaxrestore.ops import color, hidden_colors, levels, resize

if TYPE_CHECKING:
    from jaxrestore.inference.restorer import Restorer


def tiled(
    restorer: "Restorer",
    image: levels.Image,
    *,
    level: float | int | None = None,
    tile: int | None = None,
    ensemble: bool = False,
    progress: Callable[[float], object] = lambda share: None,
) -> Shaped[np.ndarray, "hh ww c"]:
    """Returns the restored image, put together of tiles; see `tiles.for_network`.

    With `tile` they have that many px a side, or as many as the image. Without it
    smaller ones are tried where memory is exhausted. Raises `OutOfMemoryError` where
    none is small enough, and as `applied`.
    """
    size, multiple = image.shape[:2], restorer.multiple
    plans = tiles.for_network(*size, multiple=multiple, reach=restorer.reach)
    if tile is not None:
        options = {"overlap": tiles.overlap(restorer.reach), "multiple": multiple}
        plans = [tiles.plan(*size, tile=min(tile, max(size)), **options)]
    for plan in plans:
        try:
            return _joined(restorer, image, plan, level, ensemble, progress)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "RESOURCE_EXH" not in str(error):
                raise
    rows, columns = plans[-1][0]
    raise errors.OutOfMemoryError(
        f"{restorer.name} needs more memory for a tile of {columns.stop}x{rows.stop} "
        "px than there is; take a smaller `tile`, or a smaller network"
    )


def applied(
    restorer: "Restorer",
    colors: Any,
    level: float | int | None,
    mask: Any = None,
    *,
    ensemble: bool = False,
) -> np.ndarray:
    """Returns what a network makes of colours [b, h, w, c], a level and a mask.

    With `ensemble` it is the mean of what it makes of them turned four times and of
    their mirror image turned four times, each turned back. Raises `TrainingError` where
    it is not finite.

    Source: Timofte et al., "Seven ways to improve example-based single image super
    resolution", CVPR 2016; "self-ensemble" of Lim et al., CVPRW 2017 (EDSR).
    """
    plane = np.full((*colors.shape[:3], 1), (level or 0) / 255, np.float32)
    planes = {"level": plane, "mask": mask}
    beside = [planes[word] for word in restorer.takes[1:]]
    degraded = np.concatenate([colors, *beside], -1)
    apply = lambda images: np.asarray(restorer.apply(jnp.asarray(images)))
    restored = _ensemble(apply, degraded) if ensemble else apply(degraded)
    if not np.isfinite(restored).all():
        raise errors.TrainingError(
            f"{restorer.name} gave values that are not finite; its weights are damaged "
            "or its training diverged. Use another checkpoint."
        )
    return restored


def _ensemble(apply: Any, images: np.ndarray) -> np.ndarray:
    views = []
    for mirrored, turns in itertools.product((False, True), range(4)):
        seen = np.rot90(images[:, :, ::-1] if mirrored else images, turns, (1, 2))
        made = np.rot90(apply(seen), -turns, (1, 2))
        views.append(made[:, :, ::-1] if mirrored else made)
    return np.mean(views, 0)


def _joined(restorer, image, plan, level, ensemble, progress):
    edges = {"multiple": restorer.multiple, "continues": restorer.continues}
    cut = functools.partial(tiles.cut, image, **edges)

    def restored():
        for number, part in enumerate(plan, 1):
            yield _restored(restorer, cut(part), level, ensemble)
            progress(number / len(plan))

    return tiles.join(plan, restored(), scale=restorer.scale)


def _restored(restorer, image, level, ensemble):
    """What a network makes of an image of which it sees the whole."""
    run = functools.partial(applied, restorer, level=level, ensemble=ensemble)
    small = levels.floats(image[None])
    count = image.shape[2] - hidden_colors.has_alpha(image)
    colors, alpha = small[..., :count], small[..., count:]
    if restorer.channels == 3:
        shape = (*colors.shape[:3], 3)
        restored = run(np.broadcast_to(colors, shape))
        if count == 1:
            restored = np.asarray(color.luma(jnp.asarray(restored)))
    elif (colors == colors[..., :1]).all():
        restored = run(colors[..., :1])
        restored = np.repeat(restored, colors.shape[3], -1)
    else:
        parts = np.asarray(color.rgb_to_ycbcr(jnp.asarray(colors)))
        luma = run(parts[..., :1])
        chroma = _enlarged(parts[..., 1:], restorer.scale)
        parts = np.concatenate([luma, chroma], -1)
        restored = np.asarray(color.ycbcr_to_rgb(jnp.asarray(parts)))
    if alpha.shape[3]:
        alpha = _enlarged(alpha, restorer.scale)
        restored = np.concatenate([restored, alpha], -1)
    return levels.of_floats(restored[0], image.dtype)


def _enlarged(images: Any, scale: int) -> Any:
    if scale == 1:
        return images
    height, width = (side * scale for side in images.shape[1:3])
    return np.asarray(resize.resize(jnp.asarray(images), height, width))
