import sys
from concurrent import futures

import numpy as np
import pytest

from jaxrestore.data import dead_leaves


def painted(seed, side=64):
    return dead_leaves.paint(np.random.default_rng(seed), side)


@pytest.mark.parametrize("side", [1, 7, 64, 131])
def test_any_side_can_be_painted(side):
    image = painted(0, side)
    assert image.shape == (side, side, 3) and image.dtype == np.uint8


def test_same_generator_paints_the_same_image_and_another_does_not():
    np.testing.assert_array_equal(painted(3), painted(3))
    assert (painted(3) != painted(4)).mean() > 0.5


def test_leaves_cover_all_but_a_percent():
    uncovered = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        radii = dead_leaves._radii(generator, 64)
        centres = generator.uniform(-radii, 64 + radii, (2, len(radii)))
        outlines = dead_leaves._outlines(generator, radii, centres)
        uncovered.append((dead_leaves._draw(outlines, 64) == 0).mean())
    assert np.mean(uncovered) < 0.015


def test_radii_stay_in_their_range():
    for seed in range(10):
        radii = dead_leaves._radii(np.random.default_rng(seed), 100)
        assert radii.min() >= 1.49 and radii.max() <= 60.01
        assert np.median(radii) < 6  # small leaves are many


def test_colours_are_as_muted_as_in_photographs():
    images = [painted(seed) / 255 for seed in range(40)]
    light = np.mean([image.mean(axis=2).std() for image in images])
    warm = np.mean([(image[..., 0] - image[..., 2]).std() for image in images])
    green = np.mean([(2 * image[..., 1] - image[..., 0] - image[..., 2]).std()
                     for image in images])  # fmt: skip
    # 397 photographs of BSDS500: 0.20, 0.13 and 0.09 in these units
    assert 0.13 < light < 0.25
    assert 0.06 < warm < 0.18
    assert 0.04 < green < 0.14
    extreme = np.mean([np.isin(image, (0, 1)).mean() for image in images])
    assert extreme < 0.08


def test_texture_has_no_mean_and_tiles_with_more_power_in_low_frequencies():
    texture = dead_leaves._texture(np.random.default_rng(0), 64)
    assert abs(texture.mean()) < 1e-5 and texture.std() == pytest.approx(1, abs=1e-4)
    power = np.abs(np.fft.fft2(texture)) ** 2
    # amplitude 1/f: three octaves up, power falls to about 1/64
    assert 20 < power[1:3, 0].mean() / power[8:24, 0].mean() < 2000


def test_blur_keeps_the_mean_of_a_flat_image_and_a_point_spreads():
    flat = np.full((5, 5, 3), 0.25, np.float32)
    np.testing.assert_allclose(dead_leaves._blur(flat, 0.2), flat, rtol=1e-6)
    point = np.zeros((3, 3, 3), np.float32)
    point[1, 1] = 1
    weights = np.outer([0.1, 0.8, 0.1], [0.1, 0.8, 0.1])
    np.testing.assert_allclose(dead_leaves._blur(point, 0.1)[..., 0], weights, 1e-5)


def small_bank(seed=0, refresh=20):
    return dead_leaves.Bank(seed, count=6, side=8, refresh=refresh)


def test_bank_is_a_pure_function_of_seed_and_index_in_any_order():
    indices = np.random.default_rng(0).permutation(100)
    forward, scattered = small_bank(), small_bank()
    expected = [forward[index] for index in range(100)]
    for index in indices:
        item = scattered[int(index)]
        np.testing.assert_array_equal(item["image"], expected[index]["image"])
        assert item["name"] == expected[index]["name"]
    generations = {item["name"].rsplit("_")[-1] for item in expected}
    assert generations >= {"0", "1", "2", "3", "4"}


def test_bank_read_by_threads_gives_the_same_images():
    forward, threaded = small_bank(), small_bank()
    with futures.ThreadPoolExecutor(8) as threads:
        items = list(threads.map(threaded.__getitem__, range(200)))
    for index, item in enumerate(items):
        np.testing.assert_array_equal(item["image"], forward[index]["image"])


def test_other_seeds_give_other_images_in_another_order():
    first, second = small_bank(0), small_bank(1)
    names = [[bank[index]["name"] for index in range(20)] for bank in (first, second)]
    assert names[0] != names[1]
    assert (first._image(0, 0) != second._image(0, 0)).any()


def test_all_slots_are_used_about_equally():
    bank = dead_leaves.Bank(0, count=10, side=1, refresh=10**9)
    slots = [bank[index]["name"].split("_")[2] for index in range(2000)]
    counts = np.unique(slots, return_counts=True)[1]
    assert len(counts) == 10 and counts.min() > 140 and counts.max() < 260


def test_slots_are_repainted_one_after_another_and_never_at_once(monkeypatch):
    bank = dead_leaves.Bank(0, count=20, side=8, refresh=200)
    bank.fill()
    painted_at = []
    paint = dead_leaves.paint

    def counted(generator, side):
        painted_at.append(index)
        return paint(generator, side)

    monkeypatch.setattr(dead_leaves, "paint", counted)
    for index in range(1000):
        bank[index]
    # 20 slots, 5 generations; a slot may miss one if it is not read in time.
    assert 70 <= len(painted_at) <= 100
    assert np.histogram(painted_at, bins=20, range=(0, 1000))[0].max() <= 12


def test_fill_paints_every_slot_once_and_reads_then_paint_nothing(monkeypatch):
    bank = dead_leaves.Bank(0, count=6, side=8, refresh=10**6)
    assert bank.fill(index=10**7 + 1) > 0
    monkeypatch.setattr(dead_leaves, "paint", None)
    for index in range(10**7 + 1, 10**7 + 50):
        assert bank[index]["name"].endswith("_10")


def test_images_of_the_bank_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        small_bank()[0]["image"][:] = 0


def test_bank_refuses_sizes_below_one():
    with pytest.raises(ValueError, match="refresh=0"):
        small_bank(refresh=0)
    with pytest.raises(ValueError, match="seed=-1"):
        small_bank(seed=-1)


def test_bank_takes_numpy_integers():
    bank = small_bank()
    assert bank[np.int64(77)]["name"] == bank[77]["name"]


def test_grain_takes_the_bank_for_endless():
    grain = pytest.importorskip("grain")
    bank = small_bank()
    assert len(bank) == sys.maxsize
    data = grain.MapDataset.source(bank).map(lambda item: item["image"]).batch(4)
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)
    iterator = iter(data[5:].to_iter_dataset(options))
    batch = next(iterator)
    del iterator
    expected = np.stack([bank[index]["image"] for index in range(20, 24)])
    np.testing.assert_array_equal(batch, expected)
