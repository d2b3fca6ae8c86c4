"""Files of images restored to files: one, several, or all that `plans.planned` has."""

import collections
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxrestore import errors, folders, images
from jaxrestore.image_files import formats, srgb
from jaxrestore.inference import jpeg_cells, masks, plans
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
    writing: images.Writing | None = None,
) -> bool:
    """Writes the restored image of a file in the format of the destination's suffix.

    Grey stays grey and alpha is kept, and so are 16 bits, colours by another profile
    than sRGB's and metadata where the format holds them and `writing` does not say
    otherwise: see `images.Writing`, and `behind`. `level`, `strength`, `tile` and what
    is raised are those of `restorer.restore_image`, and `ImageError` for what cannot be
    read, has more than `max_pixels`, or could not be written. The folder of
    `destination` is made. With `confine` what becomes of a JPEG file stays within what
    the file says of the original: see `jpeg_cells`. Returns False where that could not
    be (see `images.jpeg_planes`).

    With a `mask`, a file of the image's size or a word of `masks.WORDS`, its holes are
    filled; of an image whose own alpha says where they are the result is opaque.
    """
    place = plans.Place(source, destination)
    image, hole, metadata = opened(
        place, mask, max_pixels=max_pixels, writing=writing, scale=restorer.scale
    )
    planes = images.jpeg_planes(source, srgb.eight_bit(image)) if confine else []
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
    filled = hole is not None
    written(restored, destination, filled=filled, metadata=metadata, writing=writing)
    return planes is not None


class Opened(NamedTuple):
    """An image [h, w, c], where it is missing, or None, and what is written beside."""

    image: Any
    hole: Bool[np.ndarray, "h w"] | None
    metadata: images.Metadata


def opened(
    place: plans.Place,
    mask: plans.Mask | None,
    *,
    max_pixels: int = images.MAX_PIXELS,
    deep: bool = True,
    writing: images.Writing | None = None,
    scale: int = 1,
) -> Opened:
    """Returns the image of a file as it is restored, to be written as `writing` says.

    It has 8 bits, or 16 where it may be `deep`, and its file has more than 8, or the
    other shall. Raises `ImageError` as `restore_file`, also where what comes of it,
    `scale` times as large, could not be written.
    """
    asked = writing or images.Writing()
    into = formats.of_suffix(place.destination.suffix, name=str(place.destination))
    image, metadata, _ = images.read(
        place.source,
        max_pixels=max_pixels,
        keep_profiles=into.profiles if asked.metadata else (),
    )
    if not deep:
        image = srgb.eight_bit(image)
    elif asked.bits == 16:
        image = srgb.sixteen_bit(image)
    try:
        image, hole = masks.with_hole(image, mask, place.source, max_pixels=max_pixels)
    except images.ImageError as error:
        raise images.ImageError(f"{place.source}: {error}") from error
    height, width, channels = image.shape
    why = formats.refusal(into, (height * scale, width * scale, channels))
    if why:
        raise images.ImageError(f"{place.source}: {why}")
    return Opened(image, hole, metadata if asked.metadata else images.Metadata())


def written(
    restored: Any,
    destination: Path,
    *,
    filled: bool,
    metadata: images.Metadata | None = None,
    writing: images.Writing | None = None,
) -> None:
    """Writes what became of an `opened` image; its folder is made.

    Gives an `errors.Notice` where a file that is `filled`, and keeps what is known,
    cannot keep it.
    """
    asked = writing or images.Writing()
    into = formats.check(asked, destination.suffix, name=str(destination))
    if asked.bits == 8 or not into.deep:
        restored = srgb.eight_bit(restored)
    elif asked.bits == 16:
        restored = srgb.sixteen_bit(restored)
    destination.parent.mkdir(parents=True, exist_ok=True)
    images.encode(restored, destination, quality=asked.quality, metadata=metadata)
    if filled and into.loses(asked.quality):
        kind = "an AVIF" if into.kind == "AVIF" else f"a {into.kind}"
        warnings.warn(
            f"{destination} is {kind} file, in which what was known changes a little "
            "too; PNG keeps it",
            errors.Notice,
            stacklevel=3,
        )


def behind(
    place: plans.Place, *, deep: bool = True, writing: images.Writing | None = None
) -> list[str]:
    """Returns what a file holds that is not written; see `images.left_behind`."""
    suffix = place.destination.suffix
    return images.left_behind(place.source, suffix, writing=writing, in_8_bits=not deep)


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
    writing: images.Writing | None = None,
    done: Callable[[str], object] = lambda name: None,
) -> dict[str, str]:
    """Restores what is planned; returns by name why others are skipped.

    `masks` has one for each name, if they have holes. `done` is called with each name.
    Gives one `errors.Notice` of what the sources held that is not written though
    `writing` does not leave it out, and one of JPEG files that could not be confined.
    Raises as
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
                writing=writing,
            )
            lost += behind(places[name], writing=writing)
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
            "JPEG files that are turned, or are converted to sRGB, are restored "
            f"without the limits that they set: {errors.some(free)}",
            errors.Notice,
            stacklevel=2,
        )
    return skipped


def tell_left_behind(behind: Sequence[str]) -> None:
    """Gives one `errors.Notice` of what `images.left_behind` found in several files."""
    if behind:
        counts = collections.Counter(behind).items()
        said = ", ".join(f"{what} (of {count})" for what, count in counts)
        warnings.warn(
            f"not all that the files held is written; left behind is {said}.",
            errors.Notice,
            stacklevel=3,
        )
