import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import drunet

SMALL = {"widths": (4, 6), "blocks": 1, "channels": 3}


@functools.cache
def _variables_of(**options):
    """The shapes of the variables of a network that is told the level."""
    model = drunet.Generator(**options)
    image = jax.ShapeDtypeStruct((1, 32, 32, model.channels + 1), jnp.float32)
    init = functools.partial(model.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), image)


def _shapes(**options):
    leaves = jax.tree_util.tree_leaves_with_path(_variables_of(**options))
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}


def _published(**options):
    """The names and shapes of the state dict that `torch_names` describes."""
    names: Any = drunet.Generator(**options).torch_names()
    return {
        names[path]: (*shape[:1:-1], *shape[:2])
        for path, shape in _shapes(**options).items()
    }


@functools.cache
def _network():
    """A small network far from its start, jitted, and its variables."""
    model = drunet.Generator(**SMALL)
    leaves, structure = jax.tree.flatten(_variables_of(**SMALL))
    drawn = [
        0.3 * (untrained.noise(*leaf.shape, seed=index) - 0.4)
        for index, leaf in enumerate(leaves)
    ]
    apply = jax.jit(functools.partial(model.apply, train=False))
    return apply, jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize(("channels", "count"), [(3, 32_640_960), (1, 32_638_656)])
def test_the_published_networks_have_their_number_of_parameters(channels, count):
    shapes = _shapes(channels=channels)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == count
    assert not any(path.endswith("bias") for path in shapes)


def test_every_variable_has_one_published_name():
    names, tensors = drunet.Generator().torch_names(), _published(channels=3)
    assert set(names) == set(_shapes(channels=3))
    assert len(tensors) == len(names)
    assert tensors["m_head.weight"] == (64, 4, 3, 3)
    assert tensors["m_down3.3.res.2.weight"] == (256, 256, 3, 3)
    assert tensors["m_down3.4.weight"] == (512, 256, 2, 2)
    # A transposed convolution counts what it takes first.
    assert tensors["m_up3.0.weight"] == (512, 256, 2, 2)
    assert tensors["m_up1.4.res.0.weight"] == (64, 64, 3, 3)
    assert tensors["m_tail.weight"] == (3, 64, 3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"widths": (64, 128, 256, 512), "blocks": 4, "channels": 3},
        {"widths": (4, 6, 8), "blocks": 2, "channels": 1},
        SMALL,
    ],
)
def test_the_options_are_those_of_the_state_dict(options):
    assert drunet.torch_options(_published(**options)) == options


def test_another_networks_state_dict_is_none_of_its():
    tensors = _published(**SMALL)
    assert drunet.torch_options({"body.0.weight": (64, 3, 3, 3)}) is None
    assert drunet.torch_options(tensors | {"m_head.bias": (4,)}) is None
    pooled = {n: s for n, s in tensors.items() if n != "m_down1.1.weight"}
    assert drunet.torch_options(pooled) is None
    shuffled = tensors | {"m_up1.0.weight": (16, 6, 3, 3)}
    assert drunet.torch_options(shuffled) is None


def test_the_output_scales_with_the_image_and_its_level():
    apply, variables = _network()
    image = untrained.noise(1, 8, 12, 4)
    restored, _ = apply(variables, image)
    doubled, _ = apply(variables, 2 * image)
    assert restored.shape == (1, 8, 12, 3)
    np.testing.assert_allclose(doubled, 2 * restored, rtol=1e-4, atol=1e-5)


def test_the_level_changes_what_is_restored():
    apply, variables = _network()
    image = untrained.noise(1, 8, 12, 4)
    other, _ = apply(variables, image.at[..., 3].add(0.1))
    assert np.abs(other - apply(variables, image)[0]).max() > 1e-3


def test_a_network_of_one_level_equals_hand_computed_numbers():
    # One pixel, one channel: only the middles of the kernels count.
    model = drunet.Generator(widths=(1,), blocks=1, channels=1)
    middles = {
        "first": 3.0,
        "middle_block0_conv1": -2.0,
        "middle_block0_conv2": 5.0,
        "last": 0.5,
    }
    params = {
        name: {"conv": {"kernel": jnp.zeros((3, 3, 1, 1)).at[1, 1].set(value)}}
        for name, value in middles.items()
    }
    apply = jax.jit(functools.partial(model.apply, train=False))
    for pixel, block in ((0.25, 0.75), (-0.25, -0.75 + 5 * 1.5)):
        # A block adds 5 max(-2 h, 0) to h = 3 x; the skip adds h once more.
        image = jnp.full((1, 1, 1, 1), pixel)
        restored, _ = apply({"params": params}, image)
        expected = 0.5 * (block + 3 * pixel)
        np.testing.assert_allclose(restored.item(), expected, rtol=1e-6)
