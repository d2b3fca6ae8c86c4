"""`jaxrestore`: the command line of everything but training; no logic here."""

import ast
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import __version__, errors
from jaxrestore.cli import ending, models, studies, weights

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
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Restored images: folder or file.")],
    targets: Annotated[Path, typer.Option(help="What they should be, in same names.")],
    inputs: Annotated[
        Path | None, typer.Option(help="The degraded images: shows the gain over them.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="What is measured, and how.")] = "rgb8",
    all_protocols: Annotated[
        bool, typer.Option("--all-protocols", help="Under every protocol there is.")
    ] = False,
    lpips: Annotated[
        str,
        typer.Option(
            metavar="FILE[,FILE]",
            help="LPIPS too: backbone and heads, from files that you have.",
        ),
    ] = "",
    csv: Annotated[Path | None, typer.Option(help="A file for a row an image.")] = None,
    json: Annotated[Path | None, typer.Option(help="A file for all of it.")] = None,
) -> None:
    """Score files against targets of the same names (suffixes may differ)."""
    from jaxrestore import naming, perceptual, protocols
    from jaxrestore.evaluation import folders, outcome

    names = [*naming.public(protocols)] if all_protocols else [protocol]
    files = [Path(name) for name in lpips.split(",")] if lpips else []
    model = perceptual.load_lpips(files) if files else None
    scores = folders.score(predictions, targets, inputs, protocols=names, lpips=model)
    summary = folders.summarize(scores.rows)
    if all_protocols:
        _print_protocols(summary)
        print(folders.spread(summary))
    else:
        _print_metrics(summary[protocol], protocol)
    if csv is not None:
        folders.write_csv(csv, scores.rows)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        document = folders.document(scores, predictions, targets, inputs)
        outcome.write_json(json, document)
    errors.raise_partial(scores.skipped, "not scored")


@app.command()
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder or image file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the set.")],
    kind: Annotated[str, typer.Option(help="A file in degradations.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same set.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="rate=0.15, level=(0,0.2), ..."
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="folders: OUT/input and OUT/target; AB: one picture, input left."
        ),
    ] = "folders",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Make a paired set: each image, damaged, beside itself."""
    options = dict(_option(text) for text in option or [])
    from jaxrestore.pairs import paired_sets

    card = paired_sets.write(
        source,
        output,
        kind=kind,
        options=options,
        seed=seed,
        layout=layout,
        overwrite=overwrite,
    )
    print(
        f"{len(card['images'])} pairs in {output}, made as its {paired_sets.CARD} says"
    )
    errors.raise_partial(card["skipped"], "skipped")


@app.command()
def combine(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder or file: left.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder or file: right.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Put pairs side by side: equal stems, or ends _A and _B in one folder or two."""
    from jaxrestore.pairs import side_by_side

    written, skipped = side_by_side.combine(a, b, output, overwrite=overwrite)
    print(f"{len(written)} pairs in {output}")
    errors.raise_partial(skipped, "left out")


@app.command()
def split(
    source: Annotated[Path, typer.Argument(metavar="AB", help="Folder or file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="For OUT/A, OUT/B.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Cut side-by-side pictures into OUT/A and OUT/B."""
    from jaxrestore.pairs import side_by_side

    written, skipped = side_by_side.split(source, output, overwrite=overwrite)
    print(f"{len(written)} pairs in {output / 'A'} and {output / 'B'}")
    errors.raise_partial(skipped, "left out")


@app.command()
def keys() -> None:
    """Print every key of a training config: what it holds, its default, its meaning."""
    from jaxrestore.training import keys_page

    print(keys_page.page(), end="")


app.command()(models.restore)
app.add_typer(models.models, name="models")
app.command()(weights.convert)
app.command()(weights.interpolate)
app.command()(studies.sweep)
app.command()(studies.compare)
app.add_typer(studies.study, name="study")


def _option(text: str) -> tuple[str, Any]:
    """Returns key and value of KEY=VALUE; a value that is no Python literal is text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise errors.ConfigError(f"--set {text!r} is no KEY=VALUE, such as rate=0.15")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        if set(value) & set("([{,:\"'"):
            raise errors.ConfigError(
                f"--set {text!r}: the value is no Python literal, such as 0.15, (0, 1) "
                "or 'raster'"
            ) from None
        return name, value


def _print_metrics(summary: dict[str, Any], protocol: str) -> None:
    headings = ["protocol", "metric", "mean", "median", "5 %"]
    note = f"{summary['images']} images; 5 %: the 5th percentile"
    if "gain" in summary["metrics"]["psnr"]:
        headings += ["inputs", "gain"]
        note += "; inputs: their mean; gain: of the mean, and its 95 % interval"
    rows = []
    for name, part in summary["metrics"].items():
        cells = [_number(part[key], name) for key in ("mean", "median", "p05")]
        if "gain" in part:
            gain, (low, high) = _number(part["gain"], name, "+"), part["ci95"]
            if low is not None:
                gain += f" ± {_number((high - low) / 2, name)}"
            cells += [_number(part["degraded"], name), gain]
        rows.append([protocol, name, *cells])
    _print_table(headings, rows)
    print(note)


def _print_protocols(summary: dict[str, dict[str, Any]]) -> None:
    rows = []
    for protocol, part in summary.items():
        means = {name: values["mean"] for name, values in part["metrics"].items()}
        ssim = _number(means["ssim"], "ssim") if "ssim" in means else "-"
        psnr = _number(means["psnr"], "psnr")
        rows.append([protocol, str(part["images"]), psnr, ssim, part["fixes"]])
    _print_table(["protocol", "images", "psnr", "ssim", "what it scores"], rows)


def _print_table(headings: list[str], rows: list[list[str]]) -> None:
    from rich import console as rich_console
    from rich import markup, table

    drawn = table.Table(*headings)
    for row in rows:
        drawn.add_row(*(markup.escape(cell) for cell in row))
    rich_console.Console().print(drawn)


def _number(value: float | None, metric: str, sign: str = "") -> str:
    """Returns the number as papers print it: dB with two decimals, others with four."""
    if value is None:
        return "-" if sign else "inf"  # a difference has lost its direction
    return f"{value:{sign}.2f}" if metric.startswith("psnr") else f"{value:{sign}.4f}"


def main() -> None:
    """Runs the command line, with the exit codes of the package."""
    ending.run(app)
