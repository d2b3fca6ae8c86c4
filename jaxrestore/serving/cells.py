"""What the JPEG file of an upload says of its original, kept in the spool.

The engine never sees the file itself: whoever decodes it writes this down.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from jaxrestore import files, images
from jaxrestore.image_files import srgb
from jaxrestore.inference import jpeg_cells


def write(file: Path, picture: Shaped[np.ndarray, "h w c"], place: Path) -> bool:
    """Writes what the `picture`'s file says as a .npz file, and returns whether it did.

    A file of another kind says nothing, nor does a JPEG file whose planes are not those
    of the picture: see `images.jpeg_planes`. Raises `DiskError`.
    """
    planes = images.jpeg_planes(file, srgb.eight_bit(picture))
    if not planes:
        return False
    steps, *shared = zip(*planes, strict=True)
    content = io.BytesIO()
    np.savez(content, steps=np.stack(steps), shared=np.transpose(shared))
    files.write_bytes(place, content.getvalue())
    return True


def read(place: Path | None) -> list[jpeg_cells.Component]:
    """Returns what `write` wrote, for `restorer.restore_image`; nothing of None."""
    if place is None:
        return []
    with np.load(place, allow_pickle=False) as found:
        steps, shared = found["steps"], found["shared"].tolist()
    pairs = zip(steps, shared, strict=True)
    return [jpeg_cells.Component(table, *each) for table, each in pairs]
