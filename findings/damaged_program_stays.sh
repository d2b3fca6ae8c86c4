#!/usr/bin/env bash
# jax 0.10.2: a damaged entry of the persistent compilation cache is never replaced.
#
# Done: compiled one small function with JAX_COMPILATION_CACHE_DIR set, in a process of
# its own; cut the file that it left to its first nine bytes, as a process killed while
# writing or a full disk leaves one; then started the same program twice more.
#
# Seen: both starts warn that the entry cannot be read, compile the function again, and
# write nothing: the file still has nine bytes after each. Whoever has one such file
# pays the compilation, and sees the warning, at every start from then on.
#
# Why that surprises: an entry that is missing is written after the compilation, and one
# that cannot be read is as good as missing. But writing looks for the file's name alone,
# finds it, and leaves it.
#
# Instead: delete the entry that the warning names, or the folder.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$folder/cache"
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

start() {
  "$folder/venv/bin/python" - 2>&1 <<'PYTHON'
import jax
import numpy as np


def halved(x):
    return x / 2 + 1


jax.jit(halved)(np.ones(5, np.float32)).block_until_ready()
PYTHON
}

size() { stat --format %s "$folder"/cache/jit_halved-*-cache; }

start
whole="$(size)"
for entry in "$folder"/cache/jit_halved-*-cache; do
  head -c 9 "$entry" > "$folder/cut" && cp "$folder/cut" "$entry"
done
for attempt in 1 2; do
  said="$(start)"
  warned="$(grep -c "Error reading persistent compilation cache" <<< "$said" || true)"
  echo "start $attempt: warnings $warned, bytes $(size) of $whole"
  [ "$warned" -ge 1 ] && [ "$(size)" -eq 9 ] || exit 1
done
