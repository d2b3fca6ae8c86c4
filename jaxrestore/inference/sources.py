"""Which pictures somebody means by files, folders and patterns of names."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from jaxrestore import errors, folders, images


def found(
    sources: Sequence[Path], output: Path, *, recursive: bool = True
) -> tuple[dict[str, Path], dict[str, str]]:
    """Returns each image by its path below `output`, and why others are left out.

    A file has its own name there, and one below a folder its path in this: of several
    sources below the folder's name. What a pattern matches has its path below the part
    of the pattern that is no pattern: of `a/*/x.jpg`, which a shell may have left to
    us, below `a`. `**` matches folders, and folders below. Of a folder its folders are
    looked into where it is `recursive`.

    Raises `ImageError` for a file that is missing, `NoInputError` for a folder or a
    pattern without an image, and `ConfigError` for an output inside a source and for
    two images of one path.
    """
    named: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for source in sources:
        if is_pattern(source):
            root = fixed_part(source)
            paths, others = _matched(source, root, output)
            below = {path.relative_to(root).as_posix(): path for path in paths}
        elif source.is_dir():
            folders.refuse_inside(output, source)
            paths, others = folders.find_by_content(source, recursive=recursive)
            room = source.resolve().name if len(sources) > 1 else ""
            below = {Path(room, p.relative_to(source)).as_posix(): p for p in paths}
        elif source.exists():
            below, others = {source.name: source}, {}
        else:
            raise images.ImageError(f"{source}: there is no such file")
        left_out |= others
        for name, path in below.items():
            if named.setdefault(name, path) != path:
                raise errors.ConfigError(
                    f"{named[name]} and {path} would be one file in {output}; restore "
                    "them to different folders"
                )
    return named, left_out


def is_pattern(source: Path) -> bool:
    """Returns whether a path stands for those that match it; `*`, `?` or `[` tell.

    A file that is called so is itself.
    """
    return glob.has_magic(str(source)) and not os.path.lexists(source)


def fixed_part(pattern: Path) -> Path:
    """Returns the folder that holds all that a pattern matches.

    A folder that is called so is itself, as `photos [2020]` in `photos [2020]/*.jpg`.

    >>> fixed_part(Path("a/b/*/x.jpg")).as_posix()
    'a/b'
    """
    root = Path()
    for part in pattern.parts:
        if glob.has_magic(part) and not os.path.lexists(root / part):
            break
        root /= part
    return root


def _matched(
    pattern: Path, root: Path, output: Path
) -> tuple[list[Path], dict[str, str]]:
    wanted = Path(glob.escape(str(root)), pattern.relative_to(root))
    matches = [Path(name) for name in sorted(glob.glob(str(wanted), recursive=True))]
    paths = [path for path in matches if path.is_file()]
    place = output.resolve()
    if "**" in pattern.parts or any(p.resolve().is_relative_to(place) for p in paths):
        folders.refuse_inside(output, root)
    if not paths:
        raise errors.NoInputError(
            f"no file matches {pattern}; check the path, or give a folder, of which "
            "all images are taken"
        )
    chosen, left_out = folders.by_content(paths)
    if not chosen:
        raise errors.NoInputError(
            f"{pattern} matches no image; the first of {len(paths)} files: {paths[0]}"
        )
    return chosen, left_out
