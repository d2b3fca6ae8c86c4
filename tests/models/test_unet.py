import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import unet
from jaxrestore.ops import membranes


def _count(model):
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (unet.Generator(), 1_736_364),
        (unet.Generator((40, 80, 120), (1, 1, 2)), 919_132),
        (unet.Generator((24, 48, 72), (1, 1, 1), shuffle=1), 236_019),
    ],
)
def test_it_has_the_stated_number_of_parameters(model, count):
    assert _count(model) == count


@pytest.mark.parametrize(
    ("model", "multiple", "reach"),
    [
        # Two convolutions of 3x3 around a block of two: 4 px.
        (unet.Generator((4,), (1,), shuffle=1), 1, 4),
        # The same of squares of 2x2 px, of which a pixel is one.
        (unet.Generator((4,), (1,), shuffle=2), 2, 2 * 4 + 1),
        # A block each way on the first level, and one of two convolutions below.
        (unet.Generator((4, 4), (1, 1), shuffle=1), 2, 6 + 2 * 2 + 1),
    ],
)
def test_sides_divide_by_the_multiple_and_a_pixel_sees_its_reach(
    model, multiple, reach
):
    assert (model.multiple, model.reach) == (multiple, reach)


def test_a_hole_is_filled_from_around_it_and_the_rest_stays():
    model = unet.Generator((4, 8), (1, 1), fills_holes=True)
    image = jax.random.uniform(jax.random.key(0), (2, 16, 24, 3))
    mask = jnp.zeros((2, 16, 24, 1)).at[0, 4:12, 5:20].set(1).at[1, :9, :9].set(1)
    degraded = jnp.concatenate([image, mask], -1)
    variables = untrained.init(model, degraded)
    apply = jax.jit(functools.partial(model.apply, train=False))
    restored, _ = apply(variables, degraded)
    hole = np.asarray(mask[..., 0] > 0)
    np.testing.assert_array_equal(restored[~hole], image[~hole])
    start = jax.jit(membranes.membrane)(image, ~hole, hole)
    assert np.abs(restored - start)[hole].mean() < 0.1  # small at first

    other = jnp.where(mask > 0, 0.0, image)
    same, _ = apply(variables, jnp.concatenate([other, mask], -1))
    np.testing.assert_array_equal(restored, same)
    assert model.reach is None
    with pytest.raises(ValueError, match="takes 3 channels of an image and its mask"):
        model.apply(variables, image, train=False)
