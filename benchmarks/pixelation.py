"""What pixelated images score, and what smooth enlargements of their blocks score.

    python -m benchmarks.pixelation FOLDER [--crop 128] [--side 24,64] [--seed 1]

The images, crops, numbers of blocks and the protocol rgb8 are those of an evaluation of
`configs/pix2pix.py` with the same values, so that a run's `restored_psnr` compares. The
enlargements know how many blocks there are; the network does not. Nothing is timed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import protocols
from jaxrestore.data import sources
from jaxrestore.degradations import pixelate
from jaxrestore.evaluation import evaluate
from jaxrestore.ops import draws

METHODS = {
    "pixelated": lambda key, image, side: pixelate.degrade(key, image, side=side),
    "bilinear": lambda key, image, side: pixelate.interpolated(
        key, image, side=side, method="linear"
    ),
    "bicubic": lambda key, image, side: pixelate.interpolated(
        key, image, side=side, method="cubic"
    ),
}


def score(folder: Path, *, crop: int, side: draws.Number, seed: int):
    """Returns the PSNR of every image, in dB, for each method."""
    source = sources.Folder(folder)

    @jax.jit
    def scores(key, target):
        images = {name: make(key, target, side=side) for name, make in METHODS.items()}
        return {
            name: protocols.rgb8(image[None], target[None])["psnr"][0]
            for name, image in images.items()
        }

    found = {name: [] for name in METHODS}
    for index in range(len(source)):
        image = evaluate.centre_crop(source[index]["image"], crop)
        key = jax.random.fold_in(jax.random.key(seed), index)
        for name, psnr in scores(key, jnp.asarray(image, jnp.float32) / 255).items():
            found[name].append(float(psnr))
    return found


def main(argv: Sequence[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--side", default="24,64", help="blocks, or lowest,highest")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    sides = tuple(int(text) for text in options.side.split(","))
    side = sides[0] if len(sides) == 1 else sides
    found = score(options.folder, crop=options.crop, side=side, seed=options.seed)
    first = np.mean(found["pixelated"])
    for name, psnr in found.items():
        mean = np.mean(psnr)
        print(f"{name:10s} {mean:6.2f} dB  {mean - first:+.2f}  ({len(psnr)} images)")
    return found


if __name__ == "__main__":
    main()
