"""Where a large image is cut, so that a network sees one tile at a time."""

import math
from typing import NamedTuple

from jaxrestore import errors


class Span(NamedTuple):
    """Where a tile begins and ends along a side, and what is kept of it."""

    start: int
    stop: int
    first: int
    end: int

    def kept(self, scale: int) -> slice:
        """Returns the part of the restored tile that is kept."""
        return slice((self.first - self.start) * scale, (self.end - self.start) * scale)


def spans(side: int, tile: int, overlap: int, multiple: int) -> list[Span]:
    """Returns the tiles along a side, of which one begins where another is cut.

    All are of one length, so that one program serves them, and begin at multiples of
    what the network divides sides by, as they do inside the whole image. Raises
    `ConfigError` where `overlap` px on both ends leave nothing of a tile.
    """
    length = min(side, math.ceil(tile / multiple) * multiple)
    fresh = (length - 2 * overlap) // multiple * multiple
    if length < side and fresh < 1:
        raise errors.ConfigError(
            f"tiles of {length} px overlap by 2 x {overlap} px, which leaves nothing; "
            "take larger tiles or a smaller overlap"
        )
    count = 1 if length == side else 1 + math.ceil((side - length) / fresh)
    starts = [min(index * fresh, side - length) for index in range(count)]
    seams = [start + overlap for start in starts[1:]]
    ends = [start + length for start in starts]
    return list(map(Span, starts, ends, [0, *seams], [*seams, side]))
