"""Strips: what an evaluation shows of an image, panels of one size side by side."""

import numpy as np
from jaxtyping import Float, UInt8

PANELS = ("input", "restored", "target", "error")  # of every strip; maps come after
ERROR_GAIN = 4  # of a difference around mid-grey
DEVIATION_GAIN = 16  # of a deviation: white is one of 16 of 255, or more
MOST_ACROSS = 5  # panels of a line in a page


def strip(
    degraded: Float[np.ndarray, "h w c"],
    restored: Float[np.ndarray, "h w d"],
    target: Float[np.ndarray, "h w d"],
    *maps: Float[np.ndarray, "h w d"],
) -> UInt8[np.ndarray, "h ww 3"]:
    """Returns input | restored | target | error and then the `maps`, 8 bit.

    All have one size; one channel is shown as grey. The error is `ERROR_GAIN` times
    larger and mid-grey where restored and target agree. Everything is clipped to
    [0, 1].
    """
    error = 0.5 + ERROR_GAIN * (np.clip(restored, 0, 1) - target)
    shown = (degraded[..., : target.shape[-1]], restored, target, error, *maps)
    panels = [np.repeat(x, 3, -1) if x.shape[-1] == 1 else x for x in shown]
    panels = np.concatenate(panels, 1)
    return np.round(np.clip(panels, 0, 1) * 255).astype(np.uint8)


def lines(
    picture: UInt8[np.ndarray, "h w 3"], panels: tuple[str, ...]
) -> list[tuple[tuple[str, ...], UInt8[np.ndarray, "h ww 3"]]]:
    """Returns a strip broken into lines for a page: (its panels, their picture) each.

    A line has at most `MOST_ACROSS` panels, and no line but the last is shorter than
    the first. `panels` names those of `picture`, all of one width. Raises `ValueError`
    where they cannot have one.
    """
    width, rest = divmod(picture.shape[1], len(panels))
    if rest:
        raise ValueError(
            f"a strip of {picture.shape[1]} px has no {len(panels)} panels of one "
            f"width; name its panels as they are ({', '.join(panels)} were named)"
        )
    count = -(-len(panels) // MOST_ACROSS)
    across = -(-len(panels) // count)
    return [
        (
            panels[first : first + across],
            picture[:, first * width : (first + across) * width],
        )
        for first in range(0, len(panels), across)
    ]
