import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_wheel_lists_every_package_that_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    homes = {"jaxrestore": "jaxrestore", "configs": "jaxrestore.configs"}
    found = {
        ".".join([name, *file.parent.relative_to(ROOT / folder).parts])
        for folder, name in homes.items()
        for file in (ROOT / folder).rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == found


def test_type_checkers_find_the_annotations_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]["jaxrestore"]
    assert "py.typed" in shipped and (ROOT / "jaxrestore" / "py.typed").is_file()


@pytest.mark.slow
def test_an_installed_wheel_runs_its_recipes_from_an_empty_folder(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    empty.mkdir()

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=empty,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    recipe = ("--config", "configs/gan_l1.py:low,demo")
    printed = run("-m", "jaxrestore.main", "--dry_run", *recipe)
    assert "generator 84,995" in printed
    study = "from jaxrestore.sweeps import sweep; sweep.load('figure_03.py')"
    assert not run("-c", study)
    assert (site / "jaxrestore" / "py.typed").is_file()
    pages = {page.name for page in (site / "jaxrestore").rglob("*.html")}
    assert {"report.html", "study.html"} <= pages
    assert not list(empty.iterdir())
