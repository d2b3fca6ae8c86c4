"""Options that several commands have, and those of `restore` that are of many files."""

from pathlib import Path
from typing import Annotated

import typer

# What `--help` gathers options under, beside "Options".
BY_WHAT = "By which network, or without one (give one)"
HOW = "How"
PRIOR = "Of --prior"
WRITTEN = "How results are written"

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="IN", help="Images, folders, 'PATTERNS', or - (stdin)."),
]
Output = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        help="The file, or folder, to write; a folder/ is made; - is stdout.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that exist.")
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Keep files that exist, and go on.")
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive/--no-recursive", help="Look into folders of folders."),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        metavar="REF",
        help="What it should be, a file or a folder of equal names: prints scores.",
    ),
]
Json = Annotated[
    Path | None, typer.Option(help="A file for what became of each image.")
]

# Of networks that restore.
Level = Annotated[
    float | None,
    typer.Option(
        help="Sigma of the noise, 0 to 255, for networks told it.",
        rich_help_panel=HOW,
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        help="How much is changed, 0 to 1; as much as looks damaged if not given.",
        rich_help_panel=HOW,
    ),
]
Confine = Annotated[
    bool,
    typer.Option(
        "--confine",
        help="Keep to what a JPEG file says; --task jpeg does.",
        rich_help_panel=HOW,
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The side of tiles, px; few sizes if not given.",
        rich_help_panel=HOW,
    ),
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="The mean of eight, turned and mirrored: slow, a little better.",
        rich_help_panel=HOW,
    ),
]

# Of how results are written.
Quality = Annotated[
    int | None,
    typer.Option(help="Of jpeg, webp or avif, 1 to 100.", rich_help_panel=WRITTEN),
]
