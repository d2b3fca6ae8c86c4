"""`jaxrestore records`: what a server has done, from its database."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import files, tables
from jaxrestore.cli import ending, options
from jaxrestore.cli.commands import serving

commands = typer.Typer()
records = typer.Typer(
    help="What a server has done: how much, how long, how well.",
    no_args_is_help=True,
)
commands.add_typer(records, name="records")
Database = Annotated[
    str | None,
    typer.Option(
        help="An URL of SQLAlchemy, or a file; if not given, that of a server here."
    ),
]
Days = Annotated[int, typer.Option(min=1, help="Today and those before it.")]
# Of each table of a summary what stands above it.
_TITLES = {
    "days": "jobs a day",
    "speed": "seconds",
    "models": "networks",
    "errors": "failed",
    "refusals": "refused",
    "quality": "before and after: noise, blocks and sharpness",
    "ratings": "ratings",
}


@records.command()
@ending.flags("database", "overwrite")
def summary(
    database: Database = None,
    days: Days = 30,
    json: Annotated[Path | None, typer.Option(help="A file for all of it.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Print how many jobs there were, how long they took and how they ended."""
    if json is not None and not overwrite:
        files.refuse_existing([json])
    with _opened(database) as ledger:
        from jaxrestore.serving.records import summaries

        found = summaries.summary(ledger.engine, now=time.time(), days=days)
    print(f"{tables.counted(found['jobs'], 'job')} since {found['since']}")
    for name, title in _TITLES.items():
        if rows := found[name]:
            cells = [[_cell(value) for value in row.values()] for row in rows]
            print(f"\n{title}\n{tables.aligned([*rows[0]], cells)}")
    if json is not None:
        files.write_json(json, found)


@records.command()
@ending.flags("database", "overwrite")
def export(
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .csv, .parquet or .html file.")
    ],
    database: Database = None,
    days: Days = 90,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a row a job, or as .html the page that the server shows; no pictures."""
    if not overwrite:
        files.refuse_existing([output])
    with _opened(database) as ledger:
        from jaxrestore.serving.records import exporting

        if output.suffix == ".html":
            count = _write_page(ledger, output, days)
        else:
            since = time.time() - days * 86_400
            count = exporting.write(ledger.engine, output, since=since)
    print(f"{tables.counted(count, 'job')} in {output}")


def _write_page(ledger: Any, output: Path, days: int) -> int:
    """Writes the page of so many days; returns of how many jobs it tells."""
    from jaxrestore.serving import extras

    with extras.needed("a page of records"):
        from jaxrestore.serving.pages import dashboard
    from jaxrestore.serving.records import plots, summaries

    found = summaries.summary(ledger.engine, now=time.time(), days=days)
    files.write_text(output, dashboard.file(found, plots.draw))
    return found["jobs"]


def _opened(database: str | None) -> Any:
    """The ledger at a URL, in a file, or in the folder where a server keeps its own."""
    from jaxrestore.serving import extras

    with extras.needed("looking at records"):
        from jaxrestore.serving.records import ledger
    place = database or str(serving.home() / "records.sqlite")
    if "://" not in place:
        place = f"sqlite:///{Path(place).absolute()}"
    return ledger.Ledger(place, existing=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
