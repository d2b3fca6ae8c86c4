from pathlib import Path

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.inference import plans, sources


@pytest.fixture
def album(tmp_path):
    """Pictures at three depths, two of them of one name, and a file that is none."""
    for name in ("top.png", "a/x.png", "a/b/x.png", "a/b/y.webp"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images.encode(np.zeros((2, 3, 3), np.uint8), path)
    (tmp_path / "album" / "a" / "x.txt").write_text("no picture")
    return tmp_path / "album"


@pytest.mark.parametrize(
    ("pattern", "names", "left_out"),
    [
        ("*.png", ["top.png"], 0),
        ("a/?.png", ["x.png"], 0),
        ("a/*", ["x.png"], 1),
        ("*/[xy].*", ["a/x.png"], 1),
        ("**/x.*", ["a/b/x.png", "a/x.png"], 1),
        ("a/**", ["b/x.png", "b/y.webp", "x.png"], 1),
    ],
)
def test_what_a_pattern_matches_has_its_path_below_the_part_that_is_none(
    album, tmp_path, pattern, names, left_out
):
    found, others = sources.found([album / pattern], tmp_path / "out")
    assert sorted(found) == names and len(others) == left_out
    plan = plans.planned([album / pattern], tmp_path / "out")
    written = {place.destination for place in plan.places.values()}
    expected = {tmp_path / "out" / Path(name).with_suffix(".png") for name in names}
    assert written == expected and plan.into


def test_a_folder_that_is_called_like_a_pattern_may_stand_in_one(album, tmp_path):
    called = album.rename(tmp_path / "photos [2020]")
    found, _ = sources.found([called / "**" / "x.png"], tmp_path / "out")
    assert sorted(found) == ["a/b/x.png", "a/x.png"]
    with pytest.raises(errors.NoInputError, match="no file matches"):
        sources.found([called / "a.png"], tmp_path / "out")


def test_a_pattern_without_a_picture_is_told(album, tmp_path):
    with pytest.raises(errors.NoInputError, match=r"no file matches .*\*\.jpg"):
        sources.found([album / "*.jpg"], tmp_path / "out")
    with pytest.raises(errors.NoInputError, match=r"matches no image; .*x\.txt"):
        sources.found([album / "a" / "*.txt"], tmp_path / "out")


def test_a_file_that_is_called_like_a_pattern_is_itself(album, tmp_path):
    odd = album / "top[1].png"
    (album / "top.png").rename(odd)
    (album / "top1.png").write_bytes(odd.read_bytes())
    assert sources.found([odd], tmp_path / "out")[0] == {odd.name: odd}


def test_results_are_not_put_where_a_pattern_would_find_them(album):
    for pattern, out in (("**/*.png", "out"), ("*/x.png", "a")):
        with pytest.raises(errors.ConfigError, match="would be read the next time"):
            sources.found([album / pattern], album / out)
    sources.found([album / "*.png"], album / "out")


def test_several_sources_meet_in_one_folder(album, tmp_path):
    both = [album / "*.png", album / "a"]
    found, _ = sources.found(both, tmp_path / "out")
    assert [*found] == ["top.png", "a/b/x.png", "a/b/y.webp", "a/x.png"]
    twice = [album / "*.png", album / "top.png"]
    assert [*sources.found(twice, tmp_path / "out")[0]] == ["top.png"]
    other = [album / "a" / "*.png", album / "a" / "b" / "*.png"]
    with pytest.raises(errors.ConfigError, match="would be one file"):
        sources.found(other, tmp_path / "out")


def test_folders_below_may_be_left_out(album, tmp_path):
    found, _ = sources.found([album], tmp_path / "out", recursive=False)
    assert [*found] == ["top.png"]
    (album / "top.png").unlink()
    with pytest.raises(errors.NoInputError, match="looked there, not below, for"):
        sources.found([album], tmp_path / "out", recursive=False)
