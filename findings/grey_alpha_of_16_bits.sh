#!/usr/bin/env bash
# Pillow 13.0.0: no TIFF file of grey and alpha with 16 bits each is opened.
#
# Done: wrote one picture of 5 x 7 px with tifffile 2026.3.3, uncompressed, in 8 bits and
# in 16: grey, grey and alpha, RGB, RGB and alpha; opened each with Pillow.
#
# Seen: seven of the eight are opened. Of grey and alpha with 16 bits Pillow says that it
# cannot identify the image file, as of a file that is no image.
#
# Why that surprises: 8 bits of it are opened, and so are 16 bits of everything else, of
# RGB and alpha too; scanners and compositing programs write such masks and layers. Who
# takes the error at its word looks for damage, and finds none.
#
# Instead: read it with tifffile.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "pillow==13.0.0" "tifffile==2026.3.3" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

KINDS = {
    "grey": (1, "minisblack", ()),
    "grey and alpha": (2, "minisblack", ("unassalpha",)),
    "RGB": (3, "rgb", ()),
    "RGB and alpha": (4, "rgb", ("unassalpha",)),
}
refused = []
for dtype in (np.uint8, np.uint16):
    for name, (channels, photometric, extra) in KINDS.items():
        image = np.arange(5 * 7 * channels, dtype=dtype).reshape(5, 7, channels)
        path = f"{sys.argv[1]}/picture.tif"
        tifffile.imwrite(
            path,
            image[..., 0] if channels == 1 else image,
            photometric=photometric,
            planarconfig="contig" if channels > 1 else None,
            extrasamples=extra or None,
        )
        assert (tifffile.imread(path).reshape(image.shape) == image).all()
        try:
            with Image.open(path) as opened:
                opened.load()
                said = opened.mode
        except UnidentifiedImageError:
            said = "cannot be identified"
            refused.append((name, np.dtype(dtype).itemsize * 8))
        print(f"{name}, {np.dtype(dtype).itemsize * 8} bits: {said}")
sys.exit(0 if refused == [("grey and alpha", 16)] else 1)
PYTHON
