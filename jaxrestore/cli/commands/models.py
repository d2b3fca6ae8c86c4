"""`jaxrestore restore` and `models`: pictures restored, and the networks that ship."""

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors, tables
from jaxrestore.cli import ending, options
from jaxrestore.cli import prior as deep_image_prior

commands = typer.Typer()
models = typer.Typer(
    help="The networks that come with the package: list, info, verify.",
    no_args_is_help=True,
)
commands.add_typer(models, name="models")


@commands.command()
@ending.flags(
    "checkpoint",
    "confine",
    "level",
    "mask",
    "max_pixels",
    "overwrite",
    "part",
    "skip_existing",
    "step",
    "strength",
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
        typer.Option(help="Or one that ships: photo, denoise, jpeg, pixel_shuffle."),
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
        int, typer.Option(min=2, max=16, help="How many times --prior sr enlarges.")
    ] = 4,
    iterations: Annotated[
        str, typer.Option(help="Of --prior: a number, or auto.")
    ] = "auto",
    preview: Annotated[
        Path | None, typer.Option(help="A file for what --prior has so far.")
    ] = None,
    overwrite: options.Overwrite = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where a run has stopped.")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Of an image; 100,000,000 if not given.")
    ] = None,
) -> None:
    """Restore images, or all below folders, with a network of yours or ours.

    In a folder results are PNG and keep their paths: a/x.jpg becomes OUT/a/x.png, and
    x.jpg.png where x.png lies beside it. Contents, not names, say what is an image.
    """
    if [checkpoint, weights, task, prior].count(None) != 3:
        raise errors.ConfigError(
            "give one of --checkpoint RUN, --weights FILE, --task NAME and --prior NAME"
        )
    if prior is not None:
        return deep_image_prior.restore(
            sources,
            output,
            task=prior,
            mask=None if mask is None else Path(mask),
            scale=scale,
            iterations=iterations,
            preview=preview,
            overwrite=overwrite,
            skip_existing=skip_existing,
            max_pixels=max_pixels,
        )
    if step is not None and checkpoint is None:
        raise errors.ConfigError("--step is of a run; give --checkpoint with it")
    # Imported here: --help answers without loading jax.
    from jaxrestore.inference import folders, masks, restorer

    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    in_alpha = mask in masks.WORDS
    # First, so that a bad file is told before a network is built.
    plan = folders.planned(
        sources,
        Path(output),
        into=output.endswith(("/", os.sep)),
        overwrite=overwrite,
        skip_existing=skip_existing,
        opaque=in_alpha,
        **limit,
    )
    _tell(plan.left_out)
    places, holes, skipped = plan.places, None, {}
    if places and mask is not None:
        holes, skipped = folders.masked(places, mask if in_alpha else Path(mask))
        places = {name: places[name] for name in holes}
    if places:
        network = _network(checkpoint, step, weights, task or "")
        confine = confine or task == "jpeg"
        restorer.check_options(
            network,
            level=level,
            strength=strength,
            confine=confine,
            masked=mask is not None,
        )
        skipped |= _with_a_bar(
            lambda done: folders.restore_all(
                network,
                places,
                level=level,
                strength=strength,
                confine=confine,
                masks=holes,
                done=done,
                **limit,
            ),
            len(places),
        )
    _say(len(plan.places) - len(skipped), plan.existing, Path(output))
    errors.raise_partial(skipped, "skipped")


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


@models.command("list")
def list_models() -> None:
    """Say which networks ship, and how large they are."""
    from jaxrestore.inference import shipped
    from jaxrestore.weights import weight_files

    rows = []
    for name in _known([]):
        place = shipped.path(name)
        card, variables = weight_files.load(place)
        leaves = weight_files.flat(variables["params"]).values()
        parameters = sum(leaf.size for leaf in leaves)
        size = f"{place.stat().st_size / 1e6:.2f} MB"
        network = card["generator"]["name"]
        rows.append([name, card["task"], network, f"{parameters:,}", size])
    headings = ["name", "task", "architecture", "parameters", "size"]
    print(tables.aligned(headings, rows))


@models.command()
def info(
    name: Annotated[str, typer.Argument(help="A network that ships, or a file.")],
) -> None:
    """Show a network's card: what it is, what it was made of, what it scores."""
    from jaxrestore.inference import shipped
    from jaxrestore.weights import weight_files

    place = Path(name) if Path(name).suffix else shipped.path(name)
    card = weight_files.read_card(place)
    try:
        scores = _scores(card["task"], card["scores"]) if card.get("scores") else ""
    except (KeyError, TypeError, ValueError) as error:
        raise errors.NoInputError(
            f"{weight_files.card_path(place)} has scores that are no rows of numbers "
            "for a task; fetch or convert it again"
        ) from error
    print(f"{place}, {place.stat().st_size / 1e6:.2f} MB")
    for key, value in card.items():
        if key == "earlier":  # of each training before the last what it began with
            value = [one["from"] for one in value]
        if key != "scores" and value not in (None, []):
            print(f"{key}: {_phrase(value)}")
    if scores:
        print(f"\n{scores}")


@models.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="A network that ships; all if not given.")
    ] = None,
) -> None:
    """Score the networks anew and compare with their cards; 66 if they differ."""
    from jaxrestore.comparing import shipped as shipped_scores
    from jaxrestore.inference import shipped

    complaints = []
    for one in _known([name] if name else []):
        try:
            rows, differing = shipped.verify(one, shipped_scores.judge)
        except errors.MismatchError as error:
            complaints.append(str(error))
            continue
        print(f"{one}: {'differs' if differing else 'as its card says'}")
        print(_scores(one, rows), end="\n\n")
        complaints += differing
    if complaints:
        raise errors.MismatchError("\n  ".join(["the cards differ:", *complaints]))


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


def _known(asked: list[str]) -> list[str]:
    """Returns the networks that are asked for, all that ship if none is."""
    from jaxrestore.inference import shipped

    for name in asked:
        shipped.path(name)
    if not (found := asked or shipped.names()):
        raise errors.DamagedError(
            "this installation of jaxrestore holds no weights; install it anew"
        )
    return found


def _scores(task: str, rows: Sequence[Mapping[str, Any]]) -> str:
    from jaxrestore.evaluation import summaries
    from jaxrestore.inference import shipped

    methods = ("input", "classical", "ours")
    both = lambda scores: f"{scores['psnr']:.2f} / {scores['ssim']:.4f}"
    cells = [[str(row["level"]), *(both(row[m]) for m in methods)] for row in rows]
    exact = f"{summaries.EXACT_DB:.2f} where exact"
    note = f"psnr in dB / ssim, {shipped.PROTOCOL}, means of 4 pictures; {exact}"
    return f"{tables.aligned([shipped.task(task).unit, *methods], cells)}\n{note}"


def _phrase(value: Any) -> str:
    """Returns a value of a card as one line; a run's config stays in the file."""
    if isinstance(value, Mapping):
        parts = (f"{k} {_phrase(v)}" for k, v in value.items() if k != "config")
        return ", ".join(parts)
    if isinstance(value, list):
        return f"({', '.join(map(_phrase, value))})"
    return str(value)
