"""Files of images restored to files: one, several, or all below folders.

What cannot be done is refused by `planned`, before a network is loaded.
"""

import collections
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrestore import errors, files, folders, images
from jaxrestore.inference import deep_png, jpeg_cells, masks
from jaxrestore.inference import restorer as restorers
from jaxrestore.ops import hidden_colors

Mask = Path | str  # a file, or a word of `masks.WORDS`: the picture's own alpha


class Place(NamedTuple):
    """A file to restore, and the file to write."""

    source: Path
    destination: Path


class Plan(NamedTuple):
    """What is to be restored, by name; what is not, and why; what is there already."""

    places: dict[str, Place]
    left_out: dict[str, str]
    existing: int


def planned(
    sources: Sequence[Path],
    output: Path,
    *,
    into: bool = False,
    overwrite: bool = False,
    skip_existing: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    opaque: bool = False,
) -> Plan:
    """Returns which file each image among, or below, the sources is restored to.

    One file is restored to the file `output`. Where that is a folder, or is made one by
    `into`, by several sources or by a folder among them, a file becomes `NAME.png`
    there, and each image below a folder `PATH.png`: of several sources below the name
    of theirs. Where sources differ in their suffix alone these keep it: `x.jpg.png`.
    Files that begin as images do are images, and what is none is left out.

    Files that exist are refused, unless `overwrite`, or left as they are with
    `skip_existing`. Raises besides `NoInputError` where there is no image; `ImageError`
    for one file that cannot be read; and `ConfigError` for an `output` that is of no
    use: a file, or called like one, for several; a folder inside a source; a file whose
    folder is missing, or whose format is none or cannot hold the image, of which alpha
    is not kept where results are `opaque`.
    """
    if overwrite and skip_existing:
        raise errors.ConfigError(
            "`overwrite` replaces what `skip_existing` keeps; give one of the two"
        )
    left_out: dict[str, str] = {}
    if len(sources) > 1 or into or output.is_dir() or sources[0].is_dir():
        _refuse_as_folder(output, into)
        found = _found(sources, output, left_out)
        places = {
            stem: Place(path, *folders.places(output, stem, ("",)))
            for stem, path in folders.distinct_stems(found).items()
        }
    else:
        places = {sources[0].stem: Place(sources[0], output)}
    new = places
    if skip_existing:
        new = {k: p for k, p in places.items() if not p.destination.is_file()}
    elif not overwrite:
        choices = ", or `skip_existing` to go on without" if len(places) > 1 else ""
        files.refuse_existing((p.destination for p in places.values()), choices=choices)
    if len(sources) == 1 and not sources[0].is_dir():
        for place in new.values():
            _check(place, into or output.is_dir(), max_pixels, opaque)
    return Plan(new, left_out, len(places) - len(new))


def masked(
    places: Mapping[str, Place], mask: Mask
) -> tuple[dict[str, Mask], dict[str, str]]:
    """Returns the mask of each image of a plan, by name, and why others have none.

    `mask` is a folder with files of the names that results have, suffixes aside, the
    mask of a single image, whatever it is called, or a word of `masks.WORDS`. Raises
    `ConfigError` for one mask and several images, and for two masks of one name;
    `NoInputError` where there is no file, or where no image has a mask.
    """
    if isinstance(mask, str):
        return dict.fromkeys(places, mask), {}
    if not mask.exists():
        raise errors.NoInputError(
            f"{mask} does not exist; give as `mask` a file, a folder, or one of "
            f"{', '.join(masks.WORDS)}"
        )
    if mask.is_file():
        if len(places) > 1:
            raise errors.ConfigError(
                f"{mask} is one mask, and there are {len(places)} images; give a "
                "folder with a mask of the same name for each"
            )
        return dict.fromkeys(places, mask), {}
    sources = {name: place.source for name, place in places.items()}
    common = Path(os.path.commonpath([path.parent for path in sources.values()]))
    found, others = folders.matched(
        {"image": sources, "mask": folders.by_stem(mask)},
        {"image": common, "mask": mask},
    )
    left_out = {name: why for name, why in others.items() if name in places}
    return {name: pair["mask"] for name, pair in found.items()}, left_out


def restore_file(
    restorer: restorers.Restorer,
    source: Path,
    destination: Path,
    *,
    level: float | int | None = None,
    strength: float | int | None = None,
    max_pixels: int = images.MAX_PIXELS,
    confine: bool = False,
    mask: Mask | None = None,
) -> bool:
    """Writes the restored image of a file in the format of the destination's suffix.

    Grey stays grey and alpha is kept. `level`, `strength` and what is raised are those
    of `restorer.restore_image`, and `ImageError` for what cannot be read, or has more
    than `max_pixels`. The folder of `destination` is made. With `confine` what becomes
    of a JPEG file stays within what the file says of the original: see `jpeg_cells`.
    Returns False where that could not be (see `images.jpeg_planes`).

    With a `mask`, a file of the image's size or a word of `masks.WORDS`, its holes are
    filled; of an image whose own alpha says where they are the result is opaque. A
    PNG file of 16 bits (see `deep_png`) then becomes one of 16 bits.
    """
    image = images.decode_as_stored(source, max_pixels=max_pixels)
    if _stays_deep(source, destination, mask):
        image = deep_png.read(source)
    planes = images.jpeg_planes(source, image) if confine else []
    try:
        image, hole = masks.with_hole(image, mask, source, max_pixels=max_pixels)
        restored = restorers.restore_image(
            restorer,
            image,
            level=level,
            strength=strength,
            cells=[jpeg_cells.Component(*plane) for plane in planes or []],
            mask=hole,
        )
    except images.ImageError as error:
        raise images.ImageError(f"{source}: {error}") from error
    if restored.dtype == np.uint16:
        destination.parent.mkdir(parents=True, exist_ok=True)
        deep_png.write(restored, destination)
    else:
        folders.save([destination], [restored])
    if hole is not None:
        tell_lossy(destination)
    return planes is not None


def restore_all(
    restorer: restorers.Restorer,
    places: Mapping[str, Place],
    *,
    level: float | int | None = None,
    strength: float | int | None = None,
    max_pixels: int = images.MAX_PIXELS,
    confine: bool = False,
    masks: Mapping[str, Mask] | None = None,
    done: Callable[[str], object] = lambda name: None,
) -> dict[str, str]:
    """Restores what is `planned`; returns by name why others are skipped.

    `masks` has one for each name, if they have holes. `done` is called with each name.
    Gives one `errors.Notice` of what the sources held beside 8 bits of sRGB, which is
    all that is written, and one of JPEG files that could not be confined. Raises as
    `restore_file`, but `NoInputError` when none of several files can be read.
    """
    skipped: dict[str, str] = {}
    behind: list[str] = []
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
                max_pixels=max_pixels,
                confine=confine,
                mask=mask,
            )
            left = images.left_behind(source)
            if _stays_deep(source, destination, mask):
                left.remove("16 bits")
            behind += left
            free += [] if confined else [name]
        except images.ImageError as error:
            if len(places) == 1:
                raise
            skipped[name] = str(error)
        done(name)
    if places:
        common = os.path.commonpath([place.source.parent for place in places.values()])
        folders.refuse_unread(places, skipped, Path(common))
    tell_left_behind(behind)
    if free:
        warnings.warn(
            "JPEG files that are turned, or hold other colours than sRGB, are restored "
            f"without the limits that they set: {errors.some(free)}",
            errors.Notice,
            stacklevel=2,
        )
    return skipped


def tell_lossy(destination: Path) -> None:
    """Gives an `errors.Notice` where a file that keeps what is known cannot keep it."""
    if destination.suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(
            f"{destination} is a JPEG file, in which what was known changes a little "
            "too; PNG keeps it",
            errors.Notice,
            stacklevel=3,
        )


def tell_left_behind(behind: Sequence[str]) -> None:
    """Gives one `errors.Notice` of what `images.left_behind` found in several files."""
    if behind:
        counts = collections.Counter(behind).items()
        said = ", ".join(f"{what} (of {count})" for what, count in counts)
        warnings.warn(
            f"images are written as 8-bit sRGB alone; left behind is {said}.",
            errors.Notice,
            stacklevel=3,
        )


def _stays_deep(source: Path, destination: Path, mask: Mask | None) -> bool:
    """Whether all 16 bits are kept: of what has holes, and is PNG before and after."""
    is_png = destination.suffix.lower() == ".png"
    return mask is not None and is_png and deep_png.holds(source)


def _refuse_as_folder(output: Path, into: bool) -> None:
    """Refuses a place for several images that is a file, or is called like one."""
    if output.is_file():
        raise errors.ConfigError(
            f"{output} is a file, but there are several images, or a folder, to "
            "restore; give a folder"
        )
    if output.suffix.lower() in images.SUFFIXES and not (into or output.is_dir()):
        raise errors.ConfigError(
            f"{output} is called like a file, but there are several images, or a "
            "folder, to restore; give a folder, or end its name with /"
        )


def _found(
    sources: Sequence[Path], output: Path, left_out: dict[str, str]
) -> dict[str, Path]:
    """Returns each image by its path below `output`; what is none joins `left_out`."""
    found: dict[str, Path] = {}
    for source in sources:
        if source.is_dir():
            folders.refuse_inside(output, source)
            paths, others = folders.find_by_content(source)
            left_out |= others
            room = source.resolve().name if len(sources) > 1 else ""
            below = {Path(room, p.relative_to(source)).as_posix(): p for p in paths}
        else:
            if not source.exists():
                raise images.ImageError(f"{source}: there is no such file")
            below = {source.name: source}
        for name, path in below.items():
            if name in found:
                raise errors.ConfigError(
                    f"{found[name]} and {path} would be one file in {output}; restore "
                    "them to different folders"
                )
            found[name] = path
    return found


def _check(place: Place, into: bool, max_pixels: int, opaque: bool) -> None:
    """Refuses a file that could not be read, or a place that could not be written."""
    image = images.decode_as_stored(place.source, max_pixels=max_pixels)
    if opaque and hidden_colors.has_alpha(image):
        image = image[..., :-1]
    # One pixel of as many channels: whether the suffix is known and can hold them.
    images.encoded(image[:1, :1], place.destination.suffix, name=str(place.destination))
    if not into and not place.destination.parent.is_dir():
        raise errors.ConfigError(
            f"{place.destination}: its folder does not exist; create it first"
        )
