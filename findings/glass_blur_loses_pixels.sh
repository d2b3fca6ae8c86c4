#!/usr/bin/env bash
# albumentations 2.0.8: GlassBlur swaps gray pixels, and overwrites colored ones.
#
# Done: made pictures in which every pixel is different, one gray and one of three
# channels, and put both through GlassBlur with one iteration and a sigma so small
# that only its shuffle of neighbors is left. Counted the different pixels that came
# out.
#
# Seen: mode "exact" keeps all 256 of the gray picture, and somewhat over half of the
# colored picture's 4096: the others are gone, and their neighbors appear twice or
# more. Mode "fast" loses over a fifth of them, too.
#
# Why: the swap is written a, b = b, a on x[row, column]. In a gray array these are
# numbers, and the swap is one. With channels they are views of the array: the first
# assignment changes what the second reads, and one pixel overwrites the other. In mode
# "fast" all swaps of an iteration happen at once, and targets collide. Glass only
# moves light, so one takes the effect for a permutation, as it is for gray; a network
# trained to undo it is asked for pixels that are nowhere in its input.
#
# Instead: shuffle places rather than pixels: permute an array of indices, which is
# two-dimensional, and gather once.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "albumentations==2.0.8" "opencv-python-headless==4.13.0.92" "numpy==2.4.6" || exit 2

NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import albumentations
import numpy as np

index = np.arange(64 * 64).reshape(64, 64)
colored = np.dstack([index % 256, index // 256, 0 * index]).astype(np.uint8)
gray = np.random.default_rng(0).permutation(256).reshape(16, 16).astype(np.uint8)


def different(picture):
    pixels = picture.reshape(-1, 3) if picture.ndim == 3 else picture.reshape(-1, 1)
    return len(np.unique(pixels, axis=0))


def shuffled(picture, mode):
    glass = albumentations.GlassBlur(sigma=0.1, max_delta=2, iterations=1, mode=mode, p=1)
    return albumentations.Compose([glass], seed=0)(image=picture)["image"]


kept = {}
for name, picture, mode in (
    ("gray, exact", gray, "exact"),
    ("colored, exact", colored, "exact"),
    ("colored, fast", colored, "fast"),
):
    result = shuffled(picture, mode)
    kept[name] = different(result) / different(picture)
    print(f"{name:15} {different(picture)} different pixels before, {different(result)} after")
    assert (result != picture).any()

as_described = (
    kept["gray, exact"] == 1.0
    and kept["colored, exact"] < 0.7
    and kept["colored, fast"] < 0.9
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
