import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxrestore.ops import patches, sides


def test_a_side_is_known_or_a_name():
    (name,) = export.symbolic_shape("b")
    assert not sides.are_unknown(jnp.zeros((1, 2, 3, 4)))
    image = jax.ShapeDtypeStruct((name, 8, 8, 3), jnp.float32)
    assert sides.are_unknown(image)


@pytest.mark.parametrize(
    "rooms", [((0, 0), (2, 1)), ((3, 0), (0, 4)), ((1, 1), (0, 0))]
)
@pytest.mark.parametrize(("fits", "mode"), [(True, "reflect"), (False, "edge")])
def test_what_is_looked_up_is_what_is_padded(rooms, fits, mode):
    image = np.arange(2 * 4 * 5 * 2, dtype=np.float32).reshape(2, 4, 5, 2)
    wanted = np.pad(image, ((0, 0), *rooms, (0, 0)), mode)
    made = sides.mirrored(jnp.asarray(image), rooms, fits=jnp.asarray(fits))
    np.testing.assert_array_equal(made, wanted)


# 5 rows become 8 by their mirror; of 3 there is too little, and the edge is repeated.
@pytest.mark.parametrize(
    "shape", [(1, 8, 16, 1), (2, 5, 9, 2), (1, 3, 8, 1), (1, 1, 1, 1)]
)
def test_images_of_any_size_are_padded_as_those_of_one(shape):
    names = export.symbolic_shape("b, h, w")
    image = jax.ShapeDtypeStruct((*names, shape[-1]), jnp.float32)
    function = jax.jit(lambda x: patches.pad_to_multiple(x, 8))
    padded = export.export(function)(image).call
    values = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_array_equal(padded(values), function(values))
