"""Scores by how much of the picture was lost, in the classes of the field's tables.

Source: Liu et al., "Image inpainting for irregular holes using partial convolutions",
ECCV 2018: holes of (0.01, 0.1], (0.1, 0.2], ... (0.5, 0.6] of the picture.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import programs, protocols, tables
from jaxrestore.evaluation import evaluate, summaries

LIMITS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)  # a class is above one, up to the next

Images = Float[Array | np.ndarray, "b h w c"]
Damage = Float[Array | np.ndarray, "b h w 1"]


def columns(
    images: Images, target: Images, damage: Damage
) -> dict[str, Float[np.ndarray, " b"]]:
    """Returns by column a number an image: `hole_share` and `intact_psnr`.

    The share of the pixels that `damage` calls lost, 0 to 1; and the PSNR in dB of the
    8-bit pixels that it does not, by the rules of `protocols.inpainting`: infinite
    where these are the target's own, NaN where all were lost.
    """
    intact = jax.device_get(_intact(images, target, damage))
    # Counted on the host: in float32 a tenth is above 0.1.
    lost = np.asarray(jax.device_get(damage)) > 0.5
    share = lost.mean((1, 2, 3), dtype=np.float64)
    return {"hole_share": share, "intact_psnr": intact.astype(np.float64)}


def probe(question: evaluate.Question, restored: Images) -> evaluate.Found:
    """Returns the `columns` of a question that knows where pixels were lost."""
    assert question.damage is not None
    return evaluate.Found(columns(restored, question.target, question.damage), {})


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the `classes`, how many images lie `outside` of them, and `intact_psnr`.

    A class has `above` and `up_to`, its limits; `images`, how many it holds; and
    `metrics`, by name the `summaries.distribution` of what was restored, empty where it
    holds none. `intact_psnr` is the distribution of that column.
    """
    classes = [_class(rows, low, high) for low, high in itertools.pairwise(LIMITS)]
    inside = sum(part["images"] for part in classes)
    return {
        "classes": classes,
        "outside": len(rows) - inside,
        "intact_psnr": summaries.distribution([row["intact_psnr"] for row in rows]),
    }


def occupied(summary: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Returns the classes that have images, each with its name, as `10-20 %`."""
    return [
        (f"{round(100 * part['above'])}-{round(100 * part['up_to'])} %", part)
        for part in summary["classes"]
        if part["images"]
    ]


def notes(summary: Mapping[str, Any]) -> list[str]:
    """Returns what there is to say: of images in no class, and of the known pixels."""
    said = []
    if outside := summary["outside"]:
        said.append(
            f"{tables.counted(outside, 'image')} in no class: 1 % or less was lost, or "
            "more than 60 %"
        )
    intact = summary["intact_psnr"]
    exact, changed = (intact[key] for key in ("infinite", "images"))
    if changed:
        also = f", exact in {exact}" if exact else ""
        said.append(
            f"known pixels changed in {tables.counted(changed, 'image')}, with a PSNR "
            f"of {intact['mean']:.2f} dB{also}"
        )
    elif exact:
        said.append("known pixels came back exactly in every image")
    return said


@programs.compiled
def _intact(images, target, damage):
    known = (damage <= 0.5).astype(jnp.float32)
    return protocols.inpainting(images, target, damage=known)["hole_psnr"]


def _class(rows, low, high):
    own = [row for row in rows if low < row["hole_share"] <= high]
    names = [name for name in rows[0] if name.startswith("restored_")] if own else []
    metrics = {
        name.removeprefix("restored_"): summaries.distribution(
            [row[name] for row in own]
        )
        for name in names
    }
    return {"above": low, "up_to": high, "images": len(own), "metrics": metrics}
