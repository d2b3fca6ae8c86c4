import io
import os
import signal
import sys
import tempfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app, streams
from jaxrestore.inference import restorer

RUNNER = CliRunner()
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)


@pytest.fixture(autouse=True)
def inverting(monkeypatch):
    """Every file of weights is a network that inverts."""
    network = restorer.Restorer(lambda x: 1 - x, 1, 1, "stand_in")
    monkeypatch.setattr(restorer, "load_weights", lambda _: network)


def run(*words, given=None):
    words = ["restore", *map(str, words), "--weights", "x"]
    return RUNNER.invoke(app.app, words, input=given)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".png", "PNG"),
        (".webp", "WEBP"),
        (".bmp", "BMP"),
        (".tif", "TIFF"),
        (".jpg", "JPEG"),
        (".avif", "AVIF"),
    ],
)
def test_a_picture_goes_from_stream_to_stream_in_its_format(suffix, kind):
    result = run("-", "-o", "-", given=images.encoded(PIXELS, suffix))
    assert result.exit_code == 0, result.exception
    with Image.open(io.BytesIO(result.stdout_bytes)) as picture:
        assert picture.format == kind
    if suffix not in (".jpg", ".avif"):
        np.testing.assert_array_equal(images.decode(result.stdout_bytes), 255 - PIXELS)


def test_what_is_not_written_becomes_png_and_a_file_may_stand_at_either_end(tmp_path):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "GIF")
    result = run("-", "-o", "-", given=file.getvalue())
    assert result.stdout_bytes.startswith(b"\x89PNG")
    source, out = tmp_path / "in.webp", tmp_path / "out.png"
    images.encode(PIXELS, source)
    assert run(source, "-o", "-").stdout_bytes.startswith(b"RIFF")
    assert run("-", "-o", out, given=source.read_bytes()).exit_code == 0
    np.testing.assert_array_equal(images.decode(out), 255 - PIXELS)


def test_a_stream_has_the_format_that_is_asked_for():
    given = images.encoded(PIXELS, ".png")
    result = run("-", "-o", "-", "--format", "tiff", "--bit-depth", "16", given=given)
    assert result.stdout_bytes.startswith(b"II*")
    found = images.read(result.stdout_bytes).values
    np.testing.assert_array_equal(found, (255 - PIXELS.astype(np.uint16)) * 257)


def test_all_else_that_is_told_goes_to_the_standard_error(tmp_path):
    truth = tmp_path / "truth.png"
    images.encode(PIXELS, truth)
    given = images.encoded(PIXELS, ".png")
    result = run("-", "-o", "-", "--reference", truth, given=given)
    np.testing.assert_array_equal(images.decode(result.stdout_bytes), 255 - PIXELS)
    assert "psnr" in result.stderr and "the standard output: " in result.stderr


@pytest.mark.filterwarnings("ignore:images are written")
def test_messages_name_the_stream():
    result = run("-", "-o", "-", given=b"no picture")
    assert isinstance(result.exception, errors.ImageError)
    assert str(result.exception).startswith("the standard input: this is no PNG")
    assert not result.stdout_bytes
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG", icc_profile=b"broken")
    with pytest.warns(errors.Notice, match="^the standard input: "):
        told = run("-", "-o", "-", given=file.getvalue()).stderr
    assert told.startswith("the standard output: ")


def test_a_stream_that_is_stopped_leaves_no_picture_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def stopped(images):
        assert [*tmp_path.iterdir()]
        os.kill(os.getpid(), signal.SIGTERM)
        return images

    network = restorer.Restorer(stopped, 1, 1, "stand_in")
    monkeypatch.setattr(restorer, "load_weights", lambda _: network)
    result = run("-", "-o", "-", given=images.encoded(PIXELS, ".png"))
    assert isinstance(result.exception, errors.Interrupted)
    assert result.exception.exit_code == 143 and not result.stdout_bytes
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("sources", "out", "said"),
    [
        (["-", "x.png"], "out", "- stands for one picture"),
        (["."], "-", "- stands for one picture"),
        (["*.png"], "-", "- stands for one picture"),
        (["-"], "new/", "has no name to have in new/"),
        (["-"], ".", "has no name to have in ."),
    ],
)
def test_a_stream_is_one_picture(sources, out, said):
    result = run(*sources, "-o", out, given=b"")
    assert isinstance(result.exception, errors.ConfigError)
    assert said in str(result.exception)


@pytest.mark.parametrize(("stream", "words"), [("stdin", ["-", "x"]), ("stdout", [])])
def test_a_closed_stream_is_no_place_for_a_picture(monkeypatch, stream, words):
    monkeypatch.setattr(sys, stream, None)
    source, out = words or ["x", "-"]
    with (
        pytest.raises(errors.ConfigError, match="is closed; "),
        streams.as_files([streams.Path(source)], out),
    ):
        pass


@pytest.mark.parametrize(("stream", "words"), [("stdin", ["-", "x"]), ("stdout", [])])
def test_a_terminal_is_no_place_for_a_picture(monkeypatch, stream, words):
    monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)
    source, out = words or ["x", "-"]
    with (
        pytest.raises(errors.ConfigError, match="is a terminal; "),
        streams.as_files([streams.Path(source)], out),
    ):
        pass
