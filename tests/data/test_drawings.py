import numpy as np

from jaxrestore.data import bank, drawings
from jaxrestore.inference import caution

SIDE = 96
DRAWN = [drawings.paint(np.random.default_rng(seed), SIDE) for seed in range(40)]


def test_a_drawing_is_a_pure_function_of_its_generator():
    again = drawings.paint(np.random.default_rng(7), SIDE)
    np.testing.assert_array_equal(again, DRAWN[7])
    assert all(one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8 for one in DRAWN)


def test_they_hold_what_photographs_lack():
    pixels = np.concatenate(DRAWN).reshape(-1, 3).astype(int)
    spread = pixels.max(1) - pixels.min(1)
    assert (pixels == 255).all(1).mean() > 0.05 and (pixels == 0).all(1).mean() > 0.05
    assert (spread > 200).mean() > 0.1  # saturated
    flat = [(np.diff(one.astype(int), axis=1) == 0).all(-1).mean() for one in DRAWN]
    assert np.median(flat) > 0.8


def test_glare_is_black_and_white_in_areas_and_smooth_between():
    images = [drawings.glare(np.random.default_rng(seed), SIDE) for seed in range(20)]
    levels = np.stack(images).astype(int)
    assert (levels == 255).mean() > 0.1 and (levels == 0).mean() > 0.1
    assert max(np.abs(np.diff(levels, axis=axis)).max() for axis in (1, 2)) < 32


def test_a_bank_paints_the_share_that_it_is_asked_for():
    drawn = lambda image: caution.recurring(image).mean() > 0.25
    for share, low, high in ((0, 0, 0), (0.5, 0.2, 0.8), (1, 0.9, 1)):
        painted = bank.Bank(3, count=16, side=48, refresh=1000, drawn=share)
        images = [painted[index]["image"] for index in range(40)]
        assert low <= np.mean([drawn(image) for image in images]) <= high


def test_leaves_are_those_of_a_bank_without_drawings():
    plain = bank.Bank(3, count=4, side=32, refresh=100)[0]["image"]
    none = bank.Bank(3, count=4, side=32, refresh=100, drawn=0.0)[0]["image"]
    np.testing.assert_array_equal(plain, none)
