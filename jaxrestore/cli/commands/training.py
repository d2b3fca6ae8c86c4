"""`jaxrestore train` and `keys`: runs, and what their configs may hold."""

import typer

commands = typer.Typer()


@commands.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def train(context: typer.Context) -> None:
    """Train from --config FILE[:ARGUMENT]; as python -m jaxrestore.main."""
    from jaxrestore.cli import training

    training.run(["jaxrestore train", *context.args])


@commands.command()
def keys() -> None:
    """Print every key of a training config: what it holds, its default, its meaning."""
    from jaxrestore.training import keys_page

    print(keys_page.page(), end="")
