"""How far a network restores photographs that none was trained on."""

from collections.abc import Mapping
from typing import Any

import jax

from jaxrestore import sharding
from jaxrestore.data import samples
from jaxrestore.evaluation import evaluate, summaries
from jaxrestore.inference import shipped

_CROP = 256  # px


def judge(
    degradation: Mapping[str, Any], restorers: Mapping[str, shipped.Restore]
) -> dict[str, shipped.Scores]:
    """Returns the mean psnr (dB) and ssim of `input` and of each of the `restorers`.

    On scikit-image's four evaluation photographs, the central 256 px, degraded as
    `evaluation.evaluate.Evaluator` does with seed 0; rounded to four places. It is a
    `inference.shipped.Judge`, here because restoring does not reach evaluation.
    """
    evaluator = evaluate.Evaluator(
        samples.evaluation(),
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
        metrics = summaries.summarize(evaluator(restorer).rows)["metrics"]
        for method, part in (("input", "degraded"), (name, "restored")):
            scores[method] = {m: round(metrics[m][part], 4) for m in ("psnr", "ssim")}
    return scores
