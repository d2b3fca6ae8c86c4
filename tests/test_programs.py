import gc

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import programs


def test_a_program_is_compiled_once_for_each_shape_and_type():
    traced = []

    @programs.compiled
    def doubled(tree, by):
        traced.append(tree["a"].shape)
        return tree["a"] * by

    for size in (2, 3, 2, 3):
        result = doubled({"a": jnp.ones(size)}, 2.0)
        np.testing.assert_array_equal(result, np.full(size, 2.0))
    doubled({"a": jnp.ones(2, jnp.int32)}, 2.0)
    assert traced == [(2,), (3,), (2,)]


def test_at_one_shape_more_than_it_keeps_all_programs_are_forgotten():
    traced, before = [], len(jax.devices()[0].client.live_executables())

    def half(image):
        traced.append(image.shape)
        return image / 2

    call = programs.compiled(half, most=3)
    for size in range(1, 7):
        call(np.ones(size, np.float32))
    gc.collect()
    held = len(jax.devices()[0].client.live_executables()) - before
    assert held <= 3 and len(traced) == 6
    call(np.ones(6, np.float32))  # the last ones are kept
    call(np.ones(1, np.float32))  # an earlier one is compiled again
    assert len(traced) == 7 and traced[-1] == (1,)


def test_the_function_keeps_its_name_and_can_be_traced():
    def half(image):
        """Returns half of it."""
        return image / 2

    call = programs.compiled(half)
    assert (call.__name__, call.__doc__) == ("half", "Returns half of it.")
    grown = jax.jit(lambda image: call(image) + 1)(jnp.ones(3))
    np.testing.assert_array_equal(grown, np.full(3, 1.5))
