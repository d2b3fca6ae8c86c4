"""What the restorations of a set of images measure, each image by itself."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxrestore import contracts, errors, metrics, programs, protocols
from jaxrestore.evaluation import evaluate

Images = Float[Array, "b h w c"]
Values = Float[np.ndarray, " n"]
Picture = UInt8[np.ndarray, "h w c"]


class Measure(NamedTuple):
    """A metric as tables print it; `best` is its value for a perfect restoration."""

    heading: str
    decimals: int
    best: float


LOWEST, HIGHEST = 0.0, float("inf")
MEASURES = {
    "mse": Measure("MSE", 5, LOWEST),
    "nrmse": Measure("NRMSE", 4, LOWEST),
    "ssim_skimage": Measure("SSIM, skimage", 4, HIGHEST),
    "ssim": Measure("SSIM, Wang", 4, HIGHEST),
    "psnr": Measure("PSNR, dB", 2, HIGHEST),
    "sharpness": Measure("sharpness", 3, 1.0),
    "mse_damaged": Measure("MSE in the damage", 5, LOWEST),
    "mse_intact": Measure("MSE elsewhere", 5, LOWEST),
}


class Measured(NamedTuple):
    """`values` of each measure in the order of `names`; `pictures` of some images.

    A value is NaN where the image has no pixel of the kind that is measured. A picture
    is a restoration beside its target, by name.
    """

    names: list[str]
    values: dict[str, Values]
    pictures: dict[str, tuple[Picture, Picture]]


def measure(
    questions: Iterable[evaluate.Question],
    restore: contracts.Restore | None,
    *,
    pictures: int = 0,
) -> Measured:
    """Returns what restorations measure as 8-bit files, in the order of the source.

    Without `restore` it is the input's (`evaluate.baseline`). The first images of the
    source, `pictures` of them, are kept. Raises `TrainingError` for a restoration that
    is not finite.
    """
    score = programs.compiled(scores)
    names, numbers, kept = {}, {}, {}
    for question in questions:
        if restore is None:
            restored = evaluate.baseline(question.degraded, question.target)
        else:
            restored = restore(question.degraded)
        levels = [eight_bit(np.asarray(x)) for x in (restored, question.target)]
        as_floats = [x.astype(np.float32) / 255 for x in levels]
        found = jax.device_get(score(*as_floats, question.damage))
        for row, index in enumerate(question.indices):
            names[index] = question.names[row]
            numbers[index] = {key: float(values[row]) for key, values in found.items()}
            if index < pictures:
                kept[index] = levels[0][row], levels[1][row]
    order = sorted(names)
    values = {
        key: np.array([numbers[index][key] for index in order])
        for key in MEASURES
        if key in numbers[order[0]]
    }
    shown = {names[index]: kept[index] for index in sorted(kept)}
    return Measured([names[index] for index in order], values, shown)


def eight_bit(
    images: Float[np.ndarray, "*any"],
) -> UInt8[np.ndarray, "*any"]:
    """Returns the levels that a PNG file would hold, as `protocols` rounds.

    Raises `TrainingError` for values that are not finite.
    """
    if not np.isfinite(images).all():
        raise errors.TrainingError(
            "a restoration has values that are not finite; the weights are damaged or "
            "the training diverged. Leave this run out, or take another `step`."
        )
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)


def scores(
    images: Images, target: Images, damage: Float[Array, "b h w 1"] | None = None
) -> dict[str, Float[Array, " b"]]:
    """Returns the `MEASURES` of 8-bit images; those of the damage where it is known.

    MSE, NRMSE, PSNR and scikit-image's SSIM are those of `protocols.damaged_faces`.
    """
    faces = protocols.damaged_faces(images, target)
    found = {
        **{key: faces[key] for key in ("mse", "nrmse", "psnr")},
        "ssim_skimage": faces["ssim"],
        "ssim": metrics.ssim(images, target),
        "sharpness": metrics.sharpness(images, target),
    }
    if damage is not None:
        for key, weight in (("mse_damaged", damage), ("mse_intact", 1 - damage)):
            error = metrics.mse(images, target, weight=weight)
            found[key] = jnp.where(weight.sum((1, 2, 3)) > 0, error, jnp.nan)
    return found


def loss(measure: str, values: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Returns how far values are from a perfect restoration's; the least is best.

    Of a measure without an upper bound it is the negative value.
    """
    best = MEASURES[measure].best
    return -values if best == HIGHEST else np.abs(values - best)
