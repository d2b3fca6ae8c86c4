"""What can be seen of a filled hole's border, as the fill comes and after matching.

    python -m benchmarks.hole_borders [--small]

Boxes are cut out of four photographs of scikit-image and filled with the original
itself, which is all that a network could do, with the original under a cast of colour,
and with a blurred one, each as `inference.inpainting` fills holes: crops of 256 px with
a margin of 64 px. A step is the difference of neighbours across the border, mean and
worst in levels of 255, and stands beside that of the photograph, whose edges and
texture cross the border too; the error is the root mean square in the hole. Nothing is
timed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from benchmarks import harness
from jaxrestore import contracts
from jaxrestore.data import samples
from jaxrestore.evaluation import hole_borders
from jaxrestore.inference import crops, inpainting
from jaxrestore.ops import resize

COLUMNS = ["box", "filled with", "matched", "step", "worst", "of the photograph"]
COLUMNS += ["its worst", "error"]
SIDE, MARGIN = 256, 64
CAST = np.array([10, -6, 5], np.float32) / 255
FILLS = {
    "the original": lambda target: target,
    "a cast": lambda target: target + CAST,
    "a blur": lambda target: ndimage.gaussian_filter(target, (2, 2, 0)),
}


def filler(photograph: np.ndarray, hole: np.ndarray, change: Any) -> contracts.Fill:
    """Returns what fills crop after crop with a change of the photograph."""
    plan: Iterator[crops.Crop] = crops.plan(hole, side=SIDE, margin=MARGIN)

    def fill(colors, mask):
        crop = next(plan)
        target = photograph[crop.window].astype(np.float32) / 255
        if crop.shape != target.shape[:2]:
            small = resize.resize(jnp.asarray(target), *crop.shape, method="area")
            target = np.asarray(small)
        return np.where(mask > 0, change(target), colors)

    return fill


def step(image: np.ndarray, hole: np.ndarray) -> hole_borders.BorderStep:
    """Returns the step across the border of an image's hole."""
    damage = jnp.asarray(hole[None, ..., None], jnp.float32)
    return hole_borders.border_step(jnp.asarray(image[None]) / 255, damage)


def found(
    photograph: np.ndarray, share: float, change: Any, match: bool
) -> list[float]:
    """Returns the steps, filled and of the photograph, and the error in the hole."""
    height, width = photograph.shape[:2]
    hole = np.zeros((height, width), bool)
    rows, columns = round(share * height), round(share * width)
    top, left = (height - rows) // 2, (width - columns) // 3
    hole[top : top + rows, left : left + columns] = True
    fill = filler(photograph, hole, change)
    options = {"side": SIDE, "margin": MARGIN, "match": match}
    filled = inpainting.fill_holes(fill, photograph, hole, **options)
    difference = filled[hole].astype(np.float32) - photograph[hole]
    steps = [float(x[0]) for one in (filled, photograph) for x in step(one, hole)]
    return [*steps, float(np.sqrt(np.square(difference).mean()))]


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    source = samples.evaluation()
    pictures = [source[index]["image"] for index in range(len(source))]
    if options.small:
        pictures = [picture[:160, :200] for picture in pictures[:1]]
    rows = []
    for share, box in ((0.2, "a fifth of each side"), (0.6, "three fifths")):
        for name, change in FILLS.items():
            for match in (False, True):
                numbers = np.array([found(p, share, change, match) for p in pictures])
                means, worst = numbers.mean(0), numbers.max(0)
                cells = [means[0], worst[1], means[2], worst[3], means[4]]
                rounded = (round(float(cell), 1) for cell in cells)
                words = [box, name, "yes" if match else "no"]
                rows.append(dict(zip(COLUMNS, [*words, *rounded], strict=True)))
    harness.finish(
        "hole_borders",
        options,
        rows,
        columns=COLUMNS,
        facts={"pictures": f"{len(pictures)}"},
        packages=["scikit-image", "scipy"],
    )


if __name__ == "__main__":
    main()
