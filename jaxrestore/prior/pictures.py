"""Pictures of 8 bits restored by the prior: grey, colours, alpha; and holes filled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxrestore import errors, images
from jaxrestore.ops import checks, hidden_colors, resize
from jaxrestore.prior import deep_image, tasks

MAX_PIXELS = 1024 * 1024
_BYTES = 12_500  # a pixel of the result: the maps of the network, and their gradients


class Now(NamedTuple):
    """A fit on its way: iterations done, of at most `most`, and the picture so far.

    Of holes it is the crop that is being filled, the `part`-th one.
    """

    iteration: int
    most: int
    picture: UInt8[np.ndarray, "h w c"]
    part: int = 1


class Restored(NamedTuple):
    """A picture, and the iterations that made it; `ended` as in `deep_image.Result`."""

    picture: UInt8[np.ndarray, "h w c"]
    iterations: int
    ended: str


def restore_picture(
    picture: UInt8[np.ndarray, "h w c"],
    *,
    task: str,
    scale: tasks.Scale = 4,
    operator: tasks.Operator | None = None,
    iterations: int | str = "auto",
    progress: Callable[[Now], Any] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Restored:
    """Returns a picture restored without any training.

    `task` is one of `tasks.TASKS` but `inpaint`: see `Filling`; `sr` enlarges `scale`
    times. What was done to the picture is `operator`, where that is not what the task
    means, such as `tasks.blurring(2)` with `denoise`. Grey stays grey; alpha is kept,
    and enlarged by bicubic interpolation. Colours under alpha 0 are not looked at: see
    `hidden_colors`. `progress` and `iterations` are those of `deep_image.restore`.

    Raises what that does, and the errors of a fit have the best picture so far as
    `result`; `ConfigError` for a picture that is none of 8 bits; `ImageError` where the
    result has more than `max_pixels`.
    """
    checks.picture(picture)
    if task == "inpaint":
        raise errors.ConfigError(
            "holes are filled crop by crop; call `inpainting.fill_holes` with "
            "`pictures.Filling`"
        )
    times = scale if task == "sr" else 1
    if operator is None:
        operator = tasks.downsampling(scale) if task == "sr" else tasks.identity
    height, width = (times * side for side in picture.shape[:2])
    _check_size(height, width, max_pixels)
    count = picture.shape[2] - hidden_colors.has_alpha(picture)
    seen = hidden_colors.replaced(picture)
    colors = jnp.asarray(seen[None, ..., :count], jnp.float32) / 255

    def told(now):
        assert progress is not None
        made = _finished(picture, now.images[0], times)
        return progress(Now(now.iteration, now.most, made))

    def restored(result):
        made = _finished(picture, result.images[0], times)
        return Restored(made, result.iterations[0], result.ended[0])

    try:
        result = deep_image.restore(
            colors,
            task=task,
            operator=operator,
            size=(height, width),
            iterations=iterations,
            progress=None if progress is None else told,
        )
    except (deep_image.FitError, deep_image.FitMemoryError) as error:
        if error.result is not None:
            error.result = restored(error.result)
        raise
    return restored(result)


class Filling:
    """Fills the hole of every crop by a fit of its own: a `contracts.Fill`.

    `inference.inpainting.fill_holes(Filling(), picture, mask)` fills the holes of a
    picture of any size. `results` says how each fit went. One that goes bad, or runs
    out of memory, fills its crop with the best until then, if there is one, and so does
    one that `progress` ends; the crops behind it are left as they are. `error` is then
    what was raised.
    """

    def __init__(
        self,
        *,
        iterations: int | str = "auto",
        progress: Callable[[Now], Any] | None = None,
    ):
        """Takes what `restore_picture` does; `progress` is told of one crop at once."""
        self.results: list[deep_image.Result] = []
        self.error: errors.UserError | None = None
        self._iterations, self._progress = iterations, progress
        self._ended = False

    def __call__(
        self, colors: Float[np.ndarray, "1 h w 3"], mask: Float[np.ndarray, "1 h w 1"]
    ) -> Float[np.ndarray, "1 h w 3"] | None:
        """Returns the crop with its hole filled, None after an end."""
        if self._ended:
            return None
        try:
            result = deep_image.restore(
                jnp.asarray(colors),
                task="inpaint",
                mask=jnp.asarray(mask),
                iterations=self._iterations,
                progress=self._told,
            )
        except (deep_image.FitError, deep_image.FitMemoryError) as error:
            self.error, self._ended, result = error, True, error.result
        if result is None:
            return None
        self.results.append(result)
        return result.images

    def _told(self, now: deep_image.Progress) -> bool:
        if self._progress is not None:
            part, made = len(self.results) + 1, _levels(now.images[0])
            told = Now(now.iteration, now.most, made, part)
            self._ended = bool(self._progress(told))
        return self._ended


def _levels(made):
    return np.rint(255 * np.clip(made, 0, 1)).astype(np.uint8)


def _finished(picture, made, times):
    """The 8-bit picture of what a fit has made, with alpha."""
    made = _levels(made)
    alpha = picture[..., made.shape[2] :]
    if not alpha.shape[2]:
        return made
    if times > 1:
        height, width = made.shape[:2]
        enlarged = resize.resize(jnp.asarray(alpha, jnp.float32), height, width)
        alpha = np.rint(np.clip(np.asarray(enlarged), 0, 255)).astype(np.uint8)
    return np.concatenate([made, alpha], -1)


def _check_size(height, width, max_pixels):
    if height * width > max_pixels:
        gigabytes = height * width * _BYTES / 1e9
        raise images.ImageError(
            f"a fit to {width}x{height} px takes some {gigabytes:.0f} GB of memory, "
            f"and `max_pixels` is {max_pixels:,}; give a smaller picture or a part of "
            "it, or raise the limit"
        )
