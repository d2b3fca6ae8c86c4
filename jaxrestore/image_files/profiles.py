"""Colours of the commonest ICC profiles brought to sRGB in 16 bits.

Pillow does it in 8. The profiles are those of a curve for each channel and, of colours,
a matrix. Source: ICC.1:2022, profile version 4.4, 8.3.3 and 8.3.4 (such profiles), 10.6
(sampled curves) and 10.18 (curves by a formula), https://www.color.org/specification.
"""

import struct
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt16
from PIL import ImageCms

_PIXELS = 1 << 20  # that are computed with together
_TABLES = {b"A2B0", b"D2B0"}  # which come before curves and matrix


class Shaper(NamedTuple):
    """The light of each of 65,536 values of a channel, and of all as XYZ: columns."""

    curves: list[Float[np.ndarray, " n"]]
    matrix: Float[np.ndarray, "c c"]


def shaper(profile: bytes) -> Shaper | None:
    """Returns what a profile of grey or RGB says; None for one that it says not all of.

    That has tables, is broken, or has a black that is not dark, which Pillow moves.
    """
    try:
        tags = _tags(profile)
        model, space = profile[16:20], profile[20:24]
        letters = {b"GRAY": b"k", b"RGB ": b"rgb"}.get(model, b"")
        if not letters or space != b"XYZ " or _TABLES & {*tags}:
            return None
        names = [bytes([letter]) for letter in letters]
        curves, matrix = [_curve(tags[name + b"TRC"]) for name in names], np.eye(1)
        if model == b"RGB ":
            matrix = np.array([_fixed(tags[n + b"XYZ"], 8, 3) for n in names]).T
        return None if any(curve[0] for curve in curves) else Shaper(curves, matrix)
    except (KeyError, IndexError, ValueError, ZeroDivisionError, struct.error):
        return None  # broken, or of a kind of later years


def to_srgb(found: Shaper, values: UInt16[np.ndarray, "h w c"]) -> np.ndarray:
    """Returns grey or colours by a profile in sRGB, rounded; what it lacks is clipped.

    >>> linear = Shaper([np.linspace(0, 1, 65536)], np.eye(1))
    >>> to_srgb(linear, np.full((1, 1, 1), 32768, np.uint16)).item()
    48192
    """
    matrix = found.matrix
    if len(matrix) == 3:
        matrix = np.linalg.inv(_srgb().matrix) @ matrix
    curves = [curve.astype(np.float32) for curve in found.curves]
    matrix, made = matrix.T.astype(np.float32), np.empty_like(values)
    rows = max(1, _PIXELS // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        light = np.stack([c[band[..., i]] for i, c in enumerate(curves)], -1)
        light = np.clip(light @ matrix, 0, 1)
        made[top : top + rows] = np.rint(65535 * bent(light))
    return made


def bent(light: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Returns light from 0 to 1 as sRGB has it, by IEC 61966-2-1."""
    low, high = 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high)


def _srgb() -> Shaper:
    """The sRGB of Pillow's transforms, so that 16 bits and 8 agree."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = shaper(profile)
    assert found is not None
    return found


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4s2I", profile, 132 + 12 * n) for n in range(count))
    return {name: profile[start : start + size] for name, start, size in entries}


def _fixed(tag: bytes, start: int, count: int) -> list[float]:
    return [n / 65536 for n in struct.unpack_from(f">{count}i", tag, start)]


def _curve(tag: bytes) -> np.ndarray:
    """The light of each value of 16 bits, by a sampled curve or one by a formula."""
    at = np.linspace(0, 1, 65536)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        numbers = np.frombuffer(tag, ">u2", count, 12)
        if count < 2:  # none, or a power
            return at ** (numbers[0] / 256) if count else at
        return np.interp(at, np.linspace(0, 1, count), numbers / 65535)
    if tag[:4] != b"para":
        raise ValueError(f"a curve is {tag[:4]!r}")
    (form,) = struct.unpack_from(">H", tag, 8)
    power, *rest = _fixed(tag, 12, (1, 3, 4, 5, 7)[form])
    if power <= 0:
        raise ValueError(f"a curve has the power {power}")
    a, b, *rest = rest or (1, 0)
    # (a x + b)^power + above from `edge` on, and `slope` x + below before it.
    edge, slope, above, below = -b / a if form else -1, 0.0, 0.0, 0.0
    if form == 2:
        above = below = rest[0]
    elif form > 2:
        slope, edge, above, below = *rest, *(0.0, 0.0)[: 4 - len(rest)]
    curve = np.maximum(a * at + b, 0) ** power + above
    return np.clip(np.where(at >= edge, curve, slope * at + below), 0, 1)
