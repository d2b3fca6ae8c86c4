"""`jaxrestore sweep`, `compare` and `study`: grids of runs, and what people prefer."""

from pathlib import Path
from typing import Annotated

import typer

from jaxrestore import assignments, errors, files
from jaxrestore.cli import ending, options
from jaxrestore.training import allocator

commands = typer.Typer()
study = typer.Typer(
    help="Ask people which pictures they prefer: make, serve, score.",
    no_args_is_help=True,
)
commands.add_typer(study, name="study")
Study = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the study.")]


@commands.command()
@ending.flags("config", "keep", "scale", "study")
def sweep(
    config: Annotated[
        str | None, typer.Option(help="A recipe, with an argument after a colon.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Instead of it: a file in configs/studies.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Of the study: below 1 for a laptop.")
    ] = 1.0,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B,C", help="Values to try; all combinations run."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="The same for all runs."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each arm; 0: the study's.")] = 0,
    folds: Annotated[
        int, typer.Option(help="Parts of the data, each held out in turn.")
    ] = 0,
    budget: Annotated[
        int, typer.Option(help="Updates of every run, in place of its own length.")
    ] = 0,
    workdir: Annotated[
        Path | None, typer.Option(help="Its folder; runs/NAME if not given.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="loop; or map, vmap: arms differing in scalars, as one.")
    ] = "loop",
    devices: Annotated[
        str, typer.Option(help="each: a run on every device at once; all: one on all.")
    ] = "each",
    keep: Annotated[
        str, typer.Option(help="Of a finished run's checkpoints: all, or generator.")
    ] = "all",
) -> None:
    """Run a grid or a study: its runs, one table, plots. The same call goes on."""
    allocator.keep_freed_memory()
    from jaxrestore.sweeps import axes
    from jaxrestore.sweeps import grid as grids
    from jaxrestore.sweeps import sweep as sweeps

    if (config is None) == (study is None):
        raise errors.ConfigError(
            "give --config with --grid, or --study; one of the two"
        )
    if study is not None and grid:
        raise errors.ConfigError("a study has its grid; give --config with --grid")
    if study is None:
        asked = axes.study(config or "", grid or [])
    else:
        asked = sweeps.load(study, scale)
    common = dict(assignments.read(text) for text in option or [])
    asked = grids.changed(
        asked, overrides=common, seeds=seeds, folds=folds, budget=budget
    )
    name = asked.name if scale == 1 else f"{asked.name}-{scale:g}"
    output = workdir or Path("runs") / name
    try:
        places = sweeps.places(devices)
        say = lambda text: print(ending.spelled(text, "keep"), flush=True)
        sweeps.run(asked, output, mode=mode, devices=places, keep=keep, say=say)
    finally:
        if (output / "summary.md").is_file():
            print((output / "summary.md").read_text())


@commands.command()
@ending.flags("overwrite", "step")
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN ...", help="Workdirs of runs or of sweeps; or NAME=DIR."
        ),
    ],
    step: Annotated[
        str, typer.Option(help="last; or best: chosen on the very images compared.")
    ] = "last",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder for all of it.")
    ] = None,
    strips: Annotated[int, typer.Option(help="Images to draw, with --output.")] = 8,
    overwrite: options.Overwrite = False,
) -> None:
    """Put finished runs side by side: one table, and what of it is significant."""
    from jaxrestore.comparing import comparison, tables

    if output is not None and not overwrite:
        files.refuse_existing(output / name for name in comparison.FILES)
    found = comparison.compare(runs, step=step, strips=strips if output else 0)
    print(tables.text(found.document), end="")
    if output is not None:
        comparison.write(output, found)
        print(f"\nthe images' own numbers and the pictures are in {output}")


@study.command()
def make(
    output: Study,
    method: Annotated[
        list[str],
        typer.Option(metavar="NAME=DIR", help="Restored images; once for each method."),
    ],
    targets: Annotated[Path, typer.Option(help="What they should be, in same names.")],
    inputs: Annotated[
        Path | None, typer.Option(help="The degraded images, shown above the pair.")
    ] = None,
    images: Annotated[int, typer.Option(help="Questions, each of one image.")] = 40,
    kind: Annotated[
        str, typer.Option(help="2afc: which looks better? real: which is the target?")
    ] = "2afc",
    seed: Annotated[int, typer.Option(help="The same seed makes the same study.")] = 0,
    catch: Annotated[int, typer.Option(help="Questions with a plain answer.")] = 4,
    reference: Annotated[
        bool, typer.Option("--reference", help="Show the target above the pair.")
    ] = False,
) -> None:
    """Make one page with pictures in pairs, and its key."""
    from jaxrestore.raters import pages

    methods: dict[str, Path] = {}
    for text in method:
        name, equals, place = text.partition("=")
        if not (name and equals and place) or name in methods:
            raise errors.ConfigError(
                f"--method {text!r} is no NAME=DIR with a name of its own, such as "
                "gan=restored/gan"
            )
        methods[name] = Path(place)
    key = pages.make(
        output,
        methods,
        targets,
        inputs,
        images=images,
        kind=kind,
        seed=seed,
        catch=catch,
        reference=reference,
    )
    caught = sum(trial["catch"] for trial in key["trials"])
    print(
        f"{len(key['trials']) - caught} questions and {caught} catch questions about "
        f"{len(key['images'])} images in {output / pages.PAGE}; keep the "
        f"key, {output / pages.KEY}, from raters"
    )
    errors.raise_partial(key["skipped"], "left out")


@study.command()
@ending.flags("host", "port")
def serve(
    output: Study,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="0.0.0.0 lets other machines of the network in.")
    ] = "127.0.0.1",
) -> None:
    """Hand the page to raters and take in their answers, until Ctrl-C."""
    from jaxrestore.serving import extras

    with extras.needed("handing out a study"):
        from jaxrestore.serving.http import study as studies

    place = f"{output}/answers"
    told = lambda address: print(
        f"{address} until Ctrl-C; answers go to {place}", flush=True
    )
    with studies.bound(output, host=host, port=port, told=told) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"stopped; all answers are in {place}")


@study.command()
@ending.flags("overwrite", "partial")
def score(
    output: Study,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="A file that a rater saved; else all that were served."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Count files that leave questions open.")
    ] = False,
    least_caught: Annotated[
        float, typer.Option(help="Share of catch questions a rater must have right.")
    ] = 1.0,
    json: Annotated[Path | None, typer.Option(help="A file for all of it.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score what raters preferred, and how far metrics agree with them."""
    if json is not None and not overwrite:
        files.refuse_existing([json])
    from jaxrestore.raters import scores
    from jaxrestore.raters import tables as perceptual_tables

    result = scores.score(output, answers, partial=partial, least_caught=least_caught)
    print(perceptual_tables.text(result))
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(json, result)
