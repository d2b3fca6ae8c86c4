import os
import re
import signal

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app, prior, progress
from jaxrestore.prior import deep_image, pictures

RUNNER = CliRunner()


def run(*words):
    return RUNNER.invoke(app.app, ["restore", *map(str, words)])


@pytest.fixture
def picture(tmp_path):
    """A file of a grey picture."""
    path = tmp_path / "in.png"
    images.encode(np.full((4, 6, 1), 90, np.uint8), path)
    return path


@pytest.fixture
def fitted(monkeypatch):
    """Fits of two intervals that give 10 and 20, and end when they are asked to."""
    calls = []

    def restore_picture(picture, *, progress, **options):
        calls.append(options)
        for index in (1, 2):
            made = np.full_like(picture, 10 * index)
            if progress(pictures.Now(50 * index, 3000, made)):
                return pictures.Restored(made, 50 * index, "asked")
        return pictures.Restored(made, 100, "rule")

    class Filling:
        def __init__(self, **options):
            calls.append(options)
            self.results, self.error = [], calls[0].get("error")

        def __call__(self, colors, mask):
            calls.append({"mask": mask[0, ..., 0] > 0})
            made = np.full_like(colors, 0.5)
            for index in (1, 2):
                shown = np.full((2, 2, 3), 9, np.uint8)
                part = len(self.results) + 1
                calls[0]["progress"](pictures.Now(50 * index, 3000, shown, part))
            self.results.append(deep_image.Result(made, [150], ["rule"]))
            return made

    monkeypatch.setattr(pictures, "restore_picture", restore_picture)
    monkeypatch.setattr(pictures, "Filling", Filling)
    return calls


def test_a_picture_is_restored_and_its_iterations_are_said(picture, fitted, tmp_path):
    preview = tmp_path / "now.png"
    done = run(
        picture, "-o", tmp_path / "out.png", "--prior", "jpeg", "--preview", preview
    )
    assert done.exit_code == 0, done.exception
    assert "out.png: the fit ended by itself; this is iteration 100" in done.output
    assert (images.decode_as_stored(tmp_path / "out.png") == 20).all()
    assert (images.decode_as_stored(preview) == 20).all()
    assert fitted[0]["task"] == "jpeg" and fitted[0]["iterations"] == "auto"


def test_the_options_reach_the_fit(picture, fitted, tmp_path):
    mask = tmp_path / "mask.png"
    lost = np.array([[0, 255, 0, 0, 255, 0]] * 4, np.uint8)
    images.encode(lost[..., None].repeat(3, -1), mask)
    words = ("--prior", "inpaint", "--mask", mask, "--iterations", 250)
    done = run(picture, "-o", tmp_path / "out.png", *words)
    assert "the fit ended by itself; this is iteration 150" in done.output
    np.testing.assert_array_equal(fitted[1]["mask"], lost > 0)
    assert fitted[0]["iterations"] == 250
    words = ("--prior", "sr", "--scale", 2)
    assert run(picture, "-o", tmp_path / "large.png", *words).exit_code == 0
    assert fitted[-1]["task"] == "sr" and fitted[-1]["scale"] == 2


def test_sixteen_bits_of_a_picture_with_a_hole_are_kept(fitted, tmp_path):
    image = np.full((4, 6, 3), 40_001, np.uint16)
    images.encode(image, tmp_path / "in.png")
    images.encode(np.eye(4, 6, dtype=np.uint8)[..., None] * 255, tmp_path / "hole.png")
    words = ("--prior", "inpaint", "--mask", tmp_path / "hole.png")
    done = run(tmp_path / "in.png", "-o", tmp_path / "out.png", *words)
    assert done.exit_code == 0, done.exception
    kept = images.read(tmp_path / "out.png").values
    np.testing.assert_array_equal(kept[~np.eye(4, 6, dtype=bool)], 40_001)


def test_each_part_of_a_large_picture_is_filled_and_counted(fitted, tmp_path):
    images.encode(np.full((40, 900, 1), 90, np.uint8), tmp_path / "in.png")
    lost = np.zeros((40, 900, 1), np.uint8)
    lost[10:20, 10:20] = lost[10:20, 850:860] = 255
    images.encode(lost, tmp_path / "hole.png")
    words = ("--prior", "inpaint", "--mask", tmp_path / "hole.png")
    done = run(tmp_path / "in.png", "-o", tmp_path / "out.png", *words)
    assert done.exit_code == 0, done.exception
    assert "2 parts to fill" in done.output
    assert "2 of 2 parts of its holes filled; of the last the fit" in done.output
    nothing = ("--mask", tmp_path / "hole.png", "--skip-existing")
    again = run(tmp_path / "in.png", "-o", tmp_path / "out.png", *words[:2], *nothing)
    assert again.exit_code == 0, again.exception


def test_a_fit_of_holes_that_goes_bad_leaves_its_picture(fitted, tmp_path, picture):
    fitted.append({"error": deep_image.FitError("it diverged"), "progress": print})
    images.encode(np.eye(4, 6, dtype=np.uint8)[..., None] * 255, tmp_path / "hole.png")
    words = ("--prior", "inpaint", "--mask", tmp_path / "hole.png")
    done = run(picture, "-o", tmp_path / "out.png", *words)
    said = (
        "it diverged; the picture until then, 1 of 1 parts of its holes filled, is in"
    )
    assert said in str(done.exception)
    assert images.decode_as_stored(tmp_path / "out.png").shape == (4, 6, 1)


def test_what_a_file_loses_is_told(fitted, tmp_path):
    image = np.full((4, 6, 3), 90, np.uint8)
    Image.fromarray(image.astype(np.uint8)[..., 0] / np.float32(255)).save(
        tmp_path / "in.png", "TIFF"
    )
    images.encode(np.eye(4, 6, dtype=np.uint8)[..., None] * 255, tmp_path / "hole.png")
    words = ("--prior", "inpaint", "--mask", tmp_path / "hole.png")
    with (
        pytest.warns(errors.Notice, match="held is written; left behind is 32 bits"),
        pytest.warns(errors.Notice, match="is a JPEG file, in which what was known"),
    ):
        run(tmp_path / "in.png", "-o", tmp_path / "out.jpg", *words)


@pytest.mark.filterwarnings("ignore:.*is a JPEG file")
def test_a_hole_may_be_what_is_transparent(fitted, tmp_path):
    image = np.full((4, 6, 4), 255, np.uint8)
    image[1:3, 2:4, 3] = 0
    images.encode(image, tmp_path / "in.png")
    words = ("--prior", "inpaint", "--mask", "alpha")
    assert run(tmp_path / "in.png", "-o", tmp_path / "out.jpg", *words).exit_code == 0
    np.testing.assert_array_equal(fitted[1]["mask"], image[..., 3] == 0)


def test_an_interrupt_ends_the_fit_with_what_there_is(
    picture, monkeypatch, fitted, tmp_path
):
    fit = pictures.restore_picture

    def interrupted(picture, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return fit(picture, **options)

    monkeypatch.setattr(pictures, "restore_picture", interrupted)
    before = signal.getsignal(signal.SIGINT)
    done = run(picture, "-o", tmp_path / "out.png", "--prior", "denoise")
    assert "the fit was interrupted; this is iteration 50" in done.output
    assert (images.decode_as_stored(tmp_path / "out.png") == 10).all()
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_folder_a_bad_file_is_skipped_and_an_interrupted_fit_is_not_recorded(
    picture, monkeypatch, fitted, tmp_path
):
    fit, given = pictures.restore_picture, tmp_path / "given"
    given.mkdir()
    for name in ("a", "b", "c"):
        (given / f"{name}.png").write_bytes(picture.read_bytes())
    (given / "b.png").write_text("no picture")

    def interrupted(picture, **options):
        if len(fitted) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return fit(picture, **options)

    monkeypatch.setattr(pictures, "restore_picture", interrupted)
    words = (given, "-o", tmp_path / "out", "--prior", "denoise")
    done = run(*words)
    assert isinstance(done.exception, errors.PartialError)
    assert "1 skipped:\n  b: " in str(done.exception) and "2 images in" in done.output
    again = run(*words)  # of c alone nobody knows what it was made of
    assert "c.png exists; give another place" in str(again.exception)


def test_another_prior_is_not_taken_for_the_one_before(picture, fitted, tmp_path):
    words = (picture, "-o", f"{tmp_path / 'out'}/", "--prior")
    assert run(*words, "denoise").exit_code == 0
    assert "1 more were there" in run(*words, "denoise").output
    other = run(*words, "jpeg")
    assert "its options were other ones" in str(other.exception)
    assert run(*words, "jpeg", "--overwrite").exit_code == 0
    assert [call["task"] for call in fitted] == ["denoise", "jpeg"]


def test_the_best_picture_before_an_error_is_written(picture, monkeypatch, tmp_path):
    def restore_picture(picture, **options):
        error = deep_image.FitError("it diverged")
        error.result = pictures.Restored(np.full_like(picture, 7), 150, "")
        raise error

    monkeypatch.setattr(pictures, "restore_picture", restore_picture)
    done = run(picture, "-o", tmp_path / "out.png", "--prior", "denoise")
    assert isinstance(done.exception, errors.TrainingError)
    assert "it diverged; the best picture until then, of iteration 150, is in" in str(
        done.exception
    )
    assert (images.decode_as_stored(tmp_path / "out.png") == 7).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prior", "blur"), "no task 'blur'"),
        (("--prior", "denoise", "--iterations", "soon"), "--iterations is 'soon'"),
        (("--prior", "denoise", "--task", "jpeg"), "give one of .* --prior NAME"),
        (("--prior", "inpaint"), "give --mask, white there"),
        (("--prior", "denoise", "--mask", "alpha"), "denoise has none"),
        (("--prior", "jpeg", "--scale", 2), "--scale is of sr"),
        (("--prior", "denoise", "--level", 25), "--level: of networks alone"),
        (("--task", "jpeg", "--scale", 2), "--scale: of --prior alone"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_options(picture, tmp_path, words, said):
    done = run(picture, "-o", tmp_path / "out.png", *words)
    assert isinstance(done.exception, errors.ConfigError)
    assert re.search(said, str(done.exception))


def test_a_preview_that_exists_is_not_replaced_unasked(picture, fitted, tmp_path):
    words = ("-o", tmp_path / "out.png", "--prior", "denoise", "--preview", picture)
    done = run(picture, *words)
    assert isinstance(done.exception, errors.ConfigError)
    assert re.search(r"exists.*--overwrite", str(done.exception))
    assert not fitted


def test_the_line_of_a_part_counts_it_and_has_a_clock_of_its_own(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "line", lines.append)
    told = prior._progress("x", 2, None, [])
    for part, iteration in ((1, 50), (1, 100), (2, 50)):
        picture = np.zeros((1, 1, 3), np.uint8)
        assert not told(pictures.Now(iteration, 100, picture, part))
    assert lines[0] == "x, part 1 of 2: iteration 50 of at most 100"
    assert "left at most" in lines[1]
    assert lines[2] == "x, part 2 of 2: iteration 50 of at most 100"
