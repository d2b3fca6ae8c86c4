import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import paired
from jaxrestore.pairs import side_by_side


def picture(seed, channels=3, width=8):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (6, width, channels), np.uint8)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.encode(image, path)


@pytest.fixture
def folders(tmp_path):
    """A and B with two pairs, one of them below."""
    for seed, stem in enumerate(["x1.5", "below/y"]):
        write(tmp_path / "A" / f"{stem}.png", picture(seed))
        write(tmp_path / "B" / f"{stem}.webp", picture(10 + seed))
    return tmp_path / "A", tmp_path / "B"


def test_a_lies_left_and_b_right(folders, tmp_path):
    written, skipped = side_by_side.combine(folders[0], folders[1], tmp_path / "AB")
    assert (written, skipped) == (["below/y", "x1.5"], {})
    both = images.decode(tmp_path / "AB" / "x1.5.png")
    np.testing.assert_array_equal(both, np.concatenate([picture(0), picture(10)], 1))


def test_split_undoes_combine(folders, tmp_path):
    side_by_side.combine(folders[0], folders[1], tmp_path / "AB")
    written, skipped = side_by_side.split(tmp_path / "AB", tmp_path / "back")
    assert (written, skipped) == (["below/y", "x1.5"], {})
    for stem, suffixes in (("x1.5", (0, 10)), ("below/y", (1, 11))):
        for role, seed in zip("AB", suffixes, strict=True):
            half = images.decode(tmp_path / "back" / role / f"{stem}.png")
            np.testing.assert_array_equal(half, picture(seed))


def test_both_layouts_are_the_same_for_training(folders, tmp_path):
    side_by_side.combine(folders[0], folders[1], tmp_path / "AB")
    beside = [*paired.SideBySide(tmp_path / "AB")]
    apart = [*paired.TwoFolders(tmp_path)]
    assert len(beside) == len(apart) == 2
    for one, other in zip(beside, apart, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_stays_grey_and_alpha_stays_alpha(tmp_path, channels):
    for seed, role in enumerate("AB"):
        write(tmp_path / f"{role}.png", picture(seed, channels))
    side_by_side.combine(tmp_path / "A.png", tmp_path / "B.png", tmp_path / "AB")
    side_by_side.split(tmp_path / "AB", tmp_path / "back")
    for seed, role in enumerate("AB"):
        place = tmp_path / "back" / role / "A.png"
        half = images.decode_as_stored(place)
        np.testing.assert_array_equal(half, picture(seed, channels))


def test_grey_with_alpha_beside_colour_with_alpha_becomes_colour(tmp_path):
    write(tmp_path / "A.png", picture(0, 2))
    write(tmp_path / "B.png", picture(1, 4))
    side_by_side.combine(tmp_path / "A.png", tmp_path / "B.png", tmp_path / "AB")
    both = images.decode_with_alpha(tmp_path / "AB" / "A.png")
    left = picture(0, 2)[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(both, np.concatenate([left, picture(1, 4)], 1))


def test_grey_beside_colour_becomes_colour(tmp_path):
    write(tmp_path / "A.png", picture(0, 1))
    write(tmp_path / "B.png", picture(1, 3))
    side_by_side.combine(tmp_path / "A.png", tmp_path / "B.png", tmp_path / "AB")
    both = images.decode(tmp_path / "AB" / "A.png")
    expected = np.concatenate([np.repeat(picture(0, 1), 3, 2), picture(1, 3)], 1)
    np.testing.assert_array_equal(both, expected)


@pytest.mark.parametrize("together", [True, False])
def test_ends_a_and_b_belong_together_in_one_folder_or_two(tmp_path, together):
    a, b = (tmp_path / name for name in (("in", "in") if together else ("one", "two")))
    for seed, stem in enumerate(["x", "y"]):
        write(a / f"{stem}_A.png", picture(seed))
        write(b / f"{stem}_B.png", picture(10 + seed))
    written, skipped = side_by_side.combine(a, b, tmp_path / "AB")
    assert (written, skipped) == (["x", "y"], {})
    both = images.decode(tmp_path / "AB" / "y.png")
    np.testing.assert_array_equal(both, np.concatenate([picture(1), picture(11)], 1))


def test_what_has_no_partner_in_one_folder_is_named(tmp_path):
    for name in ("x_A", "x_B", "y_A", "notes"):
        write(tmp_path / "in" / f"{name}.png", picture(0))
    written, skipped = side_by_side.combine(
        tmp_path / "in", tmp_path / "in", tmp_path / "AB"
    )
    assert written == ["x"]
    assert skipped == {"y": "it has no B", "notes": "it ends in neither _A nor _B"}


def test_what_cannot_be_a_pair_is_named_and_the_others_are_written(folders, tmp_path):
    a, b = folders
    write(a / "lone.png", picture(0))
    for role in (a, b):
        write(role / "alpha.png", picture(0, 4 if role == a else 3))
        write(role / "wide.png", picture(0, 3, 8 if role == a else 9))
    (b / "broken.png").write_text("no picture")
    write(a / "broken.png", picture(0))
    written, skipped = side_by_side.combine(a, b, tmp_path / "AB")
    assert written == ["below/y", "x1.5"]
    assert skipped["lone"] == "it has no B"
    assert skipped["wide"] == "A is 8x6, B is 9x6: pairs are equal in size"
    assert "has alpha" in skipped["alpha"] and "no PNG" in skipped["broken"]
    assert not (tmp_path / "AB" / "wide.png").exists()


def test_a_picture_of_odd_width_is_not_split(tmp_path):
    write(tmp_path / "AB" / "odd.png", picture(0, 3, 9))
    write(tmp_path / "AB" / "even.png", picture(0))
    written, skipped = side_by_side.split(tmp_path / "AB", tmp_path / "out")
    assert written == ["even"] and "its width is 9" in skipped["odd"]
    (tmp_path / "AB" / "even.png").unlink()
    with pytest.raises(errors.NoInputError, match=r"none of the 1 can be used.*odd"):
        side_by_side.split(tmp_path / "AB", tmp_path / "other")


def test_no_pair_at_all_is_no_input(folders, tmp_path):
    with pytest.raises(errors.NoInputError, match="has none"):
        side_by_side.combine(folders[0], folders[0], tmp_path / "AB")


def test_files_that_exist_are_kept_unless_told_otherwise(folders, tmp_path):
    out = tmp_path / "AB"
    side_by_side.combine(folders[0], folders[1], out)
    before = (out / "x1.5.png").read_bytes()
    write(folders[0] / "x1.5.png", picture(7))
    with pytest.raises(errors.ConfigError, match="one of 2 such files"):
        side_by_side.combine(folders[0], folders[1], out)
    assert (out / "x1.5.png").read_bytes() == before
    side_by_side.combine(folders[0], folders[1], out, overwrite=True)
    assert (out / "x1.5.png").read_bytes() != before


def test_an_output_inside_its_source_is_refused(folders):
    with pytest.raises(errors.ConfigError, match="choose a folder outside"):
        side_by_side.combine(folders[0], folders[1], folders[1] / "AB")
    with pytest.raises(errors.ConfigError, match="choose a folder outside"):
        side_by_side.split(folders[0], folders[0] / "out")
