import hashlib
import os

import pytest

from jaxrestore import errors
from jaxrestore.data import splits

NAMES = ["a_0.jpg", "a_1.jpg", "van_gogh/b_0.png", "van_gogh/c.png", "x1.5.png"]


def numbered(count):
    names = [f"{i}.png" for i in range(count)]
    return names, [[hashlib.sha256(name.encode()).hexdigest()] for name in names]


def lists(folder, *texts):
    files = []
    for index, text in enumerate(texts):
        files.append(str(folder / f"{index}.txt"))
        (folder / f"{index}.txt").write_text(text)
    return tuple(files)


# Which images there are


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("*_0.*", [0, 2]),
        ("*_0.jpg, van_gogh/*", [0, 2, 3]),
        ("a_?.jpg,a_1*", [0, 1]),
    ],
)
def test_globs_admit_the_names_that_fit_one_of_them(include, expected):
    assert splits.included(NAMES, include) == expected


def test_a_list_admits_names_with_and_without_suffix(tmp_path):
    (file,) = lists(tmp_path, "\ufeffvan_gogh/c\n\n  ./a_1.jpg \r\nx1.5\n")
    assert splits.included(NAMES, file) == [1, 3, 4]


def test_a_name_of_several_folders_means_all_of_them(tmp_path):
    (file,) = lists(tmp_path, "a")
    assert splits.included(["a.png", "b.png", "a.png", "a.jpg"], file) == [0, 2, 3]


def test_a_glob_that_fits_nothing_is_refused_with_names_there_are():
    message = r"'van_gohg/\*' fits none of the 5 images, which are called a_0.jpg"
    with pytest.raises(errors.ConfigError, match=message):
        splits.included(NAMES, "*_0.jpg,van_gohg/*")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a_0\nb\nc.jpg", errors.ConfigError, r"of the 3 .* 2 are not there: b, c.jpg"),
        ("\n \n", errors.NoInputError, "is empty"),
        (None, errors.NoInputError, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path, text, error, message):
    (file,) = lists(tmp_path, text or "")
    if text is None:
        os.unlink(file)
    with pytest.raises(error, match=message):
        splits.included(NAMES, file)


# Which of them train


@pytest.mark.parametrize("split", [(0.7, 3), [0.7, 3]])
def test_a_share_of_the_images_trains_and_the_rest_is_evaluated(split):
    names, prints = numbered(20)
    train, held_out = splits.divided(names, prints, split)
    assert len(train) == 14
    assert sorted(train + held_out) == [*range(20)]


def test_the_cut_is_that_of_the_hashes_in_their_order():
    names, prints = numbered(5)
    order = sorted(
        range(5), key=lambda i: hashlib.sha256(f"7 {prints[i][0]}".encode()).hexdigest()
    )
    train, held_out = splits.divided(names, prints, (0.4, 7))
    assert (train, held_out) == (sorted(order[:2]), sorted(order[2:]))


@pytest.mark.parametrize("split", [(0.5, 0), (1, 3, 0)])
def test_the_cut_depends_neither_on_names_nor_on_their_order(split):
    names, prints = numbered(20)
    train, _ = splits.divided(names, prints, split)
    others = [f"z{i}" for i in range(20)]
    backwards, _ = splits.divided(others, prints[::-1], split)
    assert {prints[i][0] for i in train} == {prints[::-1][i][0] for i in backwards}
    another, _ = splits.divided(names, prints, (*split[:-1], 1))
    assert another != train


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_folds_are_disjoint_cover_all_and_differ_by_one_at_most(folds):
    names, prints = numbered(20)
    parts = [splits.divided(names, prints, (k, folds, 4)) for k in range(folds)]
    assert sorted(i for _, held_out in parts for i in held_out) == [*range(20)]
    for train, held_out in parts:
        assert sorted(train + held_out) == [*range(20)]
    sizes = [len(held_out) for _, held_out in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("split", [(0.5, 0), (0, 2, 0), (1, 2, 5)])
def test_equal_files_stay_on_one_side_and_count_once(split):
    names, prints = numbered(10)
    prints[7] = prints[3] = prints[1]
    train, held_out = splits.divided(names, prints, split)
    assert {1, 3, 7} <= {*train} or {1, 3, 7} <= {*held_out}
    distinct = [{prints[i][0] for i in side} for side in (train, held_out)]
    assert [len(side) for side in distinct] == [4, 4] and not distinct[0] & distinct[1]


def test_pairs_that_share_a_file_by_way_of_others_stay_on_one_side():
    # The input of 0 is that of 1, whose target is that of 2; 3 to 9 stand alone.
    prints = [["p", "q"], ["p", "r"], ["s", "r"]]
    prints += [[f"a{i}", f"b{i}"] for i in range(7)]
    names = [str(i) for i in range(10)]
    for seed in range(10):
        train, held_out = splits.divided(names, prints, (0.5, seed))
        assert {0, 1, 2} <= {*train} or {0, 1, 2} <= {*held_out}
        files = [{f for i in side for f in prints[i]} for side in (train, held_out)]
        assert not files[0] & files[1]


def test_two_lists_say_both_sides_and_what_neither_names_is_left_out(tmp_path):
    names, prints = numbered(6)
    files = lists(tmp_path, "4\n0.png\n", "1\n5\n")
    assert splits.divided(names, prints, files) == ([0, 4], [1, 5])


@pytest.mark.parametrize("test", ["2\n1.png", "2\n3"])
def test_lists_that_share_a_name_or_a_file_are_refused_with_the_names(tmp_path, test):
    names, prints = numbered(5)
    prints[3] = prints[1]  # under another name
    files = lists(tmp_path, "0\n1\n", test)
    with pytest.raises(errors.ConfigError, match=r"share images.*: 1\.png"):
        splits.divided(names, prints, files)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((0.9, 0), "0.9 of 4 distinct images leaves none to evaluate"),
        ((0.1, 0), "0.1 of 4 distinct images leaves none to train on"),
        ((0, 1, 0), "1 folds of 4 distinct images"),
        ((0, 5, 0), "5 folds of 4 distinct images"),
        ((2, 2, 0), "from 0 to folds - 1"),
        ((1.0, 0), "share between 0 and 1"),
        ((0.5,), "config.data.split is"),
        ((0.5, 0.5), "config.data.split is"),
        (("train.txt",), "the paths of two lists"),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused(split, message):
    with pytest.raises(errors.ConfigError, match=message):
        splits.divided(*numbered(4), split)


# What files hold


def test_a_fingerprint_is_the_hash_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abc")
    # Source: the first example of FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert splits.fingerprint(tmp_path / "a") == known
    assert splits.fingerprint(tmp_path / "b") == known
    (tmp_path / "b").write_bytes(b"abcd")
    assert splits.fingerprint(tmp_path / "b") != known


def test_files_that_cannot_be_read_differ_and_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    paths = [tmp_path / name for name in ("fifo", "broken", "absent")]
    assert len({splits.fingerprint(path) for path in paths}) == 3
