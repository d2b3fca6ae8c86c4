import itertools

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import bank, paired, pipeline, samples, sources, splits

BANK = bank.Bank(0, count=2, side=24, refresh=50)


def pictures(count=7, side=20):
    """Images whose pixels are their own index: a crop tells where it is from."""
    arrays = [np.full((side, side + 4, 3), 10 * i, np.uint8) for i in range(count)]
    return sources.Arrays(arrays, [str(i) for i in range(count)])


def take(
    chosen,
    count,
    *,
    first_step=0,
    batch_size=4,
    seed=0,
    crop=16,
    threads=2,
    preprocess="crop",
    load_size=286,
):
    made = pipeline.batches(
        chosen,
        seed=seed,
        batch_size=batch_size,
        crop=crop,
        first_step=first_step,
        threads=threads,
        preprocess=preprocess,
        load_size=load_size,
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


# Folders, cut in two


def section(train, **changes):
    return {"train": str(train), "evaluation": "embedded", "leaves": 0.0, **changes}


def folder(root, values, side=8):
    """Files whose pixels are their own number."""
    root.mkdir(parents=True, exist_ok=True)
    for value in values:
        picture = np.full((side, side, 3), value, np.uint8)
        images.encode(picture, root / f"{value:03}.png")
    return root


def numbers(source):
    return [int(item["image"][0, 0, 0]) for item in source]


def sides(data):
    ((train, share),) = pipeline.training_sources(data, 0)
    assert share == 1
    return numbers(train), numbers(pipeline.evaluation_source(data, 8))


def test_without_a_split_evaluation_is_a_folder_of_its_own(tmp_path):
    train, other = folder(tmp_path / "a", range(3)), folder(tmp_path / "b", range(5, 7))
    assert sides(section(train, evaluation=str(other))) == ([0, 1, 2], [5, 6])
    embedded = pipeline.evaluation_source(section(train), 8)
    assert embedded.names == samples.evaluation().names


@pytest.mark.parametrize("split", [(0.7, 1), [0.7, 1], (0, 3, 1)])
def test_a_split_cuts_the_training_folder_and_ignores_the_other(tmp_path, split):
    data = section(folder(tmp_path, range(10)), evaluation="absent", split=split)
    train, held_out = sides(data)
    assert len(train) == {2: 7, 3: 6}[len(split)]
    assert sorted(train + held_out) == [*range(10)]


def test_two_folds_are_disjoint_and_cover_the_data(tmp_path):
    data = section(folder(tmp_path, range(9)))
    (train, held_out), other = (sides({**data, "split": (k, 2, 3)}) for k in (0, 1))
    assert (held_out, train) == other
    assert sorted(train + held_out) == [*range(9)]


def test_two_lists_cut_the_training_folder(tmp_path):
    data = section(folder(tmp_path / "in", range(5)))
    for name, text in (("train.txt", "000\n004.png\n"), ("test.txt", "002\n")):
        (tmp_path / name).write_text(text)
    split = (str(tmp_path / "train.txt"), str(tmp_path / "test.txt"))
    assert sides({**data, "split": split}) == ([0, 4], [2])


def test_a_file_under_two_names_in_two_folders_stays_on_one_side(tmp_path):
    one, two = folder(tmp_path / "a", range(6)), folder(tmp_path / "b", range(4, 10))
    for seed in range(5):
        data = section(f"{one},{two}", split=(0.5, seed))
        train, held_out = sides(data)
        assert not {*train} & {*held_out}
        assert sorted(train + held_out) == sorted([*range(6), *range(4, 10)])


def test_a_damaged_file_is_replaced_by_one_of_its_own_side(tmp_path):
    root = folder(tmp_path, range(12))
    for value in (2, 3, 5, 8):
        (root / f"{value:03}.png").write_bytes(b"no image %d" % value)
    for seed in range(4):
        train, held_out = sides(section(root, split=(0.5, seed)))
        assert len(train) == len(held_out) == 6
        assert not {*train} & {*held_out}


def test_include_restricts_what_trains_and_what_is_cut(tmp_path):
    data = section(folder(tmp_path, range(10)), include="00[0-5].png")
    assert sides(data)[0] == [0, 1, 2, 3, 4, 5]
    train, held_out = sides({**data, "split": (0.5, 0)})
    assert len(train) == 3 and sorted(train + held_out) == [*range(6)]


def test_the_embedded_photographs_can_be_cut_too():
    data = section("embedded", split=(0.5, 0))
    ((train, _),) = pipeline.training_sources(data, 0)
    held_out = pipeline.evaluation_source(data, 8)
    assert sorted(train.names + held_out.names) == sorted(samples.training().names)
    assert len(train) == len(held_out) == 5
    include = {**data, "split": (), "include": "coins,hub*"}
    assert pipeline.training_sources(include, 0)[0][0].names == ("hubble", "coins")


def test_each_file_is_hashed_once_and_only_for_a_split(tmp_path, monkeypatch):
    read = []
    digest = splits.hashlib.file_digest
    count = lambda file, name: read.append(file.name) or digest(file, name)
    monkeypatch.setattr(splits.hashlib, "file_digest", count)
    data = section(folder(tmp_path, range(4)))
    sides(data)
    assert read == []
    for seed in range(3):
        sides({**data, "split": (0.5, seed)})
        pipeline.image_count({**data, "split": (0.5, seed)})
    assert len(read) == len({*read}) == 4


def test_an_epoch_counts_the_photographs_and_the_leaves_among_them(tmp_path):
    data = section(folder(tmp_path, range(8)))
    assert pipeline.image_count(data) == 8
    assert pipeline.image_count({**data, "leaves": 0.2}) == pytest.approx(10)
    assert pipeline.image_count({**data, "split": (0.25, 0)}) == 2
    assert pipeline.image_count({**data, "include": "00[0-2]*"}) == 3
    with pytest.raises(errors.ConfigError, match="an endless source has no epochs"):
        pipeline.image_count({**data, "leaves": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "ab"}, "config.data.layout is 'ab'"),
        ({"layout": "AB", "leaves": 0.5}, "dead leaves are no pairs"),
        ({"layout": "AB", "direction": "BtoC"}, "did you mean 'BtoA'"),
        ({"split": (2, 0)}, "config.data.split is"),
        ({"split": "0.9"}, "config.data.split is"),
        ({"include": "*.bmp"}, "fits none of the 3 images"),
    ],
)
def test_data_that_cannot_be_meant_is_refused(tmp_path, changes, message):
    with pytest.raises(errors.ConfigError, match=message):
        sides(section(folder(tmp_path, range(3)), **changes))


def test_the_embedded_photographs_are_no_pairs(tmp_path):
    folder(tmp_path / "AB", range(2))
    data = section(tmp_path / "AB", layout="AB")
    assert pipeline.training_sources(data, 0)[0][0].channels == 6
    with pytest.raises(errors.ConfigError, match="embedded photographs are no pairs"):
        pipeline.evaluation_source(data, 8)


# Pairs


@pytest.mark.parametrize("layout", ["AB", "folders"])
def test_crops_of_a_pair_come_from_one_place(tmp_path, layout):
    """Input and target hold their own place: crops show where each was taken."""
    row, column = np.mgrid[:20, :22].astype(np.uint8)
    a = np.stack([row, column, 0 * row], -1)
    b = np.stack([row, column, 0 * row + 9], -1)
    for place, picture in (
        ("AB/x.png", np.concatenate([a, b], 1)),
        ("folders/A/x.png", a),
        ("folders/B/x.png", b),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        images.encode(picture, tmp_path / place)
    data = section(tmp_path / layout, layout=layout)
    batches = take(pipeline.training_sources(data, 0), 10)
    assert batches.shape == (10, 4, 16, 16, 6)
    np.testing.assert_array_equal(batches[..., :2], batches[..., 3:5])
    assert (batches[..., 2] == 9).all() and (batches[..., 5] == 0).all()
    assert len({tuple(crop[0, 0, :2]) for b in batches for crop in b}) > 10
    back = pipeline.training_sources({**data, "direction": "BtoA"}, 0)
    assert (take(back, 1)[..., 2] == 0).all()


def test_pairs_are_cut_in_two_as_images_are(tmp_path):
    folder(tmp_path / "set" / "input", range(100, 106))
    folder(tmp_path / "set" / "target", range(100, 106), side=8)
    for value in (100, 101):  # two pairs of one target
        same = (tmp_path / "set" / "target" / "100.png").read_bytes()
        (tmp_path / "set" / "target" / f"{value}.png").write_bytes(same)
    data = section(tmp_path / "set", layout="folders", split=(0.4, 0))
    ((train, _),) = pipeline.training_sources(data, 0)
    held_out = pipeline.evaluation_source(data, 8)
    assert isinstance(train, paired.TwoFolders) and train.channels == 6
    names = [
        {source.name(i) for i in range(len(source))} for source in (train, held_out)
    ]
    assert len(names[0] | names[1]) == 6 and not names[0] & names[1]
    assert any({"100.png", "101.png"} <= side for side in names)


# Resizing


def test_training_images_are_resized_and_cropped(tmp_path):
    ramp = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], 60, 0)
    source = sources.Arrays([np.repeat(ramp, 3, 2)], ["ramp"])  # 60 x 120
    chosen = [(source, 1.0)]
    square = take(chosen, 4, preprocess="resize_and_crop", load_size=20)
    assert square.shape == (4, 4, 16, 16, 3)
    # 120 columns on 20: neighbours lie 6 of the old steps of 2 apart.
    steps = np.diff(square[..., 2:-2, 0].astype(int), axis=-1)
    assert steps.mean() == pytest.approx(12, abs=0.2)
    wide = take(chosen, 4, preprocess="scale_width", load_size=40)
    steps = np.diff(wide[..., 2:-2, 0].astype(int), axis=-1)
    assert steps.mean() == pytest.approx(6, abs=0.2)
    same = take(chosen, 4, preprocess="scale_width_and_crop", load_size=40)
    np.testing.assert_array_equal(wide, same)
    np.testing.assert_array_equal(take(chosen, 4), take(chosen, 4, preprocess="none"))


def test_dead_leaves_are_cropped_as_they_are():
    resized = take([(BANK, 1.0)], 2, preprocess="resize_and_crop")
    np.testing.assert_array_equal(resized, take([(BANK, 1.0)], 2))


@pytest.mark.parametrize(
    ("preprocess", "shape"),
    [
        ("crop", (30, 40)),
        ("none", (30, 40)),
        ("resize_and_crop", (20, 20)),
        ("scale_width", (15, 20)),
        ("scale_width_and_crop", (15, 20)),
    ],
)
def test_evaluation_resizes_to_the_crop_as_pix2pix_tests(tmp_path, preprocess, shape):
    images.encode(np.full((30, 40, 3), 7, np.uint8), tmp_path / "x.png")
    data = section("embedded", evaluation=str(tmp_path), preprocess=preprocess)
    source = pipeline.evaluation_source(data, 20)
    assert source[0]["image"].shape == (*shape, 3) and source[0]["name"] == "x.png"
    assert source.report()["images"] == 1 and source.channels == 3


def test_a_crop_larger_than_what_it_is_cut_from_is_refused():
    data = section("embedded", preprocess="resize_and_crop", load_size=100)
    with pytest.raises(errors.ConfigError, match="100, below the crop of 128"):
        pipeline.evaluation_source(data, 128)
    with pytest.raises(errors.ConfigError, match="100, below the crop of 128"):
        take([(pictures(), 1.0)], 1, crop=128, preprocess="scale_width", load_size=100)
