"""How far a network restores pictures that none was trained on."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from jaxrestore import naming, sharding
from jaxrestore.data import colors, drawings, samples, sources
from jaxrestore.evaluation import evaluate, summaries
from jaxrestore.inference import shipped, trials

_CROP = 256  # px


def judge(
    degradation: Mapping[str, Any],
    restorers: Mapping[str, trials.Restore],
    pictures: str = "photographs",
) -> dict[str, shipped.Scores]:
    """Returns the mean psnr (dB) and ssim of `input` and of each of the `restorers`.

    On four `pictures` (see `PICTURES`) of 256 px, degraded as
    `evaluation.evaluate.Evaluator` does with seed 0; rounded to four places. An exact
    image, whose PSNR is infinite, counts as `summaries.EXACT_DB`. It is a
    `inference.shipped.Judge`, here because restoring does not reach evaluation.
    """
    if pictures not in PICTURES:
        raise ValueError(
            f"no pictures {pictures!r}: {naming.nearest(pictures, PICTURES)}"
        )
    evaluator = evaluate.Evaluator(
        PICTURES[pictures](),
        degradation=degradation,
        protocol=shipped.PROTOCOL,
        seed=0,
        batch_size=4,
        crop=_CROP,
        mesh=sharding.mesh(jax.devices()[:1]),
        strips=0,
    )
    scores = {}
    for name, restorer in restorers.items():
        rows = evaluator(restorer).rows
        for method, part in (("input", "degraded"), (name, "restored")):
            scores[method] = _means(rows, part)
    return scores


def _means(rows: list[dict[str, Any]], part: str) -> shipped.Scores:
    psnr = np.minimum([row[f"{part}_psnr"] for row in rows], summaries.EXACT_DB)
    ssim = np.array([row[f"{part}_ssim"] for row in rows])
    return {"psnr": round(float(psnr.mean()), 4), "ssim": round(float(ssim.mean()), 4)}


def _changed(change: Callable[[Any], Any]) -> sources.Arrays:
    """The photographs, each changed."""
    plain = samples.evaluation()
    images = [plain[index]["image"] for index in range(len(plain))]
    return sources.Arrays([change(image) for image in images], plain.names)


def _grey(image):
    return np.repeat(colors.gray(image), 3, -1)


def _painted(paint: Callable[..., UInt8[np.ndarray, "h w 3"]]) -> sources.Arrays:
    """Four pictures that `paint(generator, side)` makes."""
    made = [paint(np.random.default_rng(seed), _CROP) for seed in range(4)]
    return sources.Arrays(made, [str(seed) for seed in range(4)])


def _patches(saturation):
    """Squares of 16 px, each of a hue, at full value."""

    def paint(generator, side):
        cells = side // 16
        hues = 6 * generator.random((cells, cells, 1))
        # Of a hue h from 0 to 6: how far a channel is from its own peak, 0, 2 or 4.
        away = np.abs((hues - np.array([0, 2, 4]) + 3) % 6 - 3)
        vivid = np.clip(2 - away, 0, 1)
        levels = np.rint(255 * (1 - saturation * (1 - vivid))).astype(np.uint8)
        return levels.repeat(16, 0).repeat(16, 1)

    return paint


def _beside_magenta(image):
    """The right half of what is cut out of a photograph is of one colour."""
    half = image.copy()
    half[:, image.shape[1] // 2 :] = (255, 0, 255)
    return half


def _flat(level):
    return lambda generator, side: np.full((side, side, 3), level, np.uint8)


# What is judged, by name: four pictures each.
PICTURES: dict[str, Callable[[], sources.Arrays]] = {
    "photographs": samples.evaluation,
    "grey photographs": functools.partial(_changed, _grey),
    "negatives": functools.partial(_changed, lambda image: 255 - image),
    "saturated patches": functools.partial(_painted, _patches(1.0)),
    "pale patches": functools.partial(_painted, _patches(0.4)),
    "drawings": functools.partial(_painted, drawings.shapes),
    "text": functools.partial(_painted, drawings.page),
    "dithered": functools.partial(_changed, drawings.dithered),
    "beside magenta": functools.partial(_changed, _beside_magenta),
    "white": functools.partial(_painted, _flat(255)),
    "black": functools.partial(_painted, _flat(0)),
}
