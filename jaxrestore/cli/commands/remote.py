"""`jaxrestore remote`: pictures restored by a web app elsewhere."""

import contextvars
from pathlib import Path
from typing import Annotated

import typer

from jaxrestore import errors
from jaxrestore.cli import ending, options, streams

commands = typer.Typer()
remote = typer.Typer(
    help="Restore pictures by a web app elsewhere (jaxrestore serve): restore, tasks.",
    no_args_is_help=True,
)
commands.add_typer(remote, name="remote")

# What stands before the command, for it.
_URL: contextvars.ContextVar[str] = contextvars.ContextVar("_URL")

Token = Annotated[
    str | None,
    typer.Option(
        envvar="JAXRESTORE_TOKEN",
        show_envvar=False,
        help="Of a server that wants one; else JAXRESTORE_TOKEN.",
    ),
]


@remote.callback()
def at(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Such as http://127.0.0.1:8080.")
    ],
) -> None:
    """Restore pictures by a web app elsewhere (jaxrestore serve)."""
    _URL.set(url)


@remote.command("tasks")
@ending.flags("token")
def list_tasks(token: Token = None) -> None:
    """Say what the server can do, and what of it needs a mask."""
    from jaxrestore.cli import remotely
    from jaxrestore.remote import server, tasks

    with server.Server(_URL.get(), token=token) as there:
        print(remotely.listed(tasks.asked(there)))


@remote.command()
@ending.flags(
    "confine",
    "ensemble",
    "format",
    "level",
    "mask",
    "method",
    "output",
    "overwrite",
    "quality",
    "scale",
    "skip_existing",
    "strength",
    "task",
    "token",
)
def restore(
    sources: options.Sources,
    output: options.Output,
    task: Annotated[str, typer.Option(help="One that `tasks` lists.")],
    method: Annotated[
        str | None,
        typer.Option(
            help="network, prior or classical; the task's first if not given."
        ),
    ] = None,
    confine: options.Confine = False,
    level: options.Level = None,
    strength: options.Strength = None,
    ensemble: options.Ensemble = False,
    scale: Annotated[
        int | None, typer.Option(min=2, help="How many times a task enlarges.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="M",
            help="White where it is missing: a file, or a folder of equal names.",
        ),
    ] = None,
    recursive: options.Recursive = True,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    format: Annotated[
        str | None,
        typer.Option(
            help="Of results in folders: png, jpeg, webp, tiff or avif.",
            rich_help_panel=options.WRITTEN,
        ),
    ] = None,
    quality: options.Quality = None,
    token: Token = None,
) -> None:
    """Restore images, or all below folders, as `jaxrestore restore` does.

    They are sent to the server, which deletes them once the results have come; these
    hold no EXIF. The same command again restores what is missing in a folder.
    """
    from jaxrestore import images
    from jaxrestore.cli import remotely, restorations
    from jaxrestore.remote import server, tasks

    writing = images.Writing(format, quality, metadata=False)
    given = {"level": level, "strength": strength, "scale": scale}
    given |= {"ensemble": ensemble or None, "confine": confine or None}
    known = {name: value for name, value in given.items() if value is not None}
    suffix = writing.suffix if format else None
    with (
        ending.terminable(),
        server.Server(_URL.get(), token=token) as there,
        streams.as_files(sources, output, suffix=suffix) as (pictures, place, _),
    ):
        offer = tasks.asked(there)
        masked = mask is not None
        found = tasks.check(offer, task, known, method=method, masked=masked)
        if mask is not None and not mask.exists():
            raise errors.NoInputError(
                f"`mask` {mask} does not exist; give a file, or a folder with a mask "
                "of the same name for each image"
            )
        if (
            task == "jpeg"
            and method in (None, "network")
            and "confine" in found.options
        ):
            known["confine"] = True  # as restore does
        work = restorations.planned(
            pictures,
            place,
            mask=str(mask) if mask else None,
            recursive=recursive,
            reference=None,
            overwrite=overwrite,
            skip_existing=skip_existing,
            max_pixels=None,
            by={
                "server": there.url,
                "task": task,
                "method": method,
                "sha256": tasks.fingerprint(found, method),
            },
            options=known,
            writing=writing,
        )
        try:
            remotely.by_server(work, there, offer)
        except KeyboardInterrupt as error:  # of which Typer would say nothing
            raise restorations.interrupted(work, error) from None
        print(restorations.said(work))
        restorations.raise_partial(work)
