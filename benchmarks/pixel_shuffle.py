"""Pixel shuffle: ours in both orders, a compiled loop, and the swaps of glass blurs.

    taskset -c 0,1 python -m benchmarks.pixel_shuffle

RGB photographs, float32, rate 0.4, radius 2. The loop is the definition itself, row by
row, compiled by Numba, on one thread and on one per core over the images of a batch;
given equal draws it must give equal images, to the bit. It runs on the processor, also
where JAX has a GPU.

The glass blurs do something else, and are here for orientation: their swaps run in
Python or NumPy over uint8, all sites are active, the window is the 4x4 of their
`max_delta=2` and stays inside the border. Blurring is switched off. Swapping views of
rows, they overwrite pixels, where a shuffle keeps all: see "pixels kept". Run it alone
on an idle machine.
"""

import functools
import os
import random
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore import metrics
from jaxrestore.data import samples
from jaxrestore.degradations import pixel_shuffle

RATE, RADIUS = 0.4, 2
PACKAGES = ("numba", "imagecorruptions", "albumentations")
COLUMNS = (
    *("contestant", "batch", "side", "ms", "quartiles", "ms an image"),
    *("images a second", "times raster", "times the floor", "pixels kept"),
)


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--sides", type=int, nargs="+")
    options = harness.parse(parser, argv)
    batches = options.batches or ([1, 2] if options.small else [1, 16, 64])
    sides = options.sides or ([32] if options.small else [128, 256])
    records, facts = [], {}
    for side in sides:
        for batch in batches:
            pictures = photographs(batch, side)
            contestants = ours(pictures) | against(pictures)
            timings = harness.contest(contestants, rounds=options.rounds)
            records += rows(timings, batch, side)
        glass = glass_blurs(photographs(1, side)[0])
        timings = harness.contest(glass, rounds=options.rounds, warmup=1)
        records += [
            record | {"pixels kept": kept(glass[record["contestant"]], side)}
            for record in rows(timings, 1, side)
        ]
        facts |= input_psnr(side) | dependent_steps(side)
    harness.finish(
        "pixel_shuffle",
        options,
        records,
        columns=COLUMNS,
        facts={"rate": RATE, "radius": RADIUS} | facts,
        packages=PACKAGES,
    )


def photographs(batch: int, side: int) -> np.ndarray:
    """Returns crops [batch, side, side, 3] of four photographs, float32 in [0, 1]."""
    source = samples.evaluation()
    crops = [source[i]["image"][-side:, :side] for i in range(len(source))]
    crops = np.float32(np.stack(crops)) / 255
    return np.resize(crops, (batch, side, side, 3))


def ours(pictures: np.ndarray) -> dict[str, Callable[[], Any]]:
    batch, side = pictures.shape[:2]
    images = jnp.asarray(pictures)
    keys = jax.random.split(jax.random.key(0), batch)
    contestants = {}
    for order in ("raster", "colour"):
        degrade = functools.partial(
            pixel_shuffle.degrade, rate=RATE, radius=RADIUS, order=order
        )
        run = jax.jit(jax.vmap(degrade))
        contestants[order] = functools.partial(run, keys, images)
    draw = jax.jit(lambda keys: draws(keys, side))
    given = jax.jit(exchanged)
    contestants["raster, draws given"] = functools.partial(given, draw(keys), images)
    contestants["draws alone"] = functools.partial(draw, keys)
    shuffled = {"exchanged": contestants["raster, draws given"]()}
    harness.agree(shuffled | {"raster": contestants["raster"]()}, tolerance=0)
    return contestants


def draws(keys, side):
    """Returns int32 [b, side * side]: the partners that `degrade` draws from `keys`."""

    def draw(key):
        key = jax.random.split(key)[0]  # the other half serves the order of colours
        return pixel_shuffle.partners(key, side, side, rate=RATE, radius=RADIUS)

    return jax.vmap(draw)(keys)


def exchanged(partners, pictures):
    """Returns `pictures` after the exchanges: `degrade` without its draws."""
    height, width, channels = pictures.shape[1:]
    groups = jnp.asarray(pixel_shuffle._wavefronts(height, width, RADIUS))

    def one(partner, picture):
        extra = jnp.array([height * width], partner.dtype)
        partner = jnp.concatenate([partner, extra])
        moved = pixel_shuffle._exchange(groups, partner)[:-1]
        return picture.reshape(-1, channels)[moved].reshape(picture.shape)

    return jax.vmap(one)(partners, pictures)


@functools.cache
def numba_loops(*, parallel: bool) -> tuple[Callable, Callable] | None:
    """Returns the definition compiled: with draws given, and with draws of its own."""
    numba = harness.peer("numba")
    if not numba:
        return None
    threads = min(len(harness.cores()), numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)

    @numba.njit(inline="always")
    def swap(picture, row, column, other_row, other_column):
        for channel in range(picture.shape[2]):
            kept = picture[row, column, channel]
            picture[row, column, channel] = picture[other_row, other_column, channel]
            picture[other_row, other_column, channel] = kept

    @numba.njit(parallel=parallel)
    def given(pictures, partners):
        result = np.empty_like(pictures)
        _, height, width, _ = pictures.shape
        for index in numba.prange(len(pictures)):
            result[index] = pictures[index]
            for site in range(height * width):
                other = partners[index, site]
                if other != site:
                    row, column = site // width, site % width
                    swap(result[index], row, column, other // width, other % width)
        return result

    @numba.njit(parallel=parallel)
    def drawn(pictures, rate, radius):
        result = np.empty_like(pictures)
        _, height, width, _ = pictures.shape
        for index in numba.prange(len(pictures)):
            result[index] = pictures[index]
            for row in range(height):
                top, bottom = max(row - radius, 0), min(row + radius, height - 1)
                for column in range(width):
                    if random.random() < rate:
                        left = max(column - radius, 0)
                        right = min(column + radius, width - 1)
                        other_row = random.randint(top, bottom)
                        other_column = random.randint(left, right)
                        swap(result[index], row, column, other_row, other_column)
        return result

    return given, drawn


def against(pictures: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Returns Numba's contestants, after their images have been compared with ours."""
    if not numba_loops(parallel=False):
        return {}
    batch, side = pictures.shape[:2]
    keys = jax.random.split(jax.random.key(0), batch)
    partners = np.asarray(draws(keys, side))
    degrade = functools.partial(pixel_shuffle.degrade, rate=RATE, radius=RADIUS)
    reference = jax.jit(jax.vmap(degrade))(keys, pictures)
    contestants = {}
    for threads in (1, len(harness.cores())) if batch > 1 else (1,):
        loops = numba_loops(parallel=threads > 1) or ()
        given, drawn = (functools.partial(loop, pictures) for loop in loops)
        name = f"Numba on {threads} core{'s' if threads > 1 else ''}"
        harness.agree({"raster": reference, name: given(partners)}, tolerance=0)
        contestants[name] = functools.partial(drawn, RATE, RADIUS)
        contestants[f"{name}, draws given"] = functools.partial(given, partners)
    return contestants


def glass_blurs(picture: np.ndarray) -> dict[str, Callable[..., np.ndarray]]:
    """Returns the swaps of the installed libraries' glass blurs, of one image each."""
    picture = np.round(255 * picture).astype(np.uint8)
    found = {}
    if corruptions := imagecorruptions():
        no_blur = lambda image, **_: image  # its swaps alone
        vars(corruptions)["gaussian"] = no_blur
        found["imagecorruptions"] = lambda x=picture: corruptions.glass_blur(x, 2)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    blurs = harness.peer("albumentations.augmentations.blur.functional")
    for mode in ("exact", "fast") if blurs else ():

        def swaps(x=picture, mode=mode):
            sites = (x.shape[0] - 2 * RADIUS) * (x.shape[1] - 2 * RADIUS)
            steps = np.random.default_rng(0).integers(-2, 2, (sites, 1, 2))
            return blurs.glass_blur(x, 1e-3, RADIUS, 1, steps, mode)

        found[f"albumentations, {mode}"] = swaps
    return found


def imagecorruptions() -> types.ModuleType | None:
    if harness.peer("pkg_resources"):
        return harness.peer("imagecorruptions.corruptions")
    # It imports this old part of setuptools, which only its frost needs.
    stand_in = types.ModuleType("pkg_resources")
    vars(stand_in)["resource_filename"] = None
    sys.modules["pkg_resources"] = stand_in
    try:
        return harness.peer("imagecorruptions.corruptions")
    finally:
        del sys.modules["pkg_resources"]


def kept(swaps, side: int) -> float:
    """Returns the share of an image's pixels that `swaps` does not overwrite."""
    site = np.arange(side * side).reshape(side, side)
    # Steps of 2, of which truncation to uint8 leaves as many values.
    digits = [2 * (site // 100**power % 100) for power in range(3)]
    result = swaps(np.stack(digits, -1).astype(np.uint8))
    return len(np.unique(np.round(result).reshape(-1, 3), axis=0)) / site.size


def rows(timings, batch: int, side: int) -> list[dict[str, Any]]:
    if not timings:
        return []
    size = 2 * 4 * 3 * batch * side**2  # each image is read and written once
    least = size / harness.bandwidth(size)
    raster = timings.get("raster")
    return [
        {"contestant": name, "batch": batch, "side": side, "floor_ms": 1e3 * least}
        | timing.record()
        | {"ms an image": 1e3 * timing.median / batch}
        | {"images a second": batch / timing.median}
        | {"times raster": timing.median / raster.median if raster else None}
        | {"times the floor": timing.median / least}
        for name, timing in timings.items()
    ]


def input_psnr(side: int) -> dict[str, float]:
    """Returns for each order the mean PSNR in dB of shuffled photographs."""
    pictures = jnp.asarray(photographs(16, side))
    keys = jax.random.split(jax.random.key(1), len(pictures))
    scores = {}
    for order in ("raster", "colour"):
        degrade = functools.partial(pixel_shuffle.degrade, rate=RATE, order=order)
        shuffled = jax.jit(jax.vmap(degrade))(keys, pictures)
        score = metrics.psnr(shuffled, pictures).mean()
        scores[f"input PSNR at {side} px, {order}, dB"] = float(score)
    return scores


def dependent_steps(side: int) -> dict[str, int]:
    """Returns how many exchanges follow one another, of the side ** 2 of a loop."""
    return {
        f"dependent steps at {side} px, raster": len(
            pixel_shuffle._wavefronts(side, side, RADIUS)
        ),
        f"dependent steps at {side} px, colour": (2 * RADIUS + 1) ** 2,
    }


if __name__ == "__main__":
    main()
