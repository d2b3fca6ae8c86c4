"""When to stop a fit of the prior: rules, judged on the same fits.

    taskset -c 0,1 python -m benchmarks.prior_stop [--images 8] [--side 128]

Each crop of a photograph gets noise of sigma 25 of 255, neither clipped nor rounded,
and is fitted to the last iteration; after every 50 the PSNR of the averaged image and
what the rules go by is noted. A rule is then asked where it would have stopped, and
what it would have returned: `below` are dB below the best average of that fit. The JSON
is written after each picture; `--small` only shows that it runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore import metrics
from jaxrestore.data import samples
from jaxrestore.prior import deep_image, stopping, tasks

# Photographs, and the top left corners of crops of up to 128 px.
CROPS = [
    ("astronaut", 60, 180),
    ("chelsea", 100, 150),
    ("coffee", 150, 200),
    ("rocket", 120, 250),
    ("astronaut", 300, 100),
    ("chelsea", 40, 240),
    ("coffee", 250, 330),
    ("rocket", 250, 100),
]
COLUMNS = ("mean below", "worst below", "mean gain", "worst gain", "iterations")
SMALL = tasks.Task(100, 1 / 30, 4, (8, 8), (2, 0))


class Course(NamedTuple):
    """A fit to its last iteration: its records, and the PSNR of the average at each."""

    records: list[stopping.Record]
    psnr: list[float]


class Judged(NamedTuple):
    """What a rule returns of a fit, dB, and after how many iterations."""

    psnr: float
    iterations: int


def stopped(course: Course, rule: stopping.Rule) -> Judged:
    """Returns what the rule does with a fit, as `deep_image.restore` would."""
    count = len(course.records)
    ends = (n for n in range(1, count) if stopping.ends(rule, course.records[:n]))
    seen = course.records[: next(ends, count)]
    return Judged(course.psnr[stopping.best(rule, seen)], seen[-1].iteration)


def after(course: Course, iterations: int) -> Judged:
    """Returns what a fit of a fixed number of iterations gives."""
    index = [r.iteration >= iterations for r in course.records].index(True)
    return Judged(course.psnr[index], course.records[index].iteration)


def rules(most: int) -> dict[str, Callable[[Course], Judged]]:
    """Returns the rules by name, patience in iterations, and fixed numbers."""
    held, variance = stopping.rule("held_out"), stopping.rule("variance")
    known = {
        f"{name}, patience {patience}": rule._replace(patience=patience)
        for name, rule in (("held_out", held), ("variance", variance))
        for patience in (300, 500, 1000)
    }
    asked = {n: lambda course, rule=r: stopped(course, rule) for n, r in known.items()}
    fixed = [n for n in (500, 1000, 1800) if n < most] + [most]
    return asked | {
        f"fixed, {number}": lambda course, number=number: after(course, number)
        for number in fixed
    }


def noisy(index: int, side: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns a crop [1, h, w, 3] in [0, 1] and the same with noise."""
    name, row, column = CROPS[index]
    whole = {one["name"]: one["image"] for one in samples.evaluation()}[name]
    clean = whole[None, row : row + side, column : column + side] / np.float32(255)
    noise = np.random.default_rng(index).standard_normal(clean.shape, np.float32)
    return clean, clean + np.float32(sigma / 255) * noise


def fitted(task: tasks.Task, clean: np.ndarray, degraded: np.ndarray) -> Course:
    """Returns the whole course of a fit."""
    course = Course([], [])

    def note(now: deep_image.Progress) -> None:
        course.records.append(now.records[0][-1])
        course.psnr.append(psnr(now.images, clean))

    patient = stopping.rule("held_out")._replace(patience=task.iterations)
    deep_image.restore(jnp.asarray(degraded), task=task, stop=patient, progress=note)
    return course


def psnr(images: np.ndarray, clean: np.ndarray) -> float:
    """Returns that of one image, clipped, not rounded."""
    return float(metrics.psnr(jnp.asarray(images).clip(0, 1), jnp.asarray(clean))[0])


def judged(courses: Sequence[Course], inputs: Sequence[float]) -> list[dict[str, Any]]:
    """Returns a row for each rule: means over the fits, and the worst."""
    most = courses[0].records[-1].iteration
    rows = []
    for name, rule in rules(most).items():
        found = [rule(course) for course in courses]
        below = [max(c.psnr) - f.psnr for c, f in zip(courses, found, strict=True)]
        gains = [f.psnr - one for f, one in zip(found, inputs, strict=True)]
        row = {"rule": name, "mean below": np.mean(below), "worst below": max(below)}
        row |= {"mean gain": np.mean(gains), "worst gain": min(gains)}
        row["iterations"] = np.mean([f.iterations for f in found])
        rows.append({k: v if k == "rule" else float(v) for k, v in row.items()})
    return rows


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--images", type=int, default=8, help="of the eight crops")
    parser.add_argument("--side", type=int, default=128, help="of a crop, up to 128")
    parser.add_argument("--sigma", type=float, default=25)
    parser.add_argument("--iterations", type=int, help="3000 as published")
    options = harness.parse(parser, argv)
    task = SMALL if options.small else tasks.named("denoise")
    if options.iterations:
        task = task._replace(iterations=options.iterations)
    side, images = (16, 1) if options.small else (options.side, options.images)
    courses, inputs = [], []
    for index in range(images):
        clean, degraded = noisy(index, side, options.sigma)
        courses.append(fitted(task, clean, degraded))
        inputs.append(psnr(degraded, clean))
        best = max(courses[-1].psnr)
        print(f"{CROPS[index]}: input {inputs[-1]:.2f} dB, best {best:.2f} dB")
        facts = {"side": side, "sigma": options.sigma, "pictures": index + 1}
        facts["input, dB"] = float(np.mean(inputs))
        facts["best, dB"] = float(np.mean([max(course.psnr) for course in courses]))
        harness.finish(
            "prior_stop",
            options,
            judged(courses, inputs),
            columns=["rule", *COLUMNS],
            facts=facts,
        )


if __name__ == "__main__":
    main()
