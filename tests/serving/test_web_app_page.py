"""docs/web_app.md: its settings are those that there are, and its examples run."""

import dataclasses
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from serving import fake_engine
from serving.http import live

from jaxrestore import images
from jaxrestore.serving import service, settings
from jaxrestore.serving.http import tokens
from jaxrestore.serving.http.app import create_app

PAGE = (Path(__file__).parents[2] / "docs" / "web_app.md").read_text()
SHELL = re.findall(r"^```shell\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.+) \|$", re.MULTILINE)
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)


def shown(value):
    """A default as the page writes it."""
    if value is dataclasses.MISSING:
        return "~/.local/state/jaxrestore"
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, int | float):
        return f"{value:,}" if value >= 10_000 else f"{value:g}"
    return str(value)


def test_the_table_has_every_setting_and_what_it_is_if_not_given():
    rows = {name: default for name, default, _ in ROW.findall(PAGE)}
    known = {
        one.name: shown(one.default) for one in dataclasses.fields(settings.Settings)
    }
    assert rows == known


def test_the_page_says_how_long_things_are_kept_as_the_settings_do():
    known = settings.Settings(folder=Path("x"))
    assert f"{known.kept_s / 60:g} minutes (`kept_s`)" in PAGE
    assert f"{known.records_days} days (`records_days`)" in PAGE
    assert f"have {known.drain_s:g} s" in PAGE
    assert f"http://{known.host}:{known.port}" in PAGE


def run(script, folder):
    """Runs shell commands of the page; returns what they print."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_line_of_a_token_is_one_that_the_server_reads(tmp_path):
    (script,) = (block for block in SHELL if block.startswith("token="))
    said = run(f"{script}echo $token", tmp_path).strip()
    (known,) = found = tokens.read(tmp_path / "tokens")
    assert known.scope == "user" and tokens.find(found, said) == known
    assert tokens.find(found, "another") is None


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_examples_run_one_after_another(tmp_path):
    images.encode(PIXELS, tmp_path / "IN.png")
    mask = np.zeros((16, 20, 1), np.uint8)
    mask[4:9, 5:15] = 255
    images.encode(mask, tmp_path / "MASK.png")
    with zipfile.ZipFile(tmp_path / "IN.zip", "w") as archive:
        archive.write(tmp_path / "IN.png", "a.png")
        archive.write(tmp_path / "MASK.png", "b.png")
    blocks = [block for block in SHELL if "curl" in block]
    known = settings.Settings(folder=tmp_path / "served", port=0, decoders=1)
    made = service.Service(known, fake_engine.FakeEngine, fake_engine.MemoryLedger())
    app = create_app(known, made)
    with live.served(known, app) as port:
        script = "\n".join(blocks).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        printed = run(script, tmp_path)
    for name in ("OUT.png", "OUT.webp"):
        assert images.decode(tmp_path / name).shape == PIXELS.shape
    np.testing.assert_array_equal(images.decode(tmp_path / "OUT.png"), 255 - PIXELS)
    assert "event: job" in printed and '"status":"done"' in printed
    assert json.loads((tmp_path / "filled.json").read_text())["status"] == "done"
    with zipfile.ZipFile(tmp_path / "OUT.zip") as archive:
        assert "manifest.csv" in archive.namelist() and len(archive.namelist()) == 3
