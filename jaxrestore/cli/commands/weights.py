"""`jaxrestore convert`, `interpolate` and `export`: networks from and for elsewhere."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import assignments, errors, files
from jaxrestore.cli import ending, options

commands = typer.Typer()

LAYOUTS = ("jaxrestore", "torch")
Output = Annotated[
    Path,
    typer.Argument(metavar="OUT", help="A .safetensors file; its card stands beside."),
]
Half = Annotated[bool, typer.Option("--half", help="Store float16: half the bytes.")]


@commands.command()
@ending.flags("architecture", "overwrite", "part", "step")
def convert(
    weights: Annotated[
        Path,
        typer.Argument(
            metavar="WEIGHTS",
            help=".pth, .safetensors, .onnx, ncnn's .param, or a run's folder.",
        ),
    ],
    output: Output,
    architecture: Annotated[
        str, typer.Option(help="A file in models; auto recognises it.")
    ] = "auto",
    step: Annotated[
        int | None, typer.Option(help="Of a run: a checkpoint; the best if not given.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Of a file with several networks: one, as generator_ema."),
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="The terms of the weights, for the card.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help="jaxrestore; or torch, which other tools open.")
    ] = "jaxrestore",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An option that no tensor tells, as local_statistics=384 of nafnet.",
        ),
    ] = None,
    half: Half = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Bring published weights here, or ours to where PyTorch's are taken."""
    if layout not in LAYOUTS:
        raise errors.ConfigError(
            f"--layout is {layout!r}; it must be {' or '.join(LAYOUTS)}"
        )
    if not overwrite:
        files.refuse_existing([output, output.with_suffix(".json")])
    from jaxrestore.weights import cards, conversion

    given = dict(assignments.read(text) for text in option or [])
    card, tensors = cards.opened(weights, architecture, step, part)
    if given:
        card = cards.with_options(card, tensors, given)
    if license is not None:
        card = {**card, "license": license}
    if layout == "torch":
        card = {**card, "layout": layout}
        tensors = conversion.to_torch(card["generator"], tensors)
    _write(output, card, tensors, half)


@commands.command()
@ending.flags("overwrite")
def interpolate(
    a: Annotated[Path, typer.Argument(metavar="A", help="Weights of ours, or a run.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same network's.")],
    output: Output,
    alpha: Annotated[float, typer.Option(help="The share of B, from 0 to 1.")] = 0.8,
    half: Half = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Blend two trainings of one network: (1 - alpha) A + alpha B."""
    if not overwrite:
        files.refuse_existing([output, output.with_suffix(".json")])
    from jaxrestore.weights import cards

    ends = cards.opened(a), cards.opened(b)
    card, variables = cards.interpolated(*ends, alpha)
    _write(output, card, variables, half)


@commands.command()
@ending.flags("overwrite", "step")
def export(
    network: Annotated[
        str,
        typer.Argument(metavar="NETWORK", help="A task, a file of weights, or a run."),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="What ends in .onnx or .stablehlo.")
    ],
    step: Annotated[
        int | None, typer.Option(help="Of a run: a checkpoint; the best if not given.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a network for programs without jaxrestore: ONNX or StableHLO."""
    from jaxrestore.exporting import library

    said = library.export(network, output, step=step, overwrite=overwrite)
    for key in ("input", "output", "sides", "lifetime"):
        if key in said:
            print(f"{key}: {said[key]}")


def _write(
    output: Path, card: dict[str, Any], tensors: dict[str, Any], half: bool
) -> None:
    import jax
    import numpy as np

    from jaxrestore.weights import weight_files

    leaves = jax.tree.leaves(tensors)
    if half:
        largest = np.finfo(np.float16).max
        if any((np.abs(leaf) > largest).any() for leaf in leaves):
            raise errors.ConfigError(f"float16 ends at {largest}; leave --half out")
        tensors = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), tensors)
    weight_files.write(output, tensors, card)
    generator = dict(card["generator"])
    name = generator.pop("name")
    described = ", ".join(f"{option} {value}" for option, value in generator.items())
    size = sum(leaf.size for leaf in leaves)
    taken = f", of the part {part}" if (part := card["source"].get("part")) else ""
    print(f"{output}: {name} ({described}), {size:,} numbers{taken}; card beside it")
