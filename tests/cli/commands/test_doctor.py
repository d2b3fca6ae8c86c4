import json
import os
from pathlib import Path

import jax
import pytest
from typer.testing import CliRunner

from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.cli.commands import doctor
from jaxrestore.inference import shipped


def run(*words):
    return CliRunner().invoke(app.app, [str(word) for word in ("doctor", *words)])


def test_versions_devices_and_memory_are_told_and_written(tmp_path):
    out = tmp_path / "found.json"
    result = run("--json", out)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["jax", jax.__version__] in rows
    found = json.loads(out.read_text())
    assert found["jax"] == jax.__version__ and found["platform"] == "cpu"
    assert found["devices"].startswith(f"{jax.device_count()} x ")
    assert found["processor cores"].endswith(f"of {os.cpu_count()}")
    again = run("--json", out)
    assert isinstance(again.exception, errors.ConfigError)
    assert run("--json", out, "--overwrite").exit_code == 0


def test_what_is_left_unused_is_noted(monkeypatch):
    exists = Path.exists
    seen = lambda path, **_: str(path) == "/dev/nvidiactl" or exists(path)
    monkeypatch.setattr(Path, "exists", seen)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(doctor, "_memory", lambda: {"free": 10**9})
    gpu, cores, memory = doctor.complaints()
    assert "NVIDIA GPU, and jax does not use it" in gpu
    assert "1 of 8 processor cores" in cores
    assert "only 953.7 MiB" in memory or "only 954 MiB" in memory


def test_a_network_that_is_damaged_is_named(tmp_path, monkeypatch):
    for name in ("jpeg.safetensors", "jpeg.json"):
        data = bytearray((shipped.path("jpeg").parent / name).read_bytes())
        data[-1] ^= name.endswith("tensors")
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(shipped, "_folder", lambda: tmp_path)
    result = run()
    assert isinstance(result.exception, errors.MismatchError)
    assert "jpeg.safetensors" in str(result.exception)
    assert "denoise.safetensors, a file of jaxrestore" in str(result.exception)


@pytest.mark.parametrize(
    ("count", "words"), [(900, "900 B"), (2048, "2 KiB"), (3.5 * 2**30, "3.5 GiB")]
)
def test_sizes_are_in_units_that_fit(count, words):
    assert doctor._size(count) == words
