"""What the shipped networks score and cost, beside what needs no training.

    python -m benchmarks.shipped_models [--small]

Scores are those of the cards, made anew: four photographs of scikit-image, the central
256 px, protocol rgb8, means. Times are of one such photograph with the same damage: our
network (`ms`) and the classical restorer (`classical ms`) in turn.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import harness
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.data import samples
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import shipped

METHODS = ("input", "classical", "ours")
COLUMNS = ["model", *METHODS, "ms", "quartiles", "classical ms"]


def record(name: str, row: shipped.Row, *, side: int, rounds: int) -> dict[str, Any]:
    """Returns the scores and the times of a model at one level of damage."""
    task, both = shipped.task(name), {}
    for method in METHODS:
        both[method] = f"{row[method]['psnr']:.2f} / {row[method]['ssim']:.4f}"
    photograph = evaluate.centre_crop(samples.evaluation()[0]["image"], side)
    degraded = batched.degrade(
        jax.random.split(jax.random.key(0), 1),
        jnp.asarray(photograph[None], jnp.float32) / 255,
        recipe=task.damage(row["level"]),
    )
    ours = shipped.load(name).apply
    contestants = {
        "ours": lambda: ours(degraded),
        "classical": lambda: task.classical(degraded),
    }
    timings = harness.contest(contestants, rounds=rounds)
    return {
        "model": f"{name}, {task.unit} {row['level']:g}",
        **both,
        **timings["ours"].record(),
        "classical ms": 1e3 * timings["classical"].median,
        "scores": row,
    }


def main(argv: Sequence[str] | None = None):
    options = harness.parse(harness.parser(__doc__), argv)
    side = 64 if options.small else 256
    records = []
    for name in shipped.names():
        for row in shipped.measure(shipped.load(name), name, shipped_scores.judge):
            records.append(record(name, row, side=side, rounds=options.rounds))
    score = f"PSNR in dB / SSIM under {shipped.PROTOCOL}"
    harness.finish(
        "shipped_models",
        options,
        records,
        columns=COLUMNS,
        facts={"scores": score, "timed side": side},
        packages=["scikit-image"],
    )


if __name__ == "__main__":
    main()
