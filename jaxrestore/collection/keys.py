"""Hashes of pictures, of networks and of options, and tables of what is done.

A result belongs to a key: the hash of what the source holds, of the network, and of the
options. What has a key is never made twice, whatever the clocks of files say.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from jaxrestore import files
from jaxrestore.weights import cards

_DIGITS = 32  # of hexadecimal: 128 bits, which no two pictures share by accident


class Options(NamedTuple):
    """What `inference.folders.restore_file` is told of every picture of a collection.

    All of it changes results. `mask` is a word of `inference.masks.WORDS`, or None.
    """

    level: float | None = None
    strength: float | None = None
    tile: int | None = None
    ensemble: bool = False
    confine: bool = False
    mask: str | None = None


def of_bytes(content: bytes) -> str:
    """Returns the hash of some bytes, 32 digits of SHA-256.

    >>> of_bytes(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def of_file(path: Path) -> str:
    """Returns the hash of what a file holds; raises `OSError`, also for a pipe."""
    return files.sha256(path)[:_DIGITS]


def of_network(weights: Path) -> str:
    """Returns the hash of a file of weights and what belongs to it, as its card."""
    return cards.fingerprint(weights)[:_DIGITS]


def of_setting(network: str, options: Options) -> str:
    """Returns the hash of a network, given by its own, and of options."""
    return of_bytes(json.dumps([network, options._asdict()], sort_keys=True).encode())


def of_result(content: str, setting: str) -> str:
    """Returns the key of a result: of the hashes of its source and of the setting."""
    return of_bytes(f"{content} {setting}".encode())


def fingerprint(words: Iterable[str]) -> int:
    """Returns 64 bits that stand for some words, none of which holds a NUL.

    That two of n are equal by accident has the chance n² / 2**65: 3 in a million for
    ten million.
    """
    text = "\0".join(words).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


class Table(NamedTuple):
    """A set of words as sorted `fingerprints` [n]: 8 bytes each."""

    fingerprints: UInt64[np.ndarray, " n"]

    def holds(self, *words: str) -> bool:
        """Returns whether the words were put in together.

        >>> Table(np.array([fingerprint(["a", "b"])], np.uint64)).holds("a", "b")
        True
        """
        sought = np.uint64(fingerprint(words))
        place = int(np.searchsorted(self.fingerprints, sought))
        found = self.fingerprints[place : place + 1]
        return bool(found.size and found[0] == sought)
