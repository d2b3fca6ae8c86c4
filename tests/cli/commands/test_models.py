import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from jaxrestore import errors, images, networks
from jaxrestore.cli.commands import models
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.inference import restorer, shipped
from jaxrestore.weights import weight_files

RUNNER = CliRunner()
GENERATOR = {"name": "fcn", "width": 4, "blocks": 1}


def run(*words):
    return RUNNER.invoke(models.commands, [*map(str, words)])


def _scores(psnr):
    return {"psnr": psnr, "ssim": 0.5}


def _judge(degradation, restorers, pictures):
    found = {name: _scores(30.0) for name in restorers}
    return {"input": _scores(20.0), **found}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Folder of shipped weights with a network for JPEG that does nothing."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(shipped, "_folder", lambda: folder)
    monkeypatch.setattr(shipped_scores, "judge", _judge)
    model = networks.build("Generator", GENERATOR)
    init = lambda images: model.init(jax.random.key(0), images, train=False)
    shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, 3)))
    both = _judge({}, ("classical", "ours"), "")
    rows = [{"level": level, **both} for level in shipped.task("jpeg").cases]
    rows[2]["ours"] = _scores(30.01)
    card = {
        "generator": GENERATOR,
        "task": "jpeg",
        "scale": 1,
        "colors": "rgb",
        "inputs": 3,
        "statistics": "eval",
        "license": "CC0-1.0",
        "scores": rows,
    }
    nothing = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    weight_files.write(folder / "jpeg.safetensors", nothing, card)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of a colour and a grey picture and of a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    images.encode(pixels, folder / "colour.png")
    images.encode(pixels[..., :1], folder / "below" / "grey.png")
    return folder


@pytest.fixture
def halving(monkeypatch):
    """Every file of weights is a network that halves: `halving(takes=("gray",))`."""

    def make(apply=lambda x: x / 2, **options):
        network = restorer.Restorer(apply, 1, 1, "stand_in", **options)
        monkeypatch.setattr(restorer, "load_weights", lambda _: network)

    make()
    return make


# Restoring


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
        (("--task", "deblur"), "there is denoise, jpeg, photo, pixel_shuffle."),
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
        ("out", "no image format for the suffix ''"),
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


def test_all_pictures_below_a_folder_are_restored(halving, pictures, tmp_path):
    out = tmp_path / "out"
    words = ("restore", pictures, "-o", out, "--weights", "x")
    result = run(*words)
    assert result.exit_code == 0 and f"2 images in {out}" in result.output
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.png")} == {
        "colour.png",
        "below/grey.png",
    }
    before, after = (images.decode(f / "colour.png") for f in (pictures, out))
    np.testing.assert_allclose(after, before / 2, atol=0.51)
    # Files that exist are kept, unless it is said.
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
    again = run(*words, "--skip-existing")
    assert again.exit_code == 0 and kept.read_text() == "as it was"
    assert "1 image in" in again.output and "1 more were there" in again.output
    assert "0 images in" in run(*words, "--skip-existing").output
    both = run(*words, "--skip-existing", "--overwrite")
    assert "--overwrite replaces what --skip-existing keeps" in str(both.exception)


def test_files_are_restored_into_a_folder(halving, pictures, tmp_path):
    out = tmp_path / "out"
    result = run("restore", pictures / "colour.png", "-o", f"{out}/", "--weights", "x")
    assert result.exit_code == 0 and (out / "colour.png").is_file()
    both = (pictures / "colour.png", pictures / "below" / "grey.png")
    words = ("restore", *both, "-o", out, "--weights", "x", "--overwrite")
    assert "2 images in" in run(*words).output
    named = run("restore", pictures, "-o", tmp_path / "o.png", "--weights", "x")
    assert "is called like a file" in str(named.exception)


@pytest.mark.filterwarnings("always")
def test_what_is_left_out_of_a_folder_is_named(halving, pictures, tmp_path):
    for index in range(11):
        (pictures / f"{index:02}.avif").write_text("no picture")
    with pytest.warns(errors.Notice, match=r"(?s)11 left out:.*00\.avif.*and 1 more"):
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
        (("--task", "inpaint"), "no network is shipped for the task 'inpaint' yet"),
        (("--task", "inpaint"), "take the --weights or the --checkpoint of a network"),
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


def test_the_list_says_what_ships_and_how_large_it_is(shelf):
    result = run("models", "list")
    assert result.exit_code == 0, result.output
    headings, row = result.output.splitlines()
    assert headings.split() == ["name", "task", "architecture", "parameters", "size"]
    # Kernels of 3x3 and biases: 3 to 4 channels, three times 4 to 4, 4 to 3.
    assert row.split()[:4] == ["jpeg", "jpeg", "fcn", f"{112 + 3 * 148 + 111}"]
    assert row.endswith(" MB")


@pytest.mark.parametrize("scores", [5, [[]], [{"level": 10}]])
def test_scores_that_are_none_are_told(shelf, scores):
    place = shelf / "jpeg.json"
    card = json.loads(place.read_text()) | {"scores": scores}
    place.write_text(json.dumps(card))
    result = run("models", "info", "jpeg")
    assert isinstance(result.exception, errors.NoInputError)


def test_a_folder_of_pictures_is_not_put_in_a_file(halving, pictures, tmp_path):
    (tmp_path / "taken").write_text("mine")
    result = run("restore", pictures, "-o", tmp_path / "taken", "--weights", "x")
    assert "is a file" in str(result.exception)
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_card_is_shown_by_name_and_by_file(shelf):
    by_name = run("models", "info", "jpeg")
    assert by_name.exit_code == 0
    assert "license: CC0-1.0" in by_name.output
    assert "generator: name fcn, width 4, blocks 1" in by_name.output
    assert "20.00 / 0.5000" in by_name.output and "quality" in by_name.output
    assert run("models", "info", shelf / "jpeg.safetensors").output == by_name.output
    unknown = run("models", "info", "jpg")
    assert "did you mean 'jpeg'" in str(unknown.exception)


def test_of_earlier_trainings_their_beginnings_are_shown():
    lines = run("models", "info", "photo").output.splitlines()
    (earlier,) = [line for line in lines if line.startswith("earlier: ")]
    assert earlier.count("SHA-256") == len(shipped.card("photo")["earlier"])
    assert "degradation" not in earlier


def test_scores_as_on_the_card_are_verified_and_shown(shelf):
    result = run("models", "verify")
    assert result.exit_code == 0, result.output
    assert "jpeg: as its card says" in result.output
    assert result.output.count("30.00 / 0.5000") == 2 * len(shipped.task("jpeg").cases)


def test_other_scores_than_the_card_s_end_in_a_mismatch(shelf):
    place = shelf / "jpeg.json"
    card = json.loads(place.read_text())
    card["scores"][1]["ours"]["psnr"] = 30.03
    place.write_text(json.dumps(card))
    result = run("models", "verify", "jpeg")
    assert isinstance(result.exception, errors.MismatchError)
    assert "jpeg at 20: psnr of ours is 30.0, its card has 30.03" in str(
        result.exception
    )
    assert "jpeg: differs" in result.output


def test_weights_with_another_hash_end_in_a_mismatch(shelf):
    place = shelf / "jpeg.safetensors"
    place.write_bytes(place.read_bytes()[:-1] + b"\1")
    result = run("models", "verify")
    assert isinstance(result.exception, errors.MismatchError)
    assert "SHA-256" in str(result.exception)


def test_without_weights_the_commands_say_so(shelf):
    for file in shelf.iterdir():
        file.unlink()
    for command in ("list", "verify"):
        result = run("models", command)
        assert "holds no weights" in str(result.exception)
