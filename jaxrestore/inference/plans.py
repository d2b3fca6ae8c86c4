"""Which files are restored to which, and with which masks.

What cannot be done is refused here, before a network is loaded.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxrestore import errors, files, folders, images
from jaxrestore.image_files import formats
from jaxrestore.inference import masks
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
    writing: images.Writing | None = None,
) -> Plan:
    """Returns which file each image among, or below, the sources is restored to.

    One file is restored to the file `output`. Where that is a folder, or is made one by
    `into`, by several sources or by a folder among them, a file becomes `NAME.png`
    there, and each image below a folder `PATH.png`: of several sources below the name
    of theirs. Where sources differ in their suffix alone these keep it: `x.jpg.png`.
    With a format in `writing` its suffix takes the place of PNG's.
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
    asked = writing or images.Writing()
    if len(sources) > 1 or into or output.is_dir() or sources[0].is_dir():
        _refuse_as_folder(output, into)
        formats.check(asked, asked.suffix, name=f"results in {output}")
        found = _found(sources, output, left_out)
        places = {
            stem: Place(path, output / f"{stem}{asked.suffix}")
            for stem, path in folders.distinct_stems(found).items()
        }
    else:
        formats.check(asked, output.suffix, name=str(output))
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
    places: Mapping[str, Place], mask: Mask, *, existing: int = 0
) -> tuple[dict[str, Mask], dict[str, str]]:
    """Returns the mask of each image of a plan, by name, and why others have none.

    `mask` is a folder with files of the names that results have, suffixes aside, the
    mask of a single image, whatever it is called, or a word of `masks.WORDS`. Raises
    `ConfigError` for one mask and several images, and for two masks of one name;
    `NoInputError` where there is no file, or where no image has a mask, unless others
    are `existing` already.
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
    known = folders.by_stem(mask)
    if existing and not sources.keys() & known.keys():
        return {}, dict.fromkeys(places, "it has no mask")
    found, others = folders.matched(
        {"image": sources, "mask": known},
        {"image": common, "mask": mask},
    )
    left_out = {name: why for name, why in others.items() if name in places}
    return {name: pair["mask"] for name, pair in found.items()}, left_out


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
    why = formats.refusal(formats.of_suffix(place.destination.suffix), image.shape)
    if why:
        raise errors.UserError(f"{place.destination}: {why}.")
    if not into and not place.destination.parent.is_dir():
        raise errors.ConfigError(
            f"{place.destination}: its folder does not exist; create it first"
        )
