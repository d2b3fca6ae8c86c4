#!/usr/bin/env bash
# grain 0.2.18: a shuffle in windows drops samples and shows others twice.
#
# Done: shuffled ten samples with grain.experimental.WindowShuffleMapDataset, in
# windows of 4 and of 5, and read one epoch, all ten indices; the same with twelve
# samples and a window of 100, larger than the set.
#
# Seen: with windows of 5 each sample comes once. With windows of 4 samples 8 and 9
# never come, and 0 and 1 come twice. With the window of 100 five of twelve samples are
# missing. There is no warning, and the length is right.
#
# Why: the last window is shuffled as if it were full. Places beyond the end are drawn
# too, and a MapDataset answers an index beyond its end with the index modulo its
# length, so a sample from the start stands where a late one should. It surprises
# because the documentation promises a one-to-one mapping of indices, and because
# "window at least as large as the set" reads like a full shuffle. An evaluation over
# such an epoch averages over the wrong set; training never sees some pictures.
#
# Instead: choose a window that divides the length, or MapDataset.shuffle(), which
# is a permutation of every epoch.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "grain==0.2.18" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import grain

shuffled = grain.experimental.WindowShuffleMapDataset


def epoch(samples, window):
    source = grain.MapDataset.source(list(range(samples)))
    dataset = shuffled(source, window_size=window, seed=1)
    assert len(dataset) == samples
    return [int(dataset[index]) for index in range(samples)]


missing = {}
for samples, window in ((10, 5), (10, 4), (12, 100)):
    seen = epoch(samples, window)
    missing[samples, window] = sorted(set(range(samples)) - set(seen))
    print(f"{samples} samples, windows of {window}: {seen}, missing {missing[samples, window]}")
full = grain.MapDataset.source(list(range(12))).shuffle(seed=1)
print("MapDataset.shuffle:", sorted(int(full[index]) for index in range(12)))

as_described = (
    not missing[10, 5]
    and len(missing[10, 4]) > 0
    and len(missing[12, 100]) > 1
    and sorted(int(full[index]) for index in range(12)) == list(range(12))
)
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
