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
    {"crop": 32, "objective": {"restored": {"l1": 1.0}}, "data": {"train": ""}}
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


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest():
    says = "no config configs/gan_ful.py: did you mean 'configs/gan_full.py'"
    with pytest.raises(errors.ConfigError, match=says):
        config_files.load("configs/gan_ful.py:demo")


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
    [("crop", "64"), ("data.train", "None"), ("objective.restored.l1", "2")],
)
def test_a_key_that_is_there_may_be_overridden(key, value):
    config_files.check_override(CONFIG, key, value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("croop", r"config\.croop is no key: did you mean 'crop'"),
        ("data.trian", r"config\.data\.trian is no key: did you mean 'train'"),
        ("crop.side", r"config\.crop is 32; it has no side"),
        ("objective.restored.l2", r"A table is given whole: config\.objective='{...}'"),
    ],
)
def test_a_key_that_is_not_there_is_told_with_its_place(key, message):
    with pytest.raises(errors.ConfigError, match=message):
        config_files.check_override(CONFIG, key, "1")


def test_a_section_cannot_be_overridden_by_none():
    with pytest.raises(errors.ConfigError, match=r"config\.data holds keys"):
        config_files.check_override(CONFIG, "data", "None")
