"""The network in what training scripts save; where there are several, their names."""

import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.weights import parts, published
from jaxrestore.weights.torch_pickles import Unread

ROW = np.arange(6).reshape(2, 3)
OTHER, THIRD = ROW + 1, ROW + 2
COUNT = np.array(4)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"a": ROW}, ""),
        ({"module.a": ROW}, ""),
        ({"_orig_mod.a": ROW}, ""),
        ({"module._orig_mod.a": ROW}, ""),
        ({"_orig_mod.module.a": ROW}, ""),
        ({"n_averaged": COUNT, "module.a": ROW}, ""),
        ({"params": {"a": ROW}, "iter": 3}, "params"),
        ({"params": {"b": OTHER}, "params_ema": {"a": ROW}}, "params_ema"),
        ({"params": {"b": OTHER}, "params-ema": {"a": ROW}}, "params-ema"),
        ({"model": {"b": OTHER}, "ema": {"a": ROW}}, "ema"),
        ({"state_dict": {"module.a": ROW}, "optimizer": {"state": {}}}, "state_dict"),
        ({"net": {"a": ROW}, "optimizer": {"state": {0: {"mean": OTHER}}}}, "net"),
        ({"model": {"state_dict": {"a": ROW, "version": 2}}}, "model.state_dict"),
        ({"generator": {"a": ROW}, "discriminator": {"a": OTHER}}, "generator"),
        ({"g": {"a": OTHER}, "d": {"a": THIRD}, "g_ema": {"a": ROW}}, "g_ema"),
        ({"netG_A": {"a": ROW}, "netD_A": {"a": OTHER}}, "netG_A"),
        ({"model": {"a": ROW}, "copy": {"a": ROW}}, "model"),
        ({"a": ROW, "discriminator": {"a": OTHER}}, ""),
        ({"model": {"a": ROW}, "args": Unread("argparse.Namespace")}, "model"),
        ({"weights": {"a": np.ones(3)}}, "weights"),
    ],
)
def test_the_state_dict_is_found_in_what_scripts_save(document, path):
    found, tensors = parts.state_dict(document)
    assert found == path and list(tensors) == ["a"]
    assert tensors["a"] is ROW or tensors["a"].ndim == 1


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "no names"),
        ([ROW], "a list"),
        (ROW, "one tensor"),
        ({"a": 1}, "a"),
        ({"model": {"a": {}}}, "model"),
        (None, "NoneType"),
        (Unread("nets.Net"), "an object nets.Net"),
        ({"model": Unread("nets.Net")}, r"model \(an object nets.Net\)"),
    ],
)
def test_a_document_without_tensors_is_refused(document, told):
    with pytest.raises(
        errors.NoInputError, match=f"x holds no state dict, but .*{told}"
    ):
        parts.state_dict(document, "x")


def test_an_object_in_the_place_of_a_tensor_is_refused():
    document = {"a.weight": Unread("nets.Packed"), "a.bias": np.ones(2)}
    with pytest.raises(errors.NoInputError, match=r"nets.Packed where .* a.weight"):
        parts.state_dict(document)


TWO = {"teacher": {"a": ROW}, "student": {"a": OTHER, "inner.a": THIRD}}


def test_of_several_networks_all_are_named():
    with pytest.raises(errors.ConfigError, match="teacher, student; name one with"):
        parts.state_dict(TWO)


@pytest.mark.parametrize(
    ("part", "names"),
    [("student", ["a", "inner.a"]), ("student.inner", ["a"]), ("teacher", ["a"])],
)
def test_a_part_is_taken_by_its_path(part, names):
    found, tensors = parts.state_dict(TWO, part=part)
    assert (found, [*tensors]) == (part, names)


def test_a_part_is_taken_by_what_stands_before_names():
    document = {"state_dict": {"netG.a": ROW, "netD.a": OTHER}}
    for part in ("netD", "state_dict.netD"):
        assert parts.state_dict(document, part=part)[1] == {"a": OTHER}
    with pytest.raises(errors.ConfigError, match="no part 'net', but state_dict, netG"):
        parts.state_dict(document, part="net")


def test_dicts_in_many_places_are_looked_into_in_no_time():
    document = {"a": ROW}
    for _ in range(4):
        document = {f"{i}": document for i in range(100)}
    assert parts.state_dict(document)[1] == {"a": ROW}


# Before the names of one network's tensors


def _dncnn(prefix, seed=0):
    """A state dict of three layers of two channels."""
    shapes = {0: (2, 1, 3, 3), 2: (2, 2, 3, 3), 4: (1, 2, 3, 3)}
    numbers = np.random.default_rng(seed)
    return {
        f"{prefix}model.{i}.{name}": numbers.random(size, np.float32)
        for i, shape in shapes.items()
        for name, size in (("weight", shape), ("bias", shape[:1]))
    }


JUDGE = {"main.0.weight": np.ones((2, 1, 4, 4), np.float32)}


@pytest.mark.parametrize(
    ("before", "judge"),
    [
        ("", ""),
        ("netG", "netD"),
        ("generator", "discriminator"),
        ("model", "disc"),
        ("model.net", "other"),
        ("g_ema", "g"),
    ],
)
def test_a_network_stands_behind_a_prefix_beside_another(before, judge):
    tensors = _dncnn(f"{before}." if before else "")
    if judge:
        beside = JUDGE if judge != "g" else _dncnn("", 1)
        tensors |= {f"{judge}.{n}": t for n, t in beside.items()}
    assert published.prefix(tensors, "x") == before


def test_two_networks_behind_prefixes_are_named():
    with pytest.raises(errors.ConfigError, match="several networks: teacher, student"):
        published.prefix(_dncnn("teacher.") | _dncnn("student.", 1), "x")


def test_tensors_of_no_network_have_no_prefix():
    assert published.prefix(JUDGE, "x") == ""
