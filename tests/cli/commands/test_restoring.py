import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app, options
from jaxrestore.inference import restorer

RUNNER = CliRunner()


def run(*words):
    return RUNNER.invoke(app.app, [*map(str, words)])


def test_help_gathers_options_by_what_they_are_for():
    told = run("restore", "--help").output
    groups = (options.BY_WHAT, options.HOW, options.PRIOR, options.WRITTEN)
    parts = re.split("|".join(f" {re.escape(name)} ─" for name in groups), told)
    firsts = ("--output", "--checkpoint", "--confine", "--scale", "--format")
    for part, first in zip(parts, firsts, strict=True):
        assert re.findall(r"--[a-z-]+", part)[0] == first


@pytest.mark.parametrize("of", ["--task", "--weights"])
def test_a_picture_is_restored_by_task_or_by_file(shelf, pictures, tmp_path, of):
    source, out = pictures / "colour.png", tmp_path / "out.png"
    network = "jpeg" if of == "--task" else shelf / "jpeg.safetensors"
    result = run("restore", source, "-o", out, of, network)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(images.decode(out), images.decode(source))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one of --checkpoint"),
        (("--task", "jpeg", "--weights", "x"), "give one of --checkpoint"),
        (("--task", "jpeg", "--step", "3"), "give --checkpoint with it"),
        (
            ("--task", "deblur"),
            "there is denoise, inpaint, jpeg, photo, pixel_shuffle, sr_x2, sr_x4.",
        ),
        (("--task", "jpeg", "--level", "25"), "leave --level out"),
    ],
)
def test_what_cannot_be_meant_is_told(shelf, pictures, tmp_path, words, message):
    out = tmp_path / "out.png"
    result = run("restore", pictures / "colour.png", "-o", out, *words)
    assert isinstance(result.exception, errors.ConfigError)
    assert message in str(result.exception) and not out.exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("out", "out.png, or "),
        ("out.gif", "no image format for the suffix '.gif'"),
        ("no/out.png", "its folder does not exist"),
        ("pictures/colour.png", "exists; give another place"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_a_network_is_sought(
    pictures, tmp_path, out, message
):
    before = (pictures / "colour.png").read_bytes()
    words = ("restore", pictures / "colour.png", "-o", tmp_path / out)
    result = run(*words, "--checkpoint", tmp_path)
    assert isinstance(result.exception, errors.UserError)
    assert message in str(result.exception)
    assert (pictures / "colour.png").read_bytes() == before


def test_a_file_that_is_no_image_is_told_before_a_network_is_sought(tmp_path):
    missing, out = tmp_path / "missing.png", tmp_path / "out.png"
    result = run("restore", missing, "-o", out, "--checkpoint", tmp_path)
    assert isinstance(result.exception, images.ImageError)


def test_the_level_reaches_the_network(halving, pictures, tmp_path):
    halving(lambda x: np.repeat(x[..., 3:], 3, -1), takes=("rgb", "level"))
    words = ("restore", pictures / "colour.png", "-o", tmp_path / "out.png")
    result = run(*words, "--weights", "x")
    assert "must be told how noisy" in str(result.exception)
    result = run(*words, "--weights", "x", "--level", "25")
    assert result.exit_code == 0
    assert (images.decode(tmp_path / "out.png") == 25).all()


@pytest.mark.parametrize("colors", ["gray", "rgb"])
def test_a_grey_file_stays_grey(halving, pictures, tmp_path, colors):
    halving(takes=(colors,))
    out = tmp_path / "out.png"
    result = run(
        "restore", pictures / "below" / "grey.png", "-o", out, "--weights", "x"
    )
    assert result.exit_code == 0
    with Image.open(out) as picture:
        assert picture.mode == "L"


def test_of_an_animated_file_a_frame_is_taken(halving, pictures, tmp_path):
    frames = [Image.new("L", (9, 12), 100 * n) for n in range(3)]
    source, out = pictures / "x.gif", tmp_path / "out"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    words = ("restore", source, "-o", tmp_path / "out.png", "--weights", "x")
    assert "3 frames, expected one" in str(run(*words).exception)
    assert str(run(*words).exception).endswith("or give --frame, 0 for the first")
    assert run(*words, "--frame", 2).exit_code == 0
    assert (images.decode(tmp_path / "out.png") == 100).all()
    words = ("restore", pictures, "-o", out, "--weights", "x")
    assert "or give --frame, 0" in str(run(*words).exception)
    result = run(*words, "--frame", 1, "--overwrite")
    assert "x.png" in {path.name for path in out.iterdir()}
    assert "--frame is 1, and it holds 1 frame" in str(
        result.exception
    )  # of the others


def test_all_pictures_below_a_folder_are_restored(halving, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("restore", pictures, "-o", out, "--weights", "x")
    result = run(*words)
    assert result.exit_code == 0 and f"2 images in {out}: 0.000216 MP" in result.output
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.png")} == {
        "colour.png",
        "below/grey.png",
    }
    before, after = (images.decode(f / "colour.png") for f in (pictures, out))
    np.testing.assert_allclose(after, before / 2, atol=0.51)
    # Files that exist are kept, unless it is said.
    (out / ".jaxrestore.jsonl").unlink()
    again = run(*words)
    assert "--overwrite to replace them" in str(again.exception)
    assert run(*words, "--overwrite").exit_code == 0


def test_a_number_of_no_use_is_told_before_a_folder_is_begun(
    halving, pictures, tmp_path
):
    words = ("restore", pictures, "-o", tmp_path / "out", "--weights", "x")
    for option, number in (("--strength", "2"), ("--level", "25")):
        result = run(*words, option, number)
        assert option in str(result.exception)
        assert "restoring" not in result.output


def test_what_cannot_be_read_is_skipped_and_named(halving, pictures, tmp_path):
    (pictures / "text.png").write_text("no picture")
    out = tmp_path / "out"
    result = run("restore", pictures, "-o", out, "--weights", "x")
    assert isinstance(result.exception, errors.PartialError)
    assert "1 skipped:\n  text: " in str(result.exception)
    assert "2 images in" in result.output and (out / "colour.png").exists()


def test_a_folder_of_which_nothing_can_be_read_is_no_input(halving, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "text.png").write_text("no picture")
    (folder / "more.png").write_text("no picture")
    result = run("restore", folder, "-o", tmp_path / "out", "--weights", "x")
    assert isinstance(result.exception, errors.NoInputError)


def test_a_run_that_was_stopped_goes_on(halving, pictures, tmp_path):
    words = ("restore", pictures, "-o", tmp_path / "out", "--weights", "x")
    assert run(*words).exit_code == 0
    kept = tmp_path / "out" / "colour.png"
    kept.write_text("as it was")
    (tmp_path / "out" / "below" / "grey.png").unlink()
    with pytest.warns(errors.Notice, match="colour: it was changed after it was made"):
        again = run(*words, "--skip-existing")
    assert again.exit_code == 0 and kept.read_text() == "as it was"
    assert "1 image in" in again.output and "1 more were there" in again.output
    (tmp_path / "out" / ".jaxrestore.jsonl").unlink()
    with pytest.warns(errors.Notice, match="nothing tells what it was made of"):
        assert "0 images in" in run(*words, "--skip-existing").output
    one = ("restore", pictures / "colour.png", "-o", kept, "--weights", "x")
    assert f"{kept} was there" in run(*one, "--skip-existing").output
    both = run(*words, "--skip-existing", "--overwrite")
    assert "--overwrite replaces what --skip-existing keeps" in str(both.exception)


def test_tiles_may_have_another_side(pictures, tmp_path, monkeypatch):
    shapes = []

    def apply(images):
        shapes.append(images.shape[1:3])
        return images

    network = restorer.Restorer(apply, 1, 1, "stand_in")
    monkeypatch.setattr(restorer, "load_weights", lambda _: network)
    words = ("restore", pictures / "colour.png", "-o", tmp_path / "out.png")
    result = run(*words, "--weights", "x", "--tile", 200)
    assert result.exit_code == 0, result.output
    assert shapes == [(12, 12)]  # no larger than the picture
    run(*words, "--weights", "x", "--ensemble", "--overwrite")
    assert len(shapes) == 1 + 8
    assert "--tile: of networks alone" in str(
        run(*words, "--prior", "denoise", "--tile", 200, "--overwrite").exception
    )


def test_files_are_restored_into_a_folder(halving, pictures, tmp_path):
    out = tmp_path / "out"
    result = run("restore", pictures / "colour.png", "-o", f"{out}/", "--weights", "x")
    assert result.exit_code == 0 and (out / "colour.png").is_file()
    both = (pictures / "colour.png", pictures / "below" / "grey.png")
    words = ("restore", *both, "-o", out, "--weights", "x", "--overwrite")
    assert f"1 image in {out}, 1 more were there" in run(*words).output
    named = run("restore", pictures, "-o", tmp_path / "o.png", "--weights", "x")
    assert "is called like a file" in str(named.exception)


@pytest.mark.filterwarnings("always")
def test_what_is_left_out_of_a_folder_is_named(halving, pictures, tmp_path):
    for index in range(11):
        (pictures / f"{index:02}.heic").write_text("no picture")
    with pytest.warns(errors.Notice, match=r"(?s)11 left out:.*00\.heic.*and 1 more"):
        result = run("restore", pictures, "-o", tmp_path / "out", "--weights", "x")
    assert result.exit_code == 0


def test_the_limit_of_pixels_can_be_raised(halving, pictures, tmp_path):
    words = ("restore", pictures / "colour.png", "-o", tmp_path / "a.png")
    result = run(*words, "--weights", "x", "--max-pixels", "100")
    assert "12x9 is more than --max-pixels, 100" in str(result.exception)
    assert run(*words, "--weights", "x", "--max-pixels", "108").exit_code == 0


def test_restored_pictures_are_not_put_among_their_sources(halving, pictures):
    result = run("restore", pictures, "-o", pictures / "out", "--weights", "x")
    assert isinstance(result.exception, errors.ConfigError)
    assert not (pictures / "out").exists()


@pytest.fixture
def filling(halving):
    """Every file of weights is a network that takes a mask and changes nothing."""
    halving(lambda x: x[..., :3], takes=("rgb", "mask"))


def _mask(path, height=9, width=12):
    hole = np.zeros((height, width, 1), np.uint8)
    hole[2:5, 3:8] = 255
    path.parent.mkdir(exist_ok=True)
    images.encode(hole, path)
    return path, hole[..., 0] > 0


def test_a_hole_is_filled_where_a_mask_is_white(filling, pictures, tmp_path):
    source, out = pictures / "colour.png", tmp_path / "out.png"
    mask, hole = _mask(tmp_path / "mask.png")
    words = ("restore", source, "-o", out, "--weights", "x")
    assert "give --mask" in str(run(*words).exception)
    result = run(*words, "--mask", mask)
    assert result.exit_code == 0, result.output
    before, after = images.decode(source), images.decode(out)
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()


def test_masks_of_a_folder_belong_to_pictures_of_their_name(
    filling, pictures, tmp_path
):
    masks, out = tmp_path / "masks", tmp_path / "out"
    _mask(masks / "colour.png")
    words = ("restore", pictures, "-o", out, "--weights", "x", "--mask")
    result = run(*words, tmp_path / "none")
    assert "give as --mask a file, a folder" in str(result.exception)
    result = run(*words, masks)
    assert isinstance(result.exception, errors.PartialError)
    assert "1 skipped:\n  below/grey: it has no mask" in str(result.exception)
    assert "1 image in" in result.output and [*out.rglob("*.png")] == [
        out / "colour.png"
    ]


def test_a_hole_may_stand_in_the_alpha_of_a_picture(filling, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 4), np.uint8)
    _, hole = _mask(tmp_path / "mask.png")
    pixels[..., 3] = np.where(hole, 0, 255)
    images.encode(pixels, tmp_path / "in.png")
    words = ("restore", tmp_path / "in.png", "-o", tmp_path / "out.jpg", "--weights")
    with pytest.warns(errors.Notice, match="PNG keeps it"):
        result = run(*words, "x", "--mask", "alpha")
    assert result.exit_code == 0, result.output
    assert images.decode_with_alpha(tmp_path / "out.jpg").shape == (9, 12, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "jpeg"), "jpeg takes an image and no mask; leave --mask out"),
        (("--weights", "x", "--strength", "1"), "leave --strength out where a --mask"),
        (("--weights", "x", "--confine"), "leave --confine out where a --mask"),
    ],
)
def test_what_has_no_sense_beside_a_mask_is_told(
    shelf, pictures, tmp_path, monkeypatch, words, message
):
    if "--weights" in words:
        network = restorer.Restorer(lambda x: x, 1, 1, "stand_in", ("rgb", "mask"))
        monkeypatch.setattr(restorer, "load_weights", lambda _: network)
    mask, _ = _mask(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    picture = pictures / "colour.png"
    result = run("restore", picture, "-o", out, "--mask", mask, *words)
    assert isinstance(result.exception, errors.ConfigError)
    assert message in str(result.exception) and not out.exists()


# The networks that ship


def test_a_folder_of_pictures_is_not_put_in_a_file(halving, pictures, tmp_path):
    (tmp_path / "taken").write_text("mine")
    result = run("restore", pictures, "-o", tmp_path / "taken", "--weights", "x")
    assert "is a file" in str(result.exception)
    assert (tmp_path / "taken").read_text() == "mine"


# How results are written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x.tif", "--quality", 90), "--quality is of JPEG, WebP and AVIF, and TIFF"),
        (("x.png", "--format", "jpeg"), "like a file of PNG, and --format is jpeg"),
        (("x.jpg", "--bit-depth", 16), "--bit-depth 16 is of PNG and TIFF, and JPEG"),
        (("x.png", "--bit-depth", 12), "--bit-depth is 12; it is 8 or 16"),
        (("x.jpg", "--quality", 0), "--quality is 0; it is 1 to 100"),
        (("out/", "--quality", 90), "--quality is of JPEG, WebP and AVIF, and PNG"),
        (("out/", "--format", "gif"), "--format is 'gif'; there are avif, bmp, jpeg,"),
        (("out/", "--format", "bmp", "--bit-depth", 16), "and BMP holds 8"),
    ],
)
def test_what_does_not_go_together_is_told_before_a_network_is_sought(
    pictures, tmp_path, words, message
):
    where, *words = words
    words = ("-o", f"{tmp_path}/{where}", "--checkpoint", tmp_path, *words)
    result = run("restore", pictures / "colour.png", *words)
    assert isinstance(result.exception, errors.ConfigError)
    assert message in str(result.exception)
    assert [*tmp_path.iterdir()] == [pictures]


def test_results_have_the_format_that_is_asked_for(halving, pictures, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    deep = np.full((4, 6), 40_001, np.uint16)
    Image.fromarray(deep).save(pictures / "deep.png", exif=exif, dpi=(300, 300))
    for format, suffix, more in [
        ("webp", "webp", ("--quality", "30", "--bit-depth", "8")),
        ("tiff", "tif", ("--bit-depth", "16", "--strip-metadata")),
        ("tiff", "tif", ()),
    ]:
        out = tmp_path / f"of {format}"
        words = ("--weights", "x", "--format", format, *more, "--overwrite")
        result = run("restore", pictures, "-o", out, *words)
        assert result.exit_code == 0, result.output
        written = {path.relative_to(out).as_posix() for path in out.rglob("*.*[fp]")}
        assert written == {f"{n}.{suffix}" for n in ("colour", "deep", "below/grey")}
        bits = [images.read(out / f"{n}.{suffix}").bits for n in ("deep", "colour")]
        made = images.read(out / f"deep.{suffix}")
        if format == "webp":
            assert bits == [8, 8]
            lossless = images.encoded(images.decode(out / "colour.webp"), ".webp")
            assert (out / "colour.webp").stat().st_size < len(lossless)
        elif more:
            assert bits == [16, 16] and made.metadata == images.Metadata()
        else:
            assert bits == [16, 8] and made.values.max() == 20_000
            assert b"a camera" in made.metadata.exif
            assert np.allclose(made.metadata.dpi or 0, 300, atol=0.01)
