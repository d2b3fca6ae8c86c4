import itertools
import json
import os
import pickle

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import paired


def picture(seed, height=6, width=8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.encode(image, path)


@pytest.fixture
def folders(tmp_path):
    """Three pairs, one of them below, one of two suffixes."""
    for seed, (a, b) in enumerate(
        [("a.png",) * 2, ("b.png", "b.bmp"), ("c/d.png",) * 2]
    ):
        write(tmp_path / "A" / a, picture(seed))
        write(tmp_path / "B" / b, picture(10 + seed))
    return tmp_path


def test_side_by_side_the_left_half_is_the_input(tmp_path):
    a, b = picture(0), picture(1)
    write(tmp_path / "x.png", np.concatenate([a, b], 1))
    source = paired.SideBySide(tmp_path)
    np.testing.assert_array_equal(source[0]["image"], np.concatenate([b, a], 2))
    back = paired.SideBySide(tmp_path, direction="BtoA")
    np.testing.assert_array_equal(back[0]["image"], np.concatenate([a, b], 2))
    assert source.channels == 6 and source[0]["name"] == "x.png" == source.name(0)


@pytest.mark.parametrize("rooms", [("A", "B"), ("input", "target")])
def test_two_folders_are_joined_by_stem(folders, rooms):
    for role, room in zip("AB", rooms, strict=True):
        (folders / role).rename(folders / room)
    source = paired.TwoFolders(folders)
    assert [item["name"] for item in source] == ["a.png", "b.png", "c/d.png"]
    back = paired.TwoFolders(folders, direction="BtoA")
    for seed in range(3):
        a, b = picture(seed), picture(10 + seed)
        np.testing.assert_array_equal(source[seed]["image"], np.concatenate([b, a], 2))
        np.testing.assert_array_equal(back[seed]["image"], np.concatenate([a, b], 2))


def test_a_part_below_both_folders_is_named_from_above(folders):
    source = paired.TwoFolders(folders / "c")
    assert [item["name"] for item in source] == ["d.png"]
    assert source.root == folders / "A" / "c"


def test_files_without_a_partner_are_left_out_and_reported(folders):
    write(folders / "A" / "lone.png", picture(5))
    write(folders / "B" / "c" / "other.png", picture(6))
    source = paired.TwoFolders(folders)
    assert len(source) == 3
    rows = json.loads(json.dumps(source.report()))["damaged"]
    assert rows == [
        {
            "name": "c/other",
            "reason": f"left out: it has no partner in {folders / 'A'}",
        },
        {"name": "lone", "reason": f"left out: it has no partner in {folders / 'B'}"},
    ]


def test_pairs_of_two_sizes_and_odd_widths_are_substituted(folders, tmp_path):
    write(folders / "B" / "b.bmp", picture(3, 6, 9))
    source = paired.TwoFolders(folders)
    assert [item["name"] for item in source] == ["a.png", "a.png", "c/d.png"]
    expected = "b.png: A is 8x6, B is 9x6: pairs are equal in size"
    assert source.damaged["b.png"].endswith(expected)
    write(tmp_path / "AB" / "odd.png", picture(0, 6, 9))
    write(tmp_path / "AB" / "even.png", picture(0, 6, 8))
    beside = paired.SideBySide(tmp_path / "AB")
    assert [item["name"] for item in beside] == ["even.png", "even.png"]
    assert "its width is 9, which is odd" in beside.damaged["odd.png"]


def test_a_damaged_half_counts_as_a_damaged_pair(folders):
    (folders / "B" / "a.png").write_text("no picture")
    source = paired.TwoFolders(folders)
    assert source[0]["name"] != "a.png"
    assert str(folders / "B" / "a.png") in source.damaged["a.png"]


def test_a_part_of_the_pairs_keeps_its_partners(folders):
    part = paired.TwoFolders(folders).only([1])
    assert len(part) == 1 and isinstance(part, paired.TwoFolders)
    expected = np.concatenate([picture(11), picture(1)], 2)
    np.testing.assert_array_equal(part[0]["image"], expected)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(part))[0]["image"], expected
    )


def test_a_pair_has_a_fingerprint_for_each_file(folders):
    prints = [paired.TwoFolders(folders).fingerprints(i) for i in range(3)]
    assert [len(p) for p in prints] == [2, 2, 2]
    assert len({*itertools.chain(*prints)}) == 6


def test_names_that_are_no_utf8_are_told_in_reports(folders):
    write(folders / "A" / "x.png", picture(0))
    os.rename(folders / "A" / "x.png", os.fsencode(folders) + b"/A/x\xff.png")
    report = paired.TwoFolders(folders).report()
    json.dumps(report, ensure_ascii=False).encode()
    assert report["damaged"][0]["name"] == "x\\xff"


@pytest.mark.parametrize("make", [paired.SideBySide, paired.TwoFolders])
def test_an_unknown_direction_is_refused(folders, make):
    with pytest.raises(errors.ConfigError, match="did you mean 'AtoB'"):
        make(folders, direction="AtoC")


def test_a_folder_without_two_folders_is_refused(tmp_path):
    write(tmp_path / "A" / "a.png", picture(0))
    with pytest.raises(errors.NoInputError, match="holds no pair of folders"):
        paired.TwoFolders(tmp_path)
    write(tmp_path / "B" / "b.png", picture(0))
    with pytest.raises(errors.NoInputError, match="one has a, the other b"):
        paired.TwoFolders(tmp_path)


def test_two_pairs_of_folders_are_not_guessed_between(folders):
    for room in ("input", "target"):
        write(folders / room / "a.png", picture(0))
    with pytest.raises(errors.ConfigError, match="holds two pairs of folders"):
        paired.TwoFolders(folders)


def test_two_files_of_one_stem_are_refused(folders):
    write(folders / "B" / "a.bmp", picture(0))
    with pytest.raises(errors.ConfigError, match=r"a\.bmp and a\.png differ in their"):
        paired.TwoFolders(folders)


def test_halves_put_together_are_the_picture():
    whole = picture(0)
    left, right = paired.halves(whole)
    assert left.shape == right.shape == (6, 4, 3)
    np.testing.assert_array_equal(np.concatenate([left, right], 1), whole)


def test_a_folder_of_b_that_cannot_be_listed_is_reported(folders, monkeypatch):
    scan = os.scandir

    def refuse(place):
        if os.fspath(place) == str(folders / "B" / "c"):
            raise PermissionError(13, "denied", os.fspath(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    source = paired.TwoFolders(folders)
    assert len(source) == 2
    assert "cannot be listed" in source.damaged[str(folders / "B" / "c")]
    assert source.damaged["c/d"].startswith("left out: it has no partner")
