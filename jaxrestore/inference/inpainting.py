"""Holes of a picture of any size filled by what knows only small crops.

Every known value comes back to the bit. `crops` says where is cut, `seams` how what
was filled meets what is known; how a hole is filled is a plain function: a network, a
classical method, a prior.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from jaxrestore import contracts, errors
from jaxrestore.inference import crops, masks, seams
from jaxrestore.ops import checks, color, hidden_colors, levels, ranges, resize

SIDE, MARGIN = 256, 64  # px, of a crop
EMPTY = 0.5  # in the hole, before: what `degradations.holes` puts there


def fill_holes(
    fill: contracts.Fill,
    image: levels.Image,
    mask: Bool[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"],
    *,
    side: ranges.Count = SIDE,
    margin: ranges.CountOrNone = MARGIN,
    match: bool = True,
    progress: Callable[[float], object] = lambda share: None,
) -> levels.Image:
    """Returns the image, of its own type, with what the mask calls missing filled.

    Channels are grey (1), grey and alpha (2), colour (3), or colour and alpha (4). All
    known values are those of `image`, and so is alpha everywhere. Without a hole the
    image itself is returned.

    Holes are cropped to `side` x `side` px where the picture has them, with `margin` px
    or more around; a larger crop is scaled down to that, and what fills it enlarged:
    `crops.plan` says when. `fill` gets one crop at a time, mid-grey in the hole, and
    for known colours that are under alpha 0 the nearest that are seen. Of what it
    returns the hole is taken, brought to the tone of what is known around it, and where
    it was enlarged to the known pixels beside it: see `seams`; without `match` it
    is taken as it comes. Where it returns None the image stays as it is. Grey is given
    as three equal channels, and the luma taken.

    `progress` is called after each crop, with the share of them that is done; what it
    raises ends the work.

    Raises `ConfigError` and `ImageError` as `masks.hole`; `ConfigError` besides for an
    image of another type or shape, for margins that leave nothing of a crop, and for a
    `fill` that returns another shape; `TrainingError` for one that returns values that
    are not finite; `ValueError` for a side or a margin that is no such number.
    """
    ranges.check(fill_holes, locals())
    checks.any_picture(image)
    hole = masks.hole(mask, *image.shape[:2])
    if not hole.any():
        progress(1.0)
        return image
    count = image.shape[2] - hidden_colors.has_alpha(image)
    seen = hidden_colors.replaced(image, hole)[..., :count].copy()
    missing = hole.copy()
    plan = [*crops.plan(hole, side=side, margin=margin)]
    for number, crop in enumerate(plan, 1):
        inside = missing[crop.window]
        colors = levels.floats(seen[crop.window])
        filled = _filled(fill, colors, inside, crop, match)
        if filled is not None:
            own = levels.of_floats(filled[crop.own], image.dtype)
            seen[crop.window][crop.own] = own
            missing[crop.window] = inside & ~crop.own
        progress(number / len(plan))
    result, done = image.copy(), hole & ~missing
    result[done, :count] = seen[done]
    return result


def _filled(fill: contracts.Fill, colors, missing, crop: crops.Crop, match: bool):
    """The crop's colours with its own part of the hole filled; no meaning elsewhere.

    None where `fill` leaves it.
    """
    given, unknown = _scaled(colors, missing, crop.shape)
    shape = (1, *crop.shape, 3)
    answer = fill(np.broadcast_to(given, shape), unknown)
    if answer is None:
        return None
    restored = np.asarray(answer, np.float32)
    if restored.shape != shape:
        raise errors.ConfigError(
            f"`fill` returned the shape {restored.shape} for {shape}; it must return "
            "the colours of the crop it is given"
        )
    if not np.isfinite(restored).all():
        raise errors.TrainingError(
            "`fill` returned values that are not finite, so that there is nothing to "
            "fill the hole with; take another network or method"
        )
    if colors.shape[2] == 1:
        restored = np.asarray(color.luma(jnp.asarray(restored)))
    composite = seams.without_step if match else seams.composite
    restored = composite(restored[0], given[0], unknown[0, ..., 0] > 0)
    if crop.shape == missing.shape:
        return restored
    large = np.asarray(resize.resize(jnp.asarray(restored), *missing.shape))
    return seams.matched(large, colors, missing, crop.own) if match else large


def _scaled(colors, missing, shape):
    """Returns a crop at the size at which it is filled, and its hole; batches of one.

    A pixel there is known where half of what it covers is, and has the mean of that;
    where nothing would be known, any share is enough.
    """
    known = (~missing[..., None]).astype(np.float32)
    sums = colors * known
    if shape != missing.shape:
        to_shape = lambda x: np.asarray(
            resize.resize(jnp.asarray(x), *shape, method="area")
        )
        known, sums = to_shape(known), to_shape(sums)
    unknown = known < 0.5
    if unknown.all():
        unknown = known <= 0
    means = np.where(unknown, np.float32(EMPTY), sums / np.where(unknown, 1, known))
    return means[None], unknown[None].astype(np.float32)
