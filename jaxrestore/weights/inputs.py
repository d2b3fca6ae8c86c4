"""What a network takes, channel by channel: a word for each group of channels.

`("rgb", "level")` is a colour picture and behind it a plane with the standard deviation
of its noise, in units of the range [0, 1]; a `mask` is 1 where the picture is missing.
The first word is the picture's, and of its colours is the result.
"""

from collections.abc import Mapping, Sequence
from typing import Any

CHANNELS = {"rgb": 3, "gray": 1, "level": 1, "mask": 1}
COLORS = ("rgb", "gray")


def derived(colors: str, count: int, config: Any = None) -> list[str]:
    """Returns the words of a network's `count` channels; none if they cannot be told.

    For runs, and for cards that are older than such words. `colors` is the word of
    what it gives. `config` is that of its training where it is known: its degradation
    appends a level or a mask. A published network that takes one channel more than its
    colours is told the level.
    """
    known = isinstance(config, Mapping)
    beside = _appended(config.get("degradation")) if known else ["level"]
    for words in ([colors], [colors, *beside]):
        if channels(words) == count:
            return words
    return []


def channels(words: Sequence[str]) -> int:
    """Returns how many channels these words stand for."""
    return sum(CHANNELS[word] for word in words)


def fit(words: Any, colors: str, count: int) -> bool:
    """Returns whether these may be the words of `count` channels; an empty list may."""
    if not isinstance(words, list) or not {*map(str, words)} <= {*CHANNELS}:
        return False
    beside = words[1:]
    right = words[:1] == [colors] and not {*COLORS} & {*beside}
    return not words or (right and channels(words) == count)


def _appended(degradation: Any) -> list[str]:
    """What a config's degradation appends to an image, in this order."""
    if isinstance(degradation, list | tuple):
        return [word for stage in degradation for word in _appended(stage)]
    if not isinstance(degradation, Mapping):
        return []
    if degradation.get("name") == "holes":
        return ["mask"]
    if degradation.get("level_map", False):
        return ["level"]
    return _appended(degradation.get("stages"))
