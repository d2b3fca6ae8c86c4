"""What fills holes, beside each other, by how much of the picture was lost.

    python -m benchmarks.inpainting --images DIR --masks DIR [--pairs N]
        [--weights FILE ...] [--run DIR ...] [--prior auto|N] [--only NAME ...]

Pictures are cut to their central square and brought to 256 px, and so are the masks,
white where pixels are lost. Without masks the holes are those of `degradations.holes`,
boxes and strokes; without images, four photographs of scikit-image. Every method is
asked the same; of its answer the hole alone is pasted into the picture. Networks and
the prior answer as for files, their tone brought to what is known. `--prior` adds
Deep Image Prior, which takes from minutes to an hour for each picture.

PSNR in dB, SSIM and L1 are those of `protocols.inpainting`, in the hole and of the
whole picture. The step is `hole_borders.border_step`, its mean and its worst, in 8-bit
levels: a method without seams has the step of the original. Means over pictures; `s` is
the median time of a picture, which says little on a busy machine. Beside the JSON a CSV
file has a line for each picture and method, written anew after each picture.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from benchmarks import inpainting_rivals as rivals
from jaxrestore import errors, files, folders, images, programs, protocols
from jaxrestore.data import samples
from jaxrestore.degradations import holes
from jaxrestore.evaluation import evaluate, hole_borders, hole_shares, summaries
from jaxrestore.inference import inpainting, of_runs, restorer
from jaxrestore.prior import pictures as prior

METRICS = {
    "hole_psnr": ".2f",
    "hole_ssim": ".4f",
    "hole_l1": ".4f",
    "psnr": ".2f",
    "ssim": ".4f",
    "l1": ".4f",
    "step": ".1f",
    "worst_step": ".0f",
}
COLUMNS = ["method", "lost", "images", *METRICS, "s"]
FILL = 0.5  # in the hole, as `degradations.holes` has it

Row = dict[str, Any]


class Question(NamedTuple):
    """A picture, uint8 [h, w, 3], and where it is lost, bool [h, w, 1]; their names."""

    image: str
    mask: str
    target: np.ndarray
    lost: np.ndarray


def questions(
    pictures: Path | None, masks: Path | None, *, count: int | None, side: int
) -> Iterator[Question]:
    """Yields `count` questions, else one a picture: picture i with mask i, in circles.

    In the second round of the pictures each has the next mask, and so on.
    """
    targets = _files(pictures) if pictures else _samples()
    lost = _files(masks) if masks else None
    for index in range(count or len(targets)):
        turn, place = divmod(index, len(targets))
        name, picture = targets[place]
        target = square(_read(picture), side)
        if lost is None:
            yield Question(name, f"drawn {index}", target, _drawn(index, side))
            continue
        mask, file = lost[(place + turn) % len(lost)]
        yield Question(name, mask, target, square(_read(file), side)[..., :1] > 127)


def square(picture: np.ndarray, side: int) -> np.ndarray:
    """Returns the central square of a picture, `side` px wide."""
    cut = evaluate.centre_crop(picture, min(picture.shape[:2]))
    return images.resized(cut, width=side, height=side)


def contestants(options: Any) -> dict[str, rivals.Fill]:
    """Returns what fills holes by name: what is installed, weights, runs."""
    fills = rivals.installed()
    networks = {path: restorer.load_weights(path) for path in options.weights}
    networks |= {path: of_runs.load(path) for path in options.run}
    for path, network in networks.items():
        name = str(path) if path.name in fills else path.name
        fills[name] = of_network(network, name)
    if options.prior:
        fills["prior"] = of_prior(options.prior)
    chosen = {name: fills[name] for name in fills if name in (options.only or fills)}
    if unknown := {*(options.only or ())} - {*fills}:
        raise errors.ConfigError(
            f"{min(unknown)!r} is none of the methods: {', '.join(fills)}"
        )
    return chosen


def of_network(network: restorer.Restorer, name: str) -> rivals.Fill:
    """Returns what becomes of a file by a network that takes a picture and a mask.

    Raises `ConfigError` for one that takes something else.
    """
    if network.takes != ("rgb", "mask"):
        raise errors.ConfigError(
            f"{name} takes {', '.join(network.takes)}; holes are filled by networks "
            "that take rgb and mask"
        )

    def fill(picture, lost):
        lost = lost[..., 0]
        restored = restorer.restore_image(network, _levels(picture), mask=lost)
        return restored.astype(np.float32) / 255

    return fill


def of_prior(iterations: str) -> rivals.Fill:
    """Returns Deep Image Prior, fitted for `auto` or so many iterations."""
    count = int(iterations) if iterations.isdecimal() else iterations

    def fill(picture, lost):
        fits, levels = prior.Filling(iterations=count), _levels(picture)
        filled = inpainting.fill_holes(fits, levels, lost[..., 0])
        return filled.astype(np.float32) / 255

    return fill


def _levels(picture):
    return np.rint(255 * picture).astype(np.uint8)


def rows(question: Question, fills: Mapping[str, rivals.Fill]) -> list[Row]:
    """Returns the scores of each of the `fills`, below those of the original."""
    target = question.target.astype(np.float32) / 255
    asked = np.where(question.lost, np.float32(FILL), target)
    names = {"image": question.image, "mask": question.mask}
    found = [names | {"method": "original", **_scores(target, question)}]
    for method, fill in fills.items():
        started = time.perf_counter()
        filled = fill(asked, question.lost)
        seconds = time.perf_counter() - started
        scores = _scores(np.where(question.lost, filled, target), question)
        found.append(names | {"method": method, **scores, "seconds": seconds})
    return found


def _scores(restored: np.ndarray, question: Question) -> dict[str, float]:
    levels = np.round(255 * np.clip(restored, 0, 1))
    target, damage = question.target[None].astype(np.float32), question.lost[None]
    batch = [levels[None].astype(np.float32) / 255, target / 255, damage.astype("f4")]
    scores = {f"restored_{k}": x for k, x in jax.device_get(_judge(*batch)).items()}
    scores |= hole_shares.columns(*batch)
    return {name: float(x[0]) for name, x in scores.items()}


@programs.compiled
def _judge(restored, target, damage):
    scores = protocols.inpainting(restored, target, damage=damage)
    step = hole_borders.border_step(restored, damage)
    return scores | {"step": step.mean, "worst_step": step.worst}


def records(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns a record for each method: over all, then in each class that occurs."""
    methods = {
        method: [row for row in found if row["method"] == method]
        for method in dict.fromkeys(row["method"] for row in found)
    }
    made = [_record(method, "all", own) for method, own in methods.items()]
    classes = hole_shares.occupied(hole_shares.summarize(methods["original"]))
    for name, part in classes:
        low, high = part["above"], part["up_to"]
        made += [
            _record(method, name, [r for r in own if low < r["hole_share"] <= high])
            for method, own in methods.items()
        ]
    return made


def _record(method: str, lost: str, own: Sequence[Row]) -> dict[str, Any]:
    found = {
        name: summaries.distribution([row[f"restored_{name}"] for row in own])
        for name in METRICS
    }
    cells = {name: _cell(found[name], METRICS[name]) for name in METRICS}
    seconds = [row["seconds"] for row in own if "seconds" in row]
    record = {"method": method, "lost": lost, "images": len(own), **cells}
    if seconds:
        record["s"] = float(np.median(seconds))
    return record | {"scores": found}


def _cell(numbers: Mapping[str, Any], form: str) -> str | None:
    if numbers["mean"] is None:
        return "inf" if numbers["infinite"] else None
    return f"{numbers['mean']:{form}}"


def _files(folder: Path) -> list[tuple[str, Path]]:
    paths, _ = folders.find(folder)
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def _samples() -> list[tuple[str, np.ndarray]]:
    source = samples.evaluation()
    return [(source.name(i), source[i]["image"]) for i in range(len(source))]


def _read(picture: Path | np.ndarray) -> np.ndarray:
    return images.decode(picture) if isinstance(picture, Path) else picture


def _drawn(index: int, side: int) -> np.ndarray:
    return np.asarray(_draw(jax.random.key(index), jnp.zeros((side, side, 3)))) > 0.5


@jax.jit
def _draw(key, image):
    kinds = {"box": 1.0, "strokes": 1.0, "both": 1.0}
    return holes.damage(key, image, kinds=kinds)[1]


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--images", type=Path, help="a folder of clean pictures")
    parser.add_argument("--masks", type=Path, help="a folder; white is lost")
    parser.add_argument("--pairs", type=int, help="how many (default: one a picture)")
    parser.add_argument("--side", type=int, help="px (default 256)")
    parser.add_argument("--weights", type=Path, nargs="+", default=[])
    parser.add_argument("--run", type=Path, nargs="+", default=[])
    parser.add_argument("--prior", help="iterations, or auto")
    parser.add_argument("--only", nargs="+", help="names of methods")
    options = harness.parse(parser, argv)
    options.side = options.side or (64 if options.small else 256)
    fills, found = contestants(options), []
    table = harness.place("inpainting", options).with_suffix(".csv")
    table.parent.mkdir(parents=True, exist_ok=True)
    asked = questions(
        options.images, options.masks, count=options.pairs, side=options.side
    )
    for number, question in enumerate(asked, 1):
        found += rows(question, fills)
        files.write_csv(table, found)
        print(f"{number}: {_told(found[-len(fills) :])}", flush=True)
    originals = [row for row in found if row["method"] == "original"]
    harness.finish(
        "inpainting",
        options,
        records(found),
        columns=COLUMNS,
        facts={
            "images": str(options.images or "four photographs of scikit-image"),
            "masks": str(options.masks or "drawn"),
            "side": options.side,
            "in no class": hole_shares.summarize(originals)["outside"],
        },
        packages=[*rivals.PACKAGES, "scikit-image"],
    )


def _told(own: Sequence[Row]) -> str:
    """A line of progress: PSNR in the hole by method."""
    scores = ", ".join(f"{r['method']} {r['restored_hole_psnr']:.2f}" for r in own)
    names = f"{own[0]['image']} with {own[0]['mask']}"
    return f"{names}, {own[0]['hole_share']:.0%} lost; {scores}"


if __name__ == "__main__":
    main()
