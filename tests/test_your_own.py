"""Degradations, networks and losses of one's own: those of the page, and naive ones."""

import importlib
import re
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import config_files, errors, images, losses, naming, networks
from jaxrestore.cli import app
from jaxrestore.degradations import batched
from jaxrestore.training import objective, rules, setup

PAGE = (Path(__file__).parents[1] / "docs" / "your_own.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
IMAGES = jnp.ones((2, 8, 8, 3)) / 2
OF_NOTHING = {"weight": 1.0, "scale": 0}


@pytest.fixture
def add(tmp_path, monkeypatch):
    """`add("models", "mine", source)` is a file of that package, while a test lasts."""
    added = []

    def put(package, name, source):
        home = importlib.import_module(f"jaxrestore.{package}")
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        monkeypatch.setattr(home, "__path__", [*home.__path__, str(folder)])
        added.append((home, name))

    yield put
    for home, name in added:
        sys.modules.pop(f"{home.__name__}.{name}", None)
        vars(home).pop(name, None)


@pytest.fixture
def add_loss(monkeypatch):
    """`add_loss(source)` makes the functions of a source those of `losses`."""

    def put(source):
        home = types.ModuleType("jaxrestore.losses")
        exec(source, vars(home))
        for name, function in naming.public(home).items():
            monkeypatch.setattr(losses, name, function, raising=False)

    return put


def test_what_the_page_shows_trains_and_degrades(add, add_loss, tmp_path):
    fade, three, log_cosh, recipe = BLOCKS
    add("degradations", "fade", fade)
    add("models", "three", three)
    add_loss(log_cosh)
    (tmp_path / "mine.py").write_text(recipe)
    _, config = config_files.load(f"{tmp_path / 'mine.py'}:demo")
    prepared = setup.prepare(config.to_dict(), jax.devices()[:1])
    assert prepared.config["generator"] == {"name": "three", "width": 16}

    keys = jax.random.split(jax.random.key(0), 2)
    with pytest.raises(ValueError, match=r"most is 2, but .*fade.py takes 0"):
        naming.module("degradations", "fade").degrade(keys[0], IMAGES[0], most=2)
    for key, value in (("width", 0), ("channels", 0.5)):
        with pytest.raises(ValueError, match=rf"{key} is {value}, but models/three.py"):
            networks.build("Generator", {"name": "three", key: value})
    wrong = config.to_dict() | {"objective": {"restored": {"log_cosh": OF_NOTHING}}}
    with pytest.raises(errors.ConfigError, match=r"scale is 0, but .* takes above 0"):
        rules.check(wrong)
    faded = batched.degrade(keys, IMAGES, recipe={"name": "fade", "most": 0.3})
    assert (faded > IMAGES).all() and (faded < 1).all()
    assert len(np.unique(faded)) == 2  # each image has a share of its own
    values = losses.log_cosh(IMAGES, IMAGES + 0.1)  # pyright: ignore
    np.testing.assert_allclose(values, np.log(np.cosh(1)), rtol=1e-5)
    np.testing.assert_allclose(losses.log_cosh(IMAGES, IMAGES), 0, atol=1e-6)  # pyright: ignore

    picture = np.full((9, 7, 3), 100, np.uint8)
    (tmp_path / "in").mkdir()
    images.encode(picture, tmp_path / "in" / "a.png")
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "--kind", "fade"]
    done = CliRunner().invoke(app.app, ["degrade", *words, "--set", "most=0.3"])
    assert done.exit_code == 0, done.output
    assert (images.decode(tmp_path / "out" / "input" / "a.png") >= picture).all()


# Naive ones


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "def degrade(image): return image",
            r"\(image\) by position; .* \(key, image\)",
        ),
        ("def degrade(key, image, a=1): return image", r"star: \(key, image, \*, a\)"),
        ("def degrade(key, image, *, a): return image", "option a .* has no default"),
        (
            "def degrade(key, image): image * 2",
            "returns NoneType; it must return float",
        ),
        (
            "def degrade(key, image): return image.mean(-1)",
            r"returns float32\[8, 8\]; it",
        ),
        (
            "def degrade(key, image): return image[..., :1]",
            r"\[8, 8, 1\]; .* at least 3",
        ),
        ("def degrade(key, image): return image.astype(int)", "returns int32"),
        (
            "def degrade(key, image): return float(image[0, 0, 0]) * image",
            "use jax.numpy",
        ),
        (
            "import numpy\ndef degrade(key, image): return numpy.asarray(image)",
            "use jax.numpy",
        ),
        ("def degrade(key, image)", r"naive.py cannot be imported: .* line 1"),
        ("import cv2_of_another_year", "naive.py cannot be imported: No module named"),
    ],
)
def test_a_naive_degradation_is_told_what_it_must_do(source, told, add):
    add("degradations", "naive", source)
    keys = jax.random.split(jax.random.key(0), 2)
    with pytest.raises(ValueError, match=told):
        batched.degrade(keys, IMAGES, recipe={"name": "naive"})


HEAD = """
from typing import Any
import flax.linen as nn
import jax.numpy as jnp
class Generator(nn.Module):
    dtype: Any = jnp.float32
    scale = 1
    multiple = 1
    @nn.compact
    def __call__(self, x, *, train): return """


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("class Generator: pass", "lacks the base class flax.linen.Module"),
        (
            "import flax.linen as nn\nclass Generator(nn.Module):\n"
            "    def __call__(self, x): return x",
            "lacks a field dtype, a keyword train in __call__, a class variable s",
        ),
    ],
)
def test_a_naive_network_is_told_what_it_lacks(source, told, add):
    add("models", "naive", source)
    with pytest.raises(ValueError, match=f"Generator of models/naive.py {told}"):
        networks.build("Generator", {"name": "naive"})


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("x", r"must return a pair, .* return restored, \{\}"),
        ("x, None", "must return a pair"),
        (
            "x[..., :1], {}",
            r"\[1, 8, 8, 1\] from .* must be float32\[1, 8, 8, 3\]",
        ),
        ("x[:, ::2], {}", r"float32\[1, 4, 8, 3\]"),
        ("x.astype(jnp.bfloat16), {}", "restores bfloat16"),
    ],
)
def test_a_naive_network_is_told_what_it_must_return(returned, told, add):
    add("models", "naive", HEAD + returned)
    model = networks.build("Generator", {"name": "naive"})
    with pytest.raises(ValueError, match=told):
        networks.check_result(model, jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32))


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("((restored - target) ** 2).mean()", r"returns shape \[\] for a batch of 2"),
        ("(restored - target) ** 2", r"returns shape \[2, 8, 8, 3\] for a batch of 2"),
        ("None", "returns NoneType for a batch of 2"),
    ],
)
def test_a_naive_loss_is_told_what_it_must_return(returned, told, add_loss):
    add_loss(f"def naive(restored, target): return {returned}")
    with pytest.raises(ValueError, match=f"naive {told}; it must return one"):
        objective.evaluate({"restored": {"naive": 1.0}}, {"restored": IMAGES}, IMAGES)


def test_a_config_with_a_naive_loss_names_the_key(add_loss):
    add_loss("def naive(restored): return restored.mean((1, 2, 3))")
    config = config_files.load("configs/cnn_l1.py:demo")[1].to_dict()
    config["objective"] = {"restored": {"naive": 1.0}}
    with pytest.raises(errors.ConfigError, match=r"restored.naive: .* by position"):
        rules.check(config)


def test_where_there_is_nothing_to_choose_from_that_is_said():
    assert naming.nearest("strength", []) == "there is none."
