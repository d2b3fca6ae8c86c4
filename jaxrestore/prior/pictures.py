"""Pictures of 8 bits restored by the prior: grey, colours, alpha, and masks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from jaxrestore import errors, images
from jaxrestore.ops import checks, hidden_colors, resize
from jaxrestore.prior import deep_image, tasks

MAX_PIXELS = 1024 * 1024
_BYTES = 12_500  # a pixel of the result: the maps of the network, and their gradients


class Now(NamedTuple):
    """A fit on its way: iterations done, of at most `most`, and the picture so far."""

    iteration: int
    most: int
    picture: UInt8[np.ndarray, "h w c"]


class Restored(NamedTuple):
    """A picture, and the iterations that made it; `ended` as in `deep_image.Result`."""

    picture: UInt8[np.ndarray, "h w c"]
    iterations: int
    ended: str


def restore_picture(
    picture: UInt8[np.ndarray, "h w c"],
    *,
    task: str,
    mask: Bool[np.ndarray, "hm wm 1"] | UInt8[np.ndarray, "hm wm 1"] | None = None,
    scale: tasks.Scale = 4,
    iterations: int | str = "auto",
    progress: Callable[[Now], Any] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Restored:
    """Returns a picture restored without any training.

    `task` is one of `tasks.TASKS`; `sr` enlarges `scale` times. Grey stays grey; alpha
    is kept, and enlarged by bicubic interpolation. Colours under alpha 0 are not looked
    at: see `hidden_colors`. `mask` is True, or 128 and more,
    where pixels are missing; the others come back as they are. `progress` and
    `iterations` are those of `deep_image.restore`.

    Raises what that does, and the errors of a fit have the best picture so far as
    `result`; `ConfigError` for a picture that is none of 8 bits, and for a mask of
    another size or for another task; `ImageError` where the result has more than
    `max_pixels`.
    """
    checks.picture(picture)
    _check_mask(picture, mask, task)
    times = scale if task == "sr" else 1
    operator = tasks.downsampling(scale) if task == "sr" else tasks.identity
    height, width = (times * side for side in picture.shape[:2])
    _check_size(height, width, max_pixels)
    count = picture.shape[2] - hidden_colors.has_alpha(picture)
    lost = None
    if mask is not None:
        lost = mask if mask.dtype == bool else mask > 127
    seen = hidden_colors.replaced(picture, None if lost is None else lost[..., 0])
    colors = jnp.asarray(seen[None, ..., :count], jnp.float32) / 255

    def told(now):
        assert progress is not None
        made = _finished(picture, now.images[0], lost, times)
        return progress(Now(now.iteration, now.most, made))

    def restored(result):
        made = _finished(picture, result.images[0], lost, times)
        return Restored(made, result.iterations[0], result.ended[0])

    try:
        result = deep_image.restore(
            colors,
            task=task,
            operator=operator,
            size=(height, width),
            mask=None if lost is None else jnp.asarray(lost[None], jnp.float32),
            iterations=iterations,
            progress=None if progress is None else told,
        )
    except (deep_image.FitError, deep_image.FitMemoryError) as error:
        if error.result is not None:
            error.result = restored(error.result)
        raise
    return restored(result)


def _finished(picture, made, lost, times):
    """The 8-bit picture of what a fit has made, with alpha and all that is known."""
    made = np.rint(255 * np.clip(made, 0, 1)).astype(np.uint8)
    colors, alpha = np.split(picture, [made.shape[2]], axis=2)
    if lost is not None:
        made = np.where(lost, made, colors)
    if alpha.shape[2] and times > 1:
        height, width = made.shape[:2]
        enlarged = resize.resize(jnp.asarray(alpha, jnp.float32), height, width)
        alpha = np.rint(np.clip(np.asarray(enlarged), 0, 255)).astype(np.uint8)
    return np.concatenate([made, alpha], -1)


def _check_mask(picture, mask, task):
    if mask is None:
        return
    if task != "inpaint":
        raise errors.ConfigError(
            f"`mask` says which pixels are missing, and {task} has none; give it with "
            "inpaint, or leave it out"
        )
    if mask.shape != (*picture.shape[:2], 1):
        height, width = mask.shape[:2]
        raise errors.ConfigError(
            f"`mask` is {width}x{height} px, the picture {picture.shape[1]}x"
            f"{picture.shape[0]}; give one of its size"
        )


def _check_size(height, width, max_pixels):
    if height * width > max_pixels:
        gigabytes = height * width * _BYTES / 1e9
        raise images.ImageError(
            f"a fit to {width}x{height} px takes some {gigabytes:.0f} GB of memory, "
            f"and `max_pixels` is {max_pixels:,}; give a smaller picture or a part of "
            "it, or raise the limit"
        )
