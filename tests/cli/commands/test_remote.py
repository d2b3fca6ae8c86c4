import functools
import io
import itertools
import json

import httpx
import numpy as np
import pytest
from distant import Distant, problem
from PIL import Image
from typer.testing import CliRunner
from written import save

from jaxrestore import errors, images
from jaxrestore.cli import app, remotely
from jaxrestore.remote import server

URL = "http://127.0.0.1:8080"


@pytest.fixture
def distant(monkeypatch):
    """A stand-in for every server; who waits for it waits for nothing."""
    made, ticks, pause = Distant(), itertools.count(), server.Server.pause
    known = functools.partial(
        server.Server, transport=made.transport, clock=lambda: float(next(ticks))
    )
    monkeypatch.setattr(server.Server, "pause", lambda self, seconds: pause(self, 0))
    monkeypatch.setattr(server, "Server", known)
    return made


def run(*words, given=None, env=None):
    words = ["remote", URL, *map(str, words)]
    return CliRunner().invoke(app.app, words, input=given, env=env)


def restore(*words, **options):
    return run("restore", *words, "--task", "denoise", **options)


def test_the_tasks_of_a_server_are_listed_with_what_it_lacks(distant):
    result = run("tasks")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split() == ["task", "what", "it", "does", "by", "takes"]
    assert lines[1].split() == ["denoise", "Remove", "noise", "network", "strength"]
    assert "deblur has no network: No weights ship" in lines


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_picture_is_restored_by_a_server(distant, pictures, tmp_path, suffix):
    source, out = pictures / "colour.png", tmp_path / f"out{suffix}"
    result = restore(source, "-o", out, "--strength", "0.5")
    assert result.exit_code == 0, result.exception
    assert result.output.startswith(f"{out}: ")
    expected = images.decode(source) if suffix == ".png" else None
    if expected is not None:
        np.testing.assert_array_equal(images.decode(out), 255 - expected)
    with Image.open(out) as picture:
        assert f".{picture.format.lower()}" == suffix
    (job,) = distant.jobs.values()
    assert job["asked"]["params"] == {"strength": 0.5}


def test_a_folder_is_restored_and_bad_files_end_nothing(distant, pictures, tmp_path):
    (pictures / "text.png").write_text("no picture")
    out = tmp_path / "out"
    result = restore(pictures, "-o", out, "--format", "jpg", "--quality", "90")
    assert isinstance(result.exception, errors.PartialError)
    assert "1 skipped:\n  text: " in str(result.exception)
    assert "text.png: This is no picture" in str(result.exception)
    assert f"2 images in {out}: " in result.output
    found = {p.relative_to(out).as_posix() for p in out.rglob("*.jpg")}
    assert found == {"colour.jpg", "below/grey.jpg"} and distant.images == {}


def test_more_pictures_than_are_sent_at_once_come_back_in_their_places(
    distant, tmp_path
):
    (tmp_path / "in").mkdir()
    for value in range(3 * remotely.AT_ONCE):
        pixels = np.full((8, 8, 3), value, np.uint8)
        images.encode(pixels, tmp_path / "in" / f"{value}.png")
    most = []
    distant.before = lambda request: most.append(len(distant.images))
    result = restore(tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.exception
    assert max(most) <= remotely.AT_ONCE
    for value in range(3 * remotely.AT_ONCE):
        found = images.decode(tmp_path / "out" / f"{value}.png")
        assert (found == 255 - value).all()


def test_the_same_command_again_restores_what_is_missing(distant, pictures, tmp_path):
    out = tmp_path / "out"
    assert restore(pictures, "-o", out).exit_code == 0
    (out / "colour.png").unlink()
    before = len(distant.heard)
    again = restore(pictures, "-o", out)
    assert again.exit_code == 0 and "1 more were there" in again.output
    assert len([m for m, *_ in distant.heard[before:] if m == "POST"]) == 2
    line = json.loads((out / ".jaxrestore.jsonl").read_text().splitlines()[0])
    assert line["by"]["server"] == URL and line["sha256"]["weights"] == "5e" * 32
    other = restore(pictures, "-o", out, "--strength", "0.5")
    assert "its options were other ones" in str(other.exception)


def test_a_picture_that_changes_on_the_way_is_restored_again(
    distant, pictures, tmp_path
):
    source, out = pictures / "colour.png", tmp_path / "out"

    def change(request):
        if request.url.path.endswith("/result"):
            images.encode(np.zeros((9, 12, 3), np.uint8), source)

    distant.before = change
    assert restore(source, "-o", f"{out}/").exit_code == 0
    assert (out / ".jaxrestore.jsonl").read_bytes() == b""  # so it is not done yet


def test_holes_are_filled_by_masks_of_equal_names(distant, pictures, tmp_path):
    (tmp_path / "masks" / "below").mkdir(parents=True)
    for name in ("colour.png", "below/grey.png"):
        mask = np.zeros((9, 12, 1), np.uint8)
        mask[:4] = 255
        images.encode(mask, tmp_path / "masks" / name)
    words = ("--mask", tmp_path / "masks", "-o", tmp_path / "out")
    result = run("restore", pictures, "--task", "inpaint", *words)
    assert result.exit_code == 0, result.exception
    before, after = (images.decode(f / "colour.png") for f in (pictures, words[-1]))
    np.testing.assert_array_equal(after[:4], 255 - before[:4])
    np.testing.assert_array_equal(after[4:], before[4:])


def test_the_token_comes_from_the_option_or_the_environment(distant, monkeypatch):
    distant.token = "secret"
    refused = run("tasks")
    assert isinstance(refused.exception, errors.ConfigError)
    assert "give --token, or set JAXRESTORE_TOKEN" in str(refused.exception)
    assert run("tasks", "--token", "secret").exit_code == 0
    assert run("tasks", env={"JAXRESTORE_TOKEN": "secret"}).exit_code == 0
    assert "secret" not in run("tasks", "--help").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strength", "2"), "--strength is 2.0; it is 0 to 1"),
        (("--level", "25"), "--level is nothing that denoise takes"),
        (("--mask", "m.png"), "leave --mask out"),
        (("--quality", "30"), "--quality is of JPEG"),
        (("-o", "out.bmp"), "and no bmp; give --output another suffix"),
        (("--format", "bmp", "-o", "out/"), "and no bmp"),
        (("--overwrite", "--skip-existing"), "give one of the two"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_sent(
    distant, pictures, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    result = restore(pictures / "colour.png", "-o", "out.png", *words)
    assert isinstance(result.exception, errors.ConfigError), result.exception
    assert message in str(result.exception) and distant.paths("POST") == []


def test_a_file_that_is_larger_than_the_server_takes_is_not_sent(
    distant, pictures, tmp_path
):
    distant.max_bytes = 10
    result = restore(pictures / "colour.png", "-o", tmp_path / "out.png")
    assert isinstance(result.exception, images.ImageError)
    assert "the server takes 0.0 at most" in str(result.exception)
    assert distant.paths("POST") == []


def test_a_server_that_goes_away_ends_the_folder(
    distant, pictures, tmp_path, monkeypatch
):
    def away(request):
        if request.method == "POST":
            raise httpx.ConnectError("refused")

    distant.before = away
    result = restore(pictures, "-o", tmp_path / "out")
    assert isinstance(result.exception, errors.ServerError)
    assert result.exception.exit_code == 69


def test_a_picture_goes_through_the_standard_streams(distant):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    result = restore("-", "-o", "-", given=save(pixels))
    assert result.exit_code == 0, result.exception
    found = np.asarray(Image.open(io.BytesIO(result.stdout_bytes)))
    np.testing.assert_array_equal(found, 255 - pixels)


def test_an_interrupt_tells_what_is_done_and_leaves_nothing_there(
    distant, pictures, tmp_path, monkeypatch
):
    def interrupted(share):
        raise KeyboardInterrupt

    asked = lambda work: {"progress": interrupted, "done": lambda one: None}
    monkeypatch.setattr(remotely.restorations, "on_the_way", asked)
    distant.looks = 10**9
    result = restore(pictures, "-o", tmp_path / "out")
    assert isinstance(result.exception, errors.Interrupted)
    assert "interrupted; 0 of 2 images restored" in str(result.exception)
    assert distant.images == {}


def test_a_refusal_of_one_file_is_in_the_server_s_words(distant, pictures, tmp_path):
    def refuse(request):
        if request.url.path.endswith("/images"):
            return problem(422, "animated", "It has 4 frames; send one.")

    distant.before = refuse
    result = restore(pictures / "colour.png", "-o", tmp_path / "out.png")
    assert isinstance(result.exception, images.ImageError)
    assert str(result.exception).endswith("colour.png: It has 4 frames; send one")


def test_what_cannot_be_read_here_is_refused_in_the_server_s_words_too(
    distant, tmp_path
):
    frames = [Image.new("L", (9, 9), level) for level in (0, 9)]
    source = tmp_path / "a.gif"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    said = "It holds 2 frames, expected one; save one as a file of its own."

    def refuse(request):
        if request.url.path.endswith("/images"):
            return problem(422, "unfit", said)

    distant.before = refuse
    result = restore(source, "-o", tmp_path / "out.png")
    assert isinstance(result.exception, images.ImageError)
    assert str(result.exception) == f"{source}: {said.rstrip('.')}"


def test_a_mask_is_a_file_or_a_folder_that_is_there(distant, pictures, tmp_path):
    words = ("--task", "inpaint", "--mask", "alpha", "-o", tmp_path / "out.png")
    result = run("restore", pictures / "colour.png", *words)
    assert isinstance(result.exception, errors.NoInputError)
    assert "--mask alpha does not exist; give a file, or a folder" in str(
        result.exception
    )
    assert distant.paths("POST") == []
