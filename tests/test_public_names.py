"""`import jaxrestore`: what it offers, and that it costs nothing until asked."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import jaxrestore

ROOT = Path(__file__).parents[1]
ALONE = """
import sys
before = set(sys.modules)
import jaxrestore
print(*sorted(set(sys.modules) - before))
"""


def test_importing_the_package_imports_nothing_else():
    command = [sys.executable, "-c", ALONE]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["jaxrestore"]


# What is public and no module.
PLACES = {
    "Restorer": "inference.restorer",
    "export": "exporting.library",
    "restore": "inference.library",
}
MODULES = sorted({*jaxrestore.__all__} - {"__version__", *PLACES})


@pytest.mark.parametrize("name", PLACES)
def test_a_public_function_or_class_is_that_of_its_module(name):
    found = jaxrestore.__getattr__(name)
    assert found is getattr(sys.modules[f"jaxrestore.{PLACES[name]}"], name)
    assert getattr(jaxrestore, name) is found and name in dir(jaxrestore)


@pytest.mark.parametrize("name", MODULES)
def test_a_public_name_is_the_module_of_that_name(name):
    assert getattr(jaxrestore, name).__name__ == f"jaxrestore.{name}"
    # Asked past the attribute that the first import has left behind.
    assert jaxrestore.__getattr__(name) is sys.modules[f"jaxrestore.{name}"]
    assert name in dir(jaxrestore)


def test_type_checkers_are_shown_the_same_names():
    tree = ast.parse((ROOT / "jaxrestore" / "__init__.py").read_text())
    shown = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {*jaxrestore.__all__} == shown | {"__version__"}


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match=r"'jaxrestore'.*'loses'"):
        _ = jaxrestore.loses


# The public names that are packages, and the files in each.
PACKAGES = {
    name: [entry.name for entry in pkgutil.iter_modules(home.__path__)]
    for name in MODULES
    if hasattr(home := getattr(jaxrestore, name), "__path__")
}
INSIDE = [(package, name) for package in PACKAGES for name in PACKAGES[package]]


def test_there_are_public_packages():
    assert {"jpeg", "batched"} <= {*PACKAGES["degradations"]}


@pytest.mark.parametrize(("package", "name"), INSIDE)
def test_a_file_of_a_public_package_is_its_attribute(package, name):
    home = getattr(jaxrestore, package)
    assert home.__getattr__(name) is sys.modules[f"jaxrestore.{package}.{name}"]
    assert getattr(home, name) is home.__getattr__(name)
    assert name in dir(home)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_file_of_a_public_package_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=rf"'jaxrestore.{package}'.*'no_such'"):
        _ = getattr(jaxrestore, package).no_such


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_package_imports_its_files_when_they_are_asked_for(package):
    name = PACKAGES[package][0]
    script = (
        f"import sys; from jaxrestore import {package}\n"
        f"loaded = lambda: [n for n in sys.modules if n.startswith({package!r}, 11)]\n"
        f"print(len(loaded())); {package}.{name}; print(*loaded())"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = run.stdout.splitlines()
    assert before == "1" and f"jaxrestore.{package}.{name}" in after.split()
