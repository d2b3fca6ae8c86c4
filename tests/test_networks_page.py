"""docs/networks.md against the classes in models/: options, sources and recipes."""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from jaxrestore import config_files, naming, networks
from jaxrestore.ops import ranges

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "networks.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
# What it has, not what there is: to add a network is to write one file.
NETWORKS = re.findall(r"^## (Generator|Discriminator) `(\w+)`", PAGE, re.M)
every_network = pytest.mark.parametrize(("role", "name"), NETWORKS)


def _section(role, name):
    return SECTIONS[f"{role} `{name}`"]


def _overview(role, name):
    """The cells of a network in the table of its role."""
    (row,) = re.findall(rf"^\| \[`{name}`\].*$", SECTIONS[f"{role}s"], re.M)
    return [cell.strip() for cell in row.strip("|").split("|")]


def _takes(option):
    """What an option takes, as the page says it; None for words, which no class has."""
    if option.range is None:
        return "True, False" if option.types == {bool} else None
    number = "list of whole numbers" if Sequence in option.types else "whole number"
    return option.range.words().replace("whole numbers", number)


def test_the_page_has_networks_that_there_are():
    assert len(NETWORKS) >= 18
    for role, name in NETWORKS:
        assert hasattr(naming.module("models", name), role)


@every_network
def test_the_page_has_the_options_of_a_network_in_their_order(role, name):
    row = re.compile(r"^\| `(\w+)` \| `(.*?)` \| (.*?) \| (.+) \|$", re.M)
    rows = row.findall(_section(role, name))
    known = ranges.options(networks.model_class(role, name))
    assert [row[:2] for row in rows] == [(n, repr(o.default)) for n, o in known.items()]
    shared = SECTIONS["Options that several networks have"]
    for option, default, takes, meaning in rows:
        expected = _takes(known[option])
        assert takes == expected or (expected is None and default[1:-1] in takes)
        assert not meaning.startswith("[shared]") or f"`{option}`" in shared


@every_network
def test_what_the_page_cites_stands_in_the_class(role, name):
    model = networks.model_class(role, name)
    docstring = " ".join((inspect.getdoc(model) or "").split())
    section = " ".join(_section(role, name).split())
    assert "Source: " in section
    for title in re.findall(r'"([^"]+)"', section):
        assert title in docstring
    for venue in re.findall(r"\b[A-Z]{3,}W? 20\d\d\b", section):
        assert venue in docstring or "EDSR" in section
    for count in re.findall(r"\d+,\d{3}(?:,\d{3})?", " ".join(_overview(role, name))):
        assert count in docstring


@pytest.mark.parametrize("name", [n for role, n in NETWORKS if role == "Generator"])
def test_the_table_of_generators_has_what_the_classes_say(name):
    _, _, scale, multiple, parameters, _, published = _overview("Generator", name)
    model = networks.build("Generator", {"name": name})
    assert (scale, multiple) == (str(model.scale), str(model.multiple)) and parameters
    read = hasattr(naming.module("models", name), "torch_options")
    assert published == ("yes" if read else "")


@pytest.mark.parametrize("name", [n for role, n in NETWORKS if role == "Discriminator"])
def test_the_table_of_discriminators_has_what_the_classes_say(name):
    _, one, sees, _ = _overview("Discriminator", name)
    model = networks.model_class("Discriminator", name)
    chosen = "conditional" in ranges.options(model)
    when = "by default" if chosen else "always"
    assert sees == f"{'yes' if model.conditional else 'no'}, {when}"
    alone = bool(getattr(model, "one_number", False))
    assert alone == (one == "an image")


@every_network
def test_a_recipe_of_the_table_has_the_network(role, name):
    cell = _overview(role, name)[-1 if role == "Discriminator" else -2]
    for recipe, assignment in re.findall(r"`([^`]+)`(?: with `([^`]+)`)?", cell):
        path, config = config_files.load(f"configs/{recipe}")
        if assignment:
            key, _, value = assignment.partition("=")
            config[key] = value
        found = config_files.translate(path, config)
        assert found[role.lower()]["name"] == name
        assert role == "Generator" or found["adversarial"]
