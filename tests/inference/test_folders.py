import numpy as np
import pytest
from PIL import Image

from jaxrestore import errors, images
from jaxrestore.inference import folders, restorer

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 4), np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """A folder of a colour, a grey and a transparent picture and of none."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    images.encode(PIXELS[..., :3], folder / "colour.png")
    images.encode(PIXELS[..., :1], folder / "below" / "grey.tif")
    images.encode(PIXELS, folder / "clear.png")
    (folder / "text.png").write_text("no picture")
    return folder


def _network(apply=lambda x: x / 2, **options):
    return restorer.Restorer(apply, 1, 1, "stand_in", **options)


def test_a_file_is_restored_to_a_file(pictures, tmp_path):
    out = tmp_path / "new" / "out.webp"
    folders.restore_file(_network(), pictures / "clear.png", out)
    restored = images.decode_with_alpha(out)
    np.testing.assert_array_equal(restored[..., 3], PIXELS[..., 3])
    np.testing.assert_allclose(restored[..., :3], PIXELS[..., :3] / 2, atol=0.51)


def test_the_level_reaches_the_network(pictures, tmp_path):
    shown = _network(lambda x: np.repeat(x[..., 3:], 3, -1), takes=("rgb", "level"))
    out = tmp_path / "out.png"
    folders.restore_file(shown, pictures / "colour.png", out, level=25)
    assert (images.decode(out) == 25).all()


def test_a_plan_says_where_each_file_of_a_folder_goes(pictures, tmp_path):
    plan = folders.planned(pictures, tmp_path / "out")
    assert [*plan] == ["below/grey", "clear", "colour", "text"]
    grey = (pictures / "below" / "grey.tif", tmp_path / "out" / "below" / "grey.png")
    assert plan["below/grey"] == grey and not (tmp_path / "out").exists()


def test_a_folder_is_restored_and_what_is_no_image_is_told(pictures, tmp_path):
    plan = folders.planned(pictures, tmp_path / "out")
    network = _network(takes=("gray",))
    skipped = folders.restore_folder(network, pictures, plan)
    assert [*skipped] == ["text"] and "no PNG" in skipped["text"]
    written = sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert written == [place.destination for s, place in plan.items() if s != "text"]
    with Image.open(plan["below/grey"].destination) as picture:
        assert picture.mode == "L"
    with pytest.raises(errors.NoInputError, match="none of the 1 images"):
        alone = {"text": plan["text"]}
        folders.restore_folder(network, pictures, alone)
    with pytest.raises(errors.ConfigError, match="exists, one of 3 such files"):
        folders.planned(pictures, tmp_path / "out")
    assert folders.planned(pictures, tmp_path / "out", overwrite=True) == plan


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("text.png", "out.png", "no PNG"),
        ("missing.png", "out.png", "no such file"),
        ("colour.png", "out.gif", "no image format"),
        ("clear.png", "out.jpg", "keeps no alpha"),
        ("colour.png", "no/out.png", "its folder does not exist"),
        ("colour.png", "pictures/clear.png", "exists; give another place"),
    ],
)
def test_what_could_not_be_read_or_written_is_refused(
    pictures, tmp_path, source, out, message
):
    with pytest.raises(errors.UserError, match=message):
        folders.check(pictures / source, tmp_path / out)
    folders.check(pictures / "clear.png", tmp_path / "out.png")
    folders.check(pictures / "clear.png", pictures / "colour.png", overwrite=True)


def test_a_folder_is_not_put_in_a_file_or_in_itself(pictures, tmp_path):
    for out in (pictures / "clear.png", pictures / "out"):
        with pytest.raises(errors.ConfigError):
            folders.planned(pictures, out)
