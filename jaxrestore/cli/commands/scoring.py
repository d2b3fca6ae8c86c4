"""`jaxrestore evaluate`: any files against their targets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import errors, files, tables
from jaxrestore.cli import ending, options

commands = typer.Typer()


@commands.command()
@ending.flags("overwrite")
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Restored images: folder or file.")],
    targets: Annotated[Path, typer.Option(help="What they should be, in same names.")],
    inputs: Annotated[
        Path | None, typer.Option(help="The degraded images: shows the gain over them.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="White where pixels were lost: scores by the size of the hole, too."
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="What is measured, and how.")] = "rgb8",
    all_protocols: Annotated[
        bool,
        typer.Option(
            "--all-protocols",
            help="Under every protocol; inpainting only with --masks.",
        ),
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
    overwrite: options.Overwrite = False,
) -> None:
    """Score files against targets of the same names (suffixes may differ)."""
    if not overwrite:
        files.refuse_existing(path for path in (csv, json) if path is not None)
    from jaxrestore import perceptual
    from jaxrestore.evaluation import folders

    known = folders.names(masks=masks is not None)
    names = known if all_protocols else [protocol]
    parts = [Path(name) for name in lpips.split(",")] if lpips else []
    model = perceptual.load_lpips(parts) if parts else None
    places = (predictions, targets, inputs, masks)
    scores = folders.score(*places, protocols=names, lpips=model)
    summary = folders.summarize(scores.rows)
    if all_protocols:
        _print_protocols(summary)
        print(folders.spread(summary))
    else:
        _print_metrics(summary[protocol], protocol)
    for note in scores.notes:
        print(note)
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        files.write_csv(csv, scores.rows)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(json, folders.document(scores, *places))
    errors.raise_partial(scores.skipped, "not scored")


def _print_metrics(summary: dict[str, Any], protocol: str) -> None:
    headings = ["protocol", "metric", "mean", "median", "5 %"]
    note = f"{tables.counted(summary['images'], 'image')}; 5 %: the 5th percentile"
    if "gain" in summary["metrics"]["psnr"]:
        headings += ["inputs", "gain"]
        note += "; inputs: their mean; gain: of the mean"
        note += ", and its 95 % interval" if summary["images"] > 1 else ""
    rows = []
    for name, part in summary["metrics"].items():
        keys = ("mean", "median", "p05")
        cells = [number(part[key], name, part["infinite"]) for key in keys]
        if "gain" in part:
            gain, (low, high) = number(part["gain"], name, sign="+"), part["ci95"]
            if low is not None:
                gain += f" ± {number((high - low) / 2, name)}"
            cells += [number(part["degraded"], name), gain]
        rows.append([protocol, name, *cells])
    print(tables.aligned(headings, rows))
    print("\n".join([note, *_left_out(summary)]))
    if "holes" in summary:
        _print_holes(summary["holes"])


def _print_holes(holes: dict[str, Any]) -> None:
    """The means by how much of the picture was lost, and what lies outside."""
    from jaxrestore.evaluation import hole_shares

    rows, names = [], []
    for name, part in hole_shares.occupied(holes):
        names = [*part["metrics"]]
        cells = [
            number(numbers["mean"], metric, numbers["infinite"])
            for metric, numbers in part["metrics"].items()
        ]
        rows.append([name, str(part["images"]), *cells])
    if rows:
        print(tables.aligned(["hole", "images", *names], rows))
    for note in hole_shares.notes(holes):
        print(note)


def _left_out(summary: dict[str, Any], prefix: str = "") -> list[str]:
    """A line for each metric whose mean does not count all images."""
    every = tables.counted(summary["images"], "image")
    return [
        f"{prefix}{name}: mean of {part['images']} of {every}; it "
        f"is {'infinite' if part['infinite'] else 'undefined'} for the others"
        for name, part in summary["metrics"].items()
        if 0 < part["images"] < summary["images"]
    ]


def _print_protocols(summary: dict[str, dict[str, Any]]) -> None:
    rows, lines = [], []
    for protocol, part in summary.items():
        means = {name: values["mean"] for name, values in part["metrics"].items()}
        ssim = number(means["ssim"], "ssim") if "ssim" in means else "-"
        psnr = number(means["psnr"], "psnr", part["metrics"]["psnr"]["infinite"])
        lines += _left_out(part, f"{protocol} ")
        rows.append([protocol, str(part["images"]), psnr, ssim, part["fixes"]])
    print(
        tables.aligned(["protocol", "images", "psnr", "ssim", "what it scores"], rows)
    )
    for line in lines:
        print(line)


def number(
    value: float | None, metric: str, infinite: int = 0, *, sign: str = ""
) -> str:
    """Returns the number as papers print it: dB with two decimals, others with four.

    None is infinite where the metric is, for so many images, and otherwise undefined.
    """
    if value is None:
        return "inf" if infinite else "-"
    return f"{value:{sign}.2f}" if "psnr" in metric else f"{value:{sign}.4f}"
