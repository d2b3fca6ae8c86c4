import types

import pytest

from jaxrestore import losses, naming
from jaxrestore.models import fcn


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("bet1a", ("beta1", "beta2"), "did you mean 'beta1'?"),
        ("bet2a", ("beta1", "beta2"), "did you mean 'beta2'?"),
        ("croop", ("crop", "copy", "steps"), "did you mean 'crop'?"),
        ("xyz", ("steps", "crop"), "there is crop, steps."),
        ("xyz", (), "there is none."),
    ],
)
def test_the_nearest_name_is_asked_for_or_all_are_told(name, known, expected):
    assert naming.nearest(name, known) == expected


def test_names_are_told_as_they_are_written():
    known = ("gan_full", "vae")
    assert naming.nearest("gan_ful", known, "{}.py") == "did you mean 'gan_full.py'?"
    assert naming.nearest("none", known, "{}.py") == "there is gan_full.py, vae.py."


def test_a_module_is_found_by_its_file():
    assert naming.module("models", "fcn") is fcn
    with pytest.raises(ValueError, match=r"models has no 'fnc': did you mean 'fcn'\?"):
        naming.module("models", "fnc")


def test_the_modules_of_a_package_stand_in_order():
    names = [module.__name__ for module in naming.modules("fitting")]
    assert names == [
        f"jaxrestore.fitting.{n}" for n in ("optimizers", "state", "update")
    ]


def test_public_are_the_functions_that_a_module_itself_defines():
    home = types.ModuleType("home")
    exec("def told(): ...\ndef _kept(): ...\nNUMBER = 1", vars(home))
    vars(home)["borrowed"] = naming.nearest
    assert naming.public(home) == {"told": vars(home)["told"]}


def test_a_function_is_found_by_its_name():
    assert naming.function("losses", "l1") is losses.l1
    with pytest.raises(ValueError, match=r"losses has no 'l11': did you mean 'l1'\?"):
        naming.function("losses", "l11")


def test_words_are_those_that_a_module_lists():
    penalties = ("none", "gradient", "gradient_damaged", "r1")
    assert naming.words("adversarial", "PENALTIES") == penalties
