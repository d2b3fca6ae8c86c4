#!/usr/bin/env bash
# tensorboardX 2.6.5: importing it loads PyTorch wherever PyTorch is installed.
#
# Done: wrote one scalar with tensorboardX, in an environment where a package of the
# name torch can be found, and asked which module had imported it. The stand-in here is
# one file with a class `Tensor`, so that nothing large is downloaded.
#
# Seen: `import tensorboardX` imports torch at once, and no use of a tensor is needed
# for it. The scalar is written just the same where the import of torch fails.
#
# Why: the writer's module tries `import torch` when it is loaded, to have the class at
# hand for which values it accepts, and takes the failure for "not installed". It
# surprises because the package is chosen to log without PyTorch: with the real
# torch 2.11 in the environment the import costs seconds and hundreds of megabytes in
# every process that writes one number, for a JAX program that never makes a tensor.
#
# Instead: set sys.modules["torch"] = None while tensorboardX is imported and delete the
# entry after it, unless torch has been imported before.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "tensorboardX==2.6.5" "numpy==2.4.6" "protobuf==6.33.5" || exit 2
mkdir "$folder/path" "$folder/events"
printf 'class Tensor:\n    pass\n' >"$folder/path/torch.py"

cat >"$folder/log.py" <<'PYTHON'
import pathlib
import sys

if sys.argv[2] == "kept away":
    sys.modules["torch"] = None
import tensorboardX

loaded = sys.modules.get("torch") is not None
with tensorboardX.SummaryWriter(sys.argv[1]) as writer:
    writer.add_scalar("loss", 0.5, 1)
written = sum(path.stat().st_size for path in pathlib.Path(sys.argv[1]).iterdir())
print(f"{sys.argv[2]}: torch was loaded: {loaded}; event file of {written} bytes")
sys.exit(0 if loaded == (sys.argv[2] == "found") and written > 40 else 1)
PYTHON
status=0
for torch in "found" "kept away"; do
  PYTHONPATH="$folder/path" "$folder/venv/bin/python" "$folder/log.py" \
    "$folder/events/$torch" "$torch" || status=1
done
[ "$status" = 0 ] && echo "as described" || echo "no longer as described"
exit "$status"
