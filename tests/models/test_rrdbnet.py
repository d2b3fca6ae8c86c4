import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from jaxrestore import networks
from jaxrestore.models import rrdbnet
from jaxrestore.ops import resize

BLOCK = 719_424  # parameters of a block of the published width and growth
OPTIONS = [
    {"width": 5, "blocks": 2, "growth": 3},
    {"width": 4, "blocks": 1, "growth": 2, "channels": 1},
    {"width": 4, "blocks": 1, "growth": 2, "scale": 2},
    {"width": 4, "blocks": 1, "growth": 2, "scale": 1},
    {"width": 4, "blocks": 1, "growth": 2, "scale": 8, "doublings": 3},
    {"width": 4, "blocks": 1, "growth": 2, "scale": 2, "doublings": 1},
    {"width": 4, "blocks": 1, "growth": 2, "scale": 1, "doublings": 0},
]


@functools.cache
def _shapes(side=8, **options):
    """The shapes of the variables, by their paths, and that of the output."""
    model = rrdbnet.Generator(**options)
    image = jnp.zeros((1, side, side, options.get("channels", 3)))
    begin = functools.partial(model.init_with_output, train=False)
    (restored, _), variables = jax.eval_shape(begin, jax.random.key(0), image)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    paths = {"/".join(key.key for key in path): leaf.shape for path, leaf in leaves}
    return paths, restored.shape


def _tensors(options):
    """The shapes of the PyTorch weights of a network, by their names there."""
    names: Any = rrdbnet.Generator(**options).torch_names()
    return {
        names[path]: (*shape[:1:-1], *shape[:2]) if len(shape) == 4 else shape
        for path, shape in _shapes(**options)[0].items()
    }


def _waves(shape, turn):
    """Numbers of a formula, alike wherever they are made."""
    numbers = np.cos(turn + np.arange(np.prod(shape), dtype=np.float64))
    return numbers.reshape(shape).astype(np.float32)


def _variables(model, tensors):
    """The nested variables of a network from its tensors in PyTorch's layout."""
    nested = {}
    for path, name in model.torch_names().items():
        *parents, leaf = path.split("/")
        home = nested
        for parent in parents:
            home = home.setdefault(parent, {})
        tensor = tensors[name]
        home[leaf] = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    return nested


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"blocks": 23}, 16_697_987),
        ({"blocks": 16}, 11_662_019),
        ({"blocks": 6}, 4_467_779),
        ({"blocks": 23, "scale": 2}, 16_703_171),
        ({"blocks": 23, "scale": 1}, 16_723_907),
    ],
)
def test_a_published_network_has_its_number_of_parameters(options, count):
    total = lambda blocks: sum(
        np.prod(shape) for shape in _shapes(**options | {"blocks": blocks})[0].values()
    )
    assert total(2) - total(1) == BLOCK
    assert total(1) + (options["blocks"] - 1) * BLOCK == count


@pytest.mark.parametrize("options", OPTIONS)
def test_an_image_becomes_scale_times_as_large(options):
    side, channels = 8 * options.get("scale", 4), options.get("channels", 3)
    assert _shapes(**options)[1] == (1, side, side, channels)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_variable_has_one_name_of_its_own(options):
    names = rrdbnet.Generator(**options).torch_names()
    assert set(names) == set(_shapes(**options)[0])
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_options_come_back_from_the_shapes_of_the_weights(options):
    found = rrdbnet.torch_options(_tensors(options))
    assert found and rrdbnet.Generator(**found) == rrdbnet.Generator(**options)


def test_blocks_are_counted_as_numbers_and_not_as_words():
    tensors = _tensors(OPTIONS[0])
    ten = {n.replace("body.1.", "body.10."): shape for n, shape in tensors.items()}
    nine = {n.replace("body.1.", "body.9."): shape for n, shape in tensors.items()}
    found = rrdbnet.torch_options(nine | ten)
    assert found and found["blocks"] == 11


def test_weights_of_another_network_are_not_taken_for_these():
    assert rrdbnet.torch_options({"body.0.weight": (64, 3, 3, 3)}) is None
    missing = _tensors(OPTIONS[0])
    del missing["conv_hr.weight"]
    assert rrdbnet.torch_options(missing) is None


def _of_2019(name):
    name = re.sub(r"body\.(\d+)\.rdb", r"RRDB_trunk.\1.RDB", name)
    name = name.replace("conv_body", "trunk_conv").replace("conv_up", "upconv")
    return name.replace("conv_hr", "HRconv")


def _of_2018(doublings, blocks):
    high = 3 * doublings + 2
    plain = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    plain |= {"conv_hr": f"model.{high}", "conv_last": f"model.{high + 2}"}
    plain |= {f"conv_up{n + 1}": f"model.{3 * n + 3}" for n in range(doublings)}

    def old(name):
        layer, kind = name.rsplit(".", 1)
        block = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)", layer)
        inner = block and "model.1.sub.{}.RDB{}.conv{}.0".format(*block.groups())
        return f"{inner or plain[layer]}.{kind}"

    return old


@pytest.mark.parametrize("options", OPTIONS)
def test_older_layouts_are_renamed_to_todays(options):
    model = rrdbnet.Generator(**options)
    doublings = {8: 3}.get(model.scale, model.doublings)
    for old in (_of_2018(doublings, model.blocks), _of_2019, lambda name: name):
        expected = {old(name): name for name in _tensors(options)}
        assert rrdbnet.torch_renamed(expected) == expected


def test_names_of_another_network_keep_their_names():
    names = ("model.0.weight", "model.2.weight", "body.0.weight")
    assert rrdbnet.torch_renamed(names) == dict(zip(names, names, strict=True))


def test_it_restores_what_the_pytorch_network_does():
    # Of RRDBNet in spandrel 0.4.2 and PyTorch, with weights and image of `_waves`.
    options: Any = {"width": 4, "blocks": 1, "growth": 32, "scale": 2}
    model, tensors = rrdbnet.Generator(**options), _tensors(options)
    weights = {n: 0.3 * _waves(shape, len(n)) for n, shape in tensors.items()}
    image = 0.5 + 0.5 * _waves((1, 6, 4, 3), 0.3)
    restored = networks.restore_function(model)(_variables(model, weights), image)
    np.testing.assert_allclose(restored.mean(), -0.151557, atol=1e-5)
    corner, edge = [-0.023718, -0.151849, -0.242024], [-0.13655, 0.058529, -0.183033]
    np.testing.assert_allclose(restored[0, 0, 0], corner, atol=1e-5)
    np.testing.assert_allclose(restored[0, -1, -2], edge, atol=1e-5)


def _loop(tensors, image):
    """A network of one block and scale 1 without unshuffling, in float64."""

    def conv(name, maps):
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return np.stack(
            [
                bias[out]
                + sum(
                    scipy.signal.correlate2d(one, kernel, "same")
                    for one, kernel in zip(maps, weight[out], strict=True)
                )
                for out in range(len(weight))
            ]
        )

    leaky = lambda maps: np.where(maps > 0, maps, 0.2 * maps)
    first = h = conv("conv_first", image.transpose(2, 0, 1))
    for part in (1, 2, 3):
        seen = h
        for layer in (1, 2, 3, 4):
            new = leaky(conv(f"body.0.rdb{part}.conv{layer}", seen))
            seen = np.concatenate([seen, new])
        h = h + 0.2 * conv(f"body.0.rdb{part}.conv5", seen)
    h = first + conv("conv_body", first + 0.2 * h)
    return conv("conv_last", leaky(conv("conv_hr", h))).transpose(1, 2, 0)


def test_one_block_equals_a_loop_over_its_layers():
    options: Any = {"width": 3, "blocks": 1, "growth": 2, "scale": 1, "doublings": 0}
    model, rng = rrdbnet.Generator(**options), np.random.default_rng(0)
    weights = {
        name: rng.uniform(-0.4, 0.4, shape).astype(np.float32)
        for name, shape in _tensors(options).items()
    }
    image = rng.random((7, 5, 3), np.float32)
    apply = networks.restore_function(model)
    restored = apply(_variables(model, weights), image[None])
    np.testing.assert_allclose(restored[0], _loop(weights, image), atol=1e-5)


def test_a_fresh_network_has_small_dense_blocks_and_enlarges_by_bicubic():
    model = rrdbnet.Generator(width=32, blocks=1, growth=16, scale=2, residual=True)
    image = jax.random.uniform(jax.random.key(1), (1, 8, 12, 4))
    init = jax.jit(functools.partial(model.init, train=False))
    # This kind of key takes a quarter of the time to compile.
    variables = init(jax.random.key(0, impl="rbg"), image)
    params = variables["params"]
    kernel = params["block0"]["dense2"]["conv3"]["conv"]["kernel"]
    # 64 maps under 3x3: 9,216 numbers, whose deviation is known to 0.7 %.
    np.testing.assert_allclose(kernel.std(), 0.1 * np.sqrt(2 / (9 * 64)), rtol=0.03)
    outer = params["body"]["conv"]["kernel"]
    assert 0.95 < abs(outer).max() * np.sqrt(9 * 32) <= 1
    restored = networks.restore_function(model)(variables, image)
    expected = resize.resize(image[..., :3], 16, 24)
    np.testing.assert_allclose(restored, expected, atol=1e-6)


def test_a_residual_network_has_no_names_in_pytorch():
    with pytest.raises(ValueError, match="adds the enlarged input"):
        rrdbnet.Generator(residual=True).torch_names()


@pytest.mark.parametrize(
    ("options", "side", "message"),
    [
        ({"scale": 3}, 8, "scale is 3; it must be a power of 2"),
        ({"scale": 0}, 8, "scale is 0"),
        ({"scale": 1}, 6, "divide by 4, got 6x6"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(options, side, message):
    with pytest.raises(ValueError, match=message):
        _shapes(side, **options)
