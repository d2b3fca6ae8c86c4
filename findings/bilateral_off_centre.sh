#!/usr/bin/env bash
# scikit-image 0.26.0: denoise_bilateral weighs the wrong neighbors.
#
# Done: filtered one bright pixel on black with restoration.denoise_bilateral and a
# color sigma so wide that colors play no part. A bilateral filter is then a plain
# Gaussian, and the result must be that bell around the pixel. Then filtered a
# picture of noise, and the same picture mirrored.
#
# Seen: no bell. The largest weight goes to a pixel two rows above and one column to
# the right; the pixel itself keeps less than a third of that. The response is not
# symmetric, its center of mass lies half a pixel too high, and a mirrored picture does
# not give the mirrored result, by far.
#
# Why: the table of spatial weights is made for offsets from -win_size // 2, which
# Python rounds down to -3 for a window of 5, to 2. That makes 6 x 6 weights, and they
# are read in rows of 5. The script rebuilds the response from that explanation. It
# surprises in a function that has been there for years: pictures still look
# smoothed, so nobody sees it by eye.
#
# Instead: use another implementation (OpenCV has one), and test any bilateral filter
# as is done here.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "scikit-image==0.26.0" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from skimage.restoration import denoise_bilateral

sigma, window = 2.0, 5


def smoothed(picture):
    return denoise_bilateral(
        picture, win_size=window, sigma_color=1e3, sigma_spatial=sigma, mode="edge"
    )


def gaussian_table(offsets):
    row, column = np.meshgrid(offsets, offsets, indexing="ij")
    return np.exp(-(row**2 + column**2) / (2 * sigma**2))


pixel = np.zeros((15, 15))
pixel[7, 7] = 1.0
response = smoothed(pixel)[5:10, 5:10]
expected = gaussian_table(np.arange(-2, 3))
expected /= expected.sum()
misread = gaussian_table(np.arange(-3, 3)).ravel()[:25].reshape(5, 5)[::-1, ::-1]
misread /= misread.sum()
offsets = np.arange(-2, 3)
down = float((response.sum(1) * offsets).sum() / response.sum())
right = float((response.sum(0) * offsets).sum() / response.sum())

noise = np.random.default_rng(0).random((48, 64))
mirrored = smoothed(np.ascontiguousarray(noise[::-1]))[::-1]
difference = float(np.abs(mirrored - smoothed(noise)).max())

print("a Gaussian, in thousandths:", *np.round(1e3 * expected), sep="\n")
print("what one bright pixel becomes:", *np.round(1e3 * response), sep="\n")
print(f"center of mass: {down:+.2f} rows down, {right:+.2f} columns to the right")
print(f"equal to the table read in wrong rows: {np.allclose(response, misread, 1e-3)}")
print(f"mirrored result against result of the mirrored: {difference:.3f}")

as_described = (
    np.allclose(response, misread, 1e-3)
    and response[2, 2] < response.max() / 2
    and difference > 0.03
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
