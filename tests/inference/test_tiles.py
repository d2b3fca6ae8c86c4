import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.inference import tiles


def _picture(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("sides", [(31, 77), (52, 120), (120, 30), (3, 500)])
def test_what_is_kept_of_tiles_covers_an_image_once(sides):
    plan = tiles.plan(*sides, tile=30, overlap=5, multiple=4)
    covered = np.zeros(sides, int)
    for rows, columns in plan:
        covered[rows.first : rows.end, columns.first : columns.end] += 1
    assert (covered == 1).all() and len(plan) > 1
    spans = [span for tile in plan for span in tile]
    assert all(span.start % 4 == span.stop % 4 == 0 for span in spans)
    assert len({tuple(span.stop - span.start for span in tile) for tile in plan}) == 1
    whole = [-(-side // 4) * 4 for side in sides]
    for tile in plan:
        for span, side, end in zip(tile, sides, whole, strict=True):
            assert span.first - span.start >= (5 if span.start else 0)
            assert span.stop - span.end >= (5 if span.stop < end else end - side)


def test_a_plan_by_hand():
    plan = tiles.plan(23, 47, tile=32, overlap=8, multiple=4)
    # The second begins at 16, and 8 px further is the seam.
    rows, columns = (0, 32, 0, 23), [(0, 32, 0, 24), (16, 48, 24, 47)]
    assert plan == tuple((rows, span) for span in columns)


def test_an_image_that_is_smaller_than_a_tile_is_mirrored_up_to_it():
    plan = tiles.plan(3, 5, tile=12, overlap=100, multiple=8)
    assert plan == (((0, 16, 0, 3), (0, 16, 0, 5)),)
    image = _picture(3, 5, 3)
    cut = tiles.cut(image, plan[0])
    rows, columns = [0, 1, 2, 1] * 4, [0, 1, 2, 3, 4, 3, 2, 1] * 2
    np.testing.assert_array_equal(cut, image[rows][:, columns])
    (tile,) = tiles.plan(1, 5, tile=8, overlap=0, multiple=1)
    line = tiles.cut(image[:1], tile)
    np.testing.assert_array_equal(
        line, np.tile(image[:1, [0, 1, 2, 3, 4, 3, 2, 1]], (8, 1, 1))
    )


def test_what_a_network_would_add_is_added_as_it_does():
    image, beyond = _picture(7, 21, 3), [*range(21), 20, 20, 20]
    edge = {"multiple": 4, "continues": "edge"}
    tile = tiles.plan(7, 21, tile=16, overlap=2, multiple=4)[-1]
    cut = tiles.cut(image, tile, **edge)
    rows = [*range(7), 5, 4, 3, 2, 1, 0, 1, 2, 3, 4]  # as of any small image
    np.testing.assert_array_equal(cut, image[rows[:16]][:, beyond[8:]])
    zeros = tiles.cut(
        image[:, :6],
        tile._replace(columns=tiles.Span(0, 8, 0, 6)),
        multiple=4,
        continues="constant",
    )
    np.testing.assert_array_equal(zeros[:7, :6], image[:, :6])
    assert (zeros[:, 6:] == 0).all()


@pytest.mark.parametrize(
    ("sides", "reach", "count", "length", "smaller"),
    [
        ((60, 90), 91, 1, 128, []),
        ((256, 256), 91, 1, 256, []),
        ((300, 400), 91, 1, 512, [256]),  # of 256 px six, of which half overlap
        ((300, 400), 9, 12, 128, []),  # which overlap by their reach
        ((1080, 1920), 91, 6, 768, [512, 256]),
    ],
)
def test_of_tiles_of_four_sizes_those_with_the_fewest_pixels_are_taken(
    sides, reach, count, length, smaller
):
    plan, *others = tiles.for_network(*sides, multiple=8, reach=reach)
    assert len(plan) == count and plan[0].rows.stop == length
    assert [other[0].rows.stop for other in others] == smaller


def test_a_network_that_divides_sides_by_much_gets_a_tile_that_holds_it():
    (plan,) = tiles.for_network(3000, 200, multiple=512, reach=9)
    assert all(span.stop % 512 == 0 for tile in plan for span in tile)


def test_of_a_network_that_sees_all_an_image_is_one_tile_until_it_is_large():
    plan, *others = tiles.for_network(300, 1001, multiple=8, reach=None)
    assert [other[0].rows.stop for other in others] == [512, 256]
    assert plan == (((0, 304, 0, 300), (0, 1008, 0, 1001)),)
    large, *_ = tiles.for_network(2000, 1500, multiple=8, reach=None)
    assert {span.stop - span.start for tile in large for span in tile} == {1024}


def test_tiles_of_which_nothing_is_left_are_refused():
    with pytest.raises(errors.ConfigError, match="leaves nothing"):
        tiles.plan(50, 50, tile=16, overlap=8, multiple=1)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("channels", [1, 4])
def test_tiles_of_two_images_that_were_restored_in_any_order_are_joined(
    scale, channels
):
    pictures = [_picture(37, 90, channels), 255 - _picture(61, 45, channels)]
    plans = [
        tiles.plan(*picture.shape[:2], tile=24, overlap=4, multiple=8)
        for picture in pictures
    ]
    waiting = [
        (number, place, tiles.cut(picture, tile))
        for number, (picture, plan) in enumerate(zip(pictures, plans, strict=True))
        for place, tile in enumerate(plan)
    ]
    batch = np.stack([part for _, _, part in waiting[::-1]])
    batch = batch.repeat(scale, 1).repeat(scale, 2)
    done = dict(zip([key[:2] for key in waiting[::-1]], batch, strict=True))
    for number, (picture, plan) in enumerate(zip(pictures, plans, strict=True)):
        parts = (done[number, place] for place in range(len(plan)))
        joined = tiles.join(plan, parts, scale=scale)
        expected = picture.repeat(scale, 0).repeat(scale, 1)
        np.testing.assert_array_equal(joined, expected)


def test_as_many_tiles_are_joined_as_were_planned():
    plan = tiles.plan(23, 47, tile=32, overlap=8, multiple=4)
    with pytest.raises(ValueError, match="shorter"):
        tiles.join(plan, [_picture(24, 32, 3)], scale=1)
