"""Which files are restored to which, and with which masks.

What cannot be done is refused here, before a network is loaded.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxrestore import errors, files, folders, images
from jaxrestore.image_files import formats
from jaxrestore.inference import masks
from jaxrestore.inference import sources as given
from jaxrestore.ops import hidden_colors

Mask = Path | str  # a file, or a word of `masks.WORDS`: the picture's own alpha


class Place(NamedTuple):
    """A file to restore, and the file to write."""

    source: Path
    destination: Path


class Plan(NamedTuple):
    """What could be restored, by name; what not, and why; whether into a folder."""

    places: dict[str, Place]
    left_out: dict[str, str]
    into: bool


class Rest(NamedTuple):
    """What is still to be restored, and why others that are there stay, by name.

    "" for a result that is what it would be again; None where nobody knows.
    """

    places: dict[str, Place]
    kept: Mapping[str, str | None]


def planned(
    sources: Sequence[Path],
    output: Path,
    *,
    into: bool = False,
    recursive: bool = True,
    writing: images.Writing | None = None,
) -> Plan:
    """Returns which file each image among, or below, the sources is restored to.

    One file is restored to the file `output`. Where that is a folder, or is made one by
    `into`, by several sources, a folder or a pattern among them, a file becomes
    `NAME.png` there, and each image below a folder `PATH.png`: see `sources.found`,
    which says what is taken where it is `recursive`. Where sources differ in their
    suffix alone, or a folder is called as a result would be, they keep it: `x.jpg.png`.
    With a format in `writing` its suffix takes
    the place of PNG's. Files that begin as images do are images, and what is none is
    left out.

    Raises besides `ConfigError` for an `output` that is of no use: a file, or called
    like one, for several; a folder inside a source; and for `writing` that it cannot
    be, as `formats.check`.
    """
    asked, first = writing or images.Writing(), sources[0]
    several = len(sources) > 1 or first.is_dir() or given.is_pattern(first)
    into = into or output.is_dir()
    if not (several or into):
        if not output.suffix:
            raise errors.ConfigError(
                f"{output} has no suffix, which says the format; call it "
                f"{output}{asked.suffix}, or {output}/ if a folder is meant"
            )
        formats.check(asked, output.suffix, name=str(output))
        return Plan({first.stem: Place(first, output)}, {}, False)
    _refuse_as_folder(output, into)
    formats.check(asked, asked.suffix, name=f"results in {output}")
    found, left_out = given.found(sources, output, recursive=recursive)
    below = {p.as_posix() for name in found for p in PurePosixPath(name).parents}
    places = {
        stem: Place(path, output / f"{stem}{asked.suffix}")
        for stem, path in folders.distinct_stems(found, below, asked.suffix).items()
    }
    return Plan(places, left_out, True)


def outstanding(
    plan: Plan,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
    difference: Callable[[str], str | None] = lambda name: None,
    max_pixels: int = images.MAX_PIXELS,
    frame: int | None = None,
    opaque: bool = False,
    elsewhere: bool = False,
) -> Rest:
    """Returns what of a plan is still to be restored.

    Of a name whose result is there already `difference` says what is another now than
    when it was made, a clause; "" where nothing is, and None where it is not known.
    That of "" stays. All others are refused, unless `overwrite`, or stay as they are
    with `skip_existing`.

    Raises besides, of a single image, `ImageError` where it cannot be read and
    `ConfigError` for a file whose folder is missing, or whose format is none or cannot
    hold the image, of which alpha is not kept where results are `opaque`. What
    cannot be read here, and is restored `elsewhere`, is refused there.
    """
    if overwrite and skip_existing:
        raise errors.ConfigError(
            "`overwrite` replaces what `skip_existing` keeps; give one of the two"
        )
    there = {name: p for name, p in plan.places.items() if _is_there(p.destination)}
    kept = {name: difference(name) for name in there}
    if overwrite:
        kept = {name: why for name, why in kept.items() if why == ""}
    elif not skip_existing:
        _refuse_existing(there, kept)
    places = {name: p for name, p in plan.places.items() if name not in kept}
    if len(plan.places) == 1:
        for place in places.values():
            with _judged(elsewhere):
                _check_image(place, max_pixels, frame, opaque)
            _check_folder(place, plan.into)
    return Rest(places, kept)


def _is_there(path: Path) -> bool:
    """Whether something would be replaced; a name that is too long is not there."""
    return os.path.isfile(path) or os.path.isdir(path)


def _refuse_existing(
    there: Mapping[str, Place], kept: Mapping[str, str | None]
) -> None:
    """Refuses to replace results, but for those that would be the same again."""
    others = {name: why for name, why in kept.items() if why != ""}
    changed = [f"{name}: {why}" for name, why in others.items() if why]
    choices = ", or `skip_existing` to go on without" if len(there) > 1 else ""
    choices += f" ({errors.some(changed, 3)})" if changed else ""
    files.refuse_existing((there[n].destination for n in others), choices=choices)


def partners(
    places: Mapping[str, Place], where: Path, role: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """Returns the file that belongs to each image of a plan, and why others have none.

    `where` is a folder with files of the names that results have, suffixes aside, or
    the file of a single image, whatever it is called; `role` is a word for it. Raises
    `ConfigError` for one file and several images, and for two files of one name;
    `NoInputError` where no image has a file.
    """
    if where.is_file():
        if len(places) > 1:
            raise errors.ConfigError(
                f"{where} is one {role}, and there are {len(places)} images; give a "
                f"folder with a {role} of the same name for each"
            )
        return dict.fromkeys(places, where), {}
    sources = {name: place.source for name, place in places.items()}
    common = Path(os.path.commonpath([path.parent for path in sources.values()]))
    found, others = folders.matched(
        {"image": sources, role: folders.by_stem(where)},
        {"image": common, role: where},
    )
    left_out = {name: why for name, why in others.items() if name in places}
    return {name: pair[role] for name, pair in found.items()}, left_out


def masked(
    places: Mapping[str, Place], mask: Mask
) -> tuple[dict[str, Mask], dict[str, str]]:
    """Returns the mask of each image of a plan, by name, and why others have none.

    `mask` is what `partners` takes, which raises, or a word of `masks.WORDS`.
    """
    if isinstance(mask, str):
        return dict.fromkeys(places, mask), {}
    if not mask.exists():
        raise errors.NoInputError(
            f"{mask} does not exist; give as `mask` a file, a folder, or one of "
            f"{', '.join(masks.WORDS)}"
        )
    found, left_out = partners(places, mask, "mask")
    return dict(found), left_out


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


def refuse_all(
    places: Mapping[str, Place],
    skipped: Mapping[str, str],
    first: type[errors.UserError],
) -> None:
    """Raises what the first of the files has met, of which none is restored.

    `skipped` has what each has met, `first` which kind of error that of the first is.
    """
    said = next(iter(skipped.values()))
    if len(places) == 1:
        raise first(said)
    if issubclass(first, images.ImageError):
        common = os.path.commonpath([place.source.parent for place in places.values()])
        folders.refuse_unread(places, skipped, Path(common))
    raise first(f"none of {len(places)} images is restored; the first: {said}")


def with_frame(error: Exception) -> Exception:
    """Returns an error, of a file of several pictures with how one of them is taken."""
    if not isinstance(error, images.SeveralFrames):
        return error
    return images.ImageError(f"{error}, or give `frame`, 0 for the first")


@contextlib.contextmanager
def _judged(elsewhere: bool) -> Iterator[None]:
    """Raises of a file that cannot be read, unless that is judged elsewhere."""
    try:
        yield
    except images.SeveralFrames as error:
        if not elsewhere:
            raise with_frame(error) from error
    except images.ImageError:
        if not elsewhere:
            raise


def _check_image(
    place: Place, max_pixels: int, frame: int | None, opaque: bool
) -> None:
    """Refuses a file that could not be read, or that a format could not hold."""
    image = images.read(place.source, max_pixels=max_pixels, frame=frame).values
    if opaque and hidden_colors.has_alpha(image):
        image = image[..., :-1]
    why = formats.refusal(formats.of_suffix(place.destination.suffix), image.shape)
    if why:
        raise errors.UserError(f"{place.destination}: {why}.")


def _check_folder(place: Place, into: bool) -> None:
    if not into and not place.destination.parent.is_dir():
        raise errors.ConfigError(
            f"{place.destination}: its folder does not exist; create it first"
        )
