import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import skip

# The published networks: channels of the code, options, parameters.
LIBRARY = {"widths": (16, 32, 64, 128, 128, 128), "skips": (0,) * 6, "kernel": 5}
PUBLISHED = [
    (32, {}, 2_217_831),
    (32, {"channels": 1}, 2_217_573),
    (3, {"widths": (8, 16, 32, 64, 128), "skips": (0, 0, 0, 4, 4)}, 572_827),
    (32, {"skips": (128,) * 5, "upsampling": "nearest"}, 3_002_627),
    (2, {"skips": (0,) * 5, "upsampling": "nearest"}, 2_157_955),
    (1, {**LIBRARY, "pointwise": False, "upsampling": "nearest"}, 2_996_467),
    (32, {"widths": (16, 32, 64, 128, 128), "skips": (0,) * 5}, 1_027_379),
]


@pytest.mark.parametrize(("code", "options", "count"), PUBLISHED)
def test_skip_has_the_published_number_of_parameters(code, options, count):
    shape = jax.ShapeDtypeStruct((1, 64, 64, code), jnp.float32)
    shapes = untrained.shapes(skip.Generator(**options), shape)
    assert untrained.count(shapes) == count


def _norm(x, layer):
    """By the definition, each image by itself."""
    x = x - x.mean((1, 2), keepdims=True)
    x = x / np.sqrt(np.square(x).mean((1, 2), keepdims=True) + 1e-5)
    return x * layer["scale"] + layer["bias"]


def _act(x, layer):
    y = _norm(x, layer)
    return np.where(y > 0, y, 0.2 * y)


def _conv(x, layer, stride=1, edge=False):
    room = ((0, 0), (1, 1), (1, 1), (0, 0))
    framed = np.pad(x, room, mode="edge") if edge else np.pad(x, room)
    height, width = x.shape[1:3]
    taps = [
        framed[:, k : k + height : stride, m : m + width : stride]
        @ layer["kernel"][k, m]
        for k in range(3)
        for m in range(3)
    ]
    return sum(taps) + layer["bias"]


def _dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def test_a_network_of_one_level_is_what_its_layers_say():
    model = skip.Generator(widths=(4,), skips=(2,), upsampling="nearest")
    image = np.asarray(untrained.noise(2, 6, 8, 3))
    variables = untrained.init(model, jnp.asarray(image))
    variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
    apply = jax.jit(functools.partial(model.apply, train=False))
    restored, aux = apply(variables, jnp.asarray(image))
    p = jax.tree.map(np.asarray, variables["params"])
    beside = _act(_dense(image, p["skip0"]), p["skip0_norm"])
    h = _act(_conv(image, p["down0_conv0"]["conv"], 2), p["down0_conv0_norm"])
    h = _act(_conv(h, p["down0_conv1"]["conv"]), p["down0_conv1_norm"])
    h = h.repeat(2, 1).repeat(2, 2)
    up = p["up0_conv0"]
    joined = [_norm(beside, up["skip_norm"]), _norm(h, up["deep_norm"])]
    h = _conv(np.concatenate(joined, -1), up, edge=True)
    h = _act(h, p["up0_conv0_norm"])
    h = _act(_dense(h, p["up0_conv1"]), p["up0_conv1_norm"])
    expected = 1 / (1 + np.exp(-_dense(h, p["last"])))
    np.testing.assert_allclose(restored, expected, atol=1e-4)
    assert aux == {}


def test_as_many_skips_as_widths_are_asked_for():
    model = skip.Generator(widths=(4, 4), skips=(2,))
    with pytest.raises(ValueError, match=r"2 levels \(widths\) and 1 skips"):
        untrained.shapes(model, untrained.image(8))
