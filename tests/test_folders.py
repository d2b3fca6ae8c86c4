import os
from pathlib import Path

import numpy as np
import pytest

from jaxrestore import errors, folders, images


def _picture(seed, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (12, 16, channels), np.uint8)


@pytest.fixture
def photographs(tmp_path):
    """Two colour images, one of them in a folder below, and a damaged file between."""
    folder = tmp_path / "photographs"
    (folder / "below").mkdir(parents=True)
    images.encode(_picture(0), folder / "a.png")
    (folder / "b.png").write_text("no picture")
    images.encode(_picture(2), folder / "below" / "c.webp")
    return folder


# What there is


def test_all_image_files_below_are_found_but_hidden_ones(photographs):
    (photographs / "text.txt").write_text("no picture")
    (photographs / ".below").mkdir()
    for hidden in (photographs / ".d.png", photographs / ".below" / "e.png"):
        images.encode(_picture(3), hidden)
    (photographs / "below" / "up").symlink_to(photographs)
    found, unlisted = folders.find(photographs)
    names = [path.relative_to(photographs).as_posix() for path in found]
    assert names == ["a.png", "b.png", "below/c.webp"] and unlisted == {}


def test_a_folder_that_cannot_be_listed_is_told(photographs, monkeypatch):
    scan, closed = os.scandir, photographs / "below"

    def refuse(place):
        if os.fspath(place) == str(closed):
            raise PermissionError(13, "denied", os.fspath(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found, unlisted = folders.find(photographs)
    assert len(found) == 2 and "cannot be listed" in unlisted[str(closed)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no", "does not exist"),
        ("a.png", "is not a folder"),
        ("empty", "holds no image files"),
    ],
)
def test_where_there_is_no_image_it_is_told(photographs, name, message):
    (photographs / "empty").mkdir()
    with pytest.raises(errors.NoInputError, match=message):
        folders.find(photographs / name)


def test_files_are_found_by_their_path_without_suffix(photographs):
    found = folders.by_stem(photographs)
    assert [*found] == ["a", "b", "below/c"]
    assert found["below/c"] == photographs / "below" / "c.webp"
    alone = photographs / "a.png"
    assert folders.by_stem(alone) == {"a": alone}


def test_all_files_of_one_stem_are_refused_by_name(photographs):
    for name in ("a.jpg", "a.gif", "b.tif"):
        (photographs / name).touch()
    message = r"a\.gif and a\.jpg and a\.png, .*b\.png and b\.tif differ in their"
    with pytest.raises(errors.ConfigError, match=message):
        folders.by_stem(photographs)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x.jpg", "y.PNG", "z"], ["x", "y", "z"]),
        (["x.jpg", "x.png", "y.png"], ["x.jpg", "x.png", "y"]),
        (["x.jpg", "x.png", "x.jpg.png"], ["x.jpg", "x.png", "x.jpg.png"]),
        (["x", "x.png"], ["x", "x.png"]),
        (
            ["scan.5", "scan.6", "a/x.jpg", "b/x.jpg"],
            ["scan.5", "scan.6", "a/x", "b/x"],
        ),
    ],
)
def test_names_that_differ_in_their_suffix_keep_it(names, expected):
    found = folders.distinct_stems({name: Path(name) for name in names}, ())
    assert [*found] == expected and [*found.values()] == [*map(Path, names)]


def test_a_result_is_not_called_like_a_folder():
    files = {name: Path(name) for name in ("a/x.jpg", "a/x.png/y.jpg", "x.jpg")}
    found = folders.distinct_stems(files, {"a", "a/x.png"})
    assert [*found] == ["a/x.jpg", "a/x.png/y", "x"]
    assert "a/x" in folders.distinct_stems(files, {"a/x.png"}, ".tif")
    with pytest.raises(errors.ConfigError, match=r"become a/x.jpg.png, and a folder"):
        folders.distinct_stems(files, {"a/x.png", "a/x.jpg.png"})


def test_by_content_all_images_are_found_and_the_rest_is_named(photographs):
    (photographs / "a.png").rename(photographs / "a")
    (photographs / "below" / "c.webp").rename(photographs / "below" / "c.jfif")
    for name in ("notes.txt", "c.heic", ".hidden"):
        (photographs / name).write_text("no picture")
    found, left_out = folders.find_by_content(photographs)
    names = [path.relative_to(photographs).as_posix() for path in found]
    assert names == ["a", "b.png", "below/c.jfif"]
    assert [*left_out] == [str(photographs / n) for n in ("c.heic", "notes.txt")]
    assert {*left_out.values()} == {
        "it is no PNG, JPEG, WEBP, BMP, TIFF, GIF, AVIF image"
    }
    (photographs / "below" / "c.jfif").unlink()
    with pytest.raises(errors.NoInputError, match="holds no image files"):
        folders.find_by_content(photographs / "below")


def test_a_dot_in_a_name_is_part_of_the_stem(tmp_path):
    images.encode(_picture(0), tmp_path / "x1.5.png")
    assert [*folders.by_stem(tmp_path)] == ["x1.5"]


def test_partners_are_what_every_place_has_and_the_rest_is_told(photographs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.webp", "d.png"):
        images.encode(_picture(0), other / name)
    places = {"prediction": other, "target": photographs, "input": photographs}
    found, left_out = folders.partners(places)
    target = photographs / "a.png"
    expected = {"prediction": other / "a.webp", "target": target, "input": target}
    assert found == {"a": expected}
    assert left_out == {
        "b": "it has no prediction",
        "below/c": "it has no prediction",
        "d": "it has no target and no input",
    }


def test_two_files_are_partners_whatever_they_are_called(photographs):
    places = {"prediction": photographs / "a.png", "target": photographs / "b.png"}
    assert folders.partners(places) == ({"a": places}, {})


def test_folders_without_a_partner_are_refused_with_what_they_hold(
    photographs, tmp_path
):
    other = tmp_path / "other"
    other.mkdir()
    images.encode(_picture(0), other / "z.png")
    with pytest.raises(errors.NoInputError, match=r"photographs has a, b.*other has z"):
        folders.partners({"prediction": photographs, "target": other})


# Where new ones go


def test_a_file_is_saved_at_its_stem_in_each_room(tmp_path):
    where = folders.places(tmp_path, "below/x1.5", ("A", "B"))
    assert where == [tmp_path / room / "below" / "x1.5.png" for room in "AB"]
    pictures = [_picture(0), _picture(1, 1)]
    folders.save(where, pictures)
    for place, picture in zip(where, pictures, strict=True):
        np.testing.assert_array_equal(images.decode_as_stored(place), picture)


def test_what_would_be_read_again_is_refused(photographs):
    with pytest.raises(errors.ConfigError, match="would be read the next time"):
        folders.refuse_inside(photographs / "out", photographs)
    folders.refuse_inside(photographs.parent / "out", photographs)


def test_a_folder_of_which_nothing_was_read_is_no_input(photographs):
    files = folders.by_stem(photographs)
    folders.refuse_unread(files, {"b": "damaged"}, photographs)
    with pytest.raises(
        errors.NoInputError, match=r"none of the 3 images of .*: damaged"
    ):
        folders.refuse_unread(files, dict.fromkeys(files, "damaged"), photographs)
