"""Files of one picture whose sizes a scale sets apart, brought to one size.

A network that enlarges makes whole multiples of its input, which a target need not be.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxrestore import images, programs
from jaxrestore.evaluation import evaluate

LARGEST = 16  # of the scales that are looked for

Pictures = dict[str, UInt8[np.ndarray, "h w c"]]

_baseline = programs.compiled(evaluate.baseline)


def matched(
    pictures: Mapping[str, UInt8[np.ndarray, "..."]], files: Mapping[str, Path]
) -> tuple[Pictures, dict[str, str]]:
    """Returns the `pictures` of each role in one size, and what that took.

    Where the prediction is the target with its sides rounded up or down to multiples of
    a scale, or the input is the target divided by one, all are cut to the target's
    sides rounded down, as an evaluation in training cuts them, from their first row and
    column on. A smaller input becomes its bicubic enlargement, in 8 bits. What was done
    is told by `cut` and `enlarged`, one clause each, as far as it was.

    Raises `ImageError` for a size that no scale explains.
    """
    sizes = {role: picture.shape[:2] for role, picture in pictures.items()}
    target = sizes["target"]
    if len({*sizes.values()}) == 1:
        return dict(pictures), {}
    scale = next((n for n in range(2, LARGEST + 1) if _explains(n, sizes)), None)
    if scale is None:
        role = next(role for role, size in sizes.items() if size != target)
        raise images.ImageError(
            f"{files[role]}: the {role} is {_words(sizes[role])}, its target "
            f"{_words(target)}; files of one size are compared, or of sizes that "
            "differ by a scale"
        )
    height, width = (side - side % scale for side in target)
    found, done = {}, {}
    if (height, width) != target:
        done["cut"] = f"{_words(target)} to {_words((height, width))}"
    for role, picture in pictures.items():
        if _is_small(role, sizes):
            picture = _enlarged(picture[: height // scale, : width // scale], scale)
            done["enlarged"] = f"{_words(sizes[role])} by {scale}"
        found[role] = picture[:height, :width]
    return found, done


def notes(changes: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Returns a sentence for each change, of which `changes` has the clauses by stem.

    >>> sizes.notes({"cut": {"a": "128x161 to 128x160"}})
    ('cut to multiples of the scale: 1 (a: 128x161 to 128x160)',)
    """
    said = {
        "cut": "cut to multiples of the scale",
        "enlarged": "inputs scored as their bicubic enlargement",
    }
    first = {change: next(iter(how.items())) for change, how in changes.items()}
    return tuple(
        f"{said[change]}: {len(how)} ({first[change][0]}: {first[change][1]})"
        for change, how in changes.items()
    )


def _explains(scale, sizes):
    """Whether all sizes follow from the target's and this scale."""
    target = sizes["target"]
    if min(target) < scale:
        return False
    for role, size in sizes.items():
        fits = zip(size, target, strict=True)
        if _is_small(role, sizes):
            good = all(a in (b // scale, -(-b // scale)) for a, b in fits)
        elif role == "mask":
            good = size == target
        else:
            rounded = all(a in (b - b % scale, b + -b % scale) for a, b in fits)
            good = size == target or rounded
        if not good:
            return False
    return True


def _is_small(role, sizes):
    # At half of the target or less; other inputs are files of its own size.
    pairs = zip(sizes[role], sizes["target"], strict=True)
    return role == "input" and all(2 * a <= b + 1 for a, b in pairs)


def _enlarged(picture, scale):
    height, width, channels = picture.shape
    image = picture[None].astype(np.float32) / 255
    target = np.zeros((1, scale * height, scale * width, channels), np.float32)
    levels = np.asarray(_baseline(image, target))[0] * 255
    return np.round(np.clip(levels, 0, 255)).astype(np.uint8)


def _words(size):
    return f"{size[1]}x{size[0]}"
