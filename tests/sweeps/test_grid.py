"""What a study asks for: axes, arms, cells, names, labels and groups."""

import itertools

import pytest

from jaxrestore import errors
from jaxrestore.sweeps import grid


def study(**fields):
    return grid.study({"name": "s", "config": "configs/pix2pix.py:ab", **fields})


def test_the_grid_is_a_product_and_arms_follow_it():
    made = study(
        grid={"batch_size": [1, 64], "lr": [2e-4, 4e-3]},
        arms=[{"batch_size": 100, "lr": 2e-4, "label": "large"}],
    )
    assert grid.arms(made)[:4] == [
        {"batch_size": b, "lr": rate} for b in (1, 64) for rate in (2e-4, 4e-3)
    ]
    cells = grid.cells(made)
    assert cells[-1].label == "large"
    assert cells[-1].arm == {"batch_size": 100, "lr": 2e-4}


def test_a_study_of_nothing_but_a_recipe_is_one_cell():
    (cell,) = grid.cells(study())
    assert (cell.folder, cell.label, cell.arm) == ("seed=0", "s", {})


def test_every_arm_runs_once_for_each_seed_and_fold():
    made = study(grid={"lr": [1e-3, 1e-4]}, seeds=2, folds=3)
    cells = grid.cells(made)
    runs = [(cell.arm["lr"], cell.seed, cell.fold) for cell in cells]
    assert sorted(runs) == sorted(itertools.product((1e-4, 1e-3), (0, 1), (0, 1, 2)))
    assert len({cell.folder for cell in cells}) == 12
    assert cells[0].folder == "lr=0.001,seed=0,fold=1of3"
    assert cells[2].folder == "lr=0.001,seed=0,fold=3of3"


def test_folder_names_are_safe_and_stay_apart():
    assert grid.folder_name({"batch_size": 1, "lr": 2e-4}) == "batch_size=1,lr=0.0002"
    same_when_cut = [
        grid.folder_name({"data.train": path}) for path in ("/a/b", "/a:b", "/a b")
    ]
    assert len(set(same_when_cut)) == 3
    long = [grid.folder_name({"k" * 200: n}) for n in (1, 2)]
    assert long[0] != long[1]
    for name in (*same_when_cut, *long):
        assert len(name) <= grid.LONGEST_NAME
        assert not set(name) & set('/\\:*?"<>| ')


def test_labels_are_spelt_as_the_source_spells_them():
    words = {"lr": {"0.004": "LR x20"}, "netG": "{}"}
    made = study(words=words)
    arm = {"batch_size": 64, "n_epochs": 40, "n_epochs_decay": 40, "lr": 0.004}
    assert grid.label(made, arm) == "BS64 N40 D40 LR x20"
    assert grid.label(made, {"netG": "unet_128", "lr": 1e-3}) == "unet_128 lr=0.001"


def test_with_a_budget_labels_do_not_tell_lengths_that_did_not_run():
    made = study(grid={"batch_size": [1], "n_epochs": [40]}, budget=5000)
    assert grid.cells(made)[0].label == "BS1"
    with pytest.raises(errors.ConfigError, match="two arms are 'BS1'"):
        grid.cells(
            grid.changed(study(grid={"batch_size": [1], "n_epochs": [1, 2]}), budget=9)
        )


def test_one_arm_twice_is_refused():
    with pytest.raises(errors.ConfigError, match="two arms are"):
        grid.cells(study(grid={"lr": [1e-3]}, arms=[{"lr": 1e-3}]))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gird": {}}, "no 'gird': did you mean 'grid'"),
        ({"config": 3}, "needs 'config'"),
        ({"seeds": 0}, "seeds is 0"),
        ({"folds": "two"}, "folds is 'two'; it must be of type int"),
        ({"budget": -1}, "budget is -1"),
        ({"grid": {"lr": []}}, "grid lr"),
        ({"grid": {"seed": [1, 2]}}, "seed is set by the study; give it seeds"),
        ({"arms": [{"data.split": (0, 2, 0)}]}, "give it folds"),
        (
            {"grid": {"lr": [1]}, "overrides": {"lr": 2}},
            "lr is what its arms differ in",
        ),
    ],
)
def test_a_study_that_cannot_be_meant_is_refused(fields, says):
    with pytest.raises(errors.ConfigError, match=says):
        study(**fields)


def test_a_budget_drops_how_often_the_study_looked_but_not_what_is_set_beside_it():
    made = study(overrides={"evaluation.every": 10, "crop_size": 64})
    with_budget = grid.changed(made, budget=500, overrides={"log_every": 7}, seeds=3)
    assert with_budget.overrides == {"crop_size": 64, "log_every": 7}
    assert (with_budget.budget, with_budget.seeds, with_budget.folds) == (500, 3, 1)
    assert grid.changed(made) == made
