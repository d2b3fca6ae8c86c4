#!/usr/bin/env bash
# sewar 0.4.10: the same noisy picture scores 0.30 in bytes and 0.99 in [0, 1].
#
# Done: scored one pair (a texture, and the texture with noise of 20 gray levels) with
# vifp, psnr, ssim and uqi, first in [0, 255], then with both pictures divided by 255.
#
# Seen: PSNR, SSIM and UQI stay what they were to many digits, as they should. VIF
# rises from 0.30 to 0.99, next to the 1 of an untouched picture, and no warning is
# given.
#
# Why: VIF models the eye's own noise with the variance 2, in squared gray levels of
# the [0, 255] scale. sewar has that 2 as a default, has no parameter for the range of
# the data, and does not look at it. On the scale [0, 1] this noise drowns picture and
# damage alike. It surprises because the other functions of the same package take the
# range as MAX or need none, so that a table of scores made from floats looks sound.
#
# Instead: give vifp pictures in [0, 255], or sigma_nsq=2 / 255**2 for [0, 1].
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "sewar==0.4.10" "numpy==2.4.6" "scipy==1.17.1" "pillow==13.0.0" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import numpy as np
from sewar.full_ref import psnr, ssim, uqi, vifp

warnings.simplefilter("error")

random = np.random.default_rng(0)
row, column = np.mgrid[:128, :128]
texture = 127 + 50 * np.sin(column / 5) + 50 * np.sin(row / 9 + column / 17)
texture = np.clip(np.round(texture + random.normal(0, 10, texture.shape)), 0, 255)
noisy = np.clip(np.round(texture + random.normal(0, 20, texture.shape)), 0, 255)


def scores(divisor):
    target, restored = texture / divisor, noisy / divisor
    return {
        "psnr": psnr(target, restored, MAX=255 / divisor),
        "ssim": ssim(target, restored, MAX=255 / divisor)[0],
        "uqi": uqi(target, restored),
        "vifp": vifp(target, restored),
        "vifp, sigma_nsq set": vifp(target, restored, sigma_nsq=2 / divisor**2),
    }


levels, units = scores(1.0), scores(255.0)
print(f"{'':20} {'[0, 255]':>9} {'[0, 1]':>9}")
for name in levels:
    print(f"{name:20} {levels[name]:9.4f} {units[name]:9.4f}")

as_described = (
    all(np.isclose(levels[name], units[name], rtol=1e-4) for name in levels if name != "vifp")
    and levels["vifp"] < 0.4
    and units["vifp"] > 0.95
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
