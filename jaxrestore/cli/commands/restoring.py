"""`jaxrestore restore`: pictures by a network of yours or ours, or without any."""

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors, tables
from jaxrestore.cli import ending, options
from jaxrestore.cli import prior as deep_image_prior

commands = typer.Typer()


@commands.command()
@ending.flags(
    "bit_depth",
    "checkpoint",
    "confine",
    "format",
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
    sources: Annotated[
        list[Path], typer.Argument(metavar="IN", help="Damaged images, or folders.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="The file, or folder, to write; a folder/ is made.",
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The workdir of a training run.")
    ] = None,
    step: Annotated[
        int | None, typer.Option(help="A checkpoint of it; the best if not given.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Or a file of weights: .safetensors or .pth.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="Or one that ships: photo, denoise, jpeg, pixel_shuffle, inpaint."
        ),
    ] = None,
    confine: Annotated[
        bool,
        typer.Option(
            "--confine", help="Keep to what a JPEG file says; --task jpeg does."
        ),
    ] = False,
    level: Annotated[
        float | None,
        typer.Option(help="Sigma of the noise, 0 to 255, for networks told it."),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="How much is changed, 0 to 1; as much as looks damaged if not given."
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=1, help="The side of tiles, px; few sizes if not given."),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="The mean of eight, turned and mirrored: slow, a little better.",
        ),
    ] = False,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="White where it is missing: a file, a folder of equal names, or "
            "'alpha' (transparent) or 'opaque' in IN's own alpha.",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="Or without training: denoise, jpeg, sr or inpaint."),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(min=2, max=16, help="How many times --prior sr enlarges: 4."),
    ] = None,
    iterations: Annotated[
        str | None, typer.Option(help="Of --prior: a number, or auto.")
    ] = None,
    preview: Annotated[
        Path | None, typer.Option(help="A file for what --prior has so far.")
    ] = None,
    overwrite: options.Overwrite = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where a run has stopped.")
    ] = False,
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
        typer.Option(help="Of results in folders: png, jpeg, webp, tiff, bmp or avif."),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="Of jpeg, webp or avif, 1 to 100.")
    ] = None,
    bit_depth: Annotated[
        int | None, typer.Option(help="8, or 16 in png and tiff; as IN if not given.")
    ] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata", help="Leave out EXIF, XMP, resolution and profile."
        ),
    ] = False,
) -> None:
    """Restore images, or all below folders, with a network of yours or ours.

    In a folder results are PNG and keep their paths: a/x.jpg becomes OUT/a/x.png, and
    x.jpg.png where x.png lies beside it. Contents, not names, say what is an image.
    """
    if [checkpoint, weights, task, prior].count(None) != 3:
        raise errors.ConfigError(
            "give one of --checkpoint RUN, --weights FILE, --task NAME and --prior NAME"
        )
    of_networks = {"level": level, "strength": strength, "tile": tile}
    of_networks |= {"confine": confine or None, "ensemble": ensemble or None}
    of_priors = {"scale": scale, "iterations": iterations, "preview": preview}
    _refuse_given(of_priors if prior is None else of_networks, prior)
    if step is not None and checkpoint is None:
        raise errors.ConfigError("--step is of a run; give --checkpoint with it")
    # Imported here: --help answers without loading jax.
    from jaxrestore import images
    from jaxrestore.inference import folders, masks, plans, restorer

    writing = images.Writing(format, quality, bit_depth, not strip_metadata)
    if prior is not None:
        max_pixels = deep_image_prior.limit(prior, max_pixels)
    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    in_alpha = mask in masks.WORDS
    # First, so that a bad file is told before a network is built.
    plan = plans.planned(
        sources,
        Path(output),
        into=output.endswith(("/", os.sep)),
        overwrite=overwrite,
        skip_existing=skip_existing,
        opaque=in_alpha,
        writing=writing,
        **limit,
    )
    _tell(plan.left_out)
    places, holes, skipped = plan.places, None if mask is None else {}, {}
    if places and mask is not None:
        given = mask if in_alpha else Path(mask)
        holes, skipped = plans.masked(places, given, existing=plan.existing)
        places = {name: places[name] for name in holes}
    if prior is not None:
        deep_image_prior.restore(
            places,
            task=prior,
            masks=holes,
            iterations=iterations or "auto",
            scale=scale,
            preview=preview,
            overwrite=overwrite,
            writing=writing,
            **limit,
        )
    elif places:
        network = _network(checkpoint, step, weights, task or "")
        confine = confine or task == "jpeg"
        restorer.check_options(
            network,
            level=level,
            strength=strength,
            confine=confine,
            masked=mask is not None,
            tile=tile,
        )
        skipped |= _with_a_bar(
            lambda done: folders.restore_all(
                network,
                places,
                level=level,
                strength=strength,
                tile=tile,
                ensemble=ensemble,
                confine=confine,
                masks=holes,
                writing=writing,
                done=done,
                **limit,
            ),
            len(places),
        )
    _say(len(plan.places) - len(skipped), plan.existing, Path(output))
    errors.raise_partial(skipped, "skipped")


def _refuse_given(options: Mapping[str, Any], prior: str | None) -> None:
    """Refuses options that say nothing to what restores."""
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given and prior is None:
        raise errors.ConfigError(
            f"{' and '.join(given)}: of --prior alone; leave it out, or give --prior"
        )
    if given:
        raise errors.ConfigError(
            f"{' and '.join(given)}: of networks alone; leave it out beside --prior"
        )


def _tell(left_out: Mapping[str, str]) -> None:
    """Gives notice of what is left out of folders, up to ten by name."""
    if left_out:
        listed = errors.listed(left_out, "left out")
        warnings.warn(listed, errors.Notice, stacklevel=2)


def _with_a_bar(work: Callable[[Any], dict[str, str]], count: int) -> dict[str, str]:
    """Returns what `work` does; it is given a function to call with each name done."""
    if count == 1:
        return work(lambda name: None)
    label = f"restoring {count} images"
    with typer.progressbar(length=count, label=label, file=sys.stderr) as bar:
        return work(lambda name: bar.update(1))


def _say(count: int, existing: int, output: Path) -> None:
    if output.is_dir():
        before = f", {existing} more were there" if existing else ""
        print(f"{tables.counted(count, 'image')} in {output}{before}")
    elif existing:
        print(f"{output} was there")


def _network(
    checkpoint: Path | None, step: int | None, weights: Path | None, task: str
) -> Any:
    """Returns the one of the three that is given as a restorer."""
    from jaxrestore.inference import restorer, shipped

    if checkpoint is not None:
        # Orbax is loaded for runs alone.
        from jaxrestore.inference import of_runs

        return of_runs.load(checkpoint, step)
    return shipped.load(task) if weights is None else restorer.load_weights(weights)
