"""The table of keys, and what is held to it: the main recipe, older configs."""

import collections
import importlib
import pkgutil

import pytest

import configs
from configs import gan_full
from jaxrestore import config_keys, errors, naming
from jaxrestore.training import recipe, rules

KEYS = config_keys.KEYS
SECTIONS = {key.name for key in KEYS if key.holds == config_keys.SECTION}
ABSENT = {name for name in SECTIONS if config_keys.named(name).default is None}
NAMED = {"degradation", "generator", "discriminator"}  # a file and its options


def flat(config, section=""):
    """What a config holds under each key with its dots; of what is named, the name."""
    found = {}
    for name, value in config.items():
        key = f"{section}.{name}".lstrip(".")
        if key in SECTIONS | NAMED and value is not None:
            found |= flat(value, key)
        elif section not in NAMED or name == "name":
            found[key] = value
    return found


def test_the_main_recipe_has_exactly_the_keys_and_defaults_of_the_table():
    held = [key for key in KEYS if key.name.rpartition(".")[0] not in ABSENT]
    defaults = {
        key.name: key.default
        for key in held
        if key.name not in (SECTIONS - ABSENT) | NAMED
    }
    ours = flat(gan_full.get_config().to_dict())
    differing = "; ".join(recipe.differences(defaults, ours))
    assert not differing, f"config_keys.py -> configs/gan_full.py: {differing}"
    assert set(ours) == set(defaults)


def test_a_key_of_the_table_without_a_line_in_the_recipe_is_seen(monkeypatch):
    added = config_keys.Key("data.shade", float, 0.5)
    monkeypatch.setattr(config_keys, "KEYS", (*KEYS, added))
    with pytest.raises(errors.ConfigError, match=r"config\.data\.shade is missing"):
        rules.check(gan_full.get_config().to_dict())


RECIPES = [entry.name for entry in pkgutil.iter_modules(configs.__path__)]


@pytest.mark.parametrize("name", sorted({*RECIPES} - {"studies"}))
def test_a_row_and_a_line_bring_a_key_to_every_recipe(name, monkeypatch):
    sections = ("", *SECTIONS - ABSENT)
    rows = [config_keys.Key(f"{s}.zoom".lstrip("."), int, 1) for s in sections]
    monkeypatch.setattr(config_keys, "KEYS", (*KEYS, *rows))
    without = gan_full.get_config

    def with_lines(argument=""):
        config = without(argument)
        for row in rows:
            config.update_from_flattened_dict({row.name: 1})
        return config

    monkeypatch.setattr(gan_full, "get_config", with_lines)
    argument = "perceptual=none" if name == "esrgan" else ""
    home = importlib.import_module(f"configs.{name}")
    translate = getattr(home, "translate", lambda config: config.to_dict())
    config = translate(home.get_config(argument))
    rules.check(config)
    assert not config["adversarial"] or config["adversarial"]["zoom"] == 1


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_is_told_in_one_sentence_below_its_section(key):
    assert key.meaning[0].isupper() and key.meaning.endswith(".")
    assert ". " not in key.meaning
    home = key.name.rpartition(".")[0]
    assert home in {"", *SECTIONS, *NAMED}
    assert key.since >= (config_keys.named(home).since if home else 1)


def test_no_key_has_two_rows_and_every_version_brought_one():
    assert len({key.name for key in KEYS}) == len(KEYS)
    assert {key.since for key in KEYS} == {*range(1, config_keys.VERSION + 1)}


def test_a_version_that_was_released_gets_no_more_keys():
    # Runs of it lack the newcomer; its `since` is the next version.
    released = {1: 58, 2: 2, 3: 13, 4: 2, 5: 7}
    counts = collections.Counter(key.since for key in KEYS)
    assert {version: counts[version] for version in released} == released


def test_choices_are_the_words_of_the_module_that_knows_them():
    assert config_keys.choices(config_keys.named("seed")) == ()
    assert config_keys.choices(config_keys.named("data.colors")) == ("rgb", "gray")
    for key in KEYS:
        words = config_keys.choices(key)
        assert not words or key.default in (None, *words), key.name
        assert bool(words) == bool(key.choices)
    penalties = ("none", "gradient", "gradient_damaged", "r1")
    assert naming.words("adversarial", "PENALTIES") == penalties


def test_intervals_are_what_a_run_may_give_in_epochs_beside_its_length():
    names = {"log_every", "checkpoint_every", "evaluation.every"}
    assert set(config_keys.intervals()) == names


def test_a_newer_key_and_a_newer_section_come_to_an_older_config(monkeypatch):
    newer = (
        config_keys.Key("data.shade", float, 0.5, since=9),
        config_keys.Key("clock", config_keys.SECTION, {}, since=9),
        config_keys.Key("clock.ticks", "two numbers", (1, 2), since=9),
        config_keys.Key("clock.name", str, "wall", since=10),
        config_keys.Key("mirror", config_keys.SECTION, None, since=9),
        config_keys.Key("mirror.side", int, None, since=9),
    )
    monkeypatch.setattr(config_keys, "KEYS", (*KEYS, *newer))
    found = config_keys.completed({"data": {}, "clock": None})
    assert (found["data"]["shade"], found["clock"]) == (0.5, None)
    assert found["mirror"] is None and "seed" not in found
    assert config_keys.completed({})["clock"] == {"ticks": [1, 2], "name": "wall"}
    later = {"clock": {"ticks": [3, 4]}, "mirror": {}}
    found = config_keys.completed(later)
    assert found["clock"] == {"ticks": [3, 4], "name": "wall"}
    assert found["mirror"] == {}  # whoever gives it gives its keys
    assert "name" not in later["clock"]
