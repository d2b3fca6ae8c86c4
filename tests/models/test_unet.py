import functools

import jax
import jax.numpy as jnp
import pytest

from jaxrestore.models import unet


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
