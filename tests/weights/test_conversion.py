"""Published weights become ours, restore alike, and go back to the bit."""

import functools
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import published as golden

from jaxrestore import errors, naming, networks
from jaxrestore.weights import cards, conversion, weight_files

STORED = Path(__file__).parents[1] / "golden" / "published.json"


PUBLISHED = json.loads(STORED.read_text())
PUBLISHED = {n: c for n, c in PUBLISHED.items() if n not in ("versions", "files")}
cases = pytest.mark.parametrize("case", PUBLISHED)

RRDB = {"name": "rrdbnet", "width": 8, "growth": 32, "doublings": 2, "channels": 3}
U_NET = {"name": "pix2pix_unet", "filters": 4, "downs": 3, "channels": 3}
DNCNN = {"name": "dncnn", "width": 8, "depth": 9}
RECOGNISED = {
    "rrdbnet x4, names of 2018": {**RRDB, "blocks": 2, "scale": 4},
    "rrdbnet x4, names of 2019": {**RRDB, "blocks": 2, "scale": 4},
    "rrdbnet x2": {**RRDB, "blocks": 1, "scale": 2},
    "rrdbnet x1": {**RRDB, "blocks": 1, "scale": 1},
    "srvggnet x4": {
        "name": "srvggnet",
        "width": 8,
        "convs": 3,
        "scale": 4,
        "channels": 3,
    },
    "nafnet": {
        "name": "nafnet",
        "width": 8,
        "encoders": (1, 2),
        "middle": 1,
        "decoders": (1, 1),
        "channels": 3,
    },
    "dncnn gray": {**DNCNN, "channels": 1, "norm": "batch"},
    "dncnn without norm": {**DNCNN, "channels": 3, "norm": "none"},
    "drunet": {"name": "drunet", "widths": (4, 6, 8, 10), "blocks": 2, "channels": 3},
    "ffdnet": {"name": "ffdnet", "width": 8, "depth": 4, "channels": 3},
    "mwcnn gray": {"name": "mwcnn", "widths": (6, 8, 8), "convs": 2, "channels": 1},
    "pix2pix_unet batch": {**U_NET, "norm": "batch"},
    "pix2pix_unet instance": {**U_NET, "norm": "instance"},
}
DNCNN_TENSORS = golden.state_dict(PUBLISHED["dncnn gray"]["shapes"])


@functools.cache
def _converted(case):
    """The drawn tensors, the section that they are recognised as, and its variables."""
    tensors = golden.state_dict(PUBLISHED[case]["shapes"])
    return tensors, *conversion.from_torch(tensors)


@functools.cache
def _restore(text):
    """Compiled once for the layouts of one network."""
    return networks.restore_function(networks.build("Generator", json.loads(text)))


def test_every_case_is_stored():
    assert set(RECOGNISED) == set(PUBLISHED)
    known = {generator["name"] for generator in RECOGNISED.values()}
    assert known == set(conversion.architectures())


@cases
def test_architecture_and_options_are_recognised_from_names_and_shapes(case):
    assert _converted(case)[1] == RECOGNISED[case]


@cases
def test_a_converted_network_restores_what_the_published_one_does(case):
    _, generator, variables = _converted(case)
    restore = _restore(json.dumps(generator))
    image = jnp.asarray(golden.image(PUBLISHED[case]["inputs"]))
    restored = np.asarray(restore(variables, image))
    assert list(restored.shape) == PUBLISHED[case]["output"]
    stored = np.array(PUBLISHED[case]["numbers"])
    assert stored.std() > 0.05  # a constant map would hide any mistake
    np.testing.assert_allclose(golden.numbers(restored), stored, rtol=0, atol=1e-4)


@cases
def test_the_way_back_gives_the_tensors_to_the_bit(case):
    tensors, generator, variables = _converted(case)
    home = naming.module("models", generator["name"])
    rename = getattr(home, "torch_renamed", lambda names: {n: n for n in names})
    counted = [n for n in tensors if not n.endswith("num_batches_tracked")]
    back = conversion.to_torch(generator, variables)
    assert set(back) == {rename(counted)[name] for name in counted}
    for old, new in rename(counted).items():
        np.testing.assert_array_equal(back[new], tensors[old])
        assert back[new].dtype == np.float32 and back[new].flags.c_contiguous


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("drunet", 4),
        ("ffdnet", 4),
        ("mwcnn gray", 1),
        ("pix2pix_unet instance", 1),
    ],
)
def test_the_channels_that_a_network_takes_are_found(case, count):
    _, generator, variables = _converted(case)
    assert conversion.described(generator, variables)["inputs"] == count


def test_the_mask_is_a_channel_of_a_network_that_takes_nothing_else():
    generator = {"name": "deepfill", "width": 4}
    model = networks.build("Generator", generator)
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 16, 16, 4)))
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    assert conversion.described(generator, variables)["inputs"] == 4
    config = {"degradation": {"name": "holes"}}
    told = cards.card(generator, variables, source={"config": config})
    assert told["takes"] == ["rgb", "mask"]


# Strictness: of a small network


def _complaint(tensors, architecture="auto"):
    with pytest.raises(errors.MismatchError) as caught:
        conversion.from_torch(tensors, architecture)
    return str(caught.value)


def test_a_missing_tensor_is_named():
    tensors = {n: t for n, t in DNCNN_TENSORS.items() if n != "model.3.running_var"}
    assert "1 missing: model.3.running_var" in _complaint(tensors, "dncnn")


def test_a_tensor_that_nothing_uses_is_named():
    tensors = {**DNCNN_TENSORS, "model.9.extra": np.ones(3, np.float32)}
    assert "1 not used: model.9.extra" in _complaint(tensors, "dncnn")


def test_a_tensor_of_another_shape_is_named_with_both():
    tensors = {**DNCNN_TENSORS, "model.3.running_var": np.ones(5, np.float32)}
    told = _complaint(tensors, "dncnn")
    assert "1 of another shape: model.3.running_var is [5], expected [8]" in told


def test_of_many_names_five_are_shown_with_their_count():
    extra = {f"model.9.e{index}": np.ones(1, np.float32) for index in range(7)}
    told = _complaint({**DNCNN_TENSORS, **extra}, "dncnn")
    shown = ", ".join([*extra][:5])
    assert f"7 not used: {shown}, ..." in told


def test_tensors_of_no_known_network_are_shown_by_their_first_names():
    told = _complaint({"layer.weight": np.ones((3, 3)), "layer.bias": np.ones(3)})
    assert "fit none of dncnn, drunet" in told and "layer.weight, layer.bias" in told


def test_tensors_of_another_network_than_was_asked_for_are_refused():
    assert "fit none of drunet: model.0.weight" in _complaint(DNCNN_TENSORS, "drunet")


def test_tensors_of_two_networks_are_refused():
    both = {**DNCNN_TENSORS, **_converted("drunet")[0]}
    assert "dncnn" in _complaint(both) or "not used" in _complaint(both)


def test_an_unknown_architecture_is_told_the_nearest():
    with pytest.raises(errors.ConfigError, match="did you mean 'rrdbnet'"):
        conversion.from_torch(DNCNN_TENSORS, "rrdbnett")


def test_a_name_with_a_huge_number_builds_no_huge_network():
    tensors = dict(_converted("rrdbnet x2")[0])
    tensors["body.999999999.rdb1.conv1.weight"] = np.ones((1, 1, 1, 1), np.float32)
    assert "fit none" in _complaint(tensors)


def test_names_that_are_known_with_shapes_that_no_layer_has_are_refused():
    flat = {name: np.ones(3, np.float32) for name in _converted("rrdbnet x2")[0]}
    assert _complaint(flat)


def test_a_network_without_a_layout_in_pytorch_has_no_way_back():
    with pytest.raises(errors.ConfigError, match="fcn has no layout in PyTorch"):
        conversion.to_torch({"name": "fcn"}, {})


def test_a_variant_that_pytorch_does_not_have_has_no_way_back():
    with pytest.raises(errors.ConfigError, match="inner_norm"):
        conversion.to_torch({"name": "pix2pix_unet", "inner_norm": True}, {})


def test_variables_of_another_network_have_no_way_back():
    _, generator, variables = _converted("dncnn gray")
    other = {**generator, "depth": 10}
    with pytest.raises(errors.MismatchError, match="missing: "):
        conversion.to_torch(other, variables)


def test_a_generator_section_that_this_version_does_not_know_is_refused():
    with pytest.raises(errors.MismatchError, match="did you mean"):
        conversion.described({"name": "dncnn", "widthh": 8}, {})


# Files of ours: a card against its weights


@pytest.fixture
def edited(tmp_path):
    """`edited(entry=value, …)` writes DnCNN's weights with a card edited so."""

    def make(**entries):
        _, generator, variables = _converted("dncnn gray")
        card = {"scale": 1, "colors": "gray", "inputs": 1, "statistics": "eval"}
        path = tmp_path / "weights.safetensors"
        weight_files.write(path, variables, {"generator": generator, **card, **entries})
        return path

    return make


def test_a_card_that_tells_of_its_weights_is_loaded(edited):
    card, variables = conversion.load(edited())
    assert card["generator"] == _converted("dncnn gray")[1]
    assert (
        weight_files.flat(variables).keys()
        == weight_files.flat(_converted("dncnn gray")[2]).keys()
    )


def test_an_older_card_is_told_what_it_does_not_say(edited):
    card, _ = conversion.load(edited(reach=5))
    depth = card["generator"]["depth"]
    assert (card["takes"], card["multiple"], card["smallest"]) == (["gray"], 1, 1)
    # That of another version, which knew the architecture less well.
    assert card["reach"] == depth
    assert conversion.load(edited(statistics="pix2pix"))[0]["reach"] is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"generator": None}, "names no generator"),
        ({"generator": {"width": 8}}, "names no generator"),
        ({"generator": {"name": "dncnn", "width": 0}}, "width is 0, but models/dncnn"),
        ({"generator": {"name": "dncnn", "depth": 3}}, "not the weights"),
        ({"generator": {"name": "layers"}}, "has no Generator"),
        ({"scale": None}, "scale is None, but 1"),
        ({"colors": "rgb"}, "colors is 'rgb', but 'gray'"),
        ({"inputs": 2}, "inputs is 2, but 1"),
        ({"statistics": "median"}, "expected eval or pix2pix"),
        ({"takes": ["rgb"]}, r"takes is \['rgb'\], which are not the 1 channels"),
    ],
)
def test_a_card_that_tells_of_another_network_is_refused(edited, entries, message):
    with pytest.raises(errors.MismatchError, match=rf"weights\.json.*{message}"):
        conversion.load(edited(**entries))


@pytest.mark.parametrize(
    "generator",
    [
        {"name": "dncnn", "width": 10**9},
        {"name": "dncnn", "depth": 10**9},
        {"name": "mwcnn", "convs": 10**9},
        {"name": "mwcnn", "widths": [1] * 10**5},
        {"name": "pix2pix_unet", "downs": 10**9},
        {"name": "rrdbnet", "doublings": 10**9},
    ],
)
def test_a_card_of_a_network_that_would_fill_memory_is_refused(edited, generator):
    with pytest.raises(errors.MismatchError, match="far larger than its tensors"):
        conversion.load(edited(generator=generator))


if importlib.util.find_spec("spandrel"):  # never among what [dev] installs
    import spandrel
    import torch

    LIVE = {n: m for n, m in golden.modules().items() if n in PUBLISHED}
    LIVE = {n: m for n, m in LIVE.items() if "spandrel" in type(m[0]).__module__}

    @pytest.mark.parametrize("case", PUBLISHED)
    def test_the_stored_numbers_are_those_of_pytorch(case):
        module, channels, names, divides = golden.modules()[case]
        shapes = golden.shapes_of(module, names)
        assert shapes == PUBLISHED[case]["shapes"]
        state = golden.state_dict(shapes)
        theirs = golden.numbers(golden.output(module, state, channels, divides))
        stored = PUBLISHED[case]["numbers"]
        np.testing.assert_allclose(theirs, stored, rtol=0, atol=2e-5)

    @pytest.mark.parametrize("case", LIVE)
    def test_a_file_of_torch_comes_here_and_goes_back_to_spandrel(case, tmp_path):
        _, channels, _, divides = LIVE[case]
        tensors = golden.state_dict(PUBLISHED[case]["shapes"])
        state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        torch.save({"params_ema": state}, tmp_path / "published.pth")
        generator, variables = conversion.from_torch(
            weight_files.read(tmp_path / "published.pth")
        )
        back = tmp_path / "back.safetensors"
        weight_files.write(back, conversion.to_torch(generator, variables), {})
        loaded = spandrel.ModelLoader().load_from_file(back).model.eval()
        theirs = golden.numbers(golden.applied(loaded, channels, divides))
        stored = PUBLISHED[case]["numbers"]
        np.testing.assert_allclose(theirs, stored, rtol=0, atol=2e-5)
