import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.models import srvggnet

OPTIONS = [
    {},
    {"width": 5, "convs": 1, "scale": 1},
    {"width": 4, "convs": 0, "scale": 2},
    {"width": 4, "convs": 3, "scale": 3, "channels": 1},
]


def _shapes(model, channels):
    """The shapes of the variables, by their paths, and that of the output."""
    image = jnp.zeros((1, 6, 5, channels))
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), image)
    apply = functools.partial(model.apply, train=False)
    restored, _ = jax.eval_shape(apply, variables, image)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    paths = {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}
    return paths, restored.shape


def _tensors(model, inputs):
    """The shapes of the PyTorch weights of a network, by their names there."""
    names: Any = model.torch_names()
    paths, _ = _shapes(model, inputs)
    return {
        names[path]: (*shape[:1:-1], *shape[:2]) if len(shape) == 4 else shape
        for path, shape in paths.items()
    }


@pytest.mark.parametrize(("convs", "count"), [(16, 621_424), (32, 1_213_296)])
def test_a_published_network_has_its_number_of_parameters(convs, count):
    paths, shape = _shapes(srvggnet.Generator(convs=convs), 3)
    assert sum(np.prod(shape) for shape in paths.values()) == count
    assert shape == (1, 24, 20, 3)


@pytest.mark.parametrize("options", OPTIONS)
def test_names_cover_the_variables_and_give_the_options_back(options):
    model = srvggnet.Generator(**options)
    names, (paths, shape) = model.torch_names(), _shapes(model, model.channels)
    assert set(names) == set(paths) and len(set(names.values())) == len(names)
    assert shape == (1, 6 * model.scale, 5 * model.scale, model.channels)
    found = srvggnet.torch_options(_tensors(model, model.channels))
    assert found and srvggnet.Generator(**found) == model


def test_a_further_input_is_no_colour():
    found = srvggnet.torch_options(_tensors(srvggnet.Generator(convs=1), 4))
    assert found and found["channels"] == 3 and found["scale"] == 4


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"conv_first.weight": (4, 3, 3, 3)},
        # Without a slope a map: ReLU, or leaky by whatever slope.
        {"body.0.weight": (4, 3, 3, 3), "body.2.weight": (12, 4, 3, 3)},
    ],
)
def test_weights_of_another_network_are_not_taken_for_these(shapes):
    assert srvggnet.torch_options(shapes) is None


def test_it_starts_at_the_repeated_pixels_of_its_input():
    model = srvggnet.Generator(width=4, convs=1, scale=3)
    image = jax.random.uniform(jax.random.key(1), (2, 3, 5, 4))
    init = jax.jit(functools.partial(model.init, train=False))
    variables = init(jax.random.key(0), image)
    restored, _ = jax.jit(functools.partial(model.apply, train=False))(variables, image)
    expected = np.asarray(image)[..., :3].repeat(3, 1).repeat(3, 2)
    np.testing.assert_array_equal(restored, expected)


def _waves(shape, turn):
    """Numbers of a formula, alike wherever they are made."""
    numbers = np.cos(turn + np.arange(np.prod(shape), dtype=np.float64))
    return numbers.reshape(shape).astype(np.float32)


def test_it_restores_what_the_pytorch_network_does():
    # Of SRVGGNetCompact in spandrel 0.4.2 and PyTorch, weights and image of `_waves`.
    model, params = srvggnet.Generator(width=4, convs=1, scale=2), {}
    tensors = _tensors(model, 3)
    for path, name in model.torch_names().items():
        _, layer, *rest = path.split("/")
        tensor = 0.3 * _waves(tensors[name], len(name))
        if rest:
            kernel = tensor.ndim == 4
            leaf = tensor.transpose(2, 3, 1, 0) if kernel else tensor
            params.setdefault(layer, {"conv": {}})["conv"][rest[-1]] = leaf
        else:
            params[layer] = tensor
    image = 0.5 + 0.5 * _waves((1, 6, 4, 3), 0.3)
    apply = jax.jit(functools.partial(model.apply, train=False))
    restored, _ = apply({"params": params}, image)
    np.testing.assert_allclose(restored.mean(), 0.51517, atol=1e-5)
    corner, edge = [0.970299, 0.449458, 0.548161], [1.159399, 0.497821, -0.035963]
    np.testing.assert_allclose(restored[0, 0, 0], corner, atol=1e-5)
    np.testing.assert_allclose(restored[0, -1, -2], edge, atol=1e-5)


def test_a_negative_value_is_scaled_by_the_slope_of_its_map():
    model = srvggnet.Generator(width=2, convs=0, scale=1, channels=1)
    # Both maps are the pixel; the last layer takes their difference.
    pick = lambda *values: jnp.zeros((3, 3, *np.shape(values))).at[1, 1].set(values)
    params = {
        "conv0": {"conv": {"kernel": pick([1.0, 1.0]), "bias": jnp.zeros(2)}},
        "slope0": jnp.array([0.5, 2.0]),
        "last": {"conv": {"kernel": pick([1.0], [-1.0]), "bias": jnp.zeros(1)}},
    }
    image = jnp.array([-1.0, 3.0]).reshape(1, 1, 2, 1)
    apply = jax.jit(functools.partial(model.apply, train=False))
    restored, _ = apply({"params": params}, image)
    # -1 + (-0.5 + 2) and 3 + (3 - 3)
    np.testing.assert_allclose(restored.ravel(), [0.5, 3.0], atol=1e-6)
