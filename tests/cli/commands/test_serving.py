import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.cli.commands import serving
from jaxrestore.serving.settings import Settings

ROOT = Path(__file__).parents[3]
HELP = """
import sys
sys.argv = ["jaxrestore", "serve", "--help"]
from jaxrestore.cli import app
try:
    app.app()
except SystemExit:
    pass
print([n for n in ("jax", "fastapi", "uvicorn", "sqlalchemy") if n in sys.modules])
"""


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    """A server has its process to itself; here others come after it."""
    before = os.umask(0o022)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    yield
    os.umask(before)


def refused(tmp_path, *words):
    """What `serve` says of a command line; it would serve if nothing were wrong."""
    command = ["serve", "--folder", str(tmp_path / "served"), *words]
    result = CliRunner().invoke(app.app, command)
    assert isinstance(result.exception, errors.UserError), result
    return result.exception.exit_code, str(result.exception)


def test_help_loads_neither_jax_nor_a_server():
    command = [sys.executable, "-c", HELP]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_other_machines_come_in_only_with_a_token_or_if_all_may(tmp_path):
    code, told = refused(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert code == 2 and "--tokens-file" in told and "--insecure-public" in told
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--set", "max_pixel=9"], 2, "did you mean 'max_pixels'?"),
        (["--set", "max_pixels=many"], 2, "a whole number"),
        (["--set", "max_pixels=9.5"], 2, "a whole number"),
        (["--set", "max_pixels=0"], 2, "above 0"),
        (["--set", "port=9"], 2, "give --port"),
        (["--set", "hosts=x"], 2, "give --name"),
        (["--set", "devices=0"], 2, "give --device"),
        (["--device", "0,1"], 2, "--device 0,1 is neither"),
        (["--device", "0", "--device", "0"], 2, "--device 0 is given twice"),
        (["--name", "http://x.org/"], 2, "--name http://x.org/ is no host name"),
        (["--origin", "x.org"], 2, "--origin x.org is no site"),
        (["--models", "missing"], 3, "--models missing is no folder"),
        (["--set", "max_pixels"], 2, "KEY=VALUE"),
        (["--set", "max_pixels=1e999"], 2, "a whole number"),
        (["--set", "kept_s=1e12"], 2, "1,000,000,000 at most"),
        (["--set", "spool="], 2, "give a place"),
        (["--port", "70000"], 2, "--port"),
        (["--tokens-file", "missing"], 3, "--tokens-file missing"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path, words, code, told):
    found = refused(tmp_path, *words)
    assert found[0] == code and told in found[1]


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        ear.listen()
        code, told = refused(tmp_path, "--port", str(ear.getsockname()[1]))
    assert code == 2 and "--port" in told and "end what uses it" in told


def test_a_command_line_becomes_settings(tmp_path):
    given = {"folder": tmp_path, "host": "10.0.0.1", "port": 0}
    more = ["kept_s=60", "max_pixels=10_000", "spool=/dev/shm/x", "database=sqlite://"]
    made = serving.configured(given, ["pictures.example"], more)
    plain = Settings(folder=tmp_path)
    assert made.hosts == (*plain.hosts, "10.0.0.1", "pictures.example")
    changed = {
        "kept_s": 60.0,
        "max_pixels": 10_000,
        "spool": Path("/dev/shm/x"),
        "database": "sqlite://",
    }
    assert made == dataclasses.replace(plain, **given, **changed, hosts=made.hosts)


def test_its_home_is_where_state_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert serving.home() == tmp_path / "jaxrestore"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert serving.home() == Path.home() / ".local/state/jaxrestore"


def test_weights_that_are_not_whole_are_told_at_the_start(tmp_path):
    models, source = tmp_path / "models", ROOT / "jaxrestore/weights/shipped/jpeg"
    models.mkdir()
    weights = source.with_suffix(".safetensors").read_bytes()
    (models / "jpeg.safetensors").write_bytes(weights[:-1])
    code, told = refused(tmp_path, "--models", str(models))
    assert code == 3 and "has no card jpeg.json" in told
    card = source.with_suffix(".json").read_bytes()
    (models / "jpeg.json").write_bytes(card)
    code, told = refused(tmp_path, "--models", str(models))
    assert code == 66 and "its SHA-256 is another" in told
    (models / "jpeg.safetensors").unlink()
    told_of = json.loads(card)
    for name, changed, why in (
        ("sr", {"scale": 3}, "makes sides 3 times as long; call it sr_x3"),
        ("sr_x2", {"takes": ["rgb", "level"]}, "takes rgb and level"),
    ):
        (models / f"{name}.safetensors").write_bytes(weights)
        (models / f"{name}.json").write_text(json.dumps({**told_of, **changed}))
        code, told = refused(tmp_path, "--models", str(models))
        assert code == 2 and f"{name}.safetensors {why}" in told
        (models / f"{name}.safetensors").unlink()
