"""Files of images restored to files, one or all below a folder.

What cannot be done is refused by `check` or `planned`, before a network is loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from jaxrestore import errors, files, folders, images
from jaxrestore.inference import restorer as restorers


class Place(NamedTuple):
    """A file to restore, and the file to write."""

    source: Path
    destination: Path


def check(source: Path, destination: Path, *, overwrite: bool = False) -> None:
    """Refuses a file that could not be read, or a place that could not be written.

    Raises `ImageError` for what is no image; `UserError` for a suffix that no format
    has, or whose format cannot hold the image's alpha; and `ConfigError` where the
    folder is missing or, unless `overwrite`, the file exists.
    """
    image = images.decode_as_stored(source)
    # One pixel of as many channels: whether the suffix is known and can hold them.
    images.encoded(image[:1, :1], destination.suffix, name=str(destination))
    if not destination.parent.is_dir():
        raise errors.ConfigError(
            f"{destination}: its folder does not exist; create it first"
        )
    if not overwrite:
        files.refuse_existing([destination])


def planned(source: Path, output: Path, *, overwrite: bool = False) -> dict[str, Place]:
    """Returns by stem each image file below `source`, and `output/STEM.png` for it.

    Raises `NoInputError` when there is none; `ConfigError` for an `output` that is a
    file or lies inside `source`, for two files of one stem, and for files that exist,
    unless `overwrite`.
    """
    if output.is_file():
        raise errors.ConfigError(
            f"{output} is a file, but {source} a folder; give a folder for both"
        )
    folders.refuse_inside(output, source)
    plan = {
        stem: Place(path, *folders.places(output, stem, ("",)))
        for stem, path in folders.by_stem(source).items()
    }
    if not overwrite:
        files.refuse_existing(place.destination for place in plan.values())
    return plan


def restore_file(
    restorer: restorers.Restorer,
    source: Path,
    destination: Path,
    *,
    level: float | int | None = None,
) -> None:
    """Writes the restored image of a file in the format of the destination's suffix.

    A grey file is grey to the network, and stays grey where the network has one colour;
    alpha is kept. `level` and what is raised are those of `restorer.restore_image`, and
    `ImageError` for what cannot be read. The folder of `destination` is made.
    """
    image = images.decode_as_stored(source)
    restored = restorers.restore_image(restorer, image, level=level)
    folders.save([destination], [restored])


def restore_folder(
    restorer: restorers.Restorer,
    source: Path,
    plan: Mapping[str, Place],
    *,
    level: float | int | None = None,
) -> dict[str, str]:
    """Restores what is `planned` of `source`; returns by stem why others are skipped.

    Raises as `restore_file`, but `NoInputError` when no file can be read.
    """
    skipped = {}
    for stem, place in plan.items():
        try:
            restore_file(restorer, *place, level=level)
        except images.ImageError as error:
            skipped[stem] = str(error)
    folders.refuse_unread(plan, skipped, source)
    return skipped
