import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import nafnet

GOPRO = {"encoders": (1, 1, 1, 28), "middle": 1, "decoders": (1, 1, 1, 1)}
SIDD = {"encoders": (2, 2, 4, 8), "middle": 12, "decoders": (2, 2, 2, 2)}
TINY = {"encoders": (1, 1, 1, 2), "middle": 1, "decoders": (1, 1, 1, 1)}
SMALL = {"width": 4, "encoders": (1, 0), "middle": 1, "decoders": (0, 1)}


@functools.cache
def _shapes(**options):
    """The shape of every variable by its path, nothing computed."""
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = functools.partial(nafnet.Generator(**options).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), image)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}


def _published(**options):
    """The names and shapes of the state dict that `torch_names` describes."""
    names: Any = nafnet.Generator(**options).torch_names()
    tensors = {}
    for path, shape in _shapes(**options).items():
        if isinstance(names[path], tuple):
            name, shape = names[path][0], np.zeros(shape).reshape(names[path][1]).shape
        else:
            name, shape = names[path], (*shape[:1:-1], *shape[:2])[: len(shape)]
        tensors[name] = shape
    return tensors


@functools.cache
def _restored(local, height, width):
    """What a small network far from its start makes of noise, and the noise."""
    model = nafnet.Generator(**SMALL, local_statistics=local)
    degraded = untrained.noise(1, height, width, 3)
    return jax.jit(functools.partial(model.apply, train=False))(_variables(), degraded)[
        0
    ], degraded


@functools.cache
def _variables():
    model = nafnet.Generator(**SMALL)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)
    leaves, structure = jax.tree.flatten(shapes)
    drawn = [
        np.asarray(untrained.noise(*leaf.shape, seed=index)) - np.float32(0.4)
        for index, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize(
    ("options", "width", "count"),
    [
        (GOPRO, 32, 17_111_907),
        pytest.param(GOPRO, 64, 67_888_835, marks=pytest.mark.slow),
        pytest.param(SIDD, 32, 29_159_715, marks=pytest.mark.slow),
        pytest.param(SIDD, 64, 115_982_915, marks=pytest.mark.slow),
        (TINY, 16, 1_256_115),
    ],
)
def test_the_published_networks_have_their_number_of_parameters(options, width, count):
    shapes = _shapes(width=width, **options)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == count


def test_the_network_as_it_stands_is_that_for_blur():
    assert nafnet.Generator() == nafnet.Generator(width=64, **GOPRO)


def test_every_variable_has_one_published_name():
    names = nafnet.Generator(width=16, **TINY).torch_names()
    assert set(names) == set(_shapes(width=16, **TINY))
    tensors = _published(width=16, **TINY)
    assert len(tensors) == len(names)
    # Those whose place or shape no rule would guess.
    assert tensors["encoders.3.1.beta"] == (1, 128, 1, 1)
    assert tensors["middle_blks.0.sca.1.weight"] == (256, 256, 1, 1)
    assert tensors["decoders.0.0.conv2.weight"] == (256, 1, 3, 3)
    assert tensors["ups.3.0.weight"] == (64, 32, 1, 1)
    assert tensors["downs.0.weight"] == (32, 16, 2, 2)
    assert tensors["encoders.0.0.norm1.weight"] == (16,)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 32, **GOPRO, "channels": 3},
        {"width": 32, **SIDD, "channels": 3},
        {
            "width": 4,
            "encoders": (2, 0),
            "middle": 3,
            "decoders": (1, 2),
            "channels": 1,
        },
    ],
)
def test_the_options_are_those_of_the_state_dict(options):
    assert nafnet.torch_options(_published(**options)) == options


def test_another_networks_state_dict_is_none_of_its():
    tensors = _published(**SMALL)
    assert nafnet.torch_options({"body.0.weight": (64, 3, 3, 3)}) is None
    # The reference's baseline has the same names but for the gates.
    baseline = {name: shape for name, shape in tensors.items() if "sca" not in name}
    assert nafnet.torch_options(baseline) is None


def test_levels_down_without_levels_up_are_refused():
    with pytest.raises(ValueError, match="2 levels down"):
        _shapes(width=4, encoders=(1, 1), decoders=(1,))


@pytest.mark.slow
def test_a_network_at_its_start_is_exactly_the_identity_at_odd_sides():
    model = nafnet.Generator(**SMALL, local_statistics=24)
    degraded = untrained.noise(1, 29, 35, 3)
    init = jax.jit(functools.partial(model.init, train=False))
    apply = jax.jit(functools.partial(model.apply, train=False))
    restored, _ = apply(init(jax.random.key(0), degraded), degraded)
    np.testing.assert_array_equal(restored, degraded)


def test_odd_sides_are_continued_with_zeros():
    restored, degraded = _restored(0, 29, 35)
    framed = jnp.pad(degraded, ((0, 0), (0, 3), (0, 1), (0, 0)))
    model = nafnet.Generator(**SMALL)
    whole, _ = jax.jit(functools.partial(model.apply, train=False))(
        _variables(), framed
    )
    assert np.abs(restored - degraded).max() > 0.1
    np.testing.assert_allclose(restored, whole[:, :29, :35], rtol=1e-4, atol=1e-5)


def test_local_statistics_of_a_window_that_covers_the_image_are_global():
    everywhere, _ = _restored(0, 29, 35)
    np.testing.assert_array_equal(_restored(36, 29, 35)[0], everywhere)
    assert np.abs(_restored(24, 29, 35)[0] - everywhere).max() > 1e-3


def test_a_network_in_training_uses_global_statistics():
    everywhere, degraded = _restored(0, 29, 35)
    model = nafnet.Generator(**SMALL, local_statistics=24)
    trained, _ = jax.jit(functools.partial(model.apply, train=True))(
        _variables(), degraded
    )
    np.testing.assert_allclose(trained, everywhere, rtol=1e-5, atol=1e-6)


# The parts


def test_a_depthwise_convolution_and_its_gradients_are_those_of_the_compiler():
    x, kernel = untrained.noise(2, 5, 7, 3), untrained.noise(3, 3, 1, 3, seed=1)
    weight = untrained.noise(2, 5, 7, 3, seed=2)

    def grouped(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=3,
        )

    def found(function):
        result, transpose = jax.vjp(function, x, kernel)
        return result, *transpose(weight)

    ours, theirs = jax.jit(lambda: (found(nafnet.depthwise), found(grouped)))()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


def test_a_gate_multiplies_the_halves_of_the_channels():
    x = jnp.array([2.0, 3.0, 5.0, -7.0]).reshape(1, 1, 1, 4)
    np.testing.assert_array_equal(nafnet.simple_gate(x).reshape(-1), [10, -21])


def test_a_block_of_one_pixel_equals_hand_computed_numbers():
    # One level of nothing but a block in the middle, two channels, one image of 1 px.
    model = nafnet.Generator(width=2, encoders=(), middle=1, decoders=(), channels=2)
    x = jnp.array([0.5, 0.25]).reshape(1, 1, 1, 2)
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    straight = jnp.zeros((3, 3, 2, 2)).at[1, 1].set(jnp.eye(2))
    params["first"]["conv"]["kernel"] = 4 * straight  # 2 and 1
    params["last"]["conv"]["kernel"] = straight
    block = params["middle_block0"]
    for norm in ("norm1", "norm2"):
        block[norm]["scale"] = jnp.ones(2)
    block["conv1"]["conv"]["kernel"] = jnp.tile(jnp.eye(2), 2)[None, None]
    block["conv2"]["kernel"] = jnp.zeros((3, 3, 1, 4)).at[1, 1].set(1.0)
    block["attention"]["conv"]["bias"] = jnp.array([3.0, 4.0])
    block["conv3"]["conv"]["kernel"] = jnp.eye(2)[None, None]
    block["beta"] = jnp.array([1.0, 0.5])
    block["gamma"] = jnp.array([2.0, 2.0])
    block["conv5"]["conv"]["bias"] = jnp.array([0.0, 0.125])
    restored, _ = jax.jit(functools.partial(model.apply, train=False))(
        {"params": params}, x
    )
    # (2, 1) has mean 1.5 and deviation 0.5: normalised (1, -1) n, its gate n^2 twice.
    square = 0.25 / (0.25 + 1e-6)
    expected = [0.5 + 2 + 3 * square, 0.25 + 1 + 4 * square * 0.5 + 2 * 0.125]
    np.testing.assert_allclose(restored.reshape(-1), expected, rtol=1e-6)
