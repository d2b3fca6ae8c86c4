import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import dcgan

SIDE = 32


def _shapes(model, side):
    """Each layer's map without its batch axis, the parameters, and the logits."""
    image = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), image, image)
    apply = functools.partial(
        model.apply, train=True, capture_intermediates=True, mutable=True
    )
    logits, moved = jax.eval_shape(apply, variables, image, image)
    named = {
        name: found["__call__"][0].shape[1:]
        for name, found in moved["intermediates"].items()
        if name != "__call__"
    }
    return named, variables["params"], logits


def _start(model):
    image = untrained.noise(2, SIDE, SIDE, 3)
    init = jax.jit(functools.partial(model.init, train=False))
    return init(jax.random.key(0), image, image)


@pytest.mark.parametrize(
    ("head", "count"),
    [
        ("dense", 2_891_521),
        ("hidden", 11_149_185),
        # The convolutions alone, then 512 weights and a bias.
        ("average", 2_760_448 + 513),
    ],
)
def test_a_head_has_the_stated_number_of_parameters(head, count):
    _, params, logits = _shapes(dcgan.Discriminator(head=head), 256)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    assert logits.shape == (2, 1, 1, 1)


def test_every_map_has_its_shape_and_the_first_is_not_normalised():
    maps, params, _ = _shapes(dcgan.Discriminator(head="hidden"), 256)
    expected = {
        "conv0": (128, 128, 64),
        "conv1": (64, 64, 128),
        "conv2": (32, 32, 256),
        "conv3": (16, 16, 512),
        "hidden": (1, 1, 64),
        "logits": (1, 1, 1),
    }
    assert {name: maps[name] for name in expected} == expected
    assert params["conv0"]["conv"]["kernel"].shape == (4, 4, 6, 64)
    assert "norm0" not in params and {"norm1", "norm2", "norm3"} <= set(params)


def test_an_unconditional_one_lacks_the_weights_of_three_channels():
    alone = dcgan.Discriminator(conditional=False)
    _, params, _ = _shapes(alone, 256)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count == 2_891_521 - 3 * 64 * 16


@pytest.mark.parametrize("conditional", [True, False])
def test_only_a_conditional_one_heeds_the_condition(conditional):
    model = dcgan.Discriminator(filters=4, conditional=conditional)
    variables = _start(model)
    apply = jax.jit(functools.partial(model.apply, train=False))
    image, other = (
        untrained.noise(2, SIDE, SIDE, 3),
        untrained.noise(2, SIDE, SIDE, 3, seed=1),
    )
    same = apply(variables, image, image) == apply(variables, image, other)
    assert same.all() != conditional


def test_the_average_head_judges_images_of_any_size():
    model = dcgan.Discriminator(filters=4, head="average")
    variables = _start(model)
    wide = jax.ShapeDtypeStruct((2, 2 * SIDE, 3 * SIDE, 3), jnp.float32)
    apply = functools.partial(model.apply, train=False)
    assert jax.eval_shape(apply, variables, wide, wide).shape == (2, 1, 1, 1)


def test_the_dense_head_is_a_weighted_sum_over_its_map():
    model = dcgan.Discriminator(filters=2)
    variables = _start(model)
    image = untrained.noise(2, SIDE, SIDE, 3)
    apply = functools.partial(
        model.apply, train=False, capture_intermediates=True, mutable=True
    )
    logits, moved = jax.jit(apply)(variables, image, image)
    (last,) = moved["intermediates"]["norm3"]["__call__"]
    last = np.where(last > 0, last, 0.2 * last).reshape(2, -1)
    head = variables["params"]["logits"]["conv"]
    expected = last @ np.asarray(head["kernel"]).reshape(-1) + np.asarray(head["bias"])
    np.testing.assert_allclose(logits.reshape(2), expected, rtol=1e-4, atol=1e-6)


def test_an_unknown_head_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'mean'.*dense, hidden, average"):
        _start(dcgan.Discriminator(head="mean"))
