import itertools

import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.data import bank, pipeline, samples, sources

BANK = bank.Bank(0, count=2, side=24, refresh=50)


def pictures(count=7, side=20):
    """Images whose pixels are their own index: a crop tells where it is from."""
    arrays = [np.full((side, side + 4, 3), 10 * i, np.uint8) for i in range(count)]
    return sources.Arrays(arrays, [str(i) for i in range(count)])


def take(chosen, count, *, first_step=0, batch_size=4, seed=0, crop=16, threads=2):
    made = pipeline.batches(
        chosen,
        seed=seed,
        batch_size=batch_size,
        crop=crop,
        first_step=first_step,
        threads=threads,
    )
    with_them = list(itertools.islice(made, count))
    made.close()
    return np.stack(with_them)


def test_a_batch_is_a_function_of_seed_and_step_alone():
    chosen = [(samples.training(), 0.5), (BANK, 0.5)]
    whole = take(chosen, 6)
    assert whole.shape == (6, 4, 16, 16, 3) and whole.dtype == np.uint8
    np.testing.assert_array_equal(whole[3:], take(chosen, 3, first_step=3))
    np.testing.assert_array_equal(whole, take(chosen, 6, threads=1))
    assert (whole != take(chosen, 6, seed=1)).any()
    assert (whole[0] != whole[1]).any()


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order():
    shown = take([(pictures(), 1.0)], 7, batch_size=2)[:, :, 0, 0, 0].reshape(-1) // 10
    first, second = shown[:7], shown[7:]
    assert sorted(first) == sorted(second) == list(range(7))
    assert (first != second).any()


def test_the_share_of_leaves_is_kept():
    chosen = [(pictures(), 0.75), (BANK, 0.25)]
    batches = take(chosen, 10).reshape(40, -1)
    flat = [len(np.unique(crop)) == 1 for crop in batches]
    assert np.mean(flat) == pytest.approx(0.75, abs=0.05)


def test_two_processes_see_the_rows_of_one(monkeypatch):
    whole = take([(pictures(), 1.0)], 4)
    monkeypatch.setattr(pipeline.jax, "process_count", lambda: 2)
    parts = []
    for process in range(2):
        monkeypatch.setattr(
            pipeline.jax, "process_index", lambda process=process: process
        )
        parts.append(take([(pictures(), 1.0)], 4))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_an_image_smaller_than_the_crop_is_mirrored_outwards():
    small = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    grown = take([(sources.Arrays([small], ["small"]), 1.0)], 1)[0]
    assert grown.shape == (4, 16, 16, 3)
    assert set(np.unique(grown)) <= set(np.unique(small))


def test_crops_reach_every_place_of_the_image():
    row, column = np.mgrid[:18, :18].astype(np.uint8)
    image = np.stack([row, column, row], -1)
    batches = take([(sources.Arrays([image], ["place"]), 1.0)], 60)
    corners = {tuple(crop[0, 0, :2]) for batch in batches for crop in batch}
    assert corners == {(r, c) for r in range(3) for c in range(3)}


def test_folders_with_commas_between_are_joined(tmp_path):
    from jaxrestore import images

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        images.encode(np.zeros((20, 20, 3), np.uint8), tmp_path / name / "x.png")
    joined = pipeline.photographs(
        f"{tmp_path / 'a'}, {tmp_path / 'b'}", samples.training
    )
    assert len(joined) == 2
    with pytest.raises(errors.NoInputError):
        pipeline.photographs(" , ", samples.training)


def test_training_never_sees_an_evaluation_image():
    data = {
        **{"train": "embedded", "leaves": 0.5, "leaves_bank": 2},
        **{"leaves_side": 24, "leaves_refresh": 10},
    }
    (photographs, half), (leaves, other) = pipeline.training_sources(data, 0)
    assert half == other == 0.5 and isinstance(leaves, bank.Bank)
    assert not set(photographs.names) & set(samples.evaluation().names)
    alone = pipeline.training_sources({**data, "leaves": 1.0}, 0)
    assert [type(source) for source, _ in alone] == [bank.Bank]
