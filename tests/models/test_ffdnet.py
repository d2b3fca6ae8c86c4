import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import untrained

from jaxrestore import networks
from jaxrestore.models import ffdnet

SMALL: dict[str, Any] = {"width": 5, "depth": 3, "channels": 3}


def _variables_of(model, channels):
    image = jax.ShapeDtypeStruct((1, 16, 16, channels), jnp.float32)
    return untrained.shapes(model, image)


def _shapes(**options):
    """The shapes of the variables of a network that is told the level, by path."""
    model = ffdnet.Generator(**options)
    leaves = jax.tree_util.tree_leaves_with_path(
        _variables_of(model, model.channels + 1)
    )
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}


def _published(**options):
    """The names and shapes of the state dict that `torch_names` describes."""
    names: Any = ffdnet.Generator(**options).torch_names()
    return {
        names[path]: (*shape[:1:-1], *shape[:2])[: len(shape)]
        for path, shape in _shapes(**options).items()
    }


@functools.cache
def _network():
    """A small network far from its start, jitted, and its variables."""
    model = ffdnet.Generator(**SMALL)
    leaves, structure = jax.tree.flatten(_variables_of(model, 4))
    drawn = [
        untrained.noise(*leaf.shape, seed=i) - 0.4 for i, leaf in enumerate(leaves)
    ]
    apply = jax.jit(functools.partial(model.apply, train=False))
    return apply, jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 852_108), ({"channels": 1, "width": 64, "depth": 15}, 485_316)],
)
def test_the_published_networks_have_their_number_of_parameters(options, count):
    shapes = _shapes(**options)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == count


def test_every_variable_has_one_published_name():
    names, tensors = ffdnet.Generator().torch_names(), _published()
    assert set(names) == set(_shapes())
    assert len(tensors) == len(names)
    assert tensors["model.0.weight"] == (96, 13, 3, 3)
    assert tensors["model.2.weight"] == (96, 96, 3, 3)
    assert tensors["model.22.weight"] == (12, 96, 3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 96, "depth": 12, "channels": 3},
        {"width": 64, "depth": 15, "channels": 1},
        {"width": 4, "depth": 2, "channels": 1},
    ],
)
def test_the_options_are_those_of_the_state_dict(options):
    assert ffdnet.torch_options(_published(**options)) == options


def test_another_networks_state_dict_is_none_of_its():
    tensors = _published(**SMALL)
    assert ffdnet.torch_options({"body.0.weight": (64, 3, 3, 3)}) is None
    assert ffdnet.torch_options({}) is None
    without = tensors | {"model.0.weight": (5, 12, 3, 3)}  # no level
    assert ffdnet.torch_options(without) is None
    assert ffdnet.torch_options(tensors | {"model.4.weight": (11, 5, 3, 3)}) is None
    normalised = tensors | {"model.3.running_mean": (5,)}
    assert ffdnet.torch_options(normalised) is None


def _convolved(x, layer):
    kernel, bias = (np.asarray(layer["conv"][leaf]) for leaf in ("kernel", "bias"))
    maps = [
        sum(
            scipy.signal.correlate2d(x[..., c], kernel[..., c, d], "same")
            for c in range(x.shape[-1])
        )
        for d in range(len(bias))
    ]
    return np.stack(maps, -1) + bias


def test_the_layers_see_squares_and_the_mean_level_of_each():
    apply, variables = _network()
    image = np.asarray(untrained.noise(8, 6, 4))
    h = np.zeros((4, 3, 13), np.float32)
    for row, column, color in np.ndindex(8, 6, 3):
        place = 4 * color + 2 * (row % 2) + column % 2
        h[row // 2, column // 2, place] = image[row, column, color]
    for row, column in np.ndindex(4, 3):
        h[row, column, 12] = image[2 * row : 2 * row + 2, 2 * column :][:, :2, 3].mean()
    params = variables["params"]
    h = np.maximum(_convolved(h, params["conv0"]), 0)
    h = np.maximum(_convolved(h, params["conv1"]), 0)
    h = _convolved(h, params["last"])
    expected = np.zeros((8, 6, 3), np.float32)
    for row, column, color in np.ndindex(8, 6, 3):
        place = 4 * color + 2 * (row % 2) + column % 2
        expected[row, column, color] = h[row // 2, column // 2, place]
    restored, _ = apply(variables, image[None])
    assert expected.std() > 0.1
    np.testing.assert_allclose(restored[0], expected, rtol=1e-4, atol=1e-4)


def test_the_last_row_and_column_of_odd_sides_are_repeated():
    _, variables = _network()
    image = untrained.noise(1, 7, 5, 4)
    repeated = jnp.pad(image, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")
    restore = networks.restore_function(ffdnet.Generator(**SMALL))
    restored = restore(variables, image)
    assert restored.shape == (1, 7, 5, 3)
    np.testing.assert_array_equal(restored, restore(variables, repeated)[:, :7, :5])


def test_the_level_changes_what_is_restored():
    apply, variables = _network()
    image = untrained.noise(1, 8, 6, 4)
    other, _ = apply(variables, image.at[..., 3].add(0.1))
    assert np.abs(other - apply(variables, image)[0]).max() > 1e-3
