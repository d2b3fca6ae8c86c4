"""VGG and AlexNet, whose maps are compared; their values: tests/test_perceptual.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.models import alexnet, vgg

VGG16 = (2, 2, 3, 3, 3)
# The convolutions in torchvision's `features`, places and widths.
VGG16_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG16_WIDTHS = (64, 64, 128, 128, 256, 256, 256, *(512,) * 6)
ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3)}
ALEXNET[10] = (256, 256, 3)


def _shapes(kernels):
    """What a torchvision file holds: `kernels` has (d, c, k) by place."""
    shapes: dict[str, tuple[int, ...]] = {"classifier.0.weight": (4096, 25088)}
    for place, (made, taken, size) in kernels.items():
        shapes[f"features.{place}.weight"] = (made, taken, size, size)
        shapes[f"features.{place}.bias"] = (made,)
    return shapes


def _vgg16():
    widths = zip(VGG16_WIDTHS, (3, *VGG16_WIDTHS), strict=False)
    return {p: (*w, 3) for p, w in zip(VGG16_PLACES, widths, strict=True)}


def _variables(model, wanted, side=32):
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    key = jax.random.key(0)
    return jax.eval_shape(lambda x: model.init(key, x, wanted=wanted), image)


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (vgg.Features(), 20_024_384),
        (vgg.Features(convolutions=VGG16), 14_714_688),
        (alexnet.Features(), 2_469_696),
    ],
)
def test_the_convolutions_have_the_published_parameters(model, count):
    leaves = jax.tree.leaves(_variables(model, model.maps))
    assert sum(leaf.size for leaf in leaves) == count


@pytest.mark.parametrize(
    ("model", "kernels"),
    [(vgg.Features(convolutions=VGG16), _vgg16()), (alexnet.Features(), ALEXNET)],
)
def test_a_file_of_torchvision_is_recognised_and_every_variable_found(model, kernels):
    home = {vgg.Features: vgg, alexnet.Features: alexnet}[type(model)]
    shapes = _shapes(kernels)
    assert home.Features(**home.torch_options(shapes)) == model
    names = model.torch_names()
    flat = jax.tree.leaves_with_path(_variables(model, model.maps))
    paths = {"/".join(key.key for key in path): leaf for path, leaf in flat}
    assert {*names} == {*paths}
    assert {*names.values()} == {n for n in shapes if n.startswith("features")}
    for path, name in names.items():
        turned = paths[path].shape
        turned = turned if len(turned) == 1 else tuple(turned[i] for i in (3, 2, 0, 1))
        assert shapes[name] == turned


@pytest.mark.parametrize(
    "kernels",
    [
        ALEXNET,
        {0: (64, 3, 3), 3: (64, 64, 3), 7: (128, 64, 3)},  # as with other layers
        {0: (64, 3, 3), 1: (64, 64, 3)},
        {0: (64, 3, 3), 2: (32, 64, 3)},  # two widths in one block
        {0: (64, 3, 3), 2: (64, 32, 3)},  # these two do not follow each other
        {},
    ],
)
def test_another_network_is_no_vgg(kernels):
    assert vgg.torch_options(_shapes(kernels)) is None


def test_a_vgg_with_batch_normalisation_is_no_vgg():
    shapes = _shapes({0: (64, 3, 3), 3: (64, 64, 3)}) | {"features.1.weight": (64,)}
    assert vgg.torch_options(shapes) is None


@pytest.mark.parametrize(
    "changed", [{0: (64, 3, 9)}, {3: (192, 32, 5)}, {1: (1, 1, 1)}]
)
def test_another_network_is_no_alexnet(changed):
    assert alexnet.torch_options(_shapes(ALEXNET)) is not None
    assert alexnet.torch_options(_shapes(ALEXNET | changed)) is None
    assert alexnet.torch_options(_shapes(_vgg16())) is None


def test_nothing_is_computed_beyond_the_last_map_that_is_wanted():
    model = vgg.Features(widths=(2, 3, 4, 5, 6))
    wanted = ["conv2_1", "conv1_1"]
    made = {"conv1_1", "conv1_2", "conv2_1"}
    assert {*_variables(model, wanted)["params"]} == made
    variables = _variables(model, model.maps)
    image = jax.ShapeDtypeStruct((2, 33, 21, 3), jnp.float32)
    maps = jax.eval_shape(
        lambda v, x: model.apply(v, x, wanted=wanted), variables, image
    )
    shapes = {name: leaf.shape for name, leaf in maps.items()}
    assert shapes == {"conv1_1": (2, 33, 21, 2), "conv2_1": (2, 16, 10, 3)}


def test_sides_are_halved_by_the_maximum_also_of_odd_ones():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 9, 3)), jnp.float32)
    pooled = lambda x: nn.max_pool(x, (2, 2), strides=(2, 2))
    np.testing.assert_array_equal(vgg._halved(x), pooled(x))
    ours, theirs = (
        jax.grad(lambda x, f=f: (f(x) ** 2).sum())(x) for f in (vgg._halved, pooled)
    )
    np.testing.assert_array_equal(ours, theirs)
    assert (np.asarray(ours) != 0).sum() == 2 * 3 * 4 * 3


@pytest.mark.parametrize(
    ("model", "side", "says"),
    [
        (vgg.Features(), 15, "16 px for five blocks"),
        (alexnet.Features(), 30, "got 30x"),
    ],
)
def test_images_too_small_are_told(model, side, says):
    with pytest.raises(ValueError, match=says):
        _variables(model, model.maps, side)
    least = {15: 16, 30: 31}[side]
    assert len(_variables(model, model.maps, least)["params"]) == len(model.maps)
