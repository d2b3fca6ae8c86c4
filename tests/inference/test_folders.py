import errno
import warnings

import numpy as np
import pytest
from PIL import Image

from jaxrestore import errors, images
from jaxrestore.inference import folders, plans, restorer

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
    seen = PIXELS[..., 3] > 0
    expected = PIXELS[seen, :3] / 2
    np.testing.assert_allclose(restored[seen, :3], expected, atol=0.51)


def test_the_level_reaches_the_network(pictures, tmp_path):
    shown = _network(lambda x: np.repeat(x[..., 3:], 3, -1), takes=("rgb", "level"))
    out = tmp_path / "out.png"
    folders.restore_file(shown, pictures / "colour.png", out, level=25)
    assert (images.decode(out) == 25).all()


def test_a_plan_says_where_each_file_of_a_folder_goes(pictures, tmp_path):
    (pictures / "notes.txt").write_text("no picture")
    plan = plans.planned([pictures], tmp_path / "out")
    assert [*plan.places] == ["below/grey", "clear", "colour", "text"]
    grey = (pictures / "below" / "grey.tif", tmp_path / "out" / "below" / "grey.png")
    assert plan.places["below/grey"] == grey and not (tmp_path / "out").exists()
    assert [*plan.left_out] == [str(pictures / "notes.txt")] and plan.into


def test_files_that_differ_in_their_suffix_are_all_restored(pictures, tmp_path):
    images.encode(PIXELS[..., :1], pictures / "colour.jpg")
    plan = plans.planned([pictures], tmp_path)
    written = {place.destination.name for place in plan.places.values()}
    assert written == {
        "grey.png",
        "clear.png",
        "colour.jpg.png",
        "colour.png.png",
        "text.png",
    }


def test_a_folder_is_restored_and_what_is_no_image_is_told(pictures, tmp_path):
    plan = plans.planned([pictures], tmp_path / "out")
    network, done = _network(takes=("gray",)), []
    skipped = folders.restore_all(network, plan.places, done=done.append)
    assert [*skipped] == ["text"] and "no PNG" in skipped["text"]
    assert [one.name for one in done] == [*plan.places]
    assert [one.pixels for one in done] == [108, 108, 108, 0]
    assert [one.why for one in done] == ["", "", "", skipped["text"]]
    written = sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file())
    places = plan.places
    assert written == [place.destination for s, place in places.items() if s != "text"]
    with Image.open(places["below/grey"].destination) as picture:
        assert picture.mode == "L"
    with pytest.raises(images.ImageError, match=r"text\.png: this is no PNG"):
        folders.restore_all(network, {"text": places["text"]})
    with pytest.raises(errors.NoInputError, match="none of the 2 images"):
        folders.restore_all(network, dict.fromkeys("ab", places["text"]))
    with pytest.raises(errors.ConfigError, match=r"one of 3 such files.*skip_existing"):
        plans.outstanding(plan)
    assert plans.outstanding(plan, overwrite=True) == (places, {})
    rest = plans.outstanding(plan, skip_existing=True)
    assert [*rest.places] == ["text"]
    assert rest.kept == dict.fromkeys(("below/grey", "clear", "colour"))
    with pytest.raises(errors.ConfigError, match="give one of the two"):
        plans.outstanding(plan, overwrite=True, skip_existing=True)


def test_results_that_would_be_the_same_stay_whatever_is_said(pictures, tmp_path):
    plan = plans.planned([pictures], tmp_path / "out")
    for name in ("colour", "clear"):
        plan.places[name].destination.parent.mkdir(exist_ok=True)
        plan.places[name].destination.write_text("there")
    difference = {"colour": "", "clear": "its source is another now"}.get
    rest = plans.outstanding(plan, overwrite=True, difference=difference)
    assert [*rest.places] == ["below/grey", "clear", "text"]
    rest = plans.outstanding(plan, skip_existing=True, difference=difference)
    assert [*rest.places] == ["below/grey", "text"]
    assert rest.kept == {"colour": "", "clear": "its source is another now"}
    with pytest.raises(
        errors.ConfigError, match=r"clear\.png exists; .*is another now"
    ):
        plans.outstanding(plan, difference=difference)
    plan.places["clear"].destination.unlink()
    assert [*plans.outstanding(plan, difference=difference).kept] == ["colour"]


def test_several_files_and_folders_are_restored_to_one_folder(pictures, tmp_path):
    (tmp_path / "other").mkdir()
    images.encode(PIXELS, tmp_path / "other" / "clear.png")
    sources = [pictures / "colour.png", pictures / "below", tmp_path / "other"]
    plan = plans.planned(sources, tmp_path / "out")
    assert [*plan.places] == ["colour", "below/grey", "other/clear"]
    twice = [pictures / "clear.png", tmp_path / "other" / "clear.png"]
    with pytest.raises(errors.ConfigError, match="would be one file in"):
        plans.planned(twice, tmp_path / "out")
    with pytest.raises(images.ImageError, match="no such file"):
        plans.planned([pictures, tmp_path / "absent"], tmp_path / "out")


def test_a_file_is_restored_into_a_folder(pictures, tmp_path):
    expected = (pictures / "clear.png", tmp_path / "clear.png")
    plan = plans.planned([pictures / "clear.png"], tmp_path)
    assert plan.places == {"clear": expected}
    plan = plans.planned([pictures / "clear.png"], tmp_path / "new", into=True)
    assert plan.places["clear"].destination == tmp_path / "new" / "clear.png"
    plan = plans.planned([pictures / "clear.png"], pictures)
    with pytest.raises(errors.ConfigError, match=r"clear\.png exists; give another"):
        plans.outstanding(plan)


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("text.png", "out.png", "no PNG"),
        ("missing.png", "out.png", "no such file"),
        ("colour.png", "out.gif", "no image format"),
        ("colour.png", "out", "has no suffix, which"),
        ("clear.png", "out.jpg", "keeps no alpha"),
        ("colour.png", "no/out.png", "its folder does not exist"),
        ("colour.png", "pictures/clear.png", "exists; give another place"),
    ],
)
def test_what_could_not_be_read_or_written_is_refused(
    pictures, tmp_path, source, out, message
):
    with pytest.raises(errors.UserError, match=message):
        plans.outstanding(plans.planned([pictures / source], tmp_path / out))
    plans.outstanding(plans.planned([pictures / "clear.png"], tmp_path / "out.png"))
    places = [pictures / "clear.png"], pictures / "colour.png"
    plans.outstanding(plans.planned(*places), overwrite=True)


def test_a_folder_is_not_put_in_a_file_or_in_itself(pictures, tmp_path):
    for out in (pictures / "clear.png", pictures / "out", tmp_path / "out.png"):
        with pytest.raises(errors.ConfigError):
            plans.planned([pictures], out)
    plans.planned([pictures], tmp_path / "out.png", into=True)


def test_more_pixels_than_the_limit_are_refused_until_it_is_raised(pictures, tmp_path):
    source, out = pictures / "colour.png", tmp_path / "out.png"
    plan = plans.planned([source], out)
    with pytest.raises(images.ImageError, match="12x9 is more than `max_pixels`, 100"):
        plans.outstanding(plan, max_pixels=100)
    plans.outstanding(plan, max_pixels=108)
    # Where others restore it, their limit counts.
    assert plans.outstanding(plan, max_pixels=100, elsewhere=True) == (plan.places, {})
    with pytest.raises(images.ImageError, match="is more than"):
        folders.restore_all(_network(), plan.places, max_pixels=100)
    assert folders.restore_all(_network(), plan.places, max_pixels=108) == {}
    several = plans.planned([pictures], tmp_path / "out").places
    with pytest.raises(errors.NoInputError, match="is more than"):
        folders.restore_all(_network(), several, max_pixels=10)


def _raising(error, at):
    """A network that raises once, for the image of that number."""
    seen = []

    def apply(images):
        seen.append(images)
        if len(seen) == at:
            raise error
        return images

    return _network(apply)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.TrainingError("its values are not finite"), "not finite"),
        (MemoryError(), "needs more memory for a tile"),
        (RuntimeError("RESOURCE_EXHAUSTED: out"), "needs more memory for a tile"),
        (OSError(errno.EIO, "Input/output error", "x"), "x cannot be used"),
    ],
)
def test_what_one_file_meets_ends_no_folder(pictures, tmp_path, error, said):
    (pictures / "text.png").unlink()
    plan = plans.planned([pictures], tmp_path / "out")
    skipped = folders.restore_all(_raising(error, 2), plan.places)
    assert [*skipped] == ["clear"] and said in skipped["clear"]
    written = [n for n, p in plan.places.items() if p.destination.exists()]
    assert written == ["below/grey", "colour"]


FULL = OSError(errno.ENOSPC, "No space left on device", "x")


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        errors.disk_error(FULL, "x"),
        errors.Interrupted("stopped", 15),
        ValueError("a bug"),
    ],
)
def test_what_the_next_file_would_meet_too_ends_it(pictures, tmp_path, error):
    error.__cause__ = FULL if isinstance(error, errors.DiskError) else None
    places = plans.planned([pictures], tmp_path / "out").places
    with pytest.raises(type(error)):
        folders.restore_all(_raising(error, 2), places)


def test_where_nothing_is_restored_the_first_error_is_raised(pictures, tmp_path):
    places = plans.planned([pictures], tmp_path / "out").places
    nothing = _network(lambda x: x * np.nan)
    with pytest.raises(errors.TrainingError, match=r"none of 4 images.*not finite"):
        folders.restore_all(nothing, places)


def test_a_name_that_is_too_long_and_a_file_that_vanishes_end_no_folder(
    pictures, tmp_path
):
    long = "n" * 253  # and .png
    (pictures / long).write_bytes((pictures / "colour.png").read_bytes())
    places = plans.outstanding(plans.planned([pictures], tmp_path / "out")).places
    (pictures / "clear.png").unlink()
    skipped = folders.restore_all(_network(), places)
    assert [*skipped] == ["clear", long, "text"]
    assert "no such file" in skipped["clear"]
    assert "File name too long); give a shorter name" in skipped[long]
    assert places["colour"].destination.is_file()


def test_what_is_left_behind_is_told_of_a_file_that_is_replaced(tmp_path):
    path = tmp_path / "x.jpg"
    Image.new("RGB", (3, 2)).save(path, comment=b"a boat")
    with pytest.warns(errors.Notice, match=r"left behind is text \(of 1\)"):
        folders.restore_all(_network(), {"x": plans.Place(path, path)})


def test_what_is_left_behind_is_told_once(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    for name in ("a.png", "b.png"):
        Image.new("RGB", (3, 2)).save(tmp_path / name, exif=exif)
    Image.fromarray(np.full((2, 3), 40_000, np.uint16)).save(tmp_path / "c.tif")
    writing = images.Writing("bmp")
    plan = plans.planned([tmp_path], tmp_path.with_name("out"), writing=writing)
    with pytest.warns(errors.Notice) as told:
        folders.restore_all(_network(), plan.places, writing=writing)
    (notice,) = told
    expected = "held is written; left behind is EXIF (of 2), 16 bits (of 1)."
    assert str(notice.message).endswith(expected)
    with warnings.catch_warnings():  # nothing is, or none of it was asked for
        warnings.simplefilter("error")
        for format, bits, metadata in (("tiff", None, True), ("bmp", 8, False)):
            asked = images.Writing(format, None, bits, metadata)
            out = tmp_path.with_name(f"of {format}")
            plan = plans.planned([tmp_path], out, writing=asked)
            folders.restore_all(_network(), plan.places, writing=asked)


def test_16_bits_of_8_are_what_the_network_computed(pictures, tmp_path):
    place = plans.Place(pictures / "colour.png", tmp_path / "out.tif")
    folders.restore_file(_network(), *place, writing=images.Writing(bits=16))
    restored = images.read(place.destination).values
    # Halves of 8 bits lie between these; float32 has 24.
    np.testing.assert_allclose(restored, PIXELS[..., :3] * (257 / 2), atol=0.51)
    assert np.unique(restored % 257).size > 1
    folders.restore_file(
        _network(),
        place.destination,
        tmp_path / "8.png",
        writing=images.Writing(bits=8),
    )
    eight = images.read(tmp_path / "8.png").values
    np.testing.assert_array_equal(eight, np.rint(restored / 2 / 257.0))


def test_a_jpeg_file_is_kept_to_in_16_bits_too(tmp_path):
    smooth = np.linspace(0, 255, 48).astype(np.uint8).reshape(1, 48, 1)
    smooth = np.repeat(np.repeat(smooth, 32, 0), 3, -1)
    images.encode(smooth, tmp_path / "in.jpg", quality=60)
    darker = _network(lambda x: x - 0.2)
    for name, bits in (("8.png", None), ("16.png", 16)):
        writing = images.Writing(bits=bits)
        place = tmp_path / "in.jpg", tmp_path / name
        assert folders.restore_file(darker, *place, confine=True, writing=writing)
    eight = images.read(tmp_path / "8.png").values.astype(float)
    deep = images.read(tmp_path / "16.png").values
    assert deep.dtype == np.uint16 and np.unique(deep % 257).size > 1
    np.testing.assert_allclose(deep / 257, eight, atol=0.51)
    assert np.abs(eight - images.decode(tmp_path / "in.jpg")).mean() < 0.1 * 255


def test_what_a_format_cannot_hold_is_skipped_before_it_is_restored(pictures, tmp_path):
    writing = images.Writing("jpeg", quality=90)
    plan = plans.planned([pictures], tmp_path / "out", writing=writing)
    assert plan.places["colour"].destination == tmp_path / "out" / "colour.jpg"
    seen = []
    watched = _network(lambda x: (seen.append(x.shape), x)[1])
    skipped = folders.restore_all(watched, plan.places, writing=writing)
    assert [*skipped] == ["clear", "text"] and len(seen) == 2
    assert skipped["clear"].endswith(
        "clear.png: JPEG keeps no alpha; write .png or .webp"
    )
    large = restorer.Restorer(lambda x: x, 2000, 1, "large")
    with pytest.raises(images.ImageError, match="24000x18000 px are more than WEBP"):
        folders.restore_file(large, pictures / "colour.png", tmp_path / "x.webp")


# Masks

HOLE = np.zeros((9, 12), bool)
HOLE[3:6, 4:9] = True


@pytest.fixture
def holes(tmp_path):
    """A folder with masks for two of the pictures, and one for none of them."""
    folder = tmp_path / "holes"
    (folder / "below").mkdir(parents=True)
    for name in ("colour.bmp", "below/grey.png", "other.png"):
        images.encode(HOLE[..., None].astype(np.uint8) * 255, folder / name)
    return folder


def _filling():
    return _network(lambda x: x[..., :3], takes=("rgb", "mask"))


def test_pictures_and_masks_belong_together_by_the_names_of_results(
    pictures, holes, tmp_path
):
    plan = plans.planned([pictures], tmp_path / "out")
    found, left_out = plans.masked(plan.places, holes)
    assert found == {
        "below/grey": holes / "below" / "grey.png",
        "colour": holes / "colour.bmp",
    }
    assert left_out == {"clear": "it has no mask", "text": "it has no mask"}
    places = {name: plan.places[name] for name in found}
    assert folders.restore_all(_filling(), places, masks=found) == {}
    for name, channels in (("below/grey", 1), ("colour", 3)):
        restored = images.decode_as_stored(places[name].destination)
        assert restored.shape == (9, 12, channels)
        np.testing.assert_array_equal(restored[~HOLE], PIXELS[~HOLE, :channels])
        assert (restored[HOLE] != PIXELS[HOLE, :channels]).any()


def test_a_mask_is_refused_that_is_not_there_or_is_one_for_several(
    pictures, holes, tmp_path
):
    several = plans.planned([pictures], tmp_path / "out").places
    with pytest.raises(errors.ConfigError, match="is one mask, and there are 4 images"):
        plans.masked(several, holes / "other.png")
    with pytest.raises(errors.NoInputError, match="give as `mask` a file, a folder"):
        plans.masked(several, holes / "none.png")
    one = plans.planned([pictures / "clear.png"], tmp_path / "out.png").places
    assert plans.masked(one, holes / "other.png")[0] == {"clear": holes / "other.png"}
    with pytest.raises(errors.NoInputError, match="no image has a partner"):
        plans.masked(one, holes)


@pytest.mark.parametrize("word", ["alpha", "opaque"])
def test_a_hole_in_alpha_is_filled_and_the_result_is_opaque(tmp_path, word):
    source, out = tmp_path / "in.png", tmp_path / "out.bmp"
    clear = HOLE if word == "alpha" else ~HOLE
    pixels = PIXELS.copy()
    pixels[..., 3] = np.where(clear, 0, 255)
    images.encode(pixels, source)
    plan = plans.planned([source], out)
    with pytest.raises(errors.UserError, match="keeps no alpha"):
        plans.outstanding(plan)
    places = plans.outstanding(plan, opaque=True).places
    found, _ = plans.masked(places, word)
    folders.restore_all(_filling(), places, masks=found)
    restored = images.decode_with_alpha(out)
    assert restored.shape == (9, 12, 3)
    np.testing.assert_array_equal(restored[~HOLE], PIXELS[~HOLE, :3])


def test_a_mask_that_does_not_fit_is_told_with_both_files(pictures, tmp_path):
    source, mask = pictures / "colour.png", tmp_path / "mask.png"
    restore = lambda where: folders.restore_file(
        _filling(), source, tmp_path / "out.png", mask=where
    )
    images.encode(np.zeros((9, 11, 1), np.uint8), mask)
    with pytest.raises(images.ImageError, match=r"colour\.png: .*mask\.png is 11x9 px"):
        restore(mask)
    images.encode(np.full((9, 12, 1), 255, np.uint8), mask)
    with pytest.raises(images.ImageError, match=r"mask\.png is white all over"):
        restore(mask)
    with pytest.raises(images.ImageError, match=r"colour\.png: it has no alpha"):
        restore("alpha")
    images.encode(np.where(HOLE, 200, 3).astype(np.uint8)[..., None], mask)
    with pytest.warns(errors.Notice, match=r"mask\.png has 108 px that are neither"):
        restore(mask)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_of_png_files_with_holes_all_16_bits_are_kept(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 12, 4), np.uint16)
    pixels = pixels[..., -channels:]
    source, mask = tmp_path / "in.png", tmp_path / "mask.png"
    images.encode(pixels, source)
    images.encode(HOLE[..., None].astype(np.uint8) * 255, mask)
    places = plans.planned([source], tmp_path / "out", into=True).places
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folders.restore_all(_filling(), places, masks={"in": mask})
    restored = images.read(tmp_path / "out" / "in.png").values
    assert restored.shape == pixels.shape
    np.testing.assert_array_equal(restored[~HOLE], pixels[~HOLE])
    assert (restored[HOLE, 0] != pixels[HOLE, 0]).any()
    with pytest.warns(errors.Notice, match="left behind is 16 bits"):
        out = plans.Place(source, tmp_path / "out.webp")
        folders.restore_all(_filling(), {"in": out}, masks={"in": mask})


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_file_of_16_bits_becomes_one_of_16_bits(tmp_path, channels):
    pixels = np.random.default_rng(0).integers(1, 65536, (9, 12, channels), np.uint16)
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    images.encode(pixels, source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folders.restore_all(_network(), {"in": plans.Place(source, out)})
    colors = channels - (channels in (2, 4))
    restored, expected = images.read(out).values, pixels.copy()
    halved = pixels[..., :colors] / 65535 / 2
    expected[..., :colors] = np.rint(halved * 65535)
    np.testing.assert_allclose(restored, expected, atol=1)
    assert np.unique(restored % 257).size > 1  # no 8 bits made wide
    with pytest.warns(errors.Notice, match="left behind is 16 bits"):
        place = plans.Place(source, tmp_path / "out.webp")
        folders.restore_all(_network(), {"in": place})


def test_what_jpeg_does_to_known_pixels_is_told(pictures, holes, tmp_path):
    words = (pictures / "colour.png", tmp_path / "out.jpg")
    with pytest.warns(errors.Notice, match="PNG keeps it"):
        folders.restore_file(_filling(), *words, mask=holes / "colour.bmp")
