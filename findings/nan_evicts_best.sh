#!/usr/bin/env bash
# orbax-checkpoint 0.12.8: one NaN among the metrics deletes the best checkpoint.
#
# Done: saved four steps with CheckpointManagerOptions(max_to_keep=2, best_fn=the loss,
# best_mode="min"): once with the losses 1, 6, 4, 5, once with NaN in the place of 6,
# as a diverged evaluation would leave it.
#
# Seen: without NaN steps 1 and 3 stay, the two best. With NaN step 1, whose loss of 1
# nothing ever came near, is deleted at the third save, steps 3 and 4 stay, and
# best_step() names 3. Every save returned True, and no warning tells of it.
#
# Why: checkpoints are ranked by Python's sorted() on the metric. NaN is neither above
# nor below anything, so the order to its sides is left as it was, and the best stands
# at the end that is cut off. One expects NaN to lose, or an error; that a bad step
# takes a good one with it, while it is the good one that the option is there to keep,
# is found when it is gone.
#
# Instead: let best_fn return a finite, bad number for a metric that is not finite.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "orbax-checkpoint==0.12.8" "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import logging
import math
import sys
import tempfile

import numpy as np
import orbax.checkpoint as ocp

logging.disable(logging.WARNING)


def finite(metrics):
    return metrics["loss"] if math.isfinite(metrics["loss"]) else 1e30


def kept(losses, best_fn):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=best_fn, best_mode="min")
    with (
        tempfile.TemporaryDirectory() as folder,
        ocp.CheckpointManager(folder, options=options) as manager,
    ):
        for step, loss in enumerate(losses, start=1):
            state = ocp.args.StandardSave({"weights": np.full(3, float(step))})
            assert manager.save(step, args=state, metrics={"loss": loss})
            manager.wait_until_finished()
        return sorted(manager.all_steps()), manager.best_step()


def loss(metrics):
    return metrics["loss"]


found = {
    "losses 1, 6, 4, 5": kept([1.0, 6.0, 4.0, 5.0], loss),
    "losses 1, nan, 4, 5": kept([1.0, math.nan, 4.0, 5.0], loss),
    "the same, best_fn finite": kept([1.0, math.nan, 4.0, 5.0], finite),
}
for name, (steps, best) in found.items():
    print(f"{name:26} steps kept {steps}, best_step() {best}")

as_described = (
    found["losses 1, 6, 4, 5"] == ([1, 3], 1)
    and found["losses 1, nan, 4, 5"] == ([3, 4], 3)
    and found["the same, best_fn finite"] == ([1, 3], 1)
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
