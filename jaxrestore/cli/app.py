"""`jaxrestore`: the command line, made of what lies in `commands/`."""

import sys
from typing import Annotated

import typer
from typer import core

from jaxrestore import __version__, naming
from jaxrestore.cli import compiled_programs, ending


class _Commands(core.TyperGroup):
    def get_params(self, ctx):
        """Returns what the command line takes; all flags below are without a type."""
        _untyped(self, ctx)
        return super().get_params(ctx)


def _untyped(command, context):
    """Takes the type from flags, which help shows as if one were to give a value."""
    for option in [*command.params, command.get_help_option(context)]:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    for below in getattr(command, "commands", {}).values():
        _untyped(below, context)


app = typer.Typer(
    cls=_Commands,
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
    if sys.argv[1:2] != ["train"]:  # whose compilation is measured, and part of a run
        folder = compiled_programs.keep()
        if folder is not None:
            compiled_programs.mend(folder)
    ending.run(app)
