import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import resizing, sources


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("preprocess", "shape"),
    [
        ("resize_and_crop", (12, 12, 3)),
        ("scale_width", (9, 12, 3)),
        ("scale_width_and_crop", (9, 12, 3)),
    ],
)
def test_each_way_gives_its_size(preprocess, shape):
    assert resizing.resize(noise(24, 32, 3), preprocess, 12).shape == shape


def test_both_pictures_of_a_pair_are_resized_as_they_would_be_alone():
    pair = noise(10, 7, 6)
    resized = resizing.resize(pair, "resize_and_crop", 13)
    for half in (slice(0, 3), slice(3, 6)):
        alone = resizing.resize(pair[..., half].copy(), "resize_and_crop", 13)
        np.testing.assert_array_equal(resized[..., half], alone)


def _cubic(distance):
    """Keys' kernel with a = -0.5."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _weights(size, new):
    scale = max(size / new, 1.0)
    centres = (np.arange(new) + 0.5) * size / new - 0.5
    weights = _cubic((np.arange(size) - centres[:, None]) / scale)
    return weights / weights.sum(1, keepdims=True)


# One axis at a time: which Pillow takes first, and rounds after, is its own choice.
@pytest.mark.parametrize("new", [4, 11, 29])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_interpolation_is_cubic_convolution_that_does_not_alias(new, axis):
    image = noise(9, 21, 3)
    size = [*image.shape[:2]]
    weights = _weights(size[axis], new)
    size[axis] = new
    resized = images.resized(image, height=size[0], width=size[1])
    expected = np.moveaxis(
        np.tensordot(weights, image.astype(float), (1, axis)), 0, axis
    )
    assert np.abs(resized - expected.clip(0, 255)).max() < 0.51  # the rounding


def test_an_image_of_the_size_asked_for_stays_as_it_is():
    image = noise(8, 8, 3)
    for preprocess in ("resize_and_crop", "scale_width"):
        np.testing.assert_array_equal(resizing.resize(image, preprocess, 8), image)


def test_a_constant_image_stays_constant():
    flat = np.full((5, 9, 6), 77, np.uint8)
    assert (resizing.resize(flat, "resize_and_crop", 14) == 77).all()


def test_a_resized_source_keeps_names_report_and_count():
    arrays = sources.Arrays([noise(8, 6, 3), noise(6, 8, 3)], ["a", "b"])
    source = resizing.applied(arrays, "resize_and_crop", 5)
    assert len(source) == 2 and source.channels == 3
    assert (
        [item["name"] for item in source] == ["a", "b"] == [*map(source.name, (0, 1))]
    )
    assert {item["image"].shape for item in source} == {(5, 5, 3)}
    assert source.report() == arrays.report()
    assert repr(source) == "Mapped(Arrays(a, b), 'resize_and_crop', 5)"


@pytest.mark.parametrize("preprocess", ["crop", "none"])
def test_what_only_crops_leaves_the_source(preprocess):
    arrays = sources.Arrays([noise(8, 6, 3)], ["a"])
    assert resizing.applied(arrays, preprocess, 5) is arrays
    resizing.check(preprocess, 5, 8)  # load_size says nothing then


@pytest.mark.parametrize(
    ("preprocess", "load_size", "message"),
    [
        ("resize_and_crops", 286, "did you mean 'resize_and_crop'"),
        ("resize_and_crop", 255, "255, below the crop of 256"),
        ("scale_width", 128, "with scale_width it is 256 at least"),
    ],
)
def test_what_cannot_be_meant_is_refused(preprocess, load_size, message):
    with pytest.raises(errors.ConfigError, match=message):
        resizing.check(preprocess, load_size, 256)
