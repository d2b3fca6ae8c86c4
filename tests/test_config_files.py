import sys

import ml_collections
import pytest

from jaxrestore import config_files, errors

RECIPE = """
import ml_collections

def get_config(argument):
    if argument == "odd":
        raise ValueError("'odd' is no argument")
    return ml_collections.ConfigDict({"word": argument, "steps": 3})
"""
CONFIG = ml_collections.ConfigDict(
    {
        "crop": 32,
        "ema": 0.9,
        "objective": {"restored": {"l1": 1.0}},
        "data": {"train": "", "split": (), "whole": False},
        "generator": {"width": 8, "name": "fcn"},
        "perceptual": None,
    }
)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_loaded_with_its_argument(recipe):
    path, config = config_files.load(f"{recipe}:a,b")
    assert path == f"{recipe}:a,b"
    assert config.to_dict() == {"word": "a,b", "steps": 3}
    assert config_files.load(str(recipe))[0] == str(recipe)


def test_what_a_recipe_refuses_is_told_with_its_path(recipe):
    with pytest.raises(errors.ConfigError, match=r"recipe\.py: 'odd' is no argument"):
        config_files.load(f"{recipe}:odd")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("configs/gan_ful.py:demo", "did you mean 'configs/gan_full.py'?"),
        ("gan_full", "no config gan_full: did you mean 'configs/gan_full.py'?"),
        ("configs/none.py", "no config configs/none.py: there is configs/"),
        (
            "no/of/mine/vae.py:demo",
            "no config no/of/mine/vae.py: there is no such file; check the path, or "
            "name one of the package's as configs/vae.py",
        ),
        ("studies/main_grid.py", "the package's as configs/gan_full.py"),
        (
            "configs/studies/figure_05.py",
            "is a study, no recipe; give it to jaxrestore sweep as `study`",
        ),
    ],
)
def test_a_recipe_that_is_not_there_is_answered_with_the_nearest(
    name, says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.ConfigError) as caught:
        config_files.load(name)
    assert says in str(caught.value)


def test_a_study_is_found_and_a_recipe_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("figure_05.py", "configs/studies/figure_05.py"):
        assert config_files.study(name, 0.5)["name"] == "figure_05"
    for name, says in (
        ("configs/gan_full.py", "is a recipe, no study; give it as `config`"),
        (
            "figure_5.py",
            r"no study figure_5\.py: did you mean 'configs/studies/figure_",
        ),
        ("mine/figure_05.py", r"there is no such file.* as configs/studies/figure_05"),
    ):
        with pytest.raises(errors.ConfigError, match=says):
            config_files.study(name, 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = (\n", "mine.py, line 1: '(' was never closed; mend the file"),
        ("\nimport nothing_at_all\n", "mine.py, line 2: ModuleNotFoundError: No"),
        (
            "from configs import gan_ful\n",
            "mine.py, line 1: ImportError: cannot import",
        ),
        ("int('x')\n", "mine.py: invalid literal"),
        ("steps = 3\n", "has no function get_config; write one, as configs/gan_full"),
        (RECIPE.replace("return", "return undefined,"), "line 7: NameError: name"),
        (
            "def get_config(argument):\n    ...\n",
            "returns a NoneType; it must return a",
        ),
    ],
)
def test_a_mistake_in_an_own_recipe_is_told_with_its_line(text, says, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(errors.ConfigError) as caught:
        config_files.load(str(path))
    assert str(path) in str(caught.value) and says in str(caught.value)


def test_a_file_of_another_kind_is_no_recipe(tmp_path):
    (tmp_path / "README.md").write_text("# A page\n")
    with pytest.raises(errors.ConfigError, match=r"README\.md is no Python file; name"):
        config_files.load(str(tmp_path / "README.md"))


def test_a_recipe_without_names_of_its_own_is_its_config(recipe):
    path, config = config_files.load(f"{recipe}:a")
    assert config_files.translate(path, config) == {"word": "a", "steps": 3}


def test_a_recipe_may_translate_its_names_and_refuse(recipe):
    translating = 'def translate(config):\n    return {"length": 10 // config.steps}\n'
    recipe.write_text(RECIPE + translating)
    path, config = config_files.load(f"{recipe}:a")
    assert config_files.translate(path, config) == {"length": 3}
    recipe.write_text(RECIPE + 'def translate(config):\n    raise ValueError("no")\n')
    with pytest.raises(errors.ConfigError, match=r"^no$"):
        config_files.translate(path, config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", "64"),
        ("ema", "1"),
        ("ema", "25/255"),
        ("ema", "1e-3"),
        ("data.train", "None"),
        ("data.train", "12"),
        ("data.split", "(0.5, 1)"),
        ("data.whole", "true"),
        ("data.whole", "False"),
        ("data.whole", None),
        ("objective.restored.l1", "2"),
        ("generator", "{'name': 'fcn'}"),
    ],
)
def test_a_key_that_is_there_may_be_overridden(key, value):
    config_files.check_override(CONFIG, key, value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("croop", "config.croop is no key: did you mean 'crop'?"),
        ("data.trian", "config.data.trian is no key: did you mean 'train'?"),
        ("crop.side", "config.crop is 32; it has no side"),
        (
            "objective.restored.mse",
            "config.objective.restored.mse is no key of this recipe; to add mse, "
            "give the section whole: config.objective=\"{'restored': {'l1': 1.0, 'mse'",
        ),
        (
            "objective.latent.kl",
            "config.objective=\"{'restored': {'l1': 1.0}, 'latent': {'kl': 1}}\"",
        ),
        (
            "generator.widht",
            "config.generator.widht is no key: did you mean 'width'? To add widht, "
            "give the section whole: config.generator=\"{'name': 'fcn', 'width': 8",
        ),
    ],
)
def test_a_key_that_is_not_there_is_told_with_its_place(key, message):
    with pytest.raises(errors.ConfigError) as caught:
        config_files.check_override(CONFIG, key, "1")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("crop", "big", "config.crop is 'big'; it must be a whole number"),
        ("crop", "48.5", "config.crop is 48.5; it must be a whole number"),
        ("crop", "1e4", "config.crop is 10000.0; it must be a whole number, such as 1"),
        ("crop", None, "config.crop has no value; give it one, as config.crop=32"),
        ("ema", "much", "config.ema is 'much'; it must be a number"),
        ("data.whole", "yes", "config.data.whole is 'yes'; it must be True or False"),
        (
            "generator",
            "fcn",
            "config.generator is a section, which 'fcn' is not; give its keys: "
            "config.generator.name=fcn, or all of them: "
            "config.generator=\"{'name': 'fcn', ...}\"",
        ),
        ("data", "7", 'config.data.split=(), or all of them: config.data="{'),
        ("objective", "l1", "config.objective=\"{'restored': {'l1': 1.0}}\""),
        ("perceptual", "{'weight': 1}", "write a recipe that imports this one and set"),
    ],
)
def test_a_value_of_another_type_is_told_with_what_it_must_be(key, value, message):
    with pytest.raises(errors.ConfigError) as caught:
        config_files.check_override(CONFIG, key, value)
    assert message in str(caught.value)


def test_a_section_cannot_be_overridden_by_none():
    with pytest.raises(
        errors.ConfigError, match=r"config\.data is a section and cannot become None"
    ):
        config_files.check_override(CONFIG, "data", "None")


def test_the_package_of_recipes_has_no_file_that_is_none():
    config_files.load("gan_full.py")
    assert not hasattr(sys.modules["configs"], "__file__")
