import numpy as np

from jaxrestore.ops import hidden_colors


def test_alpha_is_the_last_of_two_and_of_four_channels():
    images = [np.zeros((1, 1, count), np.uint8) for count in (1, 2, 3, 4)]
    assert [*map(hidden_colors.has_alpha, images)] == [False, True, False, True]


def test_under_alpha_0_stands_the_nearest_colour_that_is_no_hole():
    image = np.zeros((1, 5, 2), np.uint16)
    image[0, :, 0] = (100, 200, 300, 400, 500)
    image[0, :, 1] = (1, 0, 0, 65535, 1)
    found = hidden_colors.replaced(image)
    np.testing.assert_array_equal(found[0, :, 0], (100, 100, 400, 400, 500))
    np.testing.assert_array_equal(found[..., 1], image[..., 1])
    hole = np.array([[False, False, False, True, False]])
    found = hidden_colors.replaced(image, hole)
    np.testing.assert_array_equal(found[0, :, 0], (100, 100, 100, 400, 500))
    # Nothing that is seen is left to look at.
    assert not hidden_colors.replaced(image, np.ones((1, 5), bool)).any()


def test_an_image_without_hidden_colours_is_returned_itself():
    opaque, seen = np.ones((2, 2, 3), np.uint8), np.ones((2, 2, 4), np.uint8)
    assert hidden_colors.replaced(opaque) is opaque
    assert hidden_colors.replaced(seen) is seen
