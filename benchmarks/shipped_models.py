"""What the shipped networks score and cost, beside what needs no training.

    python -m benchmarks.shipped_models [--small]

Scores are those of the cards, made anew: four pictures of 256 px, protocol rgb8, means.
Times are of a photograph with the damage of each level: our network (`ms`) and the
classical restorer (`classical ms`) in turn. Where it is installed, BM3D joins on noisy
photographs, told the noise that `no_reference.noise_level` estimates, as non-local
means are. Its package is for non-commercial use alone.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, machine
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.data import samples
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import classical, shipped, trials
from jaxrestore.ops import no_reference

METHODS = ("input", "classical", "bm3d", "ours")
COLUMNS = ["model", *METHODS, "ms", "quartiles", "classical ms"]


def bm3d_scores(name: str, level: trials.Level) -> dict[str, shipped.Scores]:
    """Returns the scores of BM3D in a case of noisy photographs; of others nothing."""
    task, package = shipped.task(name), machine.peer("bm3d")
    case = task.cases[level]
    noisy = task.classical is classical.non_local_means
    if package is None or not noisy or case.pictures != "photographs":
        return {}
    return shipped_scores.judge(case.damage, {"bm3d": bm3d(package)}, case.pictures)


def bm3d(package: Any) -> trials.Restore:
    """Returns BM3D of colour images [b, h, w, 3], blind."""

    def denoised(image):
        sigma = no_reference.noise_level(image)
        return package.bm3d_rgb(image, sigma) if sigma else image

    return lambda images: np.stack([denoised(image) for image in np.asarray(images)])


def record(name: str, row: shipped.Row, *, side: int, rounds: int) -> dict[str, Any]:
    """Returns the scores and the times of a model at one level of damage."""
    task = shipped.task(name)
    row = {**row, **bm3d_scores(name, row["level"])}
    both = {
        method: f"{row[method]['psnr']:.2f} / {row[method]['ssim']:.4f}"
        for method in METHODS
        if method in row
    }
    found = {"model": f"{name}, {task.unit} {row['level']}", **both, "scores": row}
    if isinstance(row["level"], str):
        return found
    photograph = evaluate.centre_crop(samples.evaluation()[0]["image"], side)
    degraded = batched.degrade(
        jax.random.split(jax.random.key(0), 1),
        jnp.asarray(photograph[None], jnp.float32) / 255,
        recipe=task.cases[row["level"]].damage,
    )
    ours = shipped.load(name).apply
    contestants = {
        "ours": lambda: ours(degraded),
        "classical": lambda: task.classical(degraded),
    }
    timings = harness.contest(contestants, rounds=rounds)
    seconds = timings["classical"].median
    return {**found, **timings["ours"].record(), "classical ms": 1e3 * seconds}


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument(
        "--tasks", nargs="+", choices=shipped.names(), default=shipped.names()
    )
    options = harness.parse(parser, argv)
    side = 64 if options.small else 256
    records = []
    for name in options.tasks:
        for row in shipped.measure(shipped.load(name), name, shipped_scores.judge):
            records.append(record(name, row, side=side, rounds=options.rounds))
    score = f"PSNR in dB / SSIM under {shipped.PROTOCOL}"
    harness.finish(
        "shipped_models",
        options,
        records,
        columns=COLUMNS,
        facts={"scores": score, "timed side": side},
        packages=["scikit-image", "bm3d"],
    )


if __name__ == "__main__":
    main()
