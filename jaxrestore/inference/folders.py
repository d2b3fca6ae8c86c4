"""Files of images restored to files: one, several, or all that `plans.planned` has."""

import collections
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxrestore import errors, folders, images
from jaxrestore.inference import deep_png, jpeg_cells, masks, plans
from jaxrestore.inference import restorer as restorers


def restore_file(
    restorer: restorers.Restorer,
    source: Path,
    destination: Path,
    *,
    level: float | int | None = None,
    strength: float | int | None = None,
    tile: int | None = None,
    ensemble: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    confine: bool = False,
    mask: plans.Mask | None = None,
) -> bool:
    """Writes the restored image of a file in the format of the destination's suffix.

    Grey stays grey and alpha is kept. `level`, `strength`, `tile` and what is raised
    are those of `restorer.restore_image`, and `ImageError` for what cannot be read, or
    has more than `max_pixels`. The folder of `destination` is made. With `confine` what
    becomes of a JPEG file stays within what the file says of the original: see
    `jpeg_cells`. Returns False where that could not be (see `images.jpeg_planes`).

    With a `mask`, a file of the image's size or a word of `masks.WORDS`, its holes are
    filled; of an image whose own alpha says where they are the result is opaque. A
    PNG file of 16 bits (see `deep_png`) becomes a PNG file of 16 bits.
    """
    place = plans.Place(source, destination)
    image, hole = opened(place, mask, max_pixels=max_pixels)
    planes = images.jpeg_planes(source, image) if confine else []
    try:
        restored = restorers.restore_image(
            restorer,
            image,
            level=level,
            strength=strength,
            tile=tile,
            ensemble=ensemble,
            cells=[jpeg_cells.Component(*plane) for plane in planes or []],
            mask=hole,
        )
    except images.ImageError as error:
        raise images.ImageError(f"{source}: {error}") from error
    written(restored, destination, filled=hole is not None)
    return planes is not None


def opened(
    place: plans.Place,
    mask: plans.Mask | None,
    *,
    max_pixels: int = images.MAX_PIXELS,
    deep: bool = True,
) -> tuple[Any, Bool[np.ndarray, "h w"] | None]:
    """Returns the image [h, w, c] of a file, and where it is missing, or None.

    It has 8 bits, or 16 where it may be `deep`, and is a PNG file of so many that
    becomes a PNG file: see `deep_png`. Raises `ImageError` as `restore_file`.
    """
    image = images.decode_as_stored(place.source, max_pixels=max_pixels)
    if deep and _stays_deep(*place):
        image = deep_png.read(place.source)
    try:
        return masks.with_hole(image, mask, place.source, max_pixels=max_pixels)
    except images.ImageError as error:
        raise images.ImageError(f"{place.source}: {error}") from error


def written(restored: Any, destination: Path, *, filled: bool) -> None:
    """Writes what became of an `opened` image; its folder is made.

    Gives an `errors.Notice` where a file that is `filled`, and keeps what is known,
    cannot keep it.
    """
    if restored.dtype == np.uint16:
        destination.parent.mkdir(parents=True, exist_ok=True)
        deep_png.write(restored, destination)
    else:
        folders.save([destination], [restored])
    if filled and destination.suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(
            f"{destination} is a JPEG file, in which what was known changes a little "
            "too; PNG keeps it",
            errors.Notice,
            stacklevel=3,
        )


def behind(place: plans.Place, *, deep: bool = True) -> list[str]:
    """Returns what a file holds that is not written; see `images.left_behind`."""
    left = images.left_behind(place.source)
    if deep and _stays_deep(*place):
        left.remove("16 bits")
    return left


def restore_all(
    restorer: restorers.Restorer,
    places: Mapping[str, plans.Place],
    *,
    level: float | int | None = None,
    strength: float | int | None = None,
    tile: int | None = None,
    ensemble: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    confine: bool = False,
    masks: Mapping[str, plans.Mask] | None = None,
    done: Callable[[str], object] = lambda name: None,
) -> dict[str, str]:
    """Restores what is planned; returns by name why others are skipped.

    `masks` has one for each name, if they have holes. `done` is called with each name.
    Gives one `errors.Notice` of what the sources held beside 8 bits of sRGB, which is
    all that is written, and one of JPEG files that could not be confined. Raises as
    `restore_file`, but `NoInputError` when none of several files can be read.
    """
    skipped: dict[str, str] = {}
    lost: list[str] = []
    free: list[str] = []
    for name, (source, destination) in places.items():
        mask = masks[name] if masks else None
        try:
            confined = restore_file(
                restorer,
                source,
                destination,
                level=level,
                strength=strength,
                tile=tile,
                ensemble=ensemble,
                max_pixels=max_pixels,
                confine=confine,
                mask=mask,
            )
            lost += behind(places[name])
            free += [] if confined else [name]
        except images.ImageError as error:
            if len(places) == 1:
                raise
            skipped[name] = str(error)
        done(name)
    if places:
        common = os.path.commonpath([place.source.parent for place in places.values()])
        folders.refuse_unread(places, skipped, Path(common))
    tell_left_behind(lost)
    if free:
        warnings.warn(
            "JPEG files that are turned, or hold other colours than sRGB, are restored "
            f"without the limits that they set: {errors.some(free)}",
            errors.Notice,
            stacklevel=2,
        )
    return skipped


def tell_left_behind(behind: Iterable[str]) -> None:
    """Gives one `errors.Notice` of what `images.left_behind` found in several files.

    What it found comes as a list of all of it, or as a `collections.Counter`.
    """
    if behind:
        counts = collections.Counter(behind).items()
        said = ", ".join(f"{what} (of {count})" for what, count in counts)
        warnings.warn(
            f"images are written as pixels in sRGB alone; left behind is {said}.",
            errors.Notice,
            stacklevel=3,
        )


def _stays_deep(source: Path, destination: Path) -> bool:
    """Whether all 16 bits are kept: of what is PNG before and after."""
    return destination.suffix.lower() == ".png" and deep_png.holds(source)
