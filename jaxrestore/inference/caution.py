"""How much of what a network changes is believed, so that clean pictures stay clean.

A blind network changes clean pictures too: it takes some of their texture for noise.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxrestore.ops import levels

_SIDE = 5  # px of a patch: that one of 5x5 noisy pixels recurs is as good as impossible
_BAND = 2**22  # pixels that are searched at a time


class Caution(NamedTuple):
    """What is known of a network that was trained on damage of all levels.

    `change` is what it changes a clean photograph by, root mean square, as a share of
    the photograph's contrast, its standard deviation. `repeats`: whether its damage is
    one after which nothing recurs to the bit, as after noise, so that what does recur
    was drawn that way and is kept.
    """

    change: float
    repeats: bool


def of_card(card: Mapping[str, Any]) -> Caution | None:
    """Returns the `caution` of a card of weights; None for one that has none."""
    return Caution(**card["caution"]) if card.get("caution") else None


def believed(
    caution: Caution,
    image: levels.Image,
    restored: levels.Image,
) -> levels.Image:
    """Returns the `restored` image, moved towards `image` as far as it looks clean.

    The change is multiplied by 1 - e^2 / d^2, at least 0, where d is its root mean
    square and e that of a clean photograph of this contrast, as a Wiener filter does: a
    picture that is hardly changed is not damaged. What recurs counts for neither, so
    that a white margin hides no noise; see `Caution` for when it is kept to the bit.

    Source: the positive-part estimator of James and Stein, "Estimation with quadratic
    loss", 1961, with a variance that is known.
    """
    kept = recurring(image)
    change = restored.astype(np.float32) - image
    share = _share(caution, change[~kept], restored[~kept])
    result = levels.rounded(image + np.float32(share) * change, image.dtype)
    if caution.repeats:
        result[kept] = image[kept]
    return result


def _share(caution, changes, colors):
    power = np.square(changes).mean(dtype=np.float64) if changes.size else 0.0
    if not power:
        return 0.0
    contrast = colors.var(0, dtype=np.float64).mean()
    return max(0.0, 1 - caution.change**2 * contrast / power)


def recurring(image: levels.Image) -> Bool[np.ndarray, "h w"]:
    """Returns which pixels lie in a patch of 5x5 that recurs, equal to the bit.

    Half of a patch's pixels, or more, must equal one that is a column or two away: what
    is noisy and pasted twice is not meant. In photographs few pixels do, and after
    noise of any level that is seen none, unless most of it is clipped or each pixel was
    enlarged to many; in flat areas, text, dithered and drawn pictures nearly all do. A
    large image is searched in bands.
    """
    height, width = image.shape[:2]
    found = np.zeros((height, width), bool)
    rows = max(_SIDE, _BAND // width)
    for top in range(0, height, rows):
        band = slice(top, top + rows + _SIDE - 1)  # and the patches that reach out
        found[band] |= _recurring(image[band])
    return found


def _recurring(image):
    height, width, channels = image.shape
    found = np.zeros((height, width), bool)
    if not np.issubdtype(image.dtype, np.integer):  # what is equal has equal bits
        image = image.astype(np.float32).view(np.uint32)
    down, right = height - _SIDE + 1, width - _SIDE + 1
    if min(down, right) < 1:
        return found
    # Of a patch its sum with random odd weights modulo 2^64: chance makes two equal in
    # fewer than one of a million bands.
    random = np.random.default_rng(0)
    across = random.integers(0, 2**64, (_SIDE, channels), np.uint64) | 1
    along = random.integers(0, 2**64, _SIDE, np.uint64) | 1
    lines = np.zeros((height, right), np.uint64)
    for x, channel in np.ndindex(across.shape):
        lines += image[:, x : x + right, channel].astype(np.uint64) * across[x, channel]
    sums = np.zeros((down, right), np.uint64)
    for y in range(_SIDE):
        sums += lines[y : y + down] * along[y]
    ordered = np.sort(sums, axis=None)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(several):
        return found
    place = np.searchsorted(several, sums).clip(max=len(several) - 1)
    again = (several[place] == sums) & (2 * _summed(_plain(image)) >= _SIDE**2)
    for y, x in np.ndindex(_SIDE, _SIDE):
        found[y : y + down, x : x + right] |= again
    return found


def _plain(image):
    """Which pixels equal one that is a column or two away: two of any three alike."""
    found = np.zeros(image.shape[:2], bool)
    for away in (1, 2):
        equal = (image[:, away:] == image[:, :-away]).all(-1)
        found[:, away:] |= equal
        found[:, :-away] |= equal
    return found


def _summed(counted):
    """How many are counted in each patch."""
    total = np.pad(counted, ((1, 0), (1, 0))).astype(np.int32).cumsum(0).cumsum(1)
    across = total[:, _SIDE:] - total[:, :-_SIDE]
    return across[_SIDE:] - across[:-_SIDE]
