"""The source's figures: every file in configs/studies, found by listing the folder."""

import importlib
import itertools
import pkgutil
from typing import Any

import pytest

from configs import studies as folder
from jaxrestore.sweeps import cells, grid, plots, sweep
from jaxrestore.training import rules

ALL = sorted(entry.name for entry in pkgutil.iter_modules(folder.__path__))
NAMES = [name for name in ALL if name.startswith("figure_")]
OURS = [name for name in ALL if name not in NAMES]
PICTURES = {"data.train": "/pictures"}


def load(name, scale=1.0):
    return sweep.load(f"configs/studies/{name}.py", scale)


def test_the_source_s_figures_three_to_twelve_are_there():
    assert [f"figure_{number:02d}" for number in range(3, 13)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_its_figure_and_its_command(name):
    text = str(importlib.import_module(f"configs.studies.{name}").__doc__)
    assert text.startswith(f"Figure {int(name[-2:])}: ")
    assert f"jaxrestore sweep --study configs/studies/{name}.py" in text


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_every_cell_of_our_own_studies_can_be_meant(name, scale):
    study = load(name, scale)
    plots.check(study)
    for cell in grid.cells(study):
        config = cells.config(study, cell)
        rules.check(config)
        assert cells.questions(study, config).keys() == study.tests.keys()
    text = str(importlib.import_module(f"configs.studies.{name}").__doc__)
    assert f"jaxrestore sweep --study configs/studies/{name}.py" in text


def test_batches_of_one_and_of_64_are_compared_at_equal_epochs_and_updates():
    study = load("batch_one", 0.1)
    found = [cells.config(study, cell) for cell in grid.cells(study)]
    assert [config["batch_size"] for config in found] == [1, 64, 1, 64]
    assert [config["epochs"] for config in found] == [2, 2, 0, 0]
    assert [config["steps"] for config in found[2:]] == [800, 800]
    asked = [test["evaluation.statistics"] for test in study.tests.values()]
    assert asked == ["eval", "pix2pix"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_every_cell_of_every_study_has_a_config(name, scale):
    study = grid.changed(load(name, scale), overrides=PICTURES)
    plots.check(study)
    found = grid.cells(study)
    for cell in (found[0], found[-1]):
        config = cells.config(study, cell)
        cells.questions(study, config)
        arm = cell.arm
        assert config["epochs"] == arm["n_epochs"] + arm["n_epochs_decay"]
        assert config["batch_size"] == arm["batch_size"]
        assert config["optimizer"]["generator"]["schedule"] == "linear_epochs"
        assert cell.label.startswith(("BS", "AB BS", "variational BS"))


@pytest.mark.parametrize("name", NAMES)
def test_a_tenth_has_at_most_a_tenth_of_the_epochs(name):
    def epochs(scale):
        found = grid.cells(load(name, scale))
        return sum(c.arm["n_epochs"] + c.arm["n_epochs_decay"] for c in found)

    # The two epochs of figure 3 cannot be shortened, only the axis.
    assert epochs(0.1) <= epochs(1.0) / (2 if name == "figure_03" else 10)


def axes(name) -> dict[str, Any]:
    found = grid.cells(load(name))
    keys = dict.fromkeys(key for cell in found for key in cell.arm)
    return {k: list(dict.fromkeys(cell.arm.get(k) for cell in found)) for k in keys}


def test_the_axes_are_the_source_s():
    tens = lambda first, last: [*range(first, last + 1, 10)]
    assert axes("figure_03")["batch_size"] == [1, 2, 4, 8, 16, 32, 64, 128]
    four = axes("figure_04")
    assert sorted(four["n_epochs"]) == tens(10, 150)
    assert sorted(four["n_epochs_decay"]) == tens(0, 100)
    assert four["batch_size"] == [64, 100]
    assert axes("figure_05")["config"] == [folder.AB, folder.VARIATIONAL]
    assert axes("figure_05")["n_epochs"] == [120]
    six = axes("figure_06")
    assert (six["n_epochs"], six["n_epochs_decay"]) == ([30, 40], tens(0, 80))
    assert load("figure_07").seeds == 4
    rates = [factor * 2e-4 for factor in (0.1, 1, 10, 15, 20)]
    assert axes("figure_08")["lr"] == pytest.approx(rates)
    for name in ("figure_09", "figure_11"):
        assert axes(name)["lr"] == pytest.approx([2e-4, 4e-3])
    assert axes("figure_10")["batch_size"] == [1, 64, 100]
    assert axes("figure_11")["batch_size"] == [1]
    assert axes("figure_12")["n_epochs"] == tens(10, 40)


def test_labels_have_the_source_s_form():
    labels = {cell.label for cell in grid.cells(load("figure_04"))}
    wanted = itertools.product((64, 100), (10, 150), (10, 100))
    assert {f"BS{b} N{n} D{d}" for b, n, d in wanted} | {"BS64 N150 D0"} <= labels
    assert grid.cells(load("figure_08"))[-1].label == "BS64 N40 D0 LR x20"


def test_learning_rates_are_arms_of_one_program_and_batch_sizes_are_not():
    for name, sizes in (("figure_08", [5]), ("figure_10", [1, 1, 1])):
        study = load(name)
        configs = [cells.config(study, cell) for cell in grid.cells(study)]
        assert [len(group) for group in cells.groups(configs)] == sizes
