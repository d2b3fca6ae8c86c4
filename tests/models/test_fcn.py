import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import fcn


def _extent(touched):
    """The height and width of the smallest rectangle around the touched pixels."""
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_pixel_of_fcn_sees_the_stated_window(blocks):
    model = fcn.Generator(width=3, blocks=blocks)
    image = untrained.noise(1, 31, 31, 3)
    variables = untrained.init(model, image)
    # Positive weights on a positive image: no ReLU is off.
    variables = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.01, variables)

    @jax.jit
    @jax.grad
    def gradient(image):
        return model.apply(variables, image, train=False)[0][0, 15, 15, 0]

    touched = np.asarray(gradient(image))[0].any(-1)
    assert _extent(touched) == (4 * blocks + 7, 4 * blocks + 7)


def test_it_has_the_published_number_of_parameters():
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = functools.partial(fcn.Generator().init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_222_147
