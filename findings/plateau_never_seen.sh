#!/usr/bin/env bash
# optax 0.2.8: reduce_on_plateau never fires where the loss is negative.
#
# Done: fed contrib.reduce_on_plateau(factor=0.5, patience=2) a loss that stands
# still, once at +25, once at -25 (as a negated PSNR does), and last one that gets worse
# at every step, from -25 upward by 0.001.
#
# Seen: at +25 the scale is halved every two steps. At -25 it stays 1 for good, and so
# it does for the loss that gets worse.
#
# Why: a value counts as better when it is below (1 - rtol) * best. With a negative
# best, that bound lies above the best, so standing still, or losing up to 0.01 % a
# step, is an improvement, and the best is moved along. It surprises because minimizing
# -PSNR or -SSIM is what one does with a scheduler that knows no mode "max", rtol has
# a default that nobody sets, and a rate that is never reduced raises no question.
#
# Instead: rtol=0.0 with a positive atol, which is safe for both signs (shown below),
# or a loss that cannot be negative, such as 1 - SSIM or the squared error.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "optax==0.2.8" "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax.numpy as jnp
import optax


def scale_after(losses, **tolerance):
    rule = optax.contrib.reduce_on_plateau(factor=0.5, patience=2, **tolerance)
    state = rule.init(jnp.zeros(()))
    for loss in losses:
        _, state = rule.update(jnp.ones(()), state, value=jnp.asarray(loss))
    return float(state.scale)


worse = [-25.0 + 0.001 * step for step in range(40)]
scale = {
    "standing at +25": scale_after([25.0] * 40),
    "standing at -25": scale_after([-25.0] * 40),
    "worse at every step": scale_after(worse),
    "standing at -25, rtol=0, atol=0.01": scale_after([-25.0] * 40, rtol=0.0, atol=0.01),
    "worse at every step, rtol=0, atol=0.01": scale_after(worse, rtol=0.0, atol=0.01),
}
for name, value in scale.items():
    print(f"{name:40} scale after 40 steps {value:g}")

as_described = (
    scale["standing at +25"] < 1e-4
    and scale["standing at -25"] == 1.0
    and scale["worse at every step"] == 1.0
    and scale["standing at -25, rtol=0, atol=0.01"] < 1e-4
    and scale["worse at every step, rtol=0, atol=0.01"] < 1e-4
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
