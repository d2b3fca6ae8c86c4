"""Makes ms_ssim.json: what pytorch-msssim and piq say about 200 pairs of images.

    pip install torch==2.13.0 pytorch-msssim piq
    python tests/golden/ms_ssim.py

`pair(index)` is the input of both: shades, bars and noise of another kind and strength
for each index, 176 px a side (the least multiple of 16 that has five scales).
"""

import json
from pathlib import Path

import numpy as np

COUNT, SIDE = 200, 176
FILE = Path(__file__).with_name("ms_ssim.json")


def pair(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two float32 [176, 176, 1] images: a target and a damaged copy."""
    generator = np.random.default_rng(index)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float64) / SIDE
    turns, phase, slope = generator.uniform([1, 0, -0.5], [30, 6, 0.5])
    waves = np.sin(turns * (rows + slope * columns) + phase)
    texture = generator.uniform(0, 0.4) * generator.random((SIDE, SIDE))
    target = np.clip(0.4 + 0.3 * waves * columns + texture, 0, 1)
    noise = generator.standard_normal((SIDE, SIDE))
    fade = generator.uniform(0.5, 1.1)
    damaged = fade * target + 10 ** generator.uniform(-3, -0.3) * noise
    return tuple(
        np.clip(image, 0, 1).astype(np.float32)[..., None]
        for image in (target, damaged)
    )


def main():
    """Writes the file."""
    import piq
    import pytorch_msssim
    import torch

    values = {"pytorch_msssim": [], "piq": []}
    for index in range(COUNT):
        target, damaged = (
            torch.from_numpy(image.astype(np.float64))[None, None, ..., 0]
            for image in pair(index)
        )
        for name, function in (
            ("pytorch_msssim", pytorch_msssim.ms_ssim),
            ("piq", piq.multi_scale_ssim),
        ):
            value = float(function(damaged, target, data_range=1.0))
            values[name].append(round(value, 9))
    versions = {
        "torch": torch.__version__,
        "pytorch_msssim": "1.0.0",
        "piq": piq.__version__,
    }
    FILE.write_text(json.dumps({"versions": versions, **values}) + "\n")


if __name__ == "__main__":
    main()
