"""Options that several commands have, and those of `restore` that are of many files."""

from pathlib import Path
from typing import Annotated

import typer

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
