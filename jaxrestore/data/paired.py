"""Paired sets: photographs beside what they shall be restored from, read as one.

A pair is uint8[h, w, 6]: channels 0 to 2 are the target, 3 to 5 the input. Whatever
crops, flips or resizes it treats both alike. Alpha is dropped.
"""

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxrestore import errors, folders, images, naming
from jaxrestore.data import sources

DIRECTIONS = ("AtoB", "BtoA")
ROOMS = (("A", "B"), ("input", "target"))


class SideBySide(sources.Folder):
    """All files below a folder, each A and B side by side, A on the left.

    Source: the aligned data sets of Isola et al., "Image-to-image translation with
    conditional adversarial networks", CVPR 2017, https://arxiv.org/abs/1611.07004.
    """

    channels = 6

    def __init__(self, root: Path | str, *, direction: str = "AtoB"):
        """Lists the files; with `"AtoB"` A is the input and B the target.

        A file of odd width counts as damaged. Raises `ConfigError` for another
        direction, `NoInputError` when there is no folder or no image file in it.
        """
        self.direction = _checked(direction)
        super().__init__(root)

    def _read(self, position: int) -> UInt8[np.ndarray, "h w 6"]:
        path = self.paths[position]
        try:
            return _pair(*halves(images.decode(path)), self.direction)
        except ValueError as error:
            raise images.ImageError(f"{path}: {error}") from error


class TwoFolders(sources.Folder):
    """The pairs in two folders: files of equal stems, the path without its suffix.

    The folders are `A` and `B`, or `input` and `target` (in this order the A and the B)
    as `jaxrestore degrade` writes them. Where they have parts below them, as those of
    pix2pix (`A/train`, `B/train`), `root/train` means that part. A pair is called as
    its file in A.
    """

    channels = 6

    def __init__(self, root: Path | str, *, direction: str = "AtoB"):
        """Lists the pairs; with `"AtoB"` A is the input and B the target.

        Files without a partner are left out and named in the report. A pair of two
        sizes counts as damaged. Raises `ConfigError` for another direction, and when
        two files of a folder have one stem; `NoInputError` when there are no such
        folders, or no pair in them.
        """
        self.direction = _checked(direction)
        roles = _rooms(Path(root))
        super().__init__(roles[0])
        other = sources.Folder(roles[1])
        in_a = folders.stems(self.paths, self.root)
        in_b = folders.stems(other.paths, other.root)
        self.paths = [path for stem, path in in_a.items() if stem in in_b]
        self._partners = {path: in_b[s] for s, path in in_a.items() if s in in_b}
        if not self.paths:
            raise errors.NoInputError(
                f"{roles[0]} and {roles[1]} share no stem: one has {next(iter(in_a))}, "
                f"the other {next(iter(in_b))}; partners differ in their suffix alone"
            )
        for stem in sorted(in_a.keys() ^ in_b.keys()):
            missing = roles[1] if stem in in_a else roles[0]
            name = os.fsencode(stem).decode("utf-8", "backslashreplace")
            self.damaged[name] = f"left out: it has no partner in {missing}"
        self.damaged |= other.damaged

    def files(self, position: int) -> list[Path]:
        """Returns the two files of a pair, that of A first."""
        path = self.paths[position]
        return [path, self._partners[path]]

    def _read(self, position: int) -> UInt8[np.ndarray, "h w 6"]:
        a, b = (images.decode(path) for path in self.files(position))
        try:
            return _pair(a, b, self.direction)
        except ValueError as error:
            raise images.ImageError(f"{self.paths[position]}: {error}") from error


def halves(
    picture: UInt8[np.ndarray, "h ww c"],
) -> tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w c"]]:
    """Returns the left and the right half; raises `ValueError` for an odd width."""
    width = picture.shape[1]
    if width % 2:
        raise ValueError(
            f"its width is {width}, which is odd: side by side, two pictures are "
            "equal in width"
        )
    return picture[:, : width // 2], picture[:, width // 2 :]


def check_sizes(a: UInt8[np.ndarray, "h w c"], b: UInt8[np.ndarray, "hh ww d"]) -> None:
    """Raises `ValueError` with both sizes when these differ."""
    if a.shape[:2] != b.shape[:2]:
        sizes = [f"{x.shape[1]}x{x.shape[0]}" for x in (a, b)]
        raise ValueError(f"A is {sizes[0]}, B is {sizes[1]}: pairs are equal in size")


def _pair(a, b, direction):
    check_sizes(a, b)
    return np.concatenate([b, a] if direction == "AtoB" else [a, b], axis=2)


def _checked(direction: str) -> str:
    if direction not in DIRECTIONS:
        raise errors.ConfigError(
            f"config.data.direction is {direction!r}: "
            f"{naming.nearest(direction, DIRECTIONS)}"
        )
    return direction


def _rooms(root: Path) -> tuple[Path, Path]:
    """Returns the folders of A and of B that `root` means."""
    direct = [(root / a, root / b) for a, b in ROOMS]
    parts = [
        (root.parent / a / root.name, root.parent / b / root.name) for a, b in ROOMS
    ]
    found = [pair for pair in direct + parts if all(room.is_dir() for room in pair)]
    if not found:
        raise errors.NoInputError(
            f"{root} holds no pair of folders; put the pairs into {root / 'A'} and "
            f"{root / 'B'}, or into {root / 'input'} and {root / 'target'}"
        )
    if len(found) > 1:
        raise errors.ConfigError(
            f"{root} holds two pairs of folders, {found[0][0]} and {found[1][0]} with "
            "their partners; remove or rename one pair"
        )
    return found[0]
