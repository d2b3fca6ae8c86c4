import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import deblur_fcn

MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])

# The source's table at 64 px: kernel, channels in and out, side of the result.
TABLE = {
    "down0": (3, 3, 64, 62),
    "down1": (3, 64, 128, 30),
    "down2": (3, 128, 256, 28),
    "down3": (3, 256, 512, 13),
    "down4": (3, 512, 512, 11),
    "up0": (3, 512, 128, 13),
    "up1": (4, 640, 128, 28),
    "up2": (3, 384, 64, 30),
    "up3": (3, 192, 32, 61),
    "up4": (2, 32, 16, 62),
    "last": (3, 80, 3, 64),
}
JUDGE = {
    "conv0": (3, 3, 64, 62),
    "conv1": (3, 64, 128, 30),
    "conv2": (3, 128, 256, 28),
    "conv3": (3, 256, 512, 13),
}


def _images(height, width, channels=3):
    return jax.ShapeDtypeStruct((2, height, width, channels), jnp.float32)


def _shapes(model, *inputs, train=False):
    """The shapes of variables, of the result and of all maps between."""
    init = functools.partial(model.init, train=train)
    variables = jax.eval_shape(init, jax.random.key(0), *inputs)
    apply = functools.partial(
        model.apply, train=train, capture_intermediates=True, mutable=True
    )
    result, moved = jax.eval_shape(apply, variables, *inputs)
    return variables, result, moved["intermediates"]


def _layers(variables, maps):
    """What `TABLE` says of each layer, read off the weights and the maps."""
    found = {}
    for name, layer in variables["params"].items():
        if "conv" in layer:  # normalisations and heads have none
            side, _, *channels = layer["conv"]["kernel"].shape
            if name.startswith(("up", "last")):  # transposed: [k, k, out, in]
                channels.reverse()
            (made,) = maps[name]["__call__"]
            assert made.shape[1] == made.shape[2] and made.shape[3] == channels[1]
            found[name] = (side, *channels, made.shape[1])
    return found


def _variables(model, *inputs):
    """Small numbers for all weights, so that no layer is silent; fresh statistics."""
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), *inputs)
    leaves, structure = jax.tree.flatten(shapes["params"])
    filled = [
        0.6 * (np.asarray(untrained.noise(*leaf.shape, seed=index)) - 0.45)
        for index, leaf in enumerate(leaves)
    ]
    variables = {"params": jax.tree.unflatten(structure, filled)}
    if "batch_stats" in shapes:
        variables["batch_stats"] = {
            name: {"batch": {"mean": np.zeros(size, "f"), "var": np.ones(size, "f")}}
            for name, held in shapes["batch_stats"].items()
            for size in [held["batch"]["mean"].shape]
        }
    return variables


def _apply(model, variables, *inputs):
    apply = jax.jit(functools.partial(model.apply, train=False))
    return apply(variables, *inputs)


# The generator


def test_every_layer_of_the_generator_is_that_of_the_table_at_64_px():
    variables, (restored, aux), maps = _shapes(deblur_fcn.Generator(), _images(64, 64))
    assert _layers(variables, maps) == TABLE
    assert untrained.count(variables) == 6_092_387
    assert (restored.shape, restored.dtype, aux) == ((2, 64, 64, 3), jnp.float32, {})


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"norm": "batch"}, 6_096_067),
        ({"residual": True}, 6_092_387),
    ],
)
def test_a_variant_of_the_generator_has_the_stated_parameters(options, count):
    model = deblur_fcn.Generator(**options)
    assert untrained.count(_shapes(model, _images(64, 64), train=True)[0]) == count


@pytest.mark.parametrize(
    ("height", "width", "framed"),
    [
        (62, 62, (64, 64)),
        (65, 64, (68, 64)),
        (109, 89, (112, 92)),
        (218, 178, (220, 180)),
        (20, 20, (24, 24)),
        (1, 5, (24, 24)),
    ],
)
def test_any_side_is_taken_and_given_back(height, width, framed):
    model = deblur_fcn.Generator(filters=4)
    _, (restored, _), maps = _shapes(model, _images(height, width))
    assert restored.shape == (2, height, width, 3)
    (inner,) = maps["last"]["__call__"]
    assert inner.shape[1:3] == framed


@pytest.mark.parametrize("side", [24, 28, 32, 36, 64, 128, 252, 256])
def test_the_maps_of_sides_that_divide_by_4_meet_without_a_frame(side):
    model = deblur_fcn.Generator(filters=4)
    _, _, maps = _shapes(model, _images(side, 24))
    assert maps["last"]["__call__"][0].shape[1] == side


@pytest.mark.parametrize("border", [0, 3])
def test_the_frame_is_the_mirrored_image_and_cropped(border):
    image = untrained.noise(1, 26, 33, 3)
    plain = deblur_fcn.Generator(filters=4)
    model = plain.clone(border=border)
    variables = _variables(plain, image)
    ends = [(border, -(side + 2 * border) % 4 + border) for side in (26, 33)]
    mirrored = np.pad(image, ((0, 0), *ends, (0, 0)), mode="reflect")
    whole, _ = _apply(plain, variables, jnp.asarray(mirrored))
    expected = whole[:, border : border + 26, border : border + 33]
    restored, _ = _apply(model, variables, image)
    np.testing.assert_allclose(restored, expected, atol=1e-5)


def _convolved(x, kernel, bias, stride):
    size = len(kernel)
    rows, columns = ((side - size) // stride + 1 for side in x.shape[:2])
    result = np.zeros((rows, columns, kernel.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            top, left = stride * row, stride * column
            window = x[top : top + size, left : left + size]
            result[row, column] = np.tensordot(window, kernel, 3)
    return result + bias


def _spread(x, kernel, bias, stride):
    size = len(kernel)
    rows, columns = ((side - 1) * stride + size for side in x.shape[:2])
    result = np.zeros((rows, columns, kernel.shape[2]))
    for row, column in np.ndindex(x.shape[:2]):
        top, left = stride * row, stride * column
        result[top : top + size, left : left + size] += kernel @ x[row, column]
    return result + bias


def _weights(variables, name):
    layer = variables["params"][name]["conv"]
    return np.float64(layer["kernel"]), np.float64(layer["bias"])


def _in_loops(variables, image, residual):
    """The generator of an image [h, w, 3], pixel by pixel in float64."""
    h = (np.float64(image) - MEAN) / DEVIATION
    kept = []
    for level, stride in enumerate((1, 2, 1, 2, 1)):
        h = _convolved(h, *_weights(variables, f"down{level}"), stride)
        h = np.maximum(h, 0)
        kept.append(h)
    for level, (stride, skip) in enumerate([(1, 3), (2, 2), (1, 1), (2, None), (1, 0)]):
        h = np.maximum(_spread(h, *_weights(variables, f"up{level}"), stride), 0)
        if skip is not None:
            h = np.concatenate([h, kept[skip]], -1)
    h = DEVIATION * _spread(h, *_weights(variables, "last"), 1)
    return h + (image if residual else MEAN)


@pytest.mark.parametrize("residual", [False, True])
def test_the_generator_is_the_network_written_in_loops(residual):
    image = untrained.noise(1, 24, 28, 3)
    model = deblur_fcn.Generator(filters=4, residual=residual)
    variables = _variables(model, image)
    expected = _in_loops(variables, np.asarray(image[0]), residual)
    restored, _ = _apply(model, variables, image)
    assert np.abs(expected - np.asarray(image[0])).max() > 0.1
    np.testing.assert_allclose(restored[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("border", [0, 5])
@pytest.mark.slow
def test_a_residual_generator_starts_as_the_identity(border):
    image = untrained.noise(2, 25, 31, 4)
    model = deblur_fcn.Generator(filters=4, residual=True, border=border)
    init = jax.jit(functools.partial(model.init, train=False))
    restored, _ = _apply(model, init(jax.random.key(0), image), image)
    np.testing.assert_array_equal(restored, image[..., :3])


@pytest.mark.slow
def test_the_gradient_of_the_generator_is_finite_and_reaches_its_ends():
    model = deblur_fcn.Generator(filters=4, norm="batch", residual=True)
    image, target = untrained.noise(2, 24, 24, 3), untrained.noise(2, 24, 24, 3, seed=1)
    variables = _variables(model, image)

    @jax.jit
    @jax.grad
    def gradient(params):
        state = variables | {"params": params}
        (restored, _), _ = model.apply(
            state, image, train=True, mutable=["batch_stats"]
        )
        return jnp.abs(restored - target).mean()

    found = gradient(variables["params"])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    for name in ("down0", "last"):
        assert (found[name]["conv"]["kernel"] != 0).any()


# The discriminator


def test_every_layer_of_the_discriminator_is_that_of_the_table_at_64_px():
    image = _images(64, 64)
    variables, logits, maps = _shapes(deblur_fcn.Discriminator(), image, image)
    assert _layers(variables, maps) == JUDGE
    norms = {name for name in variables["params"] if name.startswith("norm")}
    assert norms == {"norm0", "norm1", "norm2"}  # none after the fourth
    assert variables["params"]["logits"]["kernel"].shape == (13 * 13 * 512, 1)
    assert untrained.count(variables) == 1_638_401
    assert (logits.shape, logits.dtype) == ((2, 1, 1, 1), jnp.float32)


@pytest.mark.parametrize(
    ("options", "side", "count"),
    [
        ({"head": "average"}, 64, 1_552_385),
        ({"head": "average"}, 128, 1_552_385),
        ({}, 128, 1_638_401),
        ({}, 40, 1_638_401),
        # Three channels more into 64 filters of 3x3.
        ({"conditional": True}, 64, 1_638_401 + 3 * 9 * 64),
        # Without scale and shift of 64, 128 and 256 channels.
        ({"norm": "none"}, 64, 1_638_401 - 2 * (64 + 128 + 256)),
    ],
)
def test_a_variant_of_the_discriminator_has_the_stated_parameters(options, side, count):
    image = _images(side, side)
    model = deblur_fcn.Discriminator(**options)
    variables, logits, _ = _shapes(model, image, image)
    assert untrained.count(variables) == count
    assert logits.shape == (2, 1, 1, 1)


def _judged_in_loops(variables, image, side):
    """The logit of an image [h, w, 3], pixel by pixel in float64."""
    h = (np.float64(image) - MEAN) / DEVIATION
    for level, stride in enumerate((1, 2, 1, 2)):
        h = _convolved(h, *_weights(variables, f"conv{level}"), stride)
        h = np.maximum(h, 0)
        if level < 3:  # with the mean 0 and the variance 1 of a network at its start
            norm = variables["params"][f"norm{level}"]["batch"]
            h = h / np.sqrt(1 + 1e-5) * norm["scale"] + norm["bias"]
    rows, columns = h.shape[:2]
    pooled = np.zeros((side, side, h.shape[2]))
    for i, j in np.ndindex(side, side):  # PyTorch's adaptive average pooling
        top, left = i * rows // side, j * columns // side
        bottom, right = -(-(i + 1) * rows // side), -(-(j + 1) * columns // side)
        pooled[i, j] = h[top:bottom, left:right].mean((0, 1))
    head = variables["params"]["logits"]
    return pooled.reshape(-1) @ np.float64(head["kernel"]) + np.float64(head["bias"])


@pytest.mark.parametrize(
    ("head", "shape"),
    [("dense", (64, 28)), ("dense", (24, 84)), ("average", (24, 28))],
)
def test_the_discriminator_is_the_network_written_in_loops(head, shape):
    image = untrained.noise(1, *shape, 3)
    model = deblur_fcn.Discriminator(filters=2, head=head)
    variables = _variables(model, image, image)
    pooled = 13 if head == "dense" else 1
    expected = _judged_in_loops(variables, np.asarray(image[0]), pooled)
    logits = _apply(model, variables, image, image)
    assert abs(expected) > 0.01
    np.testing.assert_allclose(logits.reshape(-1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("conditional", [False, True])
def test_only_a_conditional_discriminator_looks_at_the_condition(conditional):
    image, other = untrained.noise(2, 24, 24, 3), untrained.noise(2, 24, 24, 3, seed=1)
    model = deblur_fcn.Discriminator(filters=4, conditional=conditional)
    variables = _variables(model, image, image)
    answers = [
        np.asarray(_apply(model, variables, image, condition))
        for condition in (image, other)
    ]
    assert np.array_equal(answers[0], answers[1]) != conditional


def test_an_unknown_head_is_refused_by_name():
    image = _images(24, 24)
    with pytest.raises(ValueError, match="head is 'mean'"):
        _shapes(deblur_fcn.Discriminator(head="mean"), image, image)


@pytest.mark.parametrize("head", ["dense", "average"])
def test_the_discriminator_starts_undecided(head):
    image = untrained.noise(2, 28, 28, 3)
    model = deblur_fcn.Discriminator(filters=2, head=head)
    init = jax.jit(functools.partial(model.init, train=False))
    logits = _apply(model, init(jax.random.key(0), image, image), image, image)
    np.testing.assert_array_equal(logits, 0)


def test_filters_that_the_table_cannot_share_are_refused():
    model = deblur_fcn.Generator(filters=6)
    with pytest.raises(ValueError, match="divide by 4"):
        _shapes(model, _images(64, 64))
