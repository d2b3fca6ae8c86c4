#!/usr/bin/env bash
# blazediff-ssim 6.1.1: a picture and its negative are a perfect match.
#
# Done: scored a gray texture of 256 x 256 against its negative and against itself
# with a little noise, with metric="hitchhikers-ssim" and no other option; then two
# flat pictures, one light, one black.
#
# Seen: the negative scores exactly 1.0 and match_result is True, although the mean of
# the library's own map of local scores is far below zero. The light and the black
# picture score 1.0 as well. The texture with noise, which the eye hardly tells from
# the original, scores lower than its negative does.
#
# Why: by default local scores are pooled by their coefficient of variation,
# 1 - deviation / mean, cut off at 1. Where the mean is negative the quotient changes
# its sign and the result exceeds 1; where damage is the same everywhere there is no
# deviation. So it measures how evenly a picture is damaged, not how much. One expects
# of any pooling of SSIM that worse local scores give a worse total.
#
# Instead: pass cov_pooling=False, which takes the plain mean of the same map, or use
# metric="ssim".
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "blazediff-ssim==6.1.1" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import blazediff_ssim
import numpy as np


def rgba(gray):
    gray = np.clip(np.round(gray), 0, 255).astype(np.uint8)
    return np.dstack([gray, gray, gray, np.full_like(gray, 255)]).tobytes()


def compared(first, second, **options):
    height, width = first.shape
    return blazediff_ssim.compare_rgba(
        rgba(first), rgba(second), width, height, metric="hitchhikers-ssim", **options
    )


random = np.random.default_rng(0)
row, column = np.mgrid[:256, :256]
texture = 128 + 45 * np.sin(column / 3) * np.sin(row / 5)
texture = np.round(texture + random.normal(0, 12, texture.shape))
negative = 255 - texture
noisy = texture + random.normal(0, 4, texture.shape)
light, black = np.full((256, 256), 200.0), np.zeros((256, 256))

found = {
    "its negative": compared(texture, negative, return_map=True),
    "its negative, cov_pooling=False": compared(texture, negative, cov_pooling=False),
    "itself with a little noise": compared(texture, noisy),
    "flat light against black": compared(light, black),
}
for name, result in found.items():
    print(f"{name:32} {result.score:8.4f}  match {result.match_result}")
local = np.frombuffer(found["its negative"].map, "<f4")
print(f"mean of the negative's local scores: {local.mean():.4f}")

as_described = (
    found["its negative"].score == 1.0
    and found["its negative"].match_result
    and local.mean() < -0.5
    and found["its negative, cov_pooling=False"].score < -0.5
    and found["itself with a little noise"].score < 1.0
    and found["flat light against black"].score == 1.0
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
