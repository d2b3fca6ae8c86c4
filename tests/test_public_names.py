"""`import jaxrestore`: what it offers, and that it costs nothing until asked."""

import ast
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


@pytest.mark.parametrize("name", sorted({*jaxrestore.__all__} - {"__version__"}))
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
