"""How much of what a network changes is believed, so that clean pictures stay clean.

A blind network changes clean pictures too: it takes some of their texture for noise.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxrestore.ops import levels

_SIDE = 5  # px of a patch: that one of 5x5 noisy pixels recurs is as good as impossible
_BAND = 2**20  # pixels that are searched at a time


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
    It is moved where it lies, so that memory is that of a band of rows.

    Source: the positive-part estimator of James and Stein, "Estimation with quadratic
    loss", 1961, with a variance that is known.
    """
    kept, moments = [], _Moments()
    for rows, again in _bands(image):
        kept.append((rows, np.packbits(again, 1)))
        moments.add(restored[rows][~again], image[rows][~again])
    share = np.float32(moments.share(caution.change))
    for rows, bits in kept:
        before, after = image[rows], restored[rows]
        change = after.astype(np.float32) - before
        after[...] = levels.rounded(before + share * change, image.dtype)
        if caution.repeats:
            again = np.unpackbits(bits, 1, count=image.shape[1]).astype(bool)
            after[again] = before[again]
    return restored


class _Moments:
    """Sums over pixels, of which the share of a change that is believed is made."""

    def __init__(self):
        self._count, self._power = 0, 0.0
        self._colors: Any = 0.0
        self._squares: Any = 0.0

    def add(self, restored, image):
        """Takes in pixels [n, c] that count."""
        colors = restored.astype(np.float64)
        self._count += len(colors)
        self._power += np.square(colors - image).sum()
        self._colors += colors.sum(0)
        self._squares += np.square(colors).sum(0)

    def share(self, change):
        """What of a change is more than that of a clean photograph, a share of it."""
        if not self._power:
            return 0.0
        means = self._colors / self._count
        contrast = (self._squares / self._count - np.square(means)).mean()
        channels = len(means)
        return max(0.0, 1 - change**2 * contrast * self._count * channels / self._power)


def recurring(image: levels.Image) -> Bool[np.ndarray, "h w"]:
    """Returns which pixels lie in a patch of 5x5 that recurs, equal to the bit.

    Half of a patch's pixels, or more, must equal one that is a column or two away: what
    is noisy and pasted twice is not meant. In photographs few pixels do, and after
    noise of any level that is seen none, unless most of it is clipped or each pixel was
    enlarged to many; in flat areas, text, dithered and drawn pictures nearly all do. A
    large image is searched in bands.
    """
    return np.concatenate([found for _, found in _bands(image)])


def _bands(image) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows of each band, and which of their pixels recur."""
    height, width = image.shape[:2]
    count = max(_SIDE, _BAND // width)
    reached = np.zeros((0, width), bool)  # by the patches of the band before
    for top in range(0, height, count):
        found = _recurring(image[top : top + count + _SIDE - 1])
        found[: len(reached)] |= reached
        reached = found[count:]
        yield slice(top, min(top + count, height)), found[:count]


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
