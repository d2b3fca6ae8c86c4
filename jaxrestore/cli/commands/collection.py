"""`jaxrestore collection`: millions of pictures, on the machines of a Ray cluster."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors, tables
from jaxrestore.cli import ending, options

commands = typer.Typer()


@commands.command()
@ending.flags(
    "address",
    "confine",
    "ensemble",
    "level",
    "mask",
    "max_pixels",
    "overwrite",
    "strength",
    "task",
    "tile",
    "weights",
    "workers",
)
def collection(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Pictures, a folder.")],
    destination: Annotated[
        Path, typer.Argument(metavar="DST", help="The folder of results; it is made.")
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="One that ships: photo, denoise, jpeg, pixel_shuffle, inpaint."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Or a file of weights: .safetensors or .pth.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Restore nothing: say whether all of SRC is done in DST."
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster, such as auto; one of its own if not given."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many; one a GPU, or one a machine, if not given."
        ),
    ] = None,
    max_bad_fraction: Annotated[
        float,
        typer.Option(min=0, max=1, help="Bad pictures that are no failure, of all."),
    ] = 0.0,
    level: options.Level = None,
    strength: options.Strength = None,
    confine: options.Confine = False,
    tile: options.Tile = None,
    ensemble: options.Ensemble = False,
    mask: Annotated[
        str | None,
        typer.Option(
            help="What is missing: alpha or opaque, of a picture's own alpha."
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(min=1, help="Of a picture; 100,000,000 if not given."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Restore all pictures below SRC to DST, on one machine or on many.

    The same command goes on where one has stopped, and does only what is
    missing or has changed. DST/failed.jsonl names what cannot be restored.
    """
    if verify:
        given = {"--task": task, "--weights": weights, "--level": level}
        given |= {"--strength": strength, "--tile": tile, "--mask": mask}
        given |= {"--confine": confine or None, "--ensemble": ensemble or None}
        given |= {"--address": address, "--workers": workers}
        given |= {"--max-pixels": max_pixels, "--overwrite": overwrite or None}
        given |= {"--max-bad-fraction": max_bad_fraction or None}
        if said := [name for name, value in given.items() if value is not None]:
            raise errors.ConfigError(
                "--verify restores nothing, and knows what DST was restored by; leave "
                f"{' and '.join(said)} out"
            )
        _verify(source, destination)
        return
    if (task is None) == (weights is None):
        raise errors.ConfigError("give one of --task NAME and --weights FILE")
    # Imported here: --help answers without loading jax.
    from jaxrestore.collection import cluster, keys, restoring
    from jaxrestore.inference import masks

    if mask is not None and mask not in masks.WORDS:
        raise errors.ConfigError(
            f"--mask is {mask}; of a collection it is one of {', '.join(masks.WORDS)}"
        )
    outcome = _with_a_bar(
        "restoring",
        lambda progress: restoring.restore(
            source,
            destination,
            task=task,
            weights=weights,
            options=keys.Options(
                level, strength, tile, ensemble, confine or task == "jpeg", mask
            ),
            **({} if max_pixels is None else {"max_pixels": max_pixels}),
            overwrite=overwrite,
            carry=functools.partial(cluster.run, address=address, workers=workers),
            progress=progress,
        ),
    )
    _say(outcome, destination, max_bad_fraction)


def _say(outcome: Any, destination: Path, fraction: float) -> None:
    """Prints what became of a collection; too many bad pictures are an error."""
    print(
        f"{tables.counted(outcome.done, 'picture')} in {destination}, "
        f"{outcome.there} more were there, {outcome.failed} failed"
    )
    if not outcome.failed:
        return
    told = errors.listed(outcome.reasons, "of those that failed")
    where = f"all of them are in {outcome.report}"
    if outcome.failed == outcome.inputs:
        raise errors.NoInputError(
            f"none of the {outcome.inputs} pictures could be restored; {where}\n{told}"
        )
    if outcome.failed > fraction * outcome.inputs:
        raise errors.PartialError(
            f"{outcome.failed} of {outcome.inputs} pictures could not be restored, "
            f"more than --max-bad-fraction {fraction:g} allows; {where}\n{told}"
        )


def _verify(source: Path, destination: Path) -> None:
    from jaxrestore.collection import verification

    verdict = _with_a_bar(
        "verifying",
        lambda progress: verification.verify(
            source, destination, progress=lambda seen: progress(seen, 0)
        ),
    )
    sum_ = f"{verdict.inputs} = {verdict.done} done + {verdict.failed} failed"
    if not verdict.wrong:
        print(f"{destination} is whole: {sum_}")
        return
    first = dict([*verdict.named.items()][:10])
    told = errors.listed(first, "of them")
    raise errors.PartialError(
        f"{destination} is not whole: {sum_} + {verdict.wrong} missing or changed; "
        "delete results that have changed since they were written, and restore it "
        f"again, which does only what is missing\n{told}"
    )


def _with_a_bar(label: str, work: Callable[[Callable[[int, int], object]], Any]) -> Any:
    """Returns what `work` does, which is given a function to call with its progress."""
    with typer.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(seen: int, of: int) -> None:
            bar.length = max(seen, of, 1)
            bar.update(seen - bar.pos)

        return work(show)
