"""`jaxrestore`: the command line of everything but training; no logic here."""

from pathlib import Path
from typing import Annotated

import typer

from jaxrestore import __version__, console

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
    """Image restoration in JAX. Training: python -m jaxrestore.main --help."""


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The damaged image.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write it.")],
    checkpoint: Annotated[Path, typer.Option(help="The workdir of a training run.")],
    step: Annotated[
        int | None, typer.Option(help="A checkpoint of it; the best if not given.")
    ] = None,
) -> None:
    """Restore one image with the network of a run; the size stays what it is."""
    # Imported here: --help answers without loading jax.
    from jaxrestore import images
    from jaxrestore.inference import restorer

    image = images.decode_with_alpha(source)
    network = restorer.load(checkpoint, step)
    images.encode(restorer.restore_image(network, image), output)


def main() -> None:
    """Runs the command line, with the exit codes of the package."""
    console.run(app)
