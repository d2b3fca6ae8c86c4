"""`jaxrestore restore`: pictures by a network of yours or ours, or without any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors
from jaxrestore.cli import ending, options, reports, restorations, streams
from jaxrestore.cli import prior as deep_image_prior

commands = typer.Typer()


@commands.command()
@ending.flags(
    "bit_depth",
    "checkpoint",
    "confine",
    "format",
    "frame",
    "level",
    "mask",
    "max_pixels",
    "overwrite",
    "part",
    "prior",
    "quality",
    "skip_existing",
    "step",
    "strength",
    "tile",
    "weights",
)
def restore(
    sources: options.Sources,
    output: options.Output,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="The workdir of a training run.", rich_help_panel=options.BY_WHAT
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            help="A checkpoint of it; the best if not given.",
            rich_help_panel=options.BY_WHAT,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Or a file of weights: .safetensors, .pth, .onnx, .param.",
            rich_help_panel=options.BY_WHAT,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Or one that ships: photo, denoise, jpeg, pixel_shuffle, inpaint.",
            rich_help_panel=options.BY_WHAT,
        ),
    ] = None,
    confine: options.Confine = False,
    level: options.Level = None,
    strength: options.Strength = None,
    tile: options.Tile = None,
    ensemble: options.Ensemble = False,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="White where it is missing: a file, a folder of equal names, or "
            "'alpha' (transparent) or 'opaque' in IN's own alpha.",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            help="Or without training, in minutes: denoise, jpeg, sr or inpaint.",
            rich_help_panel=options.BY_WHAT,
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=16,
            help="How many times --prior sr enlarges: 4.",
            rich_help_panel=options.PRIOR,
        ),
    ] = None,
    iterations: Annotated[
        str | None,
        typer.Option(
            help="Of --prior: a number, or auto.", rich_help_panel=options.PRIOR
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            help="A file for what --prior has so far.", rich_help_panel=options.PRIOR
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Which picture of an animated file, or page, from 0.",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    recursive: options.Recursive = True,
    reference: options.Reference = None,
    json: options.Json = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of an image, 100,000,000 if not given; of a result of --prior "
            "denoise, jpeg or sr 1,048,576.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="Of results in folders: png, jpeg, webp, tiff, bmp or avif.",
            rich_help_panel=options.WRITTEN,
        ),
    ] = None,
    quality: options.Quality = None,
    bit_depth: Annotated[
        int | None,
        typer.Option(
            help="8, or 16 in png and tiff; as IN if not given.",
            rich_help_panel=options.WRITTEN,
        ),
    ] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Leave out EXIF, XMP, resolution and profile.",
            rich_help_panel=options.WRITTEN,
        ),
    ] = False,
) -> None:
    """Restore images, or all below folders, with a network of yours or ours.

    In a folder results are PNG and keep their paths: a/x.jpg becomes OUT/a/x.png, and
    x.jpg.png where x.png lies beside it. Contents, not names, say what is an image. The
    same command again restores what is missing there.
    """
    by = {"checkpoint": checkpoint, "weights": weights, "task": task, "prior": prior}
    of_networks = {"level": level, "strength": strength, "tile": tile}
    of_networks |= {"ensemble": ensemble or None, "confine": confine or None}
    of_priors = {"scale": scale, "iterations": iterations, "preview": preview}
    _check(by, step, of_networks, of_priors)
    if json is not None and not (overwrite or skip_existing):
        reports.refuse_other(json, output)
    if prior is not None:
        max_pixels = deep_image_prior.limit(prior, max_pixels)
    how = {**of_networks, "scale": scale, "iterations": iterations, "frame": frame}
    # Imported here: --help answers without it.
    from jaxrestore import images

    writing = images.Writing(format, quality, bit_depth, not strip_metadata)
    streamed = writing.suffix if format else None
    with (
        ending.terminable(),
        streams.as_files(sources, output, suffix=streamed) as files,
    ):
        pictures, place, spelled = files
        work = restorations.planned(
            pictures,
            place,
            mask=mask,
            recursive=recursive,
            reference=reference,
            overwrite=overwrite,
            skip_existing=skip_existing,
            max_pixels=max_pixels,
            by={**by, "step": step},
            options=how | ({"confine": True} if task == "jpeg" else {}),
            writing=writing,
        )
        with reports.written(json, work, spelled) as scores:
            try:
                if prior is not None:
                    restorations.by_prior(work, preview=preview, overwrite=overwrite)
                elif work.rest.places:
                    restorations.by_network(work)
            except KeyboardInterrupt as error:  # of which Typer would say nothing
                raise restorations.interrupted(work, error) from None
            said = restorations.said(work)
            scores |= reports.scored(work)
        print(said)
        restorations.raise_partial(work)


def _check(
    by: Mapping[str, Any],
    step: int | None,
    of_networks: Mapping[str, Any],
    of_priors: Mapping[str, Any],
) -> None:
    """Refuses what says nothing to what restores; None is not given."""
    if [*by.values()].count(None) != len(by) - 1:
        raise errors.ConfigError(
            "give one of --checkpoint RUN, --weights FILE, --task NAME and --prior NAME"
        )
    others = of_priors if by["prior"] is None else of_networks
    given = " and ".join(f"--{n}" for n, value in others.items() if value is not None)
    if given and others is of_priors:
        raise errors.ConfigError(
            f"{given}: of --prior alone; leave it out, or give --prior"
        )
    if given:
        raise errors.ConfigError(
            f"{given}: of networks alone; leave it out beside --prior"
        )
    if step is not None and by["checkpoint"] is None:
        raise errors.ConfigError("--step is of a run; give --checkpoint with it")
