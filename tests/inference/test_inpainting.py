import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.data import samples
from jaxrestore.evaluation import hole_borders
from jaxrestore.inference import crops, inpainting
from jaxrestore.ops import resize


def _image(*shape, seed=0, dtype: type = np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


def _box(height, width, top, left, bottom, right):
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


def _grey(colors, mask):
    """Everything is mid-grey, what is known too."""
    return np.full_like(colors, 0.5)


def _mean(colors, mask):
    """The hole has the mean of what is known."""
    known = 1 - mask
    mean = (colors * known).sum((1, 2), keepdims=True) / known.sum()
    return np.where(mask > 0, mean, colors)


def _holes(rng, height, width):
    """Boxes and single pixels, some of them at the picture's border."""
    hole = rng.random((height, width)) < rng.choice([0, 0.1])
    for _ in range(rng.integers(1, 4)):
        top, left = rng.integers(0, height), rng.integers(0, width)
        hole[top : top + rng.choice([2, 20]), left : left + rng.choice([2, 20])] = True
    return hole


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_values_are_identical_under_random_masks(dtype, channels):
    rng = np.random.default_rng(channels)
    for _ in range(13):  # 104 with all cases
        height, width = rng.choice([24, 40], 2)
        image = _image(height, width, channels, seed=int(rng.integers(99)), dtype=dtype)
        if channels in (2, 4):
            image[rng.random((height, width)) < 0.3, -1] = 0
        hole, before = _holes(rng, height, width), image.copy()
        if hole.all():
            continue
        found = inpainting.fill_holes(_grey, image, hole, side=24, margin=6)
        assert found.dtype == dtype and found.shape == image.shape
        np.testing.assert_array_equal(found[~hole], image[~hole])
        if channels in (2, 4):
            np.testing.assert_array_equal(found[..., -1], image[..., -1])
        np.testing.assert_array_equal(image, before)
        colors = slice(channels - (channels in (2, 4)))
        assert not hole.any() or (found[hole] != image[hole])[:, colors].any()


def test_what_stands_in_a_hole_or_is_hidden_does_not_leak():
    for dtype in (np.uint8, np.uint16):
        image = _image(70, 60, 4, dtype=dtype)
        hole = _box(70, 60, 10, 10, 60, 40)
        image[20:, 30:55, 3] = 0
        other = image.copy()
        unseen = hole | (image[..., 3] == 0)
        other[unseen, :3] = _image(unseen.sum(), 3, seed=1, dtype=dtype)
        found, again = (
            inpainting.fill_holes(_mean, one, hole, side=32, margin=8)
            for one in (image, other)
        )
        np.testing.assert_array_equal(found[hole], again[hole])


def test_a_hole_of_what_is_flat_becomes_flat_at_any_scale():
    hole = _box(150, 120, 0, 20, 90, 100) | _box(150, 120, 120, 3, 121, 118)
    for dtype in (np.uint8, np.uint16):
        image = np.full((150, 120, 3), 77, dtype)
        image[hole] = 200
        found = inpainting.fill_holes(_mean, image, hole, side=32, margin=8)
        assert (found == 77).all()


def test_grey_stays_grey_by_the_luma_of_what_comes_back():
    image, hole = np.full((20, 20, 1), 100, np.uint8), _box(20, 20, 5, 5, 9, 9)
    seen = []

    def fill(colors, mask):
        seen.append((colors.shape, mask.shape))
        assert (colors[mask[..., 0] > 0] == inpainting.EMPTY).all()
        return colors * 0 + np.array([100, 110, 90], np.float32) / 255

    found = inpainting.fill_holes(fill, image, hole)
    assert seen == [((1, 20, 20, 3), (1, 20, 20, 1))] and found.shape == image.shape
    # Luma is 104.7; the tone is that of what is known.
    assert (found == 100).all()


def test_parts_of_a_scratch_take_what_was_filled_before_for_known():
    image, hole = np.full((20, 200, 3), 90, np.uint8), _box(20, 200, 9, 5, 11, 195)
    masked = []

    def fill(colors, mask):
        masked.append(mask[0, ..., 0])
        return _mean(colors, mask)

    inpainting.fill_holes(fill, image, hole, side=32, margin=8)
    assert len(masked) == 12
    for mask in masked[1:-1]:
        left, right = mask[:, :8].any(), mask[:, -8:].any()
        assert right and not left


def test_without_a_hole_the_image_itself_comes_back():
    image = _image(5, 6, 3)
    never = lambda colors, mask: 1 / 0
    assert inpainting.fill_holes(never, image, np.zeros((5, 6), bool)) is image


def test_what_cannot_be_filled_is_told():
    image, hole = _image(9, 9, 3), _box(9, 9, 2, 2, 4, 4)
    with pytest.raises(errors.ImageError, match="white all over"):
        inpainting.fill_holes(_grey, image, np.ones((9, 9), bool))
    with pytest.raises(errors.ImageError, match="the mask is 9x8 px"):
        inpainting.fill_holes(_grey, image, hole[:8])
    with pytest.raises(errors.ConfigError, match="1 to 4 channels"):
        inpainting.fill_holes(_grey, _image(9, 9, 5), hole)
    with pytest.raises(errors.ConfigError, match="`fill` returned the shape"):
        inpainting.fill_holes(lambda colors, mask: mask, image, hole)
    with pytest.raises(errors.TrainingError, match="`fill` returned values that are"):
        inpainting.fill_holes(lambda colors, mask: colors * np.nan, image, hole)
    with pytest.raises(ValueError, match="side is 0"):
        inpainting.fill_holes(_grey, image, hole, side=0)


def _step(image, hole):
    damage = jnp.asarray(hole[None, ..., None], jnp.float32)
    return hole_borders.border_step(jnp.asarray(image[None]) / 255, damage)


@pytest.mark.parametrize("side", [256, 64])
def test_the_step_across_the_border_of_a_photograph_is_that_of_the_original(side):
    """At 64 px a crop is scaled down to less than a third."""
    photograph = samples.evaluation()[2]["image"][:200, :220]
    hole = _box(200, 220, 50, 60, 150, 170)
    original = _step(photograph, hole)
    (crop,) = crops.plan(hole, side=side, margin=16)
    assert crop.shape == ((58, 64) if side == 64 else (200, 220))
    target = photograph[crop.window].astype(np.float32) / 255
    target = np.asarray(resize.resize(jnp.asarray(target), *crop.shape))
    cast = np.array([12, -9, 8], np.float32) / 255

    def fill(colors, mask):
        return np.where(mask > 0, target + cast, colors)

    step, unmatched = (
        _step(
            inpainting.fill_holes(
                fill, photograph, hole, side=side, margin=16, match=match
            ),
            hole,
        )
        for match in (True, False)
    )
    assert step.mean < 1.05 * original.mean < unmatched.mean
    assert step.worst < 1.05 * original.worst


def test_a_frame_of_one_pixel_is_known_where_the_crop_is_scaled_down():
    image = np.full((600, 600, 3), 77, np.uint8)
    seen = []

    def fill(colors, mask):
        seen.append(mask.min())
        return _mean(colors, mask)

    filled = inpainting.fill_holes(fill, image, _box(600, 600, 1, 1, 599, 599))
    assert seen == [0]
    np.testing.assert_allclose(filled, 77, atol=1)


def test_a_part_that_is_left_stays_as_it_was():
    image, hole = _image(90, 300, 3), _box(90, 300, 40, 10, 44, 14)
    hole[40:44, 280:284] = True
    answers = iter([None, 0.5])

    def fill(colors, mask):
        answer = next(answers)
        return answer and np.full_like(colors, answer)

    filled = inpainting.fill_holes(fill, image, hole, side=64, margin=16)
    changed = (filled != image).any(-1)
    assert changed[40:44, 10:14].any() != changed[40:44, 280:284].any()
    assert not changed[~hole].any()
