"""`jaxrestore degrade`, `combine` and `split`: sets of pairs."""

from pathlib import Path
from typing import Annotated

import typer

from jaxrestore import assignments, degradations, errors, tables
from jaxrestore.cli import ending, options

commands = typer.Typer()


def _list(asked: bool | None) -> None:
    if asked:
        from jaxrestore.pairs import paired_sets

        print(paired_sets.listed())
        raise typer.Exit


@commands.command()
@ending.flags("overwrite")
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder or image file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the set.")],
    kind: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(degradations.kinds())}; their options: see --list."
        ),
    ],
    seed: Annotated[int, typer.Option(help="The same seed writes the same set.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="rate=0.15, level=25/255, ..."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="folders: OUT/input and OUT/target; AB: one picture, input left."
        ),
    ] = "folders",
    overwrite: options.Overwrite = False,
    listed: Annotated[
        bool | None,
        typer.Option(
            "--list",
            callback=_list,
            is_eager=True,
            help="Show the options of all kinds, their defaults and ranges.",
        ),
    ] = None,
) -> None:
    """Make a paired set: each image, damaged, beside itself."""
    given = dict(assignments.read(text) for text in option or [])
    from jaxrestore.pairs import paired_sets

    card = paired_sets.write(
        source,
        output,
        kind=kind,
        options=given,
        seed=seed,
        layout=layout,
        overwrite=overwrite,
    )
    made = tables.counted(len(card["images"]), "pair")
    print(f"{made} in {output}; its settings are in {output / paired_sets.CARD}")
    errors.raise_partial(card["skipped"], "skipped")


@commands.command()
@ending.flags("overwrite")
def combine(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder or file: left.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder or file: right.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder.")],
    overwrite: options.Overwrite = False,
) -> None:
    """Put pairs side by side: equal stems, or ends _A and _B in one folder or two."""
    from jaxrestore.pairs import side_by_side

    written, skipped = side_by_side.combine(a, b, output, overwrite=overwrite)
    print(f"{tables.counted(len(written), 'pair')} in {output}")
    errors.raise_partial(skipped, "left out")


@commands.command()
@ending.flags("overwrite")
def split(
    source: Annotated[Path, typer.Argument(metavar="AB", help="Folder or file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="For OUT/A, OUT/B.")],
    overwrite: options.Overwrite = False,
) -> None:
    """Cut side-by-side pictures into OUT/A and OUT/B."""
    from jaxrestore.pairs import side_by_side

    written, skipped = side_by_side.split(source, output, overwrite=overwrite)
    made = tables.counted(len(written), "pair")
    print(f"{made} in {output / 'A'} and {output / 'B'}")
    errors.raise_partial(skipped, "left out")
