"""Weights from anywhere with their card; the commands convert and interpolate."""

import functools
import json
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from jaxrestore import errors, files
from jaxrestore.cli.commands import weights
from jaxrestore.runs import checkpoints
from jaxrestore.weights import cards, conversion, weight_files

GENERATOR = {"name": "srvggnet", "width": 3, "convs": 1, "scale": 2, "channels": 1}


def _variables(seed):
    """Small whole numbers, -0 among them: their shares of a quarter are exact."""
    network = conversion.network(GENERATOR)
    image = np.zeros((1, 8, 8, 1), np.float32)
    init = functools.partial(network.init, train=False)
    numbers = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: -numbers.integers(-8, 8, leaf.shape).astype(np.float32),
        jax.eval_shape(init, jax.random.key(0), image),
    )


A, B = _variables(0), _variables(1)


def _ours(tmp_path, name, variables, **more):
    card = cards.card(GENERATOR, variables, source={"file": name, "sha256": "0"})
    weight_files.write(tmp_path / f"{name}.safetensors", variables, {**card, **more})
    return tmp_path / f"{name}.safetensors"


def _nafnet():
    options = {"width": 2, "encoders": (1,), "middle": 0, "decoders": (0,)}
    generator = {"name": "nafnet", **options}
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
    init = functools.partial(conversion.network(generator).init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    return cards.card(generator, variables, source={"file": "a"}), variables


def test_an_option_that_no_tensor_tells_is_set_by_hand():
    card, variables = _nafnet()
    told = cards.with_options(card, variables, {"local_statistics": 384})
    assert told["generator"] == {**card["generator"], "local_statistics": 384}
    assert card["reach"] is None and told["reach"] > 192  # half of the window
    rest = {"generator": 0, "reach": 0}
    assert {**told, **rest} == {**card, **rest}


def test_a_fingerprint_is_another_for_other_weights_and_for_another_card(tmp_path):
    paths = [
        _ours(tmp_path, "a", A),
        _ours(tmp_path, "b", B),
        _ours(tmp_path, "c", A, caution=None),
    ]
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(paths[0].read_bytes())
    found = [cards.fingerprint(path) for path in (*paths, alone)]
    assert len({*found}) == 4
    (tmp_path / "renamed").mkdir()
    for path in (paths[0], weight_files.card_path(paths[0])):
        (tmp_path / "renamed" / f"x{path.suffix}").write_bytes(path.read_bytes())
    same = tmp_path / "renamed" / "x.safetensors"
    assert cards.fingerprint(same) == found[0]
    with pytest.raises(errors.NoInputError, match=r"none\.pth: there is no such file"):
        cards.fingerprint(tmp_path / "none.pth")


def test_the_numbers_of_an_ncnn_model_change_its_fingerprint(tmp_path):
    graph, numbers = tmp_path / "a.param", tmp_path / "a.bin"
    graph.write_bytes(b"7767517\n1 1\nInput data 0 1 data\n")
    found = {cards.fingerprint(graph)}
    for content in (b"0000", b"1111"):
        numbers.write_bytes(content)
        found.add(cards.fingerprint(graph))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"local_statistic": 384}, errors.ConfigError, "local_statistics"),
        ({"width": 4}, errors.MismatchError, "not the weights of the network"),
    ],
)
def test_an_option_that_the_weights_contradict_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        cards.with_options(*_nafnet(), options)


def _published(tmp_path):
    path = tmp_path / "published.safetensors"
    safetensors.numpy.save_file(conversion.to_torch(GENERATOR, A), path)
    return path


def _run(tmp_path, variables):
    workdir = tmp_path / "run"
    workdir.mkdir()
    config = {"generator": GENERATOR, "evaluation": {"statistics": "pix2pix"}}
    (workdir / "config.json").write_text(json.dumps(config))
    manager = checkpoints.manager(workdir)
    for step, score in ((3, 30.0), (6, 20.0)):
        restorer = variables if step == 3 else B
        checkpoints.save(
            manager,
            step,
            {"step": np.int32(step)},
            restorer=restorer,
            config=config,
            score=score,
        )
    manager.wait_until_finished()
    manager.close()
    return workdir


def _same(one, other):
    found, wanted = weight_files.flat(one), weight_files.flat(other)
    assert found.keys() == wanted.keys()
    for path, leaf in wanted.items():
        assert np.asarray(found[path]).tobytes() == leaf.tobytes()


def test_the_card_of_published_weights_tells_what_they_are(tmp_path):
    path = _published(tmp_path)
    card, variables = cards.opened(path)
    _same(variables, A)
    source = {"file": "published.safetensors", "sha256": files.sha256(path)}
    assert card == {
        "format": weight_files.FORMAT,
        "generator": GENERATOR,
        "task": None,
        "scale": 2,
        "colors": "gray",
        "inputs": 1,
        "multiple": 1,
        "reach": 3,
        "smallest": 1,
        "takes": ["gray"],
        "statistics": "eval",
        "source": source,
        "license": "not stated",
    }


def test_a_network_of_a_checkpoint_is_opened_by_its_part(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    both = {"teacher": A, "student": B}
    tensors = {
        f"{part}.{name}": tensor
        for part, variables in both.items()
        for name, tensor in conversion.to_torch(GENERATOR, variables).items()
    }
    safetensors.numpy.save_file(tensors, path)
    for part, variables in both.items():
        card, found = cards.opened(path, part=part)
        _same(found, variables)
        assert card["source"]["part"] == part
    with pytest.raises(errors.ConfigError, match="several networks: "):
        cards.opened(path)
    with pytest.raises(errors.ConfigError, match="is a run; leave `part` out"):
        cards.opened(tmp_path, part="teacher")


def test_the_command_says_which_part_it_took(tmp_path, capsys):
    tensors = conversion.to_torch(GENERATOR, A)
    path, output = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    beside = {"netD.a.weight": np.ones((2, 2), np.float32)}
    generator = {f"netG.{name}": tensor for name, tensor in tensors.items()}
    safetensors.numpy.save_file({**generator, **beside}, path)
    weights.convert(path, output)
    assert "of the part netG; card beside" in capsys.readouterr().out
    _same(weight_files.load(output)[1], A)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_network_of_other_images_than_grey_and_colour_gets_no_card(channels):
    generator = {**GENERATOR, "channels": channels}
    network = conversion.network(generator)
    image = jax.ShapeDtypeStruct((1, 8, 8, channels), np.float32)
    init = functools.partial(network.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    with pytest.raises(errors.MismatchError, match=f"gives {channels} channels, but"):
        cards.card(generator, nothing, source={})


def test_a_run_is_opened_at_its_best_step_with_its_config(tmp_path):
    card, variables = cards.opened(_run(tmp_path, A))
    _same(variables, A)
    assert card["source"]["run"] == "run" and card["source"]["step"] == 3
    assert card["source"]["config"]["generator"] == GENERATOR
    assert card["statistics"] == "pix2pix"


def test_a_run_is_opened_at_another_step_if_it_has_it(tmp_path):
    run = _run(tmp_path, A)
    card, variables = cards.opened(run, step=6)
    _same(variables, B)
    assert card["source"]["step"] == 6
    with pytest.raises(errors.MismatchError, match=r"no checkpoint of step 4"):
        cards.opened(run, step=4)
    with pytest.raises(errors.ConfigError, match="leave `step` out"):
        cards.opened(_published(tmp_path), step=6)


def test_our_own_weights_keep_their_card(tmp_path):
    path = _ours(tmp_path, "a", A, license="CC0", task="denoise")
    card, variables = cards.opened(path)
    _same(variables, A)
    assert card["license"] == "CC0" and card["task"] == "denoise"
    with pytest.raises(errors.ConfigError, match="holds srvggnet"):
        cards.opened(path, "dncnn")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(errors.MismatchError, match="is no run"):
        cards.opened(tmp_path)


def test_variables_of_another_network_get_no_card():
    with pytest.raises(errors.MismatchError, match="not the weights of the network"):
        cards.card({**GENERATOR, "width": 4}, A, source={})


# Interpolation


def _pair(variables, **more):
    card = cards.card(GENERATOR, variables, source={"file": "a"})
    return {**card, **more}, variables


@pytest.mark.parametrize(("alpha", "end"), [(0.0, A), (1.0, B)])
def test_the_ends_of_an_interpolation_are_the_two_to_the_bit(alpha, end):
    assert any((np.signbit(leaf) & (leaf == 0)).any() for leaf in jax.tree.leaves(A))
    _same(cards.interpolated(_pair(A), _pair(B), alpha)[1], end)


def test_between_the_ends_lies_the_weighted_mean():
    _, mixed = cards.interpolated(_pair(A), _pair(B), 0.25)
    _same(mixed, jax.tree.map(lambda a, b: np.float32(0.75) * a + b / 4, A, B))


def test_an_interpolation_tells_both_sources_and_terms():
    a, b = _pair(A, license="CC0"), _pair(B, license="MIT")
    card, _ = cards.interpolated(a, b, 0.8)
    assert card["license"] == "CC0 and MIT"
    sources = {"interpolated": [{"file": "a"}, {"file": "a"}], "alpha": 0.8}
    assert card["source"] == sources
    assert cards.interpolated(a, a, 0.5)[0]["license"] == "CC0"


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_an_alpha_outside_zero_and_one_is_refused(alpha):
    with pytest.raises(errors.ConfigError, match="from 0"):
        cards.interpolated(_pair(A), _pair(B), alpha)


def test_only_one_network_with_other_numbers_is_interpolated():
    card, variables = _pair(A)
    with pytest.raises(errors.MismatchError, match="A is srvggnet and B fcn"):
        other = {**card, "generator": {"name": "fcn"}}
        cards.interpolated((card, variables), (other, variables), 0.5)
    with pytest.raises(errors.MismatchError, match="A has width 3 and B 4"):
        other = {**card, "generator": {**GENERATOR, "width": 4}}
        cards.interpolated((card, variables), (other, variables), 0.5)
    with pytest.raises(errors.MismatchError, match=r"in B \d+ missing: params"):
        cards.interpolated((card, variables), (card, {"params": {}}), 0.5)


# The commands


def test_convert_brings_weights_here_and_back_to_the_bit(tmp_path, capsys):
    published, here = _published(tmp_path), tmp_path / "here.safetensors"
    weights.convert(published, here, license="CC BY 4.0")
    card, variables = weight_files.load(here)
    _same(variables, A)
    assert card["license"] == "CC BY 4.0"
    assert "srvggnet (width 3, convs 1, scale 2, channels 1)" in capsys.readouterr().out
    there = tmp_path / "there.safetensors"
    weights.convert(here, there, layout="torch")
    card = weight_files.read_card(there)
    assert card["layout"] == "torch" and card["license"] == "CC BY 4.0"
    assert card["sha256"] == files.sha256(there)
    theirs, ours = weight_files.read(published), weight_files.read(there)
    assert theirs.keys() == ours.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    _same(cards.opened(there)[1], A)


def test_half_takes_half_the_bytes_unless_numbers_are_too_large(tmp_path):
    path = _ours(tmp_path, "a", A)
    weights.convert(path, tmp_path / "half.safetensors", half=True)
    tensors = weight_files.read(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    _same(weight_files.load(tmp_path / "half.safetensors")[1], A)
    large = _ours(tmp_path, "large", jax.tree.map(lambda leaf: leaf + 1e5, A))
    with pytest.raises(errors.ConfigError, match="leave --half out"):
        weights.convert(large, tmp_path / "never.safetensors", half=True)
    assert not (tmp_path / "never.safetensors").exists()


def test_interpolate_takes_weights_and_runs(tmp_path):
    out = tmp_path / "mixed.safetensors"
    a, b = _run(tmp_path, A), _ours(tmp_path, "b", B)
    weights.interpolate(a, b, out, alpha=0.25)
    _same(
        weight_files.load(out)[1],
        jax.tree.map(lambda a, b: np.float32(0.75) * a + b / 4, A, B),
    )


@pytest.mark.parametrize("taken", ["out.safetensors", "out.json"])
def test_no_file_is_replaced_unless_it_is_said(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    out, source = tmp_path / "out.safetensors", _published(tmp_path)
    for command in (weights.convert, lambda *x: weights.interpolate(source, *x)):
        with pytest.raises(errors.ConfigError, match=f"{taken} exists; .*--overwrite"):
            command(source, out)
        assert (tmp_path / taken).read_text() == "mine"
    weights.convert(source, out, overwrite=True)
    assert weight_files.load(out)[1]["params"]


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(errors.ConfigError, match="jaxrestore or torch"):
        weights.convert(Path("a"), tmp_path / "b.safetensors", layout="onnx")
