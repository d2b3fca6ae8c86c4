import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import patches


def _images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def test_a_square_becomes_channels_in_the_order_row_column_channel():
    image = jnp.arange(8.0).reshape(1, 2, 2, 2)
    depth = patches.space_to_depth(image, 2)
    assert depth.shape == (1, 1, 1, 8)
    np.testing.assert_array_equal(depth.ravel(), np.arange(8))


def test_space_to_depth_equals_a_loop():
    images = _images(2, 6, 9, 2)
    depth = patches.space_to_depth(images, 3)
    assert depth.shape == (2, 2, 3, 18)
    for row in range(2):
        for column in range(3):
            block = images[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            np.testing.assert_array_equal(depth[:, row, column], block.reshape(2, -1))


@pytest.mark.parametrize("block", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_depth_to_space_undoes_space_to_depth(block, batch):
    images = _images(*batch, 3 * block, 2 * block, 3)
    depth = patches.space_to_depth(images, block)
    np.testing.assert_array_equal(patches.depth_to_space(depth, block), images)


def test_space_to_depth_undoes_depth_to_space():
    depth = _images(2, 5, 3, 12)
    images = patches.depth_to_space(depth, 2)
    assert images.shape == (2, 10, 6, 3)
    np.testing.assert_array_equal(patches.space_to_depth(images, 2), depth)


@pytest.mark.parametrize(
    ("side", "multiple", "padded"),
    [
        ((32, 32), 8, (32, 32)),
        ((33, 31), 8, (40, 32)),
        ((17, 23), 4, (20, 24)),
        ((5, 9), 1, (5, 9)),
    ],
)
def test_padding_mirrors_below_and_to_the_right(side, multiple, padded):
    images = _images(2, *side, 3)
    result = patches.pad_to_multiple(images, multiple)
    assert result.shape[1:3] == padded
    np.testing.assert_array_equal(result[:, : side[0], : side[1]], images)
    missing = [new - old for new, old in zip(padded, side, strict=True)]
    pad = ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0))
    np.testing.assert_array_equal(result, np.pad(images, pad, mode="reflect"))


def test_a_mirrored_border_does_not_repeat_the_edge():
    images = jnp.array([1.0, 2.0, 3.0, 4.0, 5.0] * 5).reshape(1, 5, 5, 1)
    padded = patches.pad_to_multiple(images, 8)
    np.testing.assert_array_equal(padded[0, 0, :, 0], [1, 2, 3, 4, 5, 4, 3, 2])


@pytest.mark.parametrize("side", [(1, 1), (3, 40), (40, 3), (4, 4)])
def test_an_image_too_small_to_be_mirrored_repeats_its_edge(side):
    images = _images(1, *side, 2)
    padded = patches.pad_to_multiple(images, 8)
    assert padded.shape[1] % 8 == padded.shape[2] % 8 == 0
    pad = [(0, 0), *[(0, -size % 8) for size in side], (0, 0)]
    np.testing.assert_array_equal(padded, np.pad(images, pad, mode="edge"))
