import os
import subprocess
import sys

import pytest

from jaxrestore import images
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


@pytest.mark.slow
def test_a_second_start_compiles_nothing(tmp_path, pixels=(24, 24, 3)):
    import numpy as np

    images.encode(np.zeros(pixels, np.uint8), tmp_path / "in.png")
    known = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    environment = known | _environment(tmp_path)
    sizes = []
    for out in ("a.png", "b.png"):
        words = ["restore", tmp_path / "in.png", "-o", tmp_path / out, "--task", "jpeg"]
        command = [sys.executable, "-m", "jaxrestore", *map(str, words)]
        subprocess.run(command, env=environment, check=True)
        programs = [*(tmp_path / "cache").rglob("*-cache")]
        sizes.append(sorted(file.name for file in programs))
    assert sizes[0] and sizes[0] == sizes[1]
