"""How each task is done without a network: classically, or by the prior."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrestore import contracts, errors
from jaxrestore.inference import classical as functions
from jaxrestore.inference import restorer
from jaxrestore.ops import levels
from jaxrestore.prior import tasks
from jaxrestore.serving.engine import offers

Take = Callable[[str], Any]  # an option by its name, None where it is not given
Turned = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]


class Way(NamedTuple):
    """What is restored instead of a picture, how, and what becomes of the result.

    `how` are options of `pictures.restore_picture`, or a restorer; `back` is called
    with what was made and the picture itself.
    """

    picture: np.ndarray
    how: Any
    back: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda made, picture: made


def prior(task: str, picture: np.ndarray, take: Take) -> Way:
    """Returns how the prior does a task, of a picture of 8 bits.

    Raises `ConfigError` for options that cannot be meant.
    """
    if task == "sr":
        return Way(picture, {"task": "sr", "scale": _number(take, "scale")})
    if task == "pixelate":
        block = _number(take, "block")
        operator = tasks.downsampling(block, "area")
        how = {"task": "sr", "scale": block, "operator": operator}
        return Way(_blocks(picture, block), how, _cropped)
    if task == "deblur":
        operator = tasks.blurring(_number(take, "blur"))
        return Way(picture, {"task": "denoise", "operator": operator})
    return Way(picture, {"task": task})


def classical(task: str, picture: np.ndarray, take: Take) -> Way:
    """Returns how a classical method does a task without holes, as a restorer.

    What looks at the whole of a picture gets all of it, up to `tiles.WHOLE` px squared.
    Raises `ConfigError` for a task without a method, and as `prior`.
    """
    if task in ("denoise", "photo"):
        denoise = restorer.Restorer(functions.non_local_means, 1, 1, "non-local means")
        return Way(picture, denoise)
    if task == "pixel_shuffle":
        median = functions.vector_median
        return Way(picture, restorer.Restorer(median, 1, 1, "vector median", reach=1))
    if task == "deblur":
        # Its Gaussian of 2 px is 8 px to each side.
        mask = functions.unsharp_mask
        return Way(picture, restorer.Restorer(mask, 1, 1, "unsharp mask", reach=8))
    if task == "sr":
        return Way(picture, _bicubic(_number(take, "scale")))
    if task == "pixelate":
        block = _number(take, "block")
        return Way(_blocks(picture, block), _bicubic(block), _cropped)
    raise errors.ConfigError(f"no classical method does {task}; choose another method")


def filling(turned: Turned) -> contracts.Fill:
    """Returns the classical way to fill holes; what `turned` returns does the work."""
    function = turned(functions.biharmonic)
    return lambda colors, mask: function(np.concatenate([colors, mask], -1))


def _number(take, name):
    value = take(name)
    return offers.checked(name, value)


def _bicubic(scale):
    def enlarged(images):
        return functions.bicubic(jnp.asarray(images), scale)

    # Two pixels to each side, and one for the rounding.
    return restorer.Restorer(enlarged, scale, 1, "bicubic interpolation", reach=3)


def _blocks(picture, block):
    """The means of the blocks of a pixelated picture, a pixel each."""
    height, width = picture.shape[:2]
    padding = ((0, -height % block), (0, -width % block), (0, 0))
    padded = levels.floats(np.pad(picture, padding, mode="edge"))
    rows, columns = (side // block for side in padded.shape[:2])
    blocks = padded.reshape(rows, block, columns, block, -1)
    return levels.of_floats(blocks.mean((1, 3)), picture.dtype)


def _cropped(made, picture):
    """What was made of blocks, at the size of the picture and with its alpha."""
    height, width, channels = picture.shape
    cropped = made[:height, :width].copy()
    if channels in (2, 4):
        cropped[..., -1] = picture[..., -1]
    return cropped
