"""The examples in the docstrings of what a library user calls: there, and true."""

import doctest
import functools
import importlib
import inspect
import pkgutil
import types

import jax
import jax.numpy as jnp
import pytest

from jaxrestore import adversarial, degradations, losses, metrics, naming, protocols

LINES = 4  # what an example may have, its output not counted


def _documented():
    """The functions that need an example, each as (its module, itself), by name."""
    for home in (losses, metrics, protocols, adversarial):
        for name, value in naming.public(home).items():
            if inspect.isfunction(value):
                yield f"{home.__name__}.{name}", (home, value)
    for entry in pkgutil.iter_modules(degradations.__path__):
        home = importlib.import_module(f"{degradations.__name__}.{entry.name}")
        yield f"{home.__name__}.degrade", (home, home.degrade)


DOCUMENTED = dict(_documented())


def _compiled(function):
    """The same function, of arrays as one program: one by one its steps take long."""

    def call(*arguments, **options):
        if not all(isinstance(value, jax.Array) for value in arguments):
            return function(*arguments, **options)
        arrays = {n: v for n, v in options.items() if isinstance(v, jax.Array)}
        rest = {n: v for n, v in options.items() if n not in arrays}
        return jax.jit(functools.partial(function, **rest))(*arguments, **arrays)

    return call


def _complaints(name, docstring, known):
    """What is wrong with the example of a docstring, as lines of text."""
    example = doctest.DocTestParser().get_doctest(docstring, known, name, None, None)
    lines = [line for part in example.examples for line in part.source.splitlines()]
    if not example.examples or not example.examples[-1].want:
        return [f"{name} has no example whose output is shown"]
    if len(lines) > LINES:
        return [f"{name}: an example of {len(lines)} lines, {LINES} are enough"]
    complaints = []
    doctest.DocTestRunner(verbose=False).run(example, out=complaints.append)
    return complaints


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_a_public_function_has_an_example_that_prints_what_it_shows(name):
    home, function = DOCUMENTED[name]
    quick = types.SimpleNamespace(**vars(home))
    setattr(quick, function.__name__, _compiled(function))
    known = {"jax": jax, "jnp": jnp, home.__name__.split(".")[-1]: quick}
    assert not _complaints(name, inspect.getdoc(function), known)


def test_the_walk_finds_what_there_is():
    assert {"jaxrestore.losses.l1", "jaxrestore.degradations.noise.degrade"} <= set(
        DOCUMENTED
    )
    assert len(DOCUMENTED) > 50


@pytest.mark.parametrize(
    ("docstring", "complaint"),
    [
        ("Returns two.", "has no example"),
        ("Returns two.\n\n>>> two = 1 + 1\n", "has no example"),
        ("Returns two.\n\n>>> 1 + 1\n3\n", "Expected:\n    3\nGot:\n    2"),
        ("Returns two." + "\n>>> one = 1" * 4 + "\n>>> one + one\n2\n", "of 5 lines"),
    ],
)
def test_a_missing_a_wrong_and_a_long_example_are_complained_about(
    docstring, complaint
):
    assert complaint in "".join(_complaints("two", docstring, {}))
