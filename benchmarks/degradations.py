"""Images a second of every degradation, with its defaults.

    taskset -c 0,1 python -m benchmarks.degradations

16 RGB photographs of 128x128, float32, a key for each: `jit` of `vmap`, as the train
step calls it. The folder is walked, so a new degradation is in the table. For the
scale: Pillow's JPEG and OpenCV's Gaussian blur, image by image on one thread, which
are not the same computation (both are 8 bit in and out). The floor is the traffic:
each image read once and written once. Run it alone on an idle machine.
"""

import functools
import importlib
import io
import pkgutil
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore import degradations
from jaxrestore.data import samples

NOT_ONE_IMAGE = {"batched"}  # its degrade maps another one over a batch
PACKAGES = ("pillow", "opencv-python-headless")
COLUMNS = (
    *("degradation", "ms", "quartiles", "images a second", "times the floor"),
    *("compiled in s", "note"),
)


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--batch", type=int, help="images (default 16)")
    parser.add_argument("--side", type=int, help="pixels (default 128)")
    parser.add_argument("--only", nargs="+", help="names (default: all)")
    options = harness.parse(parser, argv)
    batch = options.batch or (2 if options.small else 16)
    side = options.side or (32 if options.small else 128)
    pictures = photographs(batch, side)
    contestants, notes = line_up(pictures, options.only)
    if not options.only:
        contestants |= one_by_one(pictures)
    timings = harness.contest(contestants, rounds=options.rounds)
    size = 2 * pictures.nbytes
    least = size / harness.bandwidth(size)
    records = [
        {"degradation": name}
        | timing.record()
        | {"images a second": batch / timing.median}
        | {"times the floor": timing.median / least}
        | notes.get(name, {})
        for name, timing in sorted(timings.items(), key=lambda item: item[1].median)
    ]
    records += [
        {"degradation": name} | note
        for name, note in notes.items()
        if name not in timings
    ]
    harness.finish(
        "degradations",
        options,
        records,
        columns=COLUMNS,
        facts={
            "images": f"{batch} of {side}x{side}x3, float32",
            "floor by bytes, ms": 1e3 * least,
        },
        packages=PACKAGES,
    )


def photographs(batch: int, side: int) -> np.ndarray:
    """Returns crops [batch, side, side, 3] of four photographs, float32 in [0, 1]."""
    source = samples.evaluation()
    crops = [source[i]["image"][-side:, :side] for i in range(len(source))]
    crops = np.float32(np.stack(crops)) / 255
    pictures = np.resize(crops, (batch, side, side, 3))
    # Between the levels of 8 bit, or rounding to them would have nothing to do.
    between = np.random.default_rng(0).random(pictures.shape, np.float32)
    return (254 * pictures + between) / 255


def found() -> dict[str, Callable]:
    """Returns the `degrade` of each file in the folder, by the file's name."""
    folder = pkgutil.iter_modules(degradations.__path__, "jaxrestore.degradations.")
    names = [entry.name for entry in folder]
    modules = {name.split(".")[-1]: importlib.import_module(name) for name in names}
    return {
        name: module.degrade
        for name, module in modules.items()
        if hasattr(module, "degrade") and name not in NOT_ONE_IMAGE
    }


def line_up(pictures, only) -> tuple[dict[str, Callable], dict[str, dict[str, Any]]]:
    """Returns the degradations that run, and for each what compiling it showed."""
    every = found()
    if unknown := set(only or ()) - set(every):
        raise SystemExit(f"no degradation {sorted(unknown)}; there are {sorted(every)}")
    images = jnp.asarray(pictures)
    keys = jax.random.split(jax.random.key(0), len(images))
    contestants, notes = {}, {}
    for name in only or every:
        started = time.perf_counter()
        try:
            run = jax.jit(jax.vmap(every[name])).lower(keys, images).compile()
            result = run(keys, images)
        except Exception as error:  # named in the table; the others go on
            notes[name] = {"note": f"failed: {type(error).__name__}", "why": str(error)}
            continue
        notes[name] = {"compiled in s": time.perf_counter() - started}
        if result.shape != images.shape:
            notes[name]["note"] = f"gives {'x'.join(map(str, result.shape[1:]))}"
        elif (np.asarray(result) == pictures).all():
            notes[name]["note"] = "changes nothing by default"
        contestants[name] = functools.partial(run, keys, images)
    return contestants, notes


def one_by_one(pictures) -> dict[str, Callable[[], Any]]:
    """Returns what Pillow and OpenCV do to 8-bit images in a loop, on one thread."""
    bytes_ = list(np.round(255 * pictures).astype(np.uint8))
    contestants = {}
    if image := harness.peer("PIL.Image"):

        def jpeg():
            results = []
            for picture in bytes_:
                file = io.BytesIO()
                image.fromarray(picture).save(file, "JPEG", quality=30)
                results.append(np.asarray(image.open(file)))
            return results

        contestants["(Pillow: JPEG at quality 30)"] = jpeg
    if cv2 := harness.peer("cv2"):

        def blur():
            cv2.setNumThreads(1)
            return [cv2.GaussianBlur(x, (21, 21), sigmaX=2) for x in bytes_]

        contestants["(OpenCV: Gaussian blur, 21x21)"] = blur
    return contestants


if __name__ == "__main__":
    main()
