import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxrestore.models import mwcnn
from jaxrestore.ops import wavelet

SMALL = mwcnn.Generator(widths=(6, 8, 10), convs=2)
FIRST = "down0_first"


def _shapes(model, channels=3):
    init = functools.partial(model.init, train=False)
    image = jax.ShapeDtypeStruct((1, 32, 32, channels), jnp.float32)
    return jax.eval_shape(init, jax.random.key(0), image)


def _flat(variables) -> dict[str, Any]:
    return traverse_util.flatten_dict(variables, sep="/")


def _torch_shapes(model, channels=3):
    """The shape of every tensor in a PyTorch file of the network, by its name."""
    flat = _flat(_shapes(model, channels))
    return {str(n): flat[path].shape[::-1] for path, n in model.torch_names().items()}


@pytest.mark.parametrize(("channels", "count"), [(1, 16_145_892), (3, 16_168_940)])
def test_mwcnn_has_the_published_number_of_parameters(channels, count):
    shapes = _shapes(mwcnn.Generator(channels=channels), channels)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_the_torch_names_are_those_of_all_variables_each_once():
    names = SMALL.torch_names()
    assert set(names) == set(_flat(_shapes(SMALL)))
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("convs", [1, 3])
def test_the_options_are_read_from_the_tensors(channels, convs):
    options = {"widths": (6, 8, 10), "convs": convs, "channels": channels}
    shapes = _torch_shapes(mwcnn.Generator(**options), channels)
    assert mwcnn.torch_options(shapes) == options


def test_the_second_version_is_another_architecture():
    shapes = _torch_shapes(SMALL)
    assert mwcnn.torch_options(shapes) is not None
    assert mwcnn.torch_options(shapes | {"d_l0.0.body.0.weight": (3,)}) is None


def test_other_than_three_levels_have_no_names_in_pytorch():
    with pytest.raises(ValueError, match="mwcnn has 2 levels"):
        mwcnn.Generator(widths=(6, 8)).torch_names()


def test_a_network_of_copies_adds_the_lowest_band_to_the_input():
    model = mwcnn.Generator(widths=(4,), convs=1, channels=1)
    image = jnp.asarray(np.random.default_rng(0).random((1, 8, 8, 1), np.float32))
    # LL of an image in [0, 1] is positive, and a ReLU lets it pass; the rest is 0.
    identity = np.zeros((3, 3, 4, 4), np.float32)
    identity[1, 1, 0, 0] = 1
    shapes = _shapes(model, 1)
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(identity) if len(leaf.shape) == 4 else jnp.zeros(4),
        shapes,
    )
    restored, aux = model.apply(variables, image, train=False)
    bands = wavelet.haar(image).at[..., 1:].set(0)
    expected = image + wavelet.inverse_haar(bands)
    np.testing.assert_allclose(restored, expected, atol=1e-6)
    assert aux == {}


def test_a_fourth_channel_is_seen_and_not_returned():
    shapes = _shapes(SMALL, 4)
    assert shapes["params"][FIRST]["conv"]["kernel"].shape == (3, 3, 16, 6)
    image = jax.ShapeDtypeStruct((1, 32, 32, 4), jnp.float32)
    apply = functools.partial(SMALL.apply, train=False)
    restored, _ = jax.eval_shape(apply, shapes, image)
    assert restored.shape == (1, 32, 32, 3)
