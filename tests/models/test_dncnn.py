import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import untrained

from jaxrestore.models import dncnn


def _variables_of(model, channels):
    image = jax.ShapeDtypeStruct((1, 16, 16, channels), jnp.float32)
    init = functools.partial(model.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), image)


def _shapes(**options):
    """The shape of every variable by its path, nothing computed."""
    model = dncnn.Generator(**options)
    leaves = jax.tree_util.tree_leaves_with_path(_variables_of(model, model.channels))
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}


def _published(**options):
    """The names and shapes of the state dict that `torch_names` describes."""
    names: Any = dncnn.Generator(**options).torch_names()
    return {
        names[path]: (*shape[:1:-1], *shape[:2])[: len(shape)]
        for path, shape in _shapes(**options).items()
    }


@pytest.mark.parametrize(
    ("depth", "channels", "count"),
    [
        (17, 3, 557_443),
        (20, 3, 668_227),
        (17, 1, 555_137),
        (20, 1, 665_921),
    ],
)
def test_the_published_networks_have_their_number_of_parameters(depth, channels, count):
    shapes = _shapes(depth=depth, channels=channels)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == count


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_every_variable_has_one_published_name(norm):
    options = {"width": 8, "depth": 5, "norm": norm}
    names = dncnn.Generator(**options).torch_names()
    assert set(names) == set(_shapes(**options))
    assert len(_published(**options)) == len(names)


def test_places_count_what_stands_between_the_convolutions():
    plain = _published(width=8, depth=4)
    assert plain["model.0.weight"] == (8, 3, 3, 3)
    assert {name.split(".")[1] for name in plain} == {"0", "2", "4", "6"}
    normalised = _published(width=8, depth=4, norm="batch")
    places = {name.split(".")[1] for name in normalised}
    assert places == {"0", "2", "3", "5", "6", "8"}
    assert normalised["model.6.running_var"] == (8,)
    assert normalised["model.8.weight"] == (3, 8, 3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 64, "depth": 17, "norm": "none", "channels": 3},
        {"width": 64, "depth": 20, "norm": "none", "channels": 1},
        {"width": 8, "depth": 5, "norm": "batch", "channels": 1},
        {"width": 8, "depth": 3, "norm": "batch", "channels": 3},
    ],
)
def test_the_options_are_those_of_the_state_dict(options):
    assert dncnn.torch_options(_published(**options)) == options


def test_another_networks_state_dict_is_none_of_its():
    tensors = _published(width=8, depth=4)
    assert dncnn.torch_options({"body.0.weight": (64, 3, 3, 3)}) is None
    level = tensors | {"model.0.weight": (8, 4, 3, 3)}  # FDnCNN
    assert dncnn.torch_options(level) is None
    # Older layouts of ESRGAN number their layers alike.
    trunk = {"model.1.sub.0.RDB1.conv1.0.weight": (4, 8, 3, 3)}
    assert dncnn.torch_options(tensors | trunk) is None
    assert dncnn.torch_options(tensors | {"model.9.weight": (3, 8, 3, 3)}) is None
    assert dncnn.torch_options({}) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"norm": "instance"}, "norm is 'instance'"), ({"depth": 1}, "depth is 1")],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _shapes(**options)


def _convolved(x, layer):
    kernel, bias = (np.asarray(layer["conv"][leaf]) for leaf in ("kernel", "bias"))
    return np.stack(
        [
            bias[out]
            + sum(
                scipy.signal.correlate2d(x[..., c], kernel[..., c, out], "same")
                for c in range(x.shape[-1])
            )
            for out in range(len(bias))
        ],
        -1,
    )


def _drawn(model, channels):
    """Variables far from the start; statistics as of a trained network."""
    leaves, structure = jax.tree.flatten(_variables_of(model, channels))
    drawn = [
        untrained.noise(*leaf.shape, seed=i) - 0.3 for i, leaf in enumerate(leaves)
    ]
    variables = jax.tree.unflatten(structure, drawn)
    for norm in variables.get("batch_stats", {}).values():
        norm["var"] = jnp.square(norm["var"]) + 0.2
    return variables


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_network_subtracts_what_its_layers_find(norm):
    model = dncnn.Generator(width=4, depth=4, norm=norm)
    degraded = untrained.noise(1, 9, 11, 4)  # a channel more than it restores
    variables = _drawn(model, 4)
    h = np.maximum(_convolved(np.asarray(degraded[0]), variables["params"]["first"]), 0)
    for index in (1, 2):
        h = _convolved(h, variables["params"][f"conv{index}"])
        if norm == "batch":
            given = variables["params"][f"norm{index}"]
            kept = variables["batch_stats"][f"norm{index}"]
            h = (h - kept["mean"]) / np.sqrt(np.asarray(kept["var"]) + 1e-4)
            h = h * np.asarray(given["scale"]) + np.asarray(given["bias"])
        h = np.maximum(h, 0)
    found = _convolved(h, variables["params"]["last"])
    restored, _ = jax.jit(functools.partial(model.apply, train=False))(
        variables, degraded
    )
    assert np.abs(found).max() > 0.1
    np.testing.assert_allclose(
        restored[0], degraded[0, ..., :3] - found, rtol=1e-4, atol=1e-4
    )
