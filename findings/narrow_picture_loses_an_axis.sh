#!/usr/bin/env bash
# scikit-image 0.26.0: two denoisers return other axes than they are given.
#
# Done: denoised pictures of 40 x 40 pixels in colour, of 40 x 40 in one channel, and
# strips of 1 x 40 and 40 x 1 pixels in colour, channels last and channel_axis=-1,
# with fast_mode and without.
#
# Seen: the first comes back as it went in. Of the others every axis of one is gone: the
# strips come back as (40, 3), which is what a grey picture of 40 x 3 looks like, and
# the one channel as (40, 40). denoise_bilateral does the same, denoise_tv_chambolle not.
#
# Why it surprises: channel_axis says which axis holds channels, and what it does with
# an axis of one differs within one module, of which nothing is said. What comes after,
# `image - denoised` above all, broadcasts without a complaint: (40, 1, 3) minus (40, 3)
# is (40, 40, 3). A loop over tiles or crops meets it at the last, narrow one.
#
# Instead: reshape the result to the shape of the input.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "scikit-image==0.26.0" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from skimage import restoration

shapes = [(40, 40, 3), (40, 40, 1), (1, 40, 3), (40, 1, 3)]
ways = {
    "non-local means": lambda x: restoration.denoise_nl_means(x, channel_axis=-1),
    "slow ones": lambda x: restoration.denoise_nl_means(
        x, fast_mode=False, channel_axis=-1
    ),
    "bilateral": lambda x: restoration.denoise_bilateral(x, channel_axis=-1),
    "total variation": lambda x: restoration.denoise_tv_chambolle(x, channel_axis=-1),
}
became = {}
for name, way in ways.items():
    became[name] = [way(np.random.default_rng(0).random(shape)).shape for shape in shapes]
    print(f"{name}: {became[name]} of {shapes}")

strip = np.zeros((40, 1, 3))
made = restoration.denoise_nl_means(strip, channel_axis=-1)
print(f"a strip of 40 x 1 pixels minus what it becomes: {(strip - made).shape}")

squeezed = [(40, 40, 3), (40, 40), (40, 3), (40, 3)]
as_described = (
    became["non-local means"] == became["slow ones"] == squeezed
    and became["bilateral"] == squeezed
    and became["total variation"] == shapes
    and (strip - made).shape == (40, 40, 3)
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
