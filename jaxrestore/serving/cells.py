"""What the JPEG file of an upload says of its original, kept in the spool.

The engine never sees the file itself: whoever decodes it writes this down.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from jaxrestore import files, images
from jaxrestore.image_files import srgb
from jaxrestore.inference import jpeg_cells


def write(file: Path, picture: Shaped[np.ndarray, "h w c"], place: Path) -> bool:
    """Writes what the `picture`'s file says, as JSON, and returns whether it did.

    A file of another kind says nothing, nor does a JPEG file whose planes are not those
    of the picture: see `images.jpeg_planes`. Raises `DiskError`.
    """
    planes = images.jpeg_planes(file, srgb.eight_bit(picture)) or []
    said = [(steps.tolist(), *shared) for steps, *shared in planes]
    if said:
        files.write_json(place, said)
    return bool(said)


def read(place: Path | None) -> list[jpeg_cells.Component]:
    """Returns what `write` wrote, for `restorer.restore_image`; nothing of None."""
    said = files.read_json(place) if place is not None else []
    return [jpeg_cells.Component(np.array(steps), *shared) for steps, *shared in said]
