"""How far from a cut the networks that ship can tell that there is one.

    python -m benchmarks.tile_overlaps [--small]

The middle of four photographs of scikit-image, with the damage of each case of a
network's card, is restored as part of 320 x 320 px, and as part of a tile that ends
so many px beyond it on all four sides. What both differ by is in levels of 255: the
greatest, and the quantile of 0.999. A network's reach is its own, by its convolutions.
`inference.tiles` overlaps by the least that is below a quarter of a level. Nothing is
timed.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore.data import samples
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import restorer, shipped

COLUMNS = ["network", "reach", "overlap", "greatest", "quantile"]
SIDE, MIDDLE = 320, 64  # px
OVERLAPS = (16, 32, 48, 64, 80, 96)


def inputs(name: str, count: int) -> list[jnp.ndarray]:
    """Returns photographs [1, h, w, 3] with what a network's card asks of them."""
    source, found = samples.evaluation(), []
    for index in range(count):
        image = evaluate.centre_crop(source[index]["image"], SIDE)
        clean = jnp.asarray(image[None], jnp.float32) / 255
        keys = jax.random.split(jax.random.key(index), 1)
        for case in shipped.task(name).cases.values():
            if case.pictures == "photographs":
                degrade = functools.partial(batched.degrade, recipe=case.damage)
                found.append(jax.jit(degrade)(keys, clean))
    return found


def differences(
    network: restorer.Restorer, whole: np.ndarray, image: jnp.ndarray, overlap: int
) -> np.ndarray:
    """Returns what a tile's middle differs by from that of the whole, in levels."""
    first = (SIDE - MIDDLE) // 2
    cut = slice(first - overlap, first + MIDDLE + overlap)
    tile = np.asarray(network.apply(image[:, cut, cut]))
    kept, place = slice(overlap, -overlap), slice(first, first + MIDDLE)
    return 255 * np.abs(tile[:, kept, kept] - whole[:, place, place])


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    overlaps, names, count = OVERLAPS, shipped.names(), 4
    if options.small:
        overlaps, names, count = (16,), ["pixel_shuffle"], 1
    rows = []
    for name in names:
        network = shipped.load(name)
        if network.reach is None or network.scale > 1:
            continue
        asked = inputs(name, count)
        wholes = [np.asarray(network.apply(image)) for image in asked]
        for overlap in overlaps:
            found = [
                differences(network, whole, image, overlap)
                for whole, image in zip(wholes, asked, strict=True)
            ]
            cells = [np.max(found), np.quantile(found, 0.999)]
            rounded = (round(float(cell), 3) for cell in cells)
            words = [name, network.reach, overlap]
            rows.append(dict(zip(COLUMNS, [*words, *rounded], strict=True)))
    harness.finish(
        "tile_overlaps",
        options,
        rows,
        columns=COLUMNS,
        facts={"whole": SIDE, "middle": MIDDLE, "photographs": count},
        packages=["scikit-image"],
    )


if __name__ == "__main__":
    main()
