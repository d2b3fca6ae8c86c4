"""One generator restoring one image, beside the same weights in its rivals.

    taskset -c 0,1 python -m benchmarks.inference
    taskset -c 0,1 python -m benchmarks.inference nafnet --side 256 --set width=32
    taskset -c 0,1 python -m benchmarks.inference --set blocks=6 --threads 1

Without arguments the network is RRDBNet of 23 blocks, and the image of 128x128 becomes
one of 512x512. Any generator with a layout in PyTorch will do that spandrel, which
holds the published networks, knows as well, and `unet` and `mwcnn`, whose twins are in
`torch_networks.py`. Weights are random and equal on both sides. Nothing is timed unless
all give the same image to 1e-4. "times ours" above 1: ours is quicker.

PyTorch runs without gradients, eager and compiled, in its own memory layout and in
channels last, the better of which differs from network to network. ONNX Runtime runs
the file that `jaxrestore export` writes, on CPUs alone. No conversion of an image is
timed. "float32" on a GPU means products in TF32 on both sides, and then images need to
agree to 1e-2 alone.
"""

import argparse
import functools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import harness, operations
from jaxrestore import networks
from jaxrestore.training import allocator
from jaxrestore.weights import conversion, weight_files

COLUMNS = ("contestant", "ms", "quartiles", "times ours", "times the floor")
COLUMNS += ("first call s",)
PACKAGES = ("torch", "spandrel", "onnxruntime")
# As small as spandrel still takes them for what they are.
SMALL = {
    "rrdbnet": {"width": 8, "blocks": 1},
    "srvggnet": {"width": 8, "convs": 1},
    "nafnet": {"width": 8, "encoders": [1, 1], "middle": 1, "decoders": [1, 1]},
    "drunet": {"widths": [8, 16, 32, 64], "blocks": 2},
    "dncnn": {"width": 8, "depth": 8},
    "unet": {"widths": [8, 8], "blocks": [1, 1]},
    "mwcnn": {"widths": [8, 8, 8], "convs": 1},
}
LEVEL_MAPS = {"drunet": 1}  # channels beside the colours
Call = Callable[[], Any]


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("network", nargs="?", default="rrdbnet")
    parser.add_argument("--side", type=int, help="of the image (default 128)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="OPTION=VALUE",
        help="an option of the network, as blocks=6 or widths=[32,64,128,256]",
    )
    parser.add_argument("--threads", type=int, help="cores (default: all of taskset)")
    parser.add_argument("--only", default="", help="rows whose name has this pattern")
    parser.add_argument(
        "--keep-freed-memory", action="store_true", help="as jaxrestore.main does"
    )
    # Before there are threads, those of PyTorch too.
    early = parser.parse_known_args(argv)[0]
    kept = early.keep_freed_memory and allocator.keep_freed_memory()
    if early.threads:
        os.sched_setaffinity(0, harness.cores()[: early.threads])
    options = harness.parse(parser, argv)
    chosen = SMALL.get(options.network, {}) if options.small else {}
    generator = {"name": options.network, **chosen, **dict(options.set)}
    model, variables = random_network(generator)
    side = options.side or (16 if options.small else 128)
    image = random_image(model, generator, side)
    calls = contestants(generator, variables, image)
    calls = {name: c for name, c in calls.items() if re.search(options.only, name)}
    first, distances = first_calls(calls)
    timings = harness.contest(calls, rounds=options.rounds)
    facts = costs(model, variables, image)
    records = rows(timings, first, facts["floor by operations, ms"])
    harness.finish(
        f"inference_{options.network}_{side}px",
        options,
        records,
        columns=COLUMNS,
        facts={
            "network": json.dumps(generator),
            "image": list(image.shape),
            "freed memory is kept": kept,
            **{f"{name} differs by": d for name, d in distances.items()},
            **facts,
        },
        packages=PACKAGES,
    )


def _setting(text):
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is no OPTION=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def random_network(generator: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns the model and variables in which no layer is silent and none explodes."""
    model, rng = networks.build("Generator", generator), np.random.default_rng(0)
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), random_image(model, generator, 32))
    leaves = {
        path: _drawn(rng, path, leaf.shape)
        for path, leaf in weight_files.flat(shapes).items()
    }
    return model, jax.device_put(weight_files.nested(leaves))


def _drawn(rng, path, shape):
    around = 1.0 if path.endswith(("/scale", "/var")) else 0.0
    reach = np.prod(shape[:-1]) ** -0.5 if len(shape) > 1 else 0.1
    return (around + rng.uniform(-reach, reach, shape)).astype(np.float32)


def random_image(model: Any, generator: dict[str, Any], side: int) -> np.ndarray:
    """Returns [1, side, side, c], with what the network takes beside the colours."""
    channels = model.channels + LEVEL_MAPS.get(generator["name"], 0)
    return np.random.default_rng(1).random((1, side, side, channels), np.float32)


def contestants(
    generator: dict[str, Any],
    variables: dict[str, Any],
    image: np.ndarray,
    precision: str = "float32",
) -> dict[str, Call]:
    """Returns what is timed; each call restores the image.

    Raises what spandrel does where it is at hand, but does not know the network.
    """
    calls: dict[str, Call] = {"ours": ours(generator, variables, image, precision)}
    if harness.peer("torch") and (_has_twin(generator) or harness.peer("spandrel")):
        calls |= theirs(generator, variables, image, precision)
    on_cpu = jax.default_backend() == "cpu" and precision == "float32"
    if on_cpu and harness.peer("onnxruntime"):
        calls["ONNX Runtime"] = onnx_runtime(generator, variables, image)
    return calls


def ours(
    generator: dict[str, Any],
    variables: dict[str, Any],
    image: np.ndarray,
    precision: str = "float32",
) -> harness.Compiled:
    """Returns our contestant; its `image` lies on the device."""
    model = networks.build("Generator", generator, precision)
    restore = networks.restore_function(model)
    return harness.Compiled(restore, variables, jax.device_put(image))


def theirs(
    generator: dict[str, Any],
    variables: dict[str, Any],
    image: np.ndarray,
    precision: str = "float32",
) -> dict[str, Call]:
    """Returns PyTorch's contestants, in bfloat16 their weights too."""
    import torch

    from benchmarks import torch_steps

    torch_steps.prepare()
    device, dtype = torch_steps.device(), getattr(torch, precision)
    calls = {}
    layouts = {"": torch.contiguous_format, ", channels last": torch.channels_last}
    for name, layout in layouts.items():
        network = _network(generator, variables).eval().requires_grad_(False)
        network = network.to(device, dtype, memory_format=layout)  # pyright: ignore
        placed = torch.from_numpy(image).permute(0, 3, 1, 2).to(device, dtype)
        placed = placed.contiguous(memory_format=layout)
        for how, ready in (("eager", network), ("compile", torch.compile(network))):
            calls[f"PyTorch {how}{name}"] = functools.partial(_restored, ready, placed)
    return calls


def onnx_runtime(
    generator: dict[str, Any], variables: dict[str, Any], image: np.ndarray
) -> Call:
    """Returns ONNX Runtime's contestant, on as many threads as there are cores."""
    import onnxruntime

    from jaxrestore.exporting import library
    from jaxrestore.weights import cards

    with tempfile.TemporaryDirectory() as folder:
        weights, graph = (Path(folder) / name for name in ("a.safetensors", "a.onnx"))
        card = cards.card(generator, variables, source={"file": "random"})
        weight_files.write(weights, variables, card)
        library.export(weights, graph)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = len(harness.cores())
        session = onnxruntime.InferenceSession(graph.read_bytes(), settings)
    placed = {"image": np.ascontiguousarray(image.transpose(0, 3, 1, 2))}
    return lambda: session.run(None, placed)[0].transpose(0, 2, 3, 1)


def _has_twin(generator):
    return generator["name"] in ("unet", "mwcnn")


def _network(generator, variables):
    """The network with our weights: of spandrel, or a twin where it has none."""
    import torch

    from benchmarks import torch_networks

    options = {name: value for name, value in generator.items() if name != "name"}
    if generator["name"] == "unet":
        return torch_networks.load(torch_networks.ResidualUNet(**options), variables)
    tensors = conversion.to_torch(generator, variables)
    state = {n: torch.from_numpy(tensor.copy()) for n, tensor in tensors.items()}
    if generator["name"] == "mwcnn":
        network = torch_networks.Mwcnn(**options)
        network.load_state_dict(state)
        return network
    import spandrel

    return spandrel.ModelLoader().load_from_state_dict(state).model


def _restored(network, placed):
    import torch

    with torch.inference_mode():
        return network(placed).permute(0, 2, 3, 1)


def first_calls(calls: dict[str, Call]) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the seconds of each first call, and how far its image is from ours.

    Raises `ValueError` if an image is too far to call it the same network.
    """
    seconds, images = {}, {}
    for name, call in calls.items():
        started = time.perf_counter()
        images[name] = harness.wait(call())
        seconds[name] = time.perf_counter() - started
    tolerance = 1e-2 if jax.default_backend() == "gpu" else 1e-4
    distances = harness.agree(images, tolerance=tolerance)
    return seconds, {n: d for n, d in distances.items() if n != next(iter(calls))}


def costs(
    model: Any, variables: dict[str, Any], image: np.ndarray
) -> dict[str, float | int]:
    """Returns parameters, operations, and the time they take as a matrix product."""
    apply = functools.partial(model.apply, train=False)
    work = operations.count(apply, variables, image)
    rate = harness.flops(8192 if jax.default_backend() == "gpu" else 1024)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "operations": work,
        "operations per second of a matrix product": rate,
        "floor by operations, ms": 1e3 * work / rate,
    }


def rows(
    timings: dict[str, harness.Timing], first: dict[str, float], floor: float
) -> list[dict[str, Any]]:
    """Returns a record a contestant."""
    ours = timings.get("ours")
    return [
        {
            "contestant": name,
            **timing.record(),
            "times ours": ours and timing.median / ours.median,
            "times the floor": 1e3 * timing.median / floor,
            "first call s": first[name],
        }
        for name, timing in timings.items()
    ]


if __name__ == "__main__":
    main()
