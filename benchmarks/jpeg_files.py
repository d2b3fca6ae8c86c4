"""What a JPEG file gains by being restored, freely and within what it says for certain.

    python -m benchmarks.jpeg_files [--small]

Four photographs of scikit-image, the central 256 px, saved by Pillow and restored from
their files by the network that ships for `jpeg`: PSNR of the file, and what the result
has more: all of the network's change, and what `--task jpeg` makes of it, with caution
and within the cells of the file. Nothing is timed.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmarks import harness
from jaxrestore import images
from jaxrestore.data import samples
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import folders, restorer, shipped

COLUMNS = ["chroma", "quality", "file, dB", "free", "worst", "confined", "its worst"]
QUALITIES = (10, 20, 40, 75, 85, 95, 98, 100)


def gains(
    network: restorer.Restorer, target: np.ndarray, quality: int, subsampling: int
) -> tuple[float, float, float]:
    """Returns the PSNR of a file, and the gains of both ways to restore it."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "file.jpg"), Path(folder, "restored.png")
        Image.fromarray(target).save(source, quality=quality, subsampling=subsampling)
        before = peak_signal_noise_ratio(target, images.decode(source))
        after = []
        for strength, confine in ((1.0, False), (None, True)):
            folders.restore_file(
                network, source, output, strength=strength, confine=confine
            )
            after.append(peak_signal_noise_ratio(target, images.decode(output)))
    return before, after[0] - before, after[1] - before


def record(
    network: restorer.Restorer, targets: list[Any], quality: int, subsampling: int
) -> dict[str, Any]:
    """Returns a row: means over the pictures, and the worst of each way."""
    found = [gains(network, target, quality, subsampling) for target in targets]
    before, free, confined = zip(*found, strict=True)
    numbers = (np.mean(before), np.mean(free), min(free))
    numbers += (np.mean(confined), min(confined))
    names = ("4:4:4", "4:2:2", "4:2:0")
    cells = [names[subsampling], quality, *(round(float(x), 2) for x in numbers)]
    return dict(zip(COLUMNS, cells, strict=True))


def main(argv: Sequence[str] | None = None):
    options = harness.parse(harness.parser(__doc__), argv)
    side = 64 if options.small else 256
    source = samples.evaluation()
    pictures = [source[index]["image"] for index in range(len(source))]
    targets = [evaluate.centre_crop(picture, side) for picture in pictures]
    network = shipped.load("jpeg")
    harness.finish(
        "jpeg_files",
        options,
        [
            record(network, targets, quality, subsampling)
            for subsampling in (0, 2)
            for quality in QUALITIES
        ],
        columns=COLUMNS,
        facts={"pictures": f"{len(targets)} of {side} px"},
        packages=["scikit-image", "pillow"],
    )


if __name__ == "__main__":
    main()
