"""A bank of painted images: endless, cheap to read, the same for the same seed."""

import operator
import sys
import time
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import UInt8

from jaxrestore.data import dead_leaves, drawings


class Bank:
    """An endless source of painted images: `count` slots, each repainted in turn.

    What lies at an index is a pure function of (seed, index): the index picks a slot
    and the slot's generation, which grows by one every `refresh` indices. The slots
    change staggered, so a loader that reads on repaints a few images at a time. The
    slots come in random order already: shuffled again, by Grain, nearly every read
    would have to repaint.
    """

    channels = 3

    def __init__(
        self,
        seed: int,
        *,
        count: int = 160,
        side: int = 192,
        refresh: int,
        drawn: float | int = 0,
        zoom: float | int = 1,
    ):
        """Paints nothing yet: call `fill`, or let the first reads do it.

        `drawn` is the share of `drawings`; the others are dead leaves of this `zoom`.
        """
        if seed < 0 or min(count, side, refresh) < 1:
            raise ValueError(
                "seed is at least 0, and count, side and refresh at least 1; "
                f"got {seed=}, {count=}, {side=}, {refresh=}"
            )
        self.seed, self.count, self.side, self.refresh = seed, count, side, refresh
        self.drawn, self.zoom = drawn, zoom
        # Slot to (generation, image). Loader threads share it without a lock: one
        # assignment is atomic, and at worst two threads paint the same pixels.
        self._painted: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        """Returns the largest length there is, which Grain takes for endless."""
        return sys.maxsize

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        """Returns `image`, uint8[side, side, 3] and read-only, and `name`."""
        index = operator.index(index)  # a NumPy integer would overflow in the hash
        slot = _hash(self.seed, index) % self.count
        generation = self._generation(slot, index)
        image = self._image(slot, generation)
        return {"image": image, "name": f"dead_leaves_{slot}_{generation}"}

    def __repr__(self) -> str:
        """Returns the arguments."""
        return (
            f"Bank({self.seed}, count={self.count}, side={self.side}, "
            f"refresh={self.refresh}, drawn={self.drawn}, zoom={self.zoom})"
        )

    def fill(self, *, index: int = 0) -> float:
        """Paints all slots as they are at `index`; returns the seconds it took."""
        start = time.perf_counter()
        # No threads: most of the time goes into drawing, which holds the GIL.
        for slot in range(self.count):
            self._image(slot, self._generation(slot, index))
        return time.perf_counter() - start

    def _generation(self, slot: int, index: int) -> int:
        return (index + slot * self.refresh // self.count) // self.refresh

    def _image(self, slot: int, generation: int) -> UInt8[np.ndarray, "h w 3"]:
        known = self._painted.get(slot)
        if known and known[0] == generation:
            return known[1]
        generator = np.random.default_rng((self.seed, slot, generation))
        # Without drawings nothing is drawn for the choice: old runs see old images.
        draw = self.drawn > 0 and generator.random() < self.drawn
        if draw:
            image = drawings.paint(generator, self.side)
        else:
            image = dead_leaves.paint(generator, self.side, self.zoom)
        image.flags.writeable = False
        # Asked again, as another thread may have painted a later generation meanwhile.
        known = self._painted.get(slot)
        if not known or known[0] < generation:
            self._painted[slot] = (generation, image)
        return image


def _hash(seed: int, index: int) -> int:
    """Returns 64 well mixed bits. Source: Steele et al., SplitMix, OOPSLA 2014."""
    mask = 2**64 - 1
    bits = (seed * 0xD1342543DE82EF95 + index * 0x9E3779B97F4A7C15) & mask
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
    return bits ^ (bits >> 31)
