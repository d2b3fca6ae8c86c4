"""Files of images restored to files: one, several, or all that `plans.planned` has."""

import collections
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxrestore import errors, folders, image_headers, images
from jaxrestore.image_files import formats, srgb
from jaxrestore.inference import jpeg_cells, manifests, masks, plans
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
    progress: Callable[[float], object] = lambda share: None,
) -> bool:
    """Writes the restored image of a file in the format of the destination's suffix.

    Grey stays grey and alpha is kept, and so are 16 bits, colours by another profile
    than sRGB's and metadata where the format holds them and `writing` does not say
    otherwise: see `images.Writing`, and `behind`. `level`, `strength`, `tile`,
    `progress` and what is raised are those of `restorer.restore_image`, and
    `ImageError` for what cannot be read, has more than `max_pixels`, or could not be
    written. The folder of `destination` is made. With `confine` what becomes of a JPEG
    file stays within what the file says of the original: see `jpeg_cells`. Returns
    False where that could not be (see `images.jpeg_planes`).

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
            progress=progress,
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
    restored = srgb.of_bits(restored, asked.bits, deep=into.deep)
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


class Done(NamedTuple):
    """What became of one file: why it is skipped, "" where it is not, and its size.

    `seconds` are those that it took; `pixels` those that its header tells of, or 0.
    """

    name: str
    seconds: float
    pixels: int
    why: str = ""


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
    manifest: manifests.Manifest | None = None,
    others: bool = False,
    progress: Callable[[float], object] = lambda share: None,
    done: Callable[[Done], object] = lambda one: None,
) -> dict[str, str]:
    """Restores what is planned; returns by name why others are skipped.

    `masks` has one for each name, if they have holes. `progress` is called with the
    share of a file that is restored; `manifest`, `others` and `done` are those of
    `each`, as is what is raised beside that of `restore_file`. Gives one
    `errors.Notice` of what the sources held that is not written though `writing` does
    not leave it out, and one of JPEG files that could not be confined.
    """
    lost: list[str] = []
    free: list[str] = []

    def restore(name: str, place: plans.Place) -> None:
        confined = restore_file(
            restorer,
            *place,
            level=level,
            strength=strength,
            tile=tile,
            ensemble=ensemble,
            max_pixels=max_pixels,
            confine=confine,
            mask=masks[name] if masks else None,
            writing=writing,
            progress=progress,
        )
        lost.extend(behind(place, writing=writing))
        free.extend([] if confined else [name])

    skipped = each(
        restore, places, masks=masks, manifest=manifest, others=others, done=done
    )
    tell_left_behind(lost)
    if free:
        warnings.warn(
            "JPEG files that are turned, of inks or of RGB, or are converted to sRGB, "
            f"are restored without the limits that they set: {errors.some(free)}",
            errors.Notice,
            stacklevel=2,
        )
    return skipped


def each(
    restore: Callable[[str, plans.Place], object],
    places: Mapping[str, plans.Place],
    *,
    masks: Mapping[str, plans.Mask] | None = None,
    manifest: manifests.Manifest | None = None,
    others: bool = False,
    done: Callable[[Done], object] = lambda one: None,
) -> dict[str, str]:
    """Calls `restore` for each file of several; returns why others are skipped.

    A file that cannot be read, is too large or gives no finite values, a result that
    cannot be written, or what else `errors.of_one_file` tells, is skipped. What was
    restored is told to the `manifest`, unless `restore` returns False, and `done` is
    called with what became of each.

    Raises what the next file would meet too; and where none of them could be restored,
    and `others` have not been before, what the first has met, `NoInputError` where none
    of several can be read.
    """
    skipped: dict[str, str] = {}
    first = errors.UserError
    for name, place in places.items():
        mask = masks[name] if masks else None
        begun, origin, whole, why = time.monotonic(), None, False, ""
        _, (width, height) = image_headers.format_and_size(place.source, images.FORMATS)
        try:
            if manifest is not None:  # before: what changes on the way is told later
                origin = manifest.origin(place, mask)
            whole = restore(name, place) is not False
        except Exception as error:
            known = _of_one_file(error, place)
            # Not the error itself, which would keep all that its functions hold.
            skipped[name] = why = str(known)
            first = type(known) if len(skipped) == 1 else first
        if manifest is not None and origin is not None and whole:
            manifest.append(place, origin)
        done(Done(name, time.monotonic() - begun, width * height, why))
    if places and len(skipped) == len(places) and not others:
        _refuse_all(places, skipped, first)
    return skipped


def tell_left_behind(behind: Iterable[str]) -> None:
    """Gives one `errors.Notice` of what `images.left_behind` found in several files.

    What it found comes as a list of all of it, or as a `collections.Counter`.
    """
    if behind:
        counts = collections.Counter(behind).items()
        said = ", ".join(f"{what} (of {count})" for what, count in counts)
        warnings.warn(
            f"not all that the files held is written; left behind is {said}.",
            errors.Notice,
            stacklevel=3,
        )


def _of_one_file(error: Exception, place: plans.Place) -> errors.UserError:
    """As `errors.of_one_file`; a source may vanish while it is read."""
    if isinstance(error, FileNotFoundError) and error.filename == str(place.source):
        return images.ImageError(f"{place.source}: it is there no more")
    return errors.of_one_file(error)


def _refuse_all(
    places: Mapping[str, plans.Place],
    skipped: Mapping[str, str],
    first: type[errors.UserError],
) -> None:
    """Raises what the first of the files has met, where none is restored."""
    said = next(iter(skipped.values()))
    if len(places) == 1:
        raise first(said)
    if first is images.ImageError:
        common = os.path.commonpath([place.source.parent for place in places.values()])
        folders.refuse_unread(places, skipped, Path(common))
    raise first(f"none of {len(places)} images is restored; the first: {said}")
