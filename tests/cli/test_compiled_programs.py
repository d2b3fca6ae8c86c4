import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxrestore.cli import compiled_programs


def _environment(tmp_path, **changed):
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), **changed}


def test_programs_are_kept_below_the_user_s_cache_by_processor(tmp_path):
    environment = _environment(tmp_path)
    folder = compiled_programs.keep(environment)
    assert folder is not None and folder.parent == tmp_path / "cache" / "jaxrestore"
    assert folder.is_dir() and environment["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    assert compiled_programs.keep(_environment(tmp_path)) == folder


def test_another_folder_or_none_is_chosen_by_a_variable(tmp_path):
    chosen = _environment(tmp_path, JAXRESTORE_CACHE=str(tmp_path / "mine"))
    folder = compiled_programs.keep(chosen)
    assert folder is not None and folder.parent == tmp_path / "mine"
    for told in ({"JAXRESTORE_CACHE": "off"}, {"JAX_COMPILATION_CACHE_DIR": "/their"}):
        environment = _environment(tmp_path, **told)
        assert compiled_programs.keep(environment) is None
        assert environment == _environment(tmp_path, **told)


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "cache").write_text("a file")
    environment = _environment(tmp_path)
    assert compiled_programs.keep(environment) is None
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


def test_the_least_recent_programs_are_removed(tmp_path, monkeypatch):
    folder = compiled_programs.keep(_environment(tmp_path))
    assert folder is not None
    for age, name in enumerate(["new", "older", "oldest"]):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compiled_programs, "MOST", 250)
    compiled_programs.keep(_environment(tmp_path))
    assert {file.name for file in folder.iterdir()} == {"new", "older"}


def test_what_jax_puts_into_folders_counts_and_stops_nothing(tmp_path, monkeypatch):
    folder = compiled_programs.keep(_environment(tmp_path))
    assert folder is not None
    (folder / "autotune").mkdir()
    for age, name in enumerate(["new", "autotune/old"]):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compiled_programs, "MOST", 150)
    assert compiled_programs.keep(_environment(tmp_path)) == folder
    assert (folder / "new").exists() and not (folder / "autotune" / "old").exists()


def test_without_a_home_nothing_is_kept(monkeypatch):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert compiled_programs.keep({}) is None


STARTED = """
import numpy as np
from jaxrestore.cli import compiled_programs
compiled_programs.mend(compiled_programs.keep())
import jax
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
import jaxrestore
jaxrestore.restore(np.zeros((24, 24, 3), np.uint8), "jpeg")
print(hits.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.mark.slow
def test_a_second_start_compiles_nothing_and_a_damaged_program_is_replaced(tmp_path):
    known = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    environment = known | _environment(tmp_path)

    def hits():
        command = [sys.executable, "-c", STARTED]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Error reading" not in done.stderr
        return int(done.stdout)

    assert hits() == 0
    assert hits() == 1
    (program,) = (tmp_path / "cache").rglob("jit_restore-*-cache")
    program.write_bytes(program.read_bytes()[:9])
    assert hits() == 0
    assert program.stat().st_size > 9
    assert hits() == 1
