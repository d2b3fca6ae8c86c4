import sys
from concurrent import futures

import grain
import numpy as np
import pytest

from jaxrestore.data import bank, dead_leaves


def small_bank(seed=0, refresh=20):
    return bank.Bank(seed, count=6, side=8, refresh=refresh)


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
    names = [
        [leaves[index]["name"] for index in range(20)] for leaves in (first, second)
    ]
    assert names[0] != names[1]
    assert (first._image(0, 0) != second._image(0, 0)).any()


def test_all_slots_are_used_about_equally():
    leaves = bank.Bank(0, count=10, side=1, refresh=10**9)
    slots = [leaves[index]["name"].split("_")[2] for index in range(2000)]
    counts = np.unique(slots, return_counts=True)[1]
    assert len(counts) == 10 and counts.min() > 140 and counts.max() < 260


def test_slots_are_repainted_one_after_another_and_never_at_once(monkeypatch):
    leaves = bank.Bank(0, count=20, side=8, refresh=200)
    leaves.fill()
    painted_at = []
    paint = dead_leaves.paint

    def counted(generator, side, zoom):
        painted_at.append(index)
        return paint(generator, side, zoom)

    monkeypatch.setattr(dead_leaves, "paint", counted)
    for index in range(1000):
        leaves[index]
    # 20 slots, 5 generations; a slot may miss one if it is not read in time.
    assert 70 <= len(painted_at) <= 100
    assert np.histogram(painted_at, bins=20, range=(0, 1000))[0].max() <= 12


def test_fill_paints_every_slot_once_and_reads_then_paint_nothing(monkeypatch):
    leaves = bank.Bank(0, count=6, side=8, refresh=10**6)
    assert leaves.fill(index=10**7 + 1) > 0
    monkeypatch.setattr(dead_leaves, "paint", None)
    for index in range(10**7 + 1, 10**7 + 50):
        assert leaves[index]["name"].endswith("_10")


def test_images_of_the_bank_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        small_bank()[0]["image"][:] = 0


def test_bank_refuses_sizes_below_one():
    with pytest.raises(ValueError, match="refresh=0"):
        small_bank(refresh=0)
    with pytest.raises(ValueError, match="seed=-1"):
        small_bank(seed=-1)


def test_bank_takes_numpy_integers():
    leaves = small_bank()
    assert leaves[np.int64(77)]["name"] == leaves[77]["name"]


def test_grain_takes_the_bank_for_endless():
    leaves = small_bank()
    assert len(leaves) == sys.maxsize
    data = grain.MapDataset.source(leaves).map(lambda item: item["image"]).batch(4)
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)
    iterator = iter(data[5:].to_iter_dataset(options))
    batch = next(iterator)
    del iterator
    expected = np.stack([leaves[index]["image"] for index in range(20, 24)])
    np.testing.assert_array_equal(batch, expected)
