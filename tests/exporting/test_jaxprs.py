"""Each rule by which an operation becomes ONNX, on functions of images of any size."""

import exported
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.exporting import jaxprs, sums
from jaxrestore.models import nafnet
from jaxrestore.ops import patches, sides, wavelet

CHANNELS = 4
KERNEL = np.random.default_rng(1).random((3, 3, CHANNELS, CHANNELS), np.float32) / 9
MATRIX = KERNEL[0, 0]
SHIFT = MATRIX[0]


def _convolved(x):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, jnp.asarray(KERNEL), (1, 1), ((1, 1), (1, 1)), dimension_numbers=numbers
    )


def _padded(x):
    return jnp.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=2)


def _joined(x):
    first, second = jnp.split(x, 2, -1)
    whole = jnp.concatenate([second, jnp.full_like(first, 0.5)], -1)
    return jnp.concatenate([whole, whole[:, :0]], 1)


def _by_places(x):
    """Rows looked up from the last to the first, and what their numbers are."""
    place = x.shape[1] - 1 - jnp.arange(x.shape[1])
    return jnp.take(x, place, 1) + place[:, None, None] * x.shape[2]


def _beyond(x):
    """Columns looked up from before the first to behind the last: these again."""
    return jnp.take(x, jnp.arange(x.shape[2] + 3) - 1, 2, mode="clip")


def _chosen(x):
    far = jnp.logical_not((x <= 0.1) | (x == 0.5)) & (x < 0.9) & (x > 0) & (x >= 0.01)
    return jnp.where(far, jax.lax.clamp(0.2, x, 0.8), jnp.minimum(x, 1 - x))


def _unlinear(x):
    parts = [jnp.sqrt(x), jnp.exp(x), jnp.log(x + 1), jnp.tanh(x), jax.nn.sigmoid(x)]
    parts += [jax.lax.rsqrt(x + 1), jnp.abs(x - 0.5), jnp.sign(x - 0.5), x**3, x**x]
    return sum([*parts, jnp.floor(3 * x), jnp.ceil(3 * x)], jnp.square(x))


def _on_blocks(x):
    """Blocks of two by two pixels: their rows exchanged, the second columns negated."""
    b, h, w, c = x.shape
    whole = patches.pad_to_multiple(x, 2)
    blocks = whole.reshape(b, whole.shape[1] // 2, 2, whole.shape[2] // 2, 2, c)
    rows = jnp.stack([blocks[:, :, 1], blocks[:, :, 0]], 2)
    columns = jnp.stack([rows[..., 0, :], -rows[..., 1, :]], -2)
    return columns.reshape(whole.shape)[:, :h, :w]


def _prelu(x):
    return jnp.where(x >= 0, x, SHIFT * x)


def _in_rounds(x):
    start = jnp.zeros(x.shape[1:])
    step = lambda index, carried: (carried[0] / 2 + x, carried[1] + carried[0][0] / 3)
    made, sums = jax.lax.fori_loop(0, 3, step, (x, start))
    return made + sums


FUNCTIONS = {
    "itself": lambda x: x,
    "beyond": _beyond,
    "blocks": _on_blocks,
    "by_places": _by_places,
    "chosen": _chosen,
    "convolved": _convolved,
    "biased": lambda x: jnp.maximum(_convolved(x) + SHIFT, 0) - _convolved(x + SHIFT),
    "counted": lambda x: x + jnp.ones_like(x).sum((1, 2), keepdims=True),
    "depthwise": lambda x: nafnet.depthwise(x, jnp.asarray(KERNEL[:, :, :1])) + SHIFT,
    "haar": lambda x: wavelet.haar(patches.pad_to_multiple(x, 4)),
    "haar_and_back": lambda x: wavelet.inverse_haar(
        wavelet.haar(patches.pad_to_multiple(x, 2))
    ),
    "in_rounds": _in_rounds,
    "joined": _joined,
    "leaky": lambda x: jax.nn.leaky_relu(x - 0.5, 0.1) + jnp.maximum(x, SHIFT),
    "means": lambda x: x - x.mean((1, 2), keepdims=True) / x.mean(-1, keepdims=True),
    "mirrored": lambda x: sides.mirrored(x, ((1, 2), (0, 3))),
    "padded": _padded,
    "prelu": lambda x: _prelu(_convolved(x - 0.5)),
    "prelu_of_one": lambda x: x + _prelu(x.mean((1, 2, 3), keepdims=True) - 0.6),
    "product": lambda x: x @ MATRIX + jnp.tensordot(x, MATRIX, ((3,), (1,))),
    "repeated": lambda x: x.repeat(2, 1).repeat(3, 2),
    "repeated_channels": lambda x: x.repeat(2, 3),
    "rows_of_channels": lambda x: (x.reshape(-1, CHANNELS) @ MATRIX).reshape(x.shape),
    "scaled": lambda x: 0.3 * (SHIFT * _convolved(x) + SHIFT),
    "shuffled": lambda x: patches.pixel_shuffle(x, 2),
    "to_depth": lambda x: patches.space_to_depth(patches.pad_to_multiple(x, 4), 4),
    "from_depth": lambda x: patches.depth_to_space(x.repeat(2, 1).repeat(3, 2), 2),
    "unlinear": _unlinear,
    "unshuffled": lambda x: patches.pixel_unshuffle(patches.pad_to_multiple(x, 2), 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_onnx_runtime_makes_what_jax_makes(name):
    images = np.asarray(untrained.noise(2, 5, 11, CHANNELS))
    wanted = FUNCTIONS[name](jnp.asarray(images))
    made = exported.run(exported.file_of(FUNCTIONS[name], CHANNELS), images)
    np.testing.assert_allclose(made, wanted, atol=2e-6)


def test_a_function_that_is_called_as_another_one_has_its_own_numbers():
    @jax.jit
    def _depthwise(x, kernel):
        return x * kernel[0, 0, 0]

    images = np.asarray(untrained.noise(1, 5, 11, CHANNELS))
    function = lambda x: _depthwise(x, KERNEL[:, :, :1])
    made = exported.run(exported.file_of(function, CHANNELS), images)
    np.testing.assert_allclose(made, function(images), atol=2e-6)


def _primitives(jaxpr):
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        yield str(equation.params.get("name"))
        for value in equation.params.values():
            inside = getattr(value, "jaxpr", value)
            if hasattr(inside, "eqns"):
                yield from _primitives(inside)


def test_every_rule_is_tried():
    jaxprs_of = (exported.traced(f, CHANNELS).jaxpr for f in FUNCTIONS.values())
    asked = {name for jaxpr in jaxprs_of for name in _primitives(jaxpr)}
    assert {*jaxprs.RULES, *sums.FUNCTIONS} <= asked


# Graphs as one would write them


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("biased", {"Conv": 2, "Relu": 1, "Add": 1, "Sub": 1}),
        ("depthwise", {"Conv": 1}),
        ("repeated", {"Resize": 1}),
        ("prelu", {"Sub": 1, "Conv": 1, "PRelu": 1}),
        ("product", {"Conv": 2, "Add": 1}),
        ("scaled", {"Conv": 1}),
        ("shuffled", {"DepthToSpace": 1}),
        ("itself", {"Identity": 1}),
    ],
)
def test_what_is_one_operation_is_one_node(name, wanted):
    content = exported.file_of(FUNCTIONS[name], CHANNELS)
    assert exported.operations(content) == wanted


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: jnp.sort(x, -1), "the operation sort"),
        (
            lambda x: jax.lax.slice(x, (0, 0, 0, 0), (*x.shape[:3], 4), (1, 1, 1, 2)),
            "n-th",
        ),
        (lambda x: jax.lax.pad(x, 0.0, [(0, 0, 1)] * 4), "between places"),
        (lambda x: x @ x.swapaxes(2, 3) @ x, "of channels with a matrix"),
        (lambda x: x[:, ::2, ::2], "one by one"),
        (lambda x: x.astype(jnp.bfloat16), "bfloat16"),
        (
            lambda x: jax.lax.fori_loop(0, jnp.int32(x.sum()), lambda _, y: y / 2, x),
            "while",
        ),
        (lambda x: jax.lax.map(lambda y: y / 2, x), "loop over"),
    ],
)
def test_what_has_no_rule_is_told(function, told):
    with pytest.raises(NotImplementedError, match=told):
        jaxprs.graph_of(exported.traced(function, CHANNELS))
