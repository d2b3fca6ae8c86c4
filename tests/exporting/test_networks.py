"""Networks as ONNX files: the numbers of ours at any size, and nothing needless."""

import functools
import pkgutil

import exported
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained
from jax import export

from jaxrestore import models, naming, networks

# Also those that enlarge, fill holes and are fitted; `TAKES`: how many channels.
SMALL = {
    **untrained.SMALL,
    "rrdbnet": {**untrained.SMALL["rrdbnet"], "scale": 2},
    "skip": {"widths": (4, 6), "skips": (2, 0)},
    "srvggnet": {**untrained.SMALL["srvggnet"], "scale": 3},
    "unet-holes": {**untrained.SMALL["unet"], "fills_holes": True},
}
TAKES = dict.fromkeys((*untrained.TOLD, "unet-holes"), 4)
QUICK = ("nafnet", "srvggnet", "unet")


def _function(name):
    """A network of random weights as a function of images, and what it takes."""
    recipe = {"name": name.split("-")[0], **SMALL[name]}
    model, channels = networks.build("Generator", recipe), TAKES.get(name, 3)
    side = 8 * model.multiple
    image = jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)
    shapes = untrained.shapes(model, image)
    random = np.random.default_rng(0)
    draw = lambda leaf: random.normal(0, 0.2, leaf.shape).astype(np.float32)
    variables = jax.tree.map(draw, shapes)
    if "batch_stats" in variables:  # variances among them
        variables["batch_stats"] = jax.tree.map(abs, variables["batch_stats"])
    restore = networks.restore_function(model)
    return functools.partial(restore, variables), model, channels


def _close(made, wanted):
    assert made.shape == wanted.shape
    most = max(1, abs(wanted).max())
    np.testing.assert_allclose(made / most, wanted / most, atol=5e-6)


def _check(name, sizes):
    """Both kinds of file, and that ONNX has a node a convolution and moves no axes."""
    function, model, channels = _function(name)
    content = exported.file_of(function, channels, model.scale)
    program = jax.jit(export.deserialize(exported.program_of(function, channels)).call)
    for size in sizes:
        images = np.asarray(untrained.noise(*size, channels))
        wanted = np.asarray(function(images))
        _close(exported.run(content, images), wanted)
        _close(np.asarray(program(images)), wanted)
    if name in ("skip", "unet-holes"):
        return
    found = exported.operations(content)
    # Blocks of pixels as channels in PyTorch's order, for which ONNX has no operation.
    assert found["Transpose"] == (name in ("ffdnet", "rrdbnet"))
    kernels = [leaf for leaf in jax.tree.leaves(function.args[0]) if leaf.ndim == 4]
    dense = 2 * (name == "vae")  # whose weights are matrices
    assert found["Conv"] == len(kernels) + dense


@pytest.mark.parametrize("name", QUICK)
def test_files_of_a_network_give_its_numbers(name):
    _check(name, [(2, 13, 22)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_files_of_a_network_give_its_numbers_at_any_size(name):
    _check(name, [(1, 32, 32), (2, 13, 22), (1, 1, 1), (3, 5, 40)])


def test_all_networks_are_here():
    files = [entry.name for entry in pkgutil.iter_modules(models.__path__)]
    homes = {name: naming.module("models", name) for name in files}
    there = {name for name, home in homes.items() if hasattr(home, "Generator")}
    assert there == {name.split("-")[0] for name in SMALL} | {"deepfill"}
