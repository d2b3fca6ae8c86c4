import json

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from jaxrestore import errors, images
from jaxrestore.degradations import pixel_shuffle
from jaxrestore.pairs import paired_sets

SIZE = (12, 16)


def _picture(seed, channels=3, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8)


@pytest.fixture
def photographs(tmp_path):
    """Two colour images, one of them in a folder below, and a damaged file between."""
    folder = tmp_path / "photographs"
    (folder / "below").mkdir(parents=True)
    images.encode(_picture(0), folder / "a.png")
    (folder / "b.png").write_text("no picture")
    images.encode(_picture(2), folder / "below" / "c.webp")
    return folder


def _read(path):
    return images.decode_with_alpha(path)


# Sets


def test_each_image_lies_beside_its_damaged_copy(photographs, tmp_path):
    out = tmp_path / "set"
    card = paired_sets.write(photographs, out, options={"rate": 1.0}, seed=5)
    for index, stem, seed in ((0, "a", 0), (2, "below/c", 2)):
        target = _picture(seed)
        np.testing.assert_array_equal(_read(out / "target" / f"{stem}.png"), target)
        key = jax.random.fold_in(jax.random.key(5), index)
        floats = jnp.asarray(target, jnp.float32) / 255
        degraded = pixel_shuffle.degrade(key, floats, rate=1.0)
        expected = np.round(np.asarray(degraded) * 255).astype(np.uint8)
        assert (expected != target).any()
        np.testing.assert_array_equal(_read(out / "input" / f"{stem}.png"), expected)
    assert json.loads((out / "degradation.json").read_text()) == card
    assert card["images"] == ["a", "below/c"] and [*card["skipped"]] == ["b"]
    assert card["options"] == {"rate": 1.0, "radius": 2, "order": "raster"}
    assert card["kind"] == "pixel_shuffle" and card["seed"] == 5


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(
    photographs, tmp_path
):
    written = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        paired_sets.write(photographs, tmp_path / name, seed=seed)
        files = sorted((tmp_path / name / "input").rglob("*.png"))
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1] != written[2]


def test_a_file_that_cannot_be_read_leaves_the_draws_of_the_others(
    photographs, tmp_path
):
    paired_sets.write(photographs, tmp_path / "before")
    images.encode(_picture(1), photographs / "b.png")
    paired_sets.write(photographs, tmp_path / "after")
    place = "input/below/c.png"
    before, after = (_read(tmp_path / name / place) for name in ("before", "after"))
    np.testing.assert_array_equal(before, after)


def test_side_by_side_the_damaged_image_is_on_the_left(photographs, tmp_path):
    folders, both = tmp_path / "folders", tmp_path / "both"
    paired_sets.write(photographs, folders)
    paired_sets.write(photographs, both, layout="AB")
    for stem in ("a", "below/c"):
        halves = [_read(folders / r / f"{stem}.png") for r in ("input", "target")]
        picture = _read(both / f"{stem}.png")
        assert picture.shape == (SIZE[0], 2 * SIZE[1], 3)
        np.testing.assert_array_equal(picture, np.concatenate(halves, 1))


def test_a_mask_is_written_as_alpha(photographs, tmp_path):
    source = photographs / "a.png"
    paired_sets.write(source, tmp_path / "set", kind="holes", options={"fill": 1.0})
    damaged = _read(tmp_path / "set" / "input" / "a.png")
    hole = damaged[..., 3] == 255
    assert hole.any() and not hole.all()
    assert (damaged[hole][:, :3] == 255).all()
    np.testing.assert_array_equal(damaged[~hole][:, :3], _picture(0)[~hole])


@pytest.mark.parametrize(("kind", "channels"), [("pixel_shuffle", 1), ("holes", 4)])
def test_a_grey_file_stays_grey_and_with_a_mask_becomes_rgba(tmp_path, kind, channels):
    images.encode(_picture(0, 1), tmp_path / "grey.png")
    paired_sets.write(tmp_path / "grey.png", tmp_path / "set", kind=kind)
    assert images.is_grey(tmp_path / "set" / "target" / "grey.png")
    damaged = tmp_path / "set" / "input" / "grey.png"
    assert images.is_grey(damaged) == (channels == 1)
    with PIL.Image.open(damaged) as image:
        assert len(image.getbands()) == channels


def test_pictures_of_two_sizes_do_not_go_side_by_side(photographs, tmp_path):
    write = lambda layout: paired_sets.write(
        photographs, tmp_path / "set", kind="downsample", layout=layout
    )
    with pytest.raises(errors.ConfigError, match="take the layout 'folders'"):
        write("AB")
    write("folders")
    assert _read(tmp_path / "set" / "input" / "a.png").shape == (3, 4, 3)


def test_files_that_exist_are_kept_unless_told_otherwise(photographs, tmp_path):
    out = tmp_path / "set"
    paired_sets.write(photographs, out, seed=1)
    before = (out / "input" / "a.png").read_bytes()
    with pytest.raises(errors.ConfigError, match=r"a\.png exists, one of 5 such"):
        paired_sets.write(photographs, out, seed=2)
    assert (out / "input" / "a.png").read_bytes() == before
    assert json.loads((out / "degradation.json").read_text())["seed"] == 1
    paired_sets.write(photographs, out, seed=2, overwrite=True)
    assert (out / "input" / "a.png").read_bytes() != before


@pytest.mark.parametrize("layouts", [("folders", "AB"), ("AB", "folders")])
def test_a_set_of_the_other_layout_is_not_written_over(photographs, tmp_path, layouts):
    out = tmp_path / "set"
    paired_sets.write(photographs, out, layout=layouts[0])
    files = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    message = f"holds a set of 2 images in the layout '{layouts[0]}'.*delete the folder"
    with pytest.raises(errors.ConfigError, match=message):
        paired_sets.write(photographs, out, layout=layouts[1], overwrite=True)
    assert files == {f: f.read_bytes() for f in out.rglob("*") if f.is_file()}


def test_a_set_that_would_keep_old_pairs_is_not_written_over(photographs, tmp_path):
    out = tmp_path / "set"
    paired_sets.write(photographs, out)
    with pytest.raises(errors.ConfigError, match="would stay beside the new ones"):
        paired_sets.write(photographs / "a.png", out, overwrite=True)
    (out / "degradation.json").write_text("{")
    with pytest.raises(errors.ConfigError, match=r"degradation\.json cannot be read"):
        paired_sets.write(photographs, out, overwrite=True)


def test_an_image_that_cannot_be_a_pair_is_found_before_others_are_written(
    photographs, tmp_path
):
    # One pixel stays one, and would be written first; the other image shrinks.
    images.encode(_picture(0, size=(1, 1)), photographs / "a.png")
    with pytest.raises(errors.ConfigError, match=r"below/c: side by side"):
        paired_sets.write(photographs, tmp_path / "set", kind="downsample", layout="AB")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "pixel_shufle"}, "did you mean 'pixel_shuffle'"),
        ({"kind": "batched"}, "there is no degradation 'batched'"),
        ({"options": {"ratio": 1}}, "no option 'ratio': did you mean 'rate'"),
        ({"options": {"order": "up"}}, "order is 'up', but degradations/pixel_sh"),
        ({"layout": "ab"}, "there is no layout 'ab'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    photographs, tmp_path, wrong, message
):
    with pytest.raises(errors.ConfigError, match=message):
        paired_sets.write(photographs, tmp_path / "set", **wrong)
    assert not (tmp_path / "set").exists()


def test_a_set_is_not_written_into_its_own_source(photographs):
    with pytest.raises(errors.ConfigError, match="choose a folder outside"):
        paired_sets.write(photographs, photographs / "set")


def test_a_folder_of_damaged_files_alone_is_no_input(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_text("no picture")
    with pytest.raises(errors.NoInputError, match="none of the 1 images"):
        paired_sets.write(tmp_path / "in", tmp_path / "set")
