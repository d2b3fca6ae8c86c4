"""A network written for programs without jaxrestore; users call `export`."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export as jax_export

from jaxrestore import errors, files
from jaxrestore.exporting import facts, onnx_files, stablehlo_files
from jaxrestore.inference import library, restorer
from jaxrestore.weights import cards, inputs

SUFFIXES = (".onnx", ".stablehlo")
# What jax raises where a program asks for the number that a named side stands for.
_OF_SIDES = (
    jax.errors.InconclusiveDimensionOperation,
    jax.errors.ConcretizationTypeError,
)


def export(
    what: Path | str,
    path: Path | str,
    *,
    step: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Writes a network as an ONNX or a StableHLO file; returns what the file says.

    `what` is a task of `jaxrestore models list`, a file of weights or the folder of a
    run, of which the EMA at `step` is taken, by default the best. The end of `path`
    says what is written. `.onnx` takes `image`, float32 [batch, channels, height,
    width], and gives `restored`; what it says of itself is in its metadata.
    `.stablehlo` is read by `jax.export.deserialize`, maps float32 [batch, height,
    width, channels] to the same, and has a JSON file beside it: `NAME.stablehlo.json`.

    One or more images of any size are taken, as by `Restorer.load(what).apply`, and
    the numbers are its, to 1e-5 (`tests/exporting/`). The network alone is written:
    tiles, alpha, 16 bits and what keeps clean pictures as they are stay here. The
    arithmetic is float32.

    Raises `ConfigError` for another end of `path`, a file that exists unless it is to
    `overwrite`, a network that does other things to other sizes, a package that is
    missing, and as `restorer.of_card`; and as `cards.opened`.

    >>> said = export("denoise", folder / "denoise.onnx")
    >>> said["input"]
    'float32 [batch, 3, height, width]: red, green and blue of sRGB, 0 to 1'
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise errors.ConfigError(
            f"{path}: what is exported ends in {' or in '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise errors.ConfigError(f"{path}: its folder does not exist; create it first")
    places = [path]
    if path.suffix == ".stablehlo":
        places.append(path.with_name(f"{path.name}.json"))
    if not overwrite:
        files.refuse_existing(places)
    card, variables = cards.opened(library.place(what), step=step)
    network = restorer.of_card(card, variables, name=str(what))
    sides = jax_export.symbolic_shape("b, h, w")
    image = jax.ShapeDtypeStruct((*sides, inputs.channels(network.takes)), jnp.float32)
    try:
        if path.suffix == ".onnx":
            said = facts.of_card(card, "[batch, {}, {height}, {width}]")
            traced = jax.make_jaxpr(network.apply)(image)
            options = {"channels": network.channels, "scale": network.scale}
            contents = {path: onnx_files.written(traced, said, **options)}
        else:
            said = facts.of_card(card, "[batch, {height}, {width}, {}]")
            said |= stablehlo_files.facts()
            program = stablehlo_files.written(network.apply, image)
            beside = json.dumps(said, indent=2) + "\n"
            contents = {path: program, places[1]: beside.encode()}
    except NotImplementedError as error:
        raise errors.ConfigError(
            f"{what} cannot be written as ONNX: {network.name} asks for {error}, for "
            "which there is no rule; write it as .stablehlo"
        ) from error
    except _OF_SIDES as error:
        why = str(error).partition("\n")[0]
        raise errors.ConfigError(
            f"{what} cannot be exported: {network.name} does other things to images of "
            f"other sizes, and a file holds one program for all ({why:.200}); restore "
            "with it here, or export a network without that"
        ) from error
    files.write_all(contents)
    return said
