"""What all public things have in common; a walk finds the newcomers."""

import functools
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import jaxrestore
from jaxrestore import losses, metrics, naming

ROOT = Path(__file__).parent.parent

# Definitions that every reader knows need no source.
ELEMENTARY = {
    "jaxrestore.losses.l1",
    "jaxrestore.losses.mse",
    "jaxrestore.metrics.mse",
    "jaxrestore.metrics.mae",
    "jaxrestore.metrics.psnr",
    "jaxrestore.metrics.cosine_similarity",
}
# In degradations/, but not a phenomenon: it maps one over a batch.
NOT_A_PHENOMENON = {"batched"}


def _modules():
    walk = pkgutil.walk_packages(jaxrestore.__path__, "jaxrestore.")
    return [importlib.import_module(entry.name) for entry in walk]


MODULES = _modules()
PUBLIC = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in naming.public(module).items()
    if inspect.isfunction(value) or inspect.isclass(value)
}


def _methods(home):
    """The public methods and properties that a class itself defines, by name."""
    for name, value in vars(home).items():
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        else:  # property, cached_property, or flax's wrapper of one
            value = getattr(value, "fget", getattr(value, "func", value))
        if inspect.isfunction(value) and value.__module__ == home.__module__:
            yield name, inspect.unwrap(value)


FUNCTIONS = {n: v for n, v in PUBLIC.items() if inspect.isfunction(v)} | {
    f"{n}.{method}": function
    for n, v in PUBLIC.items()
    if inspect.isclass(v)
    for method, function in _methods(v)
}
DEGRADATIONS = {
    name.split(".")[2]: function
    for name, function in FUNCTIONS.items()
    if re.fullmatch(r"jaxrestore\.degradations\.\w+\.degrade", name)
    and name.split(".")[2] not in NOT_A_PHENOMENON
}
LOSSES = {f"jaxrestore.losses.{n}": f for n, f in naming.public(losses).items()}


def _returns_an_array(function):
    # Under the type checker of the tests the annotations are those of the source.
    returned = inspect.signature(function).return_annotation
    return isinstance(returned, type) and issubclass(returned, jaxtyping.AbstractArray)


METRICS = {
    f"jaxrestore.metrics.{name}": function
    for name, function in naming.public(metrics).items()
    if inspect.isfunction(function) and _returns_an_array(function)
}
NETWORKS = {
    name: value
    for name, value in PUBLIC.items()
    if name.startswith("jaxrestore.models.")
    and name.split(".")[-1] in ("Generator", "Discriminator")
}


def _positional_and_keyword_only(function):
    """The names of positional parameters; keyword-only ones all have a default."""
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [p for p in parameters if p.kind is not p.POSITIONAL_OR_KEYWORD]
    assert all(p.kind is p.KEYWORD_ONLY for p in others), others
    assert all(p.default is not p.empty for p in others), others
    return positional


def test_the_walk_finds_what_there_is():
    assert {"jaxrestore.losses.ms_ssim", "jaxrestore.naming.nearest"} <= set(FUNCTIONS)
    assert "jaxrestore.models.fcn.Generator.__call__" in FUNCTIONS
    assert "jaxrestore.models.unet.Generator.multiple" in FUNCTIONS
    assert "pixel_shuffle" in DEGRADATIONS
    assert {"jaxrestore.metrics.psnr", "jaxrestore.metrics.ms_ssim"} <= set(METRICS)
    assert "jaxrestore.metrics.ms_ssim_scales" not in METRICS
    assert len(NETWORKS) >= 3


def test_every_module_says_what_it_is_for():
    silent = [
        m.__name__ for m in (jaxrestore, *MODULES) if not (m.__doc__ or "").strip()
    ]
    assert not silent


def test_every_public_thing_has_a_docstring():
    inherited = {name for name, value in PUBLIC.items() if not _own_docstring(value)}
    silent = {name for name, function in FUNCTIONS.items() if not function.__doc__}
    assert not inherited | silent


def _own_docstring(value):
    """The docstring of a class or function itself, not one of its parents."""
    written = (value.__doc__ or "").strip()
    # A dataclass and a NamedTuple write their own signature.
    generated = inspect.isclass(value) and written.startswith(f"{value.__name__}(")
    return "" if generated else written


def test_no_function_swallows_unknown_options():
    swallowing = [
        name
        for name, function in FUNCTIONS.items()
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.VAR_KEYWORD
    ]
    assert not swallowing


def test_randomness_comes_from_a_parameter_called_key():
    wrong = []
    for name, function in FUNCTIONS.items():
        for parameter in inspect.signature(function).parameters.values():
            # Grain hands its transforms a NumPy generator; only data/ may take one.
            is_grain = parameter.annotation is np.random.Generator
            if is_grain and name.startswith("jaxrestore.data."):
                continue
            misnamed = "Key[" in str(parameter.annotation) and parameter.name not in (
                "key",
                "keys",
            )
            if is_grain or misnamed or parameter.name in ("rng", "rngs", "prng"):
                wrong.append(f"{name}({parameter.name}: {parameter.annotation})")
    assert not wrong


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_degradation_takes_key_image_and_options_with_defaults(name):
    assert _positional_and_keyword_only(DEGRADATIONS[name]) == ["key", "image"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_restored_target_and_options_with_defaults(name):
    assert _positional_and_keyword_only(LOSSES[name]) == ["restored", "target"]


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_takes_two_images_and_options_with_defaults(name):
    assert _positional_and_keyword_only(METRICS[name]) == ["a", "b"]


SOURCED = {f"jaxrestore.degradations.{n}.degrade": f for n, f in DEGRADATIONS.items()}
SOURCED |= {**LOSSES, **METRICS, **NETWORKS}


@pytest.mark.parametrize("name", sorted(set(SOURCED) - ELEMENTARY))
def test_a_formula_names_its_source(name):
    docstring = inspect.getdoc(SOURCED[name]) or ""
    assert re.search(r"\b[Ss]ource\b|`metrics\.", docstring)


def test_the_elementary_formulas_exist():
    assert set(SOURCED) >= ELEMENTARY


# Every degradation


def _image(channels, seed=0):
    values = np.random.default_rng(seed).random((17, 23, channels), np.float32)
    return jnp.asarray(values)


# Operation by operation they take 6 to 16 s.
LONG = ("chain", "holes", "jpeg", "scratches", "second_order")


def _marked(name):
    # Compiling them takes seconds; their own tests in tests/degradations do it once.
    slow = [pytest.mark.slow] if name in LONG else []
    return pytest.param(name, marks=slow)


degradations = pytest.mark.parametrize("name", [_marked(n) for n in DEGRADATIONS])


@functools.cache
def _compiled(name):
    return jax.jit(DEGRADATIONS[name])


@functools.cache
def _compiled_together(name):
    return jax.jit(jax.vmap(DEGRADATIONS[name]))


def _batch(name):
    """Three keys and colour images, and what one compiled program makes of them."""
    keys = jax.random.split(jax.random.key(0), 3)
    images = jnp.stack([_image(3, seed) for seed in range(3)])
    return keys, images, _compiled_together(name)(keys, images)


def _check_damage(image, degraded):
    assert degraded.dtype == jnp.float32 and degraded.ndim == 3
    assert np.isfinite(degraded).all()
    assert degraded.shape != image.shape or (degraded != image).any()


@degradations
def test_a_degradation_damages_a_grey_image_of_odd_sides(name):
    image, key = _image(1), jax.random.key(0)
    degraded = _compiled(name)(key, image)
    _check_damage(image, degraded)
    np.testing.assert_array_equal(_compiled(name)(key, image), degraded)


@degradations
def test_a_degradation_damages_each_image_of_a_batch_of_odd_sides(name):
    _, images, degraded = _batch(name)
    np.testing.assert_array_equal(_batch(name)[2], degraded)
    for image, damaged in zip(images, degraded, strict=True):
        _check_damage(image, damaged)


# Operation by operation they take 2 to 5 s.
PLAIN_LONG = ("blur", "pixelate")
most_degradations = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in PLAIN_LONG else [])
        for name in sorted(set(DEGRADATIONS) - set(LONG))
    ],
)


# One comparison for both, since each would compile a program of its own: what vmap and
# jit give together is what a loop gives without either.
@most_degradations
def test_a_vmapped_degradation_under_jit_equals_a_loop_without(name):
    for key, image, degraded in zip(*_batch(name), strict=True):
        plain = DEGRADATIONS[name](key, image)
        np.testing.assert_allclose(degraded, plain, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_long_degradation_treats_each_image_of_a_batch_by_itself(name):
    keys, images, degraded = _batch(name)
    backwards = _compiled_together(name)(keys[::-1], images[::-1])
    np.testing.assert_allclose(backwards[::-1], degraded, atol=1e-6)
    assert (backwards != degraded).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_long_degradation_under_vmap_and_jit_equals_a_loop_without(name):
    for key, image, degraded in zip(*_batch(name), strict=True):
        plain = DEGRADATIONS[name](key, image)
        np.testing.assert_allclose(degraded, plain, atol=1e-6)


# The package as a whole


HEAVY = {
    "PIL",
    "absl",
    "clu",
    "dm_pix",
    "flax",
    "grain",
    "jinja2",
    "matplotlib",
    "ml_collections",
    "optax",
    "orbax",
    "rich",
    "skimage",
    "tensorboardX",
    "typer",
}
TIMED_IMPORT = """
import sys, time
import jax, jaxtyping, numpy
before = set(sys.modules)
start = time.perf_counter()
import jaxrestore.losses
print(time.perf_counter() - start, *{name.split(".")[0] for name in sys.modules})
"""


def test_the_tables_name_what_exists():
    assert all(importlib.util.find_spec(library) for library in HEAVY)
    assert {*LONG, *PLAIN_LONG} <= set(DEGRADATIONS)
    there = {name.split(".")[2] for name in FUNCTIONS if ".degradations." in name}
    assert there >= NOT_A_PHENOMENON


def test_importing_the_losses_is_quick_and_loads_no_other_library():
    seconds = []
    for _ in range(3):  # other work on the machine may slow one
        command = [sys.executable, "-c", TIMED_IMPORT]
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        )
        elapsed, *loaded = run.stdout.split()
        assert {"jaxrestore", "jax"} <= set(loaded)
        assert not set(loaded) & HEAVY
        seconds.append(float(elapsed))
        if seconds[-1] < 0.3:
            break
    assert min(seconds) < 0.3


def test_ruff_has_no_complaint():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# Half a minute of one core; on a machine with much else to do it took five times that.
@pytest.mark.timeout(900)
def test_pyright_has_no_complaint():
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
