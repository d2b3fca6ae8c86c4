"""Single steps by hand; whole files beside libjpeg's: test_jpeg_codec.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import jpeg_arithmetic
from jaxrestore.ops.jpeg_arithmetic import CUBIC, INTEGERS, LOSSLESS

TABLE = jnp.full((8, 8), 16)


def test_cubic_rounding_is_flat_at_whole_numbers_and_steep_between():
    # 1.25: 1 + 0.25 ** 3; -0.4: -(0.4 ** 3); slopes 3 * rest ** 2.
    values = jnp.array([2.0, 1.25, -0.4])
    rounded, slope = jax.jvp(
        jpeg_arithmetic.cubic_round, (values,), (jnp.ones_like(values),)
    )
    np.testing.assert_allclose(rounded, [2, 1.015625, -0.064], rtol=1e-5)
    np.testing.assert_allclose(slope, [0, 0.1875, 0.48], rtol=1e-5)


@pytest.mark.parametrize(
    ("color", "luma", "chroma"),
    [
        ((255, 255, 255), 255, (128, 128)),
        ((0, 0, 0), 0, (128, 128)),
        ((255, 0, 0), 76, (85, 255)),  # 76.245, 84.97, 255.5
        ((0, 0, 255), 29, (255, 107)),  # 29.07, 255.5, 107.27
    ],
)
def test_integer_luma_and_chroma_are_those_of_the_standard(color, luma, chroma):
    found, parts = INTEGERS.separate(jnp.full((1, 1, 3), jnp.asarray(color)))
    assert found[0, 0] == luma and parts[:, 0, 0].tolist() == list(chroma)


def test_greys_come_back_from_luma_and_chroma():
    greys = jnp.repeat(jnp.arange(256)[None, :, None], 3, -1)
    np.testing.assert_array_equal(INTEGERS.join(*INTEGERS.separate(greys)), greys)
    floats = greys / 255
    back = LOSSLESS.join(*LOSSLESS.separate(floats))
    np.testing.assert_allclose(back, floats, atol=1e-6)


def test_half_levels_are_rounded_down_and_up_in_turn():
    assert INTEGERS.quarter(jnp.array([[2, 2, 6, 6]])).tolist() == [[0, 1, 1, 2]]
    assert INTEGERS.sixteenth(jnp.array([[8, 8, 24, 24]])).tolist() == [[1, 0, 2, 1]]
    halves = jnp.array([2.0, 6.0])
    assert LOSSLESS.quarter(halves).tolist() == [0.5, 1.5]
    assert LOSSLESS.sixteenth(4 * halves).tolist() == [0.5, 1.5]


def test_a_flat_plane_is_rounded_to_steps_of_its_mean():
    # The mean is an eighth of the first coefficient, so it has steps of 16 / 8 levels.
    planes = jnp.arange(100, 104)[:, None, None] * jnp.ones((4, 8, 8), jnp.int32)
    decoded = INTEGERS.code(planes, TABLE)
    assert decoded[:, 0, 0].tolist() == [100, 100, 102, 102]
    np.testing.assert_array_equal(decoded, decoded[:, :1, :1] * jnp.ones((8, 8), int))


def test_multiples_of_the_steps_pass_the_smooth_code_and_halves_do_not():
    # 102 is 13 steps of 2 below 128; 101.5 is 13.25 of them: 13 + 0.25 ** 3.
    planes = jnp.array([102, 101.5])[:, None, None] * jnp.ones((2, 8, 8)) / 255
    expected = 128 - 2 * np.array([13, 13 + 0.25**3])
    decoded = 255 * CUBIC.code(planes, TABLE)
    np.testing.assert_allclose(decoded[:, 3, 5], expected, atol=1e-3)
    np.testing.assert_array_equal(LOSSLESS.code(planes, TABLE), planes)
