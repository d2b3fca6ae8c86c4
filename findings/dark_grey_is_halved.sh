#!/usr/bin/env bash
# Pillow 13.0.0 with its Little CMS 2.19: a grey picture whose profile says that its
# values are light itself comes out half as light in sRGB where it is darkest.
#
# Done: made two profiles of the same linear curve, one of grey, one of RGB with sRGB's
# colours; brought the 256 values to sRGB by each with ImageCms.buildTransform and
# applyTransform, and once more by the one of grey with Flags.NOOPTIMIZE.
#
# Seen: of the values 1, 2 and 3 the formula of sRGB makes 12.7, 21.7 and 28.2. By the
# profile of RGB they become 13, 22 and 28, by the one of grey 6, 12 and 19: up to 9.7
# levels off. Unoptimised the one of grey is within 0.6 of the formula too.
#
# Why that surprises: one curve is the easier of the two, and one look at 256 values
# would do. Scanners and astronomers write linear grey; its shadows lose their light,
# while the same picture stored as three equal channels keeps it.
#
# Instead: flags=ImageCms.Flags.NOOPTIMIZE for grey.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "pillow==13.0.0" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys

import numpy as np
from PIL import Image, ImageCms

CURVE = struct.pack(">4s2I", b"curv", 0, 0)  # no entries: light itself
COLUMNS = {"r": (28578, 14581, 912), "g": (25241, 46981, 6362), "b": (9376, 3972, 46799)}


def profile(model):
    named = b"mluc" + struct.pack(">5I", 0, 1, 12, 0x656E5553, 2) + struct.pack(">I", 28)
    tags = {
        b"desc": named + b"\0x",
        b"cprt": named + b"\0x",
        b"wtpt": struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061),
    }
    if model == b"GRAY":
        tags[b"kTRC"] = CURVE
    else:
        for letter, column in COLUMNS.items():
            tags[f"{letter}TRC".encode()] = CURVE
            tags[f"{letter}XYZ".encode()] = struct.pack(">4s4x3i", b"XYZ ", *column)
    start = 132 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4s2I", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">2I", start + len(data), 0) + bytes([2, 64, 0, 0])
    head += b"mntr" + model + b"XYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head += bytes(28) + struct.pack(">3I", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + data


def in_srgb(model, mode, flags):
    values = np.arange(256, dtype=np.uint8)[None]
    picture = Image.fromarray(values).convert(mode)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile(model)))
    target = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, target, mode, "RGB", flags=flags)
    return np.asarray(ImageCms.applyTransform(picture, transform))[0, :, 1].astype(float)


light = np.arange(256) / 255
exact = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
plain, unoptimised = ImageCms.Flags.NONE, ImageCms.Flags.NOOPTIMIZE
found = {
    "by the profile of RGB": in_srgb(b"RGB ", "RGB", plain),
    "by the one of grey": in_srgb(b"GRAY", "L", plain),
    "the same, unoptimised": in_srgb(b"GRAY", "L", unoptimised),
}
print("by the formula:", np.round(exact[1:4], 1))
off = {}
for name, values in found.items():
    off[name] = np.abs(values - exact).max()
    print(f"{name}: {values[1:4]}, at most {off[name]:.2f} of 255 off")
as_seen = (
    off["by the profile of RGB"] < 0.6
    and off["by the one of grey"] > 9
    and off["the same, unoptimised"] < 0.6
)
sys.exit(0 if as_seen else 1)
PYTHON
