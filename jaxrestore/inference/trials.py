"""What each network that ships has to show: on what, beside whom, and how well."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxrestore.inference import classical

Restore = Callable[[Any], Any]
Level = float | int | str


class Case(NamedTuple):
    """What a network is asked: to restore four pictures, and how well at least.

    `pictures` are a name of `comparing.shipped.PICTURES` and `damage` the config's
    degradation. `least` is a PSNR in dB or whose PSNR is not undercut: that of `input`
    or of `classical`.
    """

    pictures: str
    damage: dict[str, Any]
    least: str | float


class Task(NamedTuple):
    """What a network is asked, by what it is called, and who competes.

    A level is a number, of photographs with that much damage; `unit` says what it is.
    Everything else is called by words.
    """

    unit: str
    classical: Restore
    cases: Mapping[Level, Case]


def _chain(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"name": "chain", "stages": [*stages]}


def _noise(sigma: float | int, **look: Any) -> dict[str, Any]:
    return {"name": "noise", "kind": "gaussian", "level": sigma / 255, **look}


def _noisy(sigma: float | int, **look: Any) -> dict[str, Any]:
    return _chain(_noise(sigma, **look), CLEAN)


def _jpeg(quality: int, subsampling: str = "4:2:0") -> dict[str, Any]:
    return {"name": "jpeg", "quality": quality, "subsampling": subsampling}


def _holes(kind: str) -> dict[str, Any]:
    return {"name": "holes", "kinds": {kind: 1.0}}


def _shrunk(scale: int, method: str = "bicubic") -> dict[str, Any]:
    return _chain({"name": "downsample", "scale": scale, "method": method}, CLEAN)


def _photographs(
    damages: Mapping[Level, dict[str, Any]], least: str = "classical"
) -> dict[Level, Case]:
    return {
        level: Case("photographs", damage, least) for level, damage in damages.items()
    }


def _unusual(damage: dict[str, Any], word: str, least: str | float) -> dict[str, Case]:
    """What is drawn, not photographed, with the same damage."""
    return {f"{kind}, {word}": Case(kind, damage, least) for kind in _DRAWN}


CLEAN = {"name": "eight_bit"}
_DRAWN = (
    "saturated patches",
    "pale patches",
    "drawings",
    "text",
    "dithered",
    "beside magenta",
)
_HARMLESS = 40.0  # dB: nobody sees what is less
_GRAINS = ("blurred", "enlarged", "mosaiced", "chroma")
_NOISE: dict[Level, Case] = {
    **_photographs({sigma: _noisy(sigma) for sigma in (15, 25, 50)}),
    "clean": Case("photographs", CLEAN, _HARMLESS),
    "sigma 2": Case("photographs", _noisy(2), _HARMLESS),
    **{
        f"{kind}, sigma 25": Case(kind, _noisy(25), "classical")
        for kind in ("grey photographs", "negatives", "white", "black")
    },
    **_unusual(CLEAN, "clean", _HARMLESS),
    **_unusual(_noisy(15), "sigma 15", "input"),
}
_NOISE_OF_FILES = _photographs(
    {
        "equal in all channels, sigma 25": _noisy(25, grey=1.0),
        **{f"{grain}, sigma 25": _noisy(25, grain=grain) for grain in _GRAINS},
        **{
            f"sigma 20, then JPEG {quality}": _chain(_noise(20), _jpeg(quality))
            for quality in (75, 85, 100)
        },
    }
)
_COMPRESSED: dict[Level, Case] = {
    **_photographs({quality: _jpeg(quality) for quality in (10, 20, 40)}),
    "clean": Case("photographs", CLEAN, _HARMLESS),
    **_photographs(
        {f"{quality}, 4:4:4": _jpeg(quality, "4:4:4") for quality in (85, 95, 100)},
        "input",
    ),
    **_unusual(_jpeg(85), "85", "input"),
}
_SHUFFLED = _photographs(
    {rate: {"name": "pixel_shuffle", "rate": rate} for rate in (0.05, 0.15, 0.4)}
)
_HOLES: dict[Level, Case] = {
    **_photographs({kind: _holes(kind) for kind in ("strokes", "box", "both")}),
    # A smooth surface is hard to beat where nothing has texture.
    "drawings, strokes": Case("drawings", _holes("strokes"), "input"),
}


def _enlargement(scale: int) -> Task:
    cases = _photographs({scale: _shrunk(scale)})
    for kind in ("grey photographs", "negatives", "drawings", "text", "pale patches"):
        cases[kind] = Case(kind, _shrunk(scale), "classical")
    cases |= _photographs({"means of blocks": _shrunk(scale, "area")})
    bicubic = functools.partial(classical.bicubic, scale=scale)
    return Task("times", bicubic, cases)


TASKS: Mapping[str, Task] = {
    "denoise": Task("sigma of 255", classical.non_local_means, _NOISE),
    "jpeg": Task("quality", classical.unchanged, _COMPRESSED),
    "photo": Task(
        "sigma of 255", classical.non_local_means, {**_NOISE, **_NOISE_OF_FILES}
    ),
    "pixel_shuffle": Task("rate", classical.vector_median, _SHUFFLED),
    "inpaint": Task("hole", classical.biharmonic, _HOLES),
    **{f"sr_x{scale}": _enlargement(scale) for scale in (2, 4)},
}
