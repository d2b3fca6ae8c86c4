#!/usr/bin/env bash
# dm-pix 0.4.5: the lightness of a gray pixel has no gradient, its value has.
#
# Done: took gray and colored pixels through rgb_to_hsl and through rgb_to_hsv, and
# differentiated the sum of the third channel, lightness there, value here, with
# respect to the pixels.
#
# Seen: both conversions are right and finite. The gradient of lightness is NaN at each
# gray pixel, that of value is finite at all. A loss on a picture with a single gray
# pixel thus gives a network NaN for every weight.
#
# Why: hue and saturation are 0 / 0 at gray and are replaced by jnp.where, which
# hides the NaN going forward and not going back (0 times NaN). rgb_to_hsv divides in a
# manner that stays finite. What one would not guess is that lightness suffers: it is
# (largest + smallest) / 2, neither hue nor saturation has any part in the loss, and
# the sister function does well. Gray pixels, black and white among them, are in most
# pictures; random ones in a test have none.
#
# Instead: write the lightness out, (largest + smallest) / 2, or use rgb_to_hsv.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "dm-pix==0.4.5" "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import dm_pix
import jax
import jax.numpy as jnp

gray = jnp.linspace(0.0, 1.0, 11)[:, None, None] * jnp.ones((11, 1, 3))
colored = jax.random.uniform(jax.random.key(0), (16, 1, 3))
pixels = jnp.concatenate([gray, colored])


def written_out(pixels):
    lightness = (pixels.max(-1) + pixels.min(-1)) / 2
    return jnp.stack([lightness, lightness, lightness], -1)


broken = {}
for name, convert in (
    ("rgb_to_hsl", dm_pix.rgb_to_hsl),
    ("rgb_to_hsv", dm_pix.rgb_to_hsv),
    ("written out", written_out),
):
    gradient = jax.grad(lambda pixels, f=convert: f(pixels)[..., 2].sum())(pixels)
    finite = bool(jnp.isfinite(convert(pixels)).all())
    nan = jnp.isnan(gradient).any((1, 2))
    broken[name] = (finite, int(nan[:11].sum()), int(nan[11:].sum()))
    print(
        f"{name:12} output finite {finite}, gradient NaN at {broken[name][1]} of 11 gray "
        f"and {broken[name][2]} of 16 colored pixels"
    )

as_described = (
    broken["rgb_to_hsl"] == (True, 11, 0)
    and broken["rgb_to_hsv"] == (True, 0, 0)
    and broken["written out"] == (True, 0, 0)
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
