"""Makes shipped.json: what each shipped network makes of one painted picture.

    PYTHONPATH=. python tests/golden/shipped.py

The scores on the cards are means of four photographs, and nobody would see there that
an activation or a padding was swapped for a similar one; here every number counts. To
be made anew when a network is trained anew, and for no other reason.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

FILE = Path(__file__).with_name("shipped.json")
SIDE = 64
HOLE = slice(20, 48), slice(24, 50)  # rows and columns
KEPT = 52  # every 52nd number of an output: 237, of all rows, columns and colours


def picture() -> np.ndarray:
    """Returns an image [1, 64, 64, 3]: shades, edges, fine stripes, and noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    painted = np.stack([rows, columns, 1 - (rows + columns) / 2], -1)
    painted[8:28, 10:40] = (0.9, 0.2, 0.1)
    painted[(rows - 0.65) ** 2 + (columns - 0.3) ** 2 < 0.04] = (0.1, 0.3, 0.8)
    painted[36:60:2, 44:62] = 0.05
    painted[36:60, 44:62:4] = 0.95
    noise = np.random.default_rng(0).standard_normal(painted.shape)
    return np.clip(painted + 0.06 * noise, 0, 1).astype(np.float32)[None]


def question(takes: Sequence[str]) -> np.ndarray:
    """Returns the picture, and for a network that takes a mask a hole in it."""
    if "mask" not in takes:
        return picture()
    asked = np.concatenate([picture(), np.zeros((1, SIDE, SIDE, 1), np.float32)], -1)
    asked[:, *HOLE] = (0.5, 0.5, 0.5, 1)
    return asked


def numbers(output: ArrayLike) -> np.ndarray:
    """Returns the numbers of an output that are kept."""
    return np.ravel(output)[::KEPT]


def main():
    """Writes the file."""
    import jax.numpy as jnp

    from jaxrestore.inference import shipped

    document = {}
    for name in shipped.names():
        network = shipped.load(name)
        restored = network.apply(jnp.asarray(question(network.takes)))
        document[name] = [round(float(number), 6) for number in numbers(restored)]
    FILE.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
