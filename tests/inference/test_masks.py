import warnings

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.inference import masks

MASK = np.zeros((4, 5), bool)
MASK[1:3, 2:4] = True


def test_a_mask_of_truth_and_one_of_8_bits_say_the_same_and_nothing_beside():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mask in (MASK, MASK.astype(np.uint8) * 255):
            np.testing.assert_array_equal(masks.hole(mask, 4, 5), MASK)


def test_a_soft_mask_is_cut_at_its_half_and_its_grey_is_counted():
    soft = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)
    with pytest.warns(errors.Notice, match="m has 4 px that are neither black nor"):
        found = masks.hole(soft, 2, 3, name="m")
    np.testing.assert_array_equal(found, [[False] * 3, [True] * 3])


def test_a_mask_that_may_be_meant_the_other_way_round_is_told():
    mask = np.zeros((10, 10), np.uint8)
    mask[:6] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks.hole(mask, 10, 10)
        masks.hole(~MASK, 4, 5)  # whoever says True means it
    mask[6, 0] = 255
    with pytest.warns(errors.Notice, match=r"hole in 61 % .* so invert it"):
        masks.hole(mask, 10, 10)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (MASK.astype(np.float32), errors.ConfigError, "the mask is float32"),
        (MASK[:3], errors.ImageError, "the mask is 5x3 px, and the picture 5x4"),
        (np.ones((4, 5), bool), errors.ImageError, "white all over"),
        (np.full((4, 5), 128, np.uint8), errors.ImageError, "white all over"),
    ],
)
def test_a_mask_of_no_use_is_refused(mask, error, message):
    with pytest.raises(error, match=message):
        masks.hole(mask, 4, 5)


def test_of_a_file_the_luma_counts_and_what_is_transparent_is_black(tmp_path):
    pixels = np.array([[[255] * 4, [255, 255, 255, 0], [255, 0, 0, 255]]], np.uint8)
    images.encode(pixels, tmp_path / "mask.png")
    np.testing.assert_array_equal(masks.read(tmp_path / "mask.png"), [[255, 0, 76]])
    images.encode(pixels[..., :1], tmp_path / "grey.png")
    assert (masks.read(tmp_path / "grey.png") == 255).all()
    with pytest.raises(images.ImageError, match="more than `max_pixels`"):
        masks.read(tmp_path / "mask.png", max_pixels=2)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_hole_in_the_alpha_is_where_that_is_transparent_or_opaque(channels):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, channels), np.uint8)
    for word, alpha in (("alpha", ~MASK), ("opaque", MASK)):
        image[..., -1] = alpha * 255
        opaque, mask = masks.of_alpha(image, word)
        np.testing.assert_array_equal(opaque, image[..., :-1])
        np.testing.assert_array_equal(masks.hole(mask, 4, 5), MASK)
    with pytest.raises(errors.ImageError, match="it has no alpha"):
        masks.of_alpha(image[..., :-1], "alpha")
