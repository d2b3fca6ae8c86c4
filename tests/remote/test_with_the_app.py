"""`jaxrestore remote` and the web app itself, whose engine inverts pictures."""

import contextlib
import functools
import threading
import time

import numpy as np
import pytest
from PIL import Image
from serving import fake_engine
from serving.http import live
from typer.testing import CliRunner

from jaxrestore import errors, images
from jaxrestore.cli import app
from jaxrestore.remote import restoring, server
from jaxrestore.serving import service, settings
from jaxrestore.serving.http.app import create_app

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)


def web_app(folder, ledger=None, delay=0.0, **options):
    """A web app and its settings; `ledger` may be that of an earlier one."""
    known = settings.Settings(folder=folder, decoders=1, **{"port": 0, **options})
    engine = functools.partial(fake_engine.FakeEngine, delay=delay)
    made = service.Service(known, engine, ledger or fake_engine.MemoryLedger())
    return known, create_app(known, made)


@contextlib.contextmanager
def serving(folder, **options):
    """Yields the address of a web app."""
    with live.served(*web_app(folder, **options)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def url(home):
    with serving(home, owner_uploads=6000) as address:
        yield address


def run(url, *words):
    return CliRunner().invoke(app.app, ["remote", url, *map(str, words)])


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    images.encode(PIXELS, folder / "a.png")
    images.encode(PIXELS[..., :1], folder / "below" / "grey.png")
    images.encode(PIXELS.astype(np.uint16) * 257, folder / "deep.png")
    (folder / "text.png").write_text("no picture")
    return folder


def test_a_folder_comes_back_inverted_and_bad_files_are_named(url, pictures, tmp_path):
    out = tmp_path / "out"
    result = run(url, "restore", pictures, "-o", out, "--task", "denoise")
    assert isinstance(result.exception, errors.PartialError), result.exception
    assert "1 skipped:\n  text: " in str(result.exception)
    for name in ("a.png", "below/grey.png"):
        found, given = (images.decode_as_stored(f / name) for f in (out, pictures))
        np.testing.assert_array_equal(found, 255 - given)
    deep, _, _ = images.read(out / "deep.png")
    np.testing.assert_array_equal(deep, 65535 - PIXELS.astype(np.uint16) * 257)


def test_holes_and_enlargements_come_back_too(url, pictures, tmp_path):
    mask = np.zeros((16, 20, 1), np.uint8)
    mask[4:9, 5:15] = 255
    images.encode(mask, tmp_path / "mask.png")
    words = ("restore", pictures / "a.png", "-o", tmp_path / "out.png")
    filled = run(url, *words, "--task", "inpaint", "--mask", tmp_path / "mask.png")
    assert filled.exit_code == 0, filled.exception
    expected = np.where(mask > 0, 255 - PIXELS, PIXELS)
    np.testing.assert_array_equal(images.decode(tmp_path / "out.png"), expected)
    words = (*words, "--overwrite", "--task", "sr", "--scale", "2")
    assert run(url, *words).exit_code == 0
    assert images.decode(tmp_path / "out.png").shape == (32, 40, 3)


@pytest.mark.parametrize("suffix", sorted(restoring.FORMATS))
def test_every_format_that_is_offered_is_one_that_servers_write(
    url, pictures, tmp_path, suffix
):
    out = tmp_path / f"out.{suffix}"
    result = run(url, "restore", pictures / "a.png", "-o", out, "--task", "denoise")
    assert result.exit_code == 0, result.exception
    assert images.decode(out).shape == PIXELS.shape


def test_the_tasks_of_the_app_are_listed(url):
    result = run(url, "tasks")
    assert result.exit_code == 0, result.exception
    assert "Remove noise" in result.output and "sr has no network" in result.output


def test_options_that_the_task_does_not_take_are_refused(url, pictures, tmp_path):
    words = ("restore", pictures, "-o", tmp_path / "out", "--task", "denoise")
    result = run(url, *words, "--scale", "2")
    assert isinstance(result.exception, errors.ConfigError)
    assert not (tmp_path / "out").exists()


def test_a_server_that_takes_little_at_once_is_asked_again(
    tmp_path, pictures, monkeypatch
):
    pause, waits = server.Server.pause, []

    def shorter(web, seconds):
        waits.append(seconds)
        pause(web, min(seconds, 0.05))

    monkeypatch.setattr(server.Server, "pause", shorter)
    (pictures / "text.png").unlink()
    with serving(tmp_path / "served", owner_jobs=1, delay=0.2) as url:
        words = ("restore", pictures, "-o", tmp_path / "out", "--task", "denoise")
        result = run(url, *words)
    assert result.exit_code == 0, result.exception
    assert max(waits) >= 1  # the server said so
    assert len([*(tmp_path / "out").rglob("*.png")]) == 3


def test_nothing_of_a_picture_stays_on_the_server(url, home, pictures, tmp_path):
    words = ("restore", pictures / "a.png", "-o", tmp_path / "o.png")
    assert run(url, *words, "--task", "denoise").exit_code == 0
    spool = home / "spool"
    left = [path for path in spool.rglob("*") if path.is_file()]
    assert left == [spool / "lock"]


@pytest.mark.slow
def test_a_server_that_is_started_anew_in_the_middle_is_waited_for(tmp_path):
    ledger, done = fake_engine.MemoryLedger(), []
    picture = images.encoded(PIXELS, ".png")

    def restore(port):
        with server.Server(f"http://127.0.0.1:{port}") as web:
            web.ask("GET", "tasks")
            done.append(restoring.restore(web, picture, restoring.Wanted("denoise")))

    with live.served(*web_app(tmp_path, ledger, delay=30.0)) as port:
        thread = threading.Thread(target=restore, args=(port,))
        thread.start()
        wait_until(lambda: ledger.jobs)
    assert thread.is_alive() and not done
    with live.served(*web_app(tmp_path, ledger, port=port)):
        thread.join(20)
    np.testing.assert_array_equal(images.decode(save(done[0], tmp_path)), 255 - PIXELS)
    assert len(ledger.jobs) == 1


def wait_until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def save(content, folder):
    (folder / "found.png").write_bytes(content)
    return folder / "found.png"


def test_an_animated_picture_is_refused_without_naming_options_of_others(url, tmp_path):
    frames = [Image.fromarray(np.roll(PIXELS, n, 0)) for n in range(3)]
    source = tmp_path / "a.gif"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    words = ("restore", source, "-o", tmp_path / "out.png", "--task", "denoise")
    said = "It holds 3 frames, expected one; save one as a file of its own"
    assert str(run(url, *words).exception) == f"{source}: {said}"
