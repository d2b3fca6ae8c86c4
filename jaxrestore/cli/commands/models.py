"""`jaxrestore models`: the networks that ship."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors, tables

commands = typer.Typer()
models = typer.Typer(
    help="The networks that come with the package: list, info, verify.",
    no_args_is_help=True,
)
commands.add_typer(models, name="models")


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
