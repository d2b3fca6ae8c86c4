"""`jaxrestore`: the command line, made of what lies in `commands/`."""

from typing import Annotated

import typer

from jaxrestore import __version__, naming
from jaxrestore.cli import ending

app = typer.Typer(
    help="Image restoration in JAX.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool | None) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _jaxrestore(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True)
    ] = None,
) -> None:
    """Image restoration in JAX."""


for _group in naming.modules("cli.commands"):
    app.add_typer(_group.commands)


def main() -> None:
    """Runs the command line, with the exit codes of the package."""
    ending.run(app)
