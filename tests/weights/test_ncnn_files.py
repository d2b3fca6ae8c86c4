"""ncnn's models become the tensors of the published layout, or are refused."""

import functools
import json
import random
import re
from pathlib import Path

import ncnn_models
import numpy as np
import pytest
from golden import published as golden

from jaxrestore import errors, files
from jaxrestore.weights import cards, conversion, ncnn_files, ncnn_graphs, weight_files

STORED = Path(__file__).parents[1] / "golden" / "published.json"
CASES = {"rrdbnet x4, names of 2018": ncnn_models.rrdbnet}
CASES |= {"srvggnet x4": ncnn_models.compact}
both = pytest.mark.parametrize("case", CASES)


@functools.cache
def _published(case):
    """The tensors of a published network, by today's names, and its section."""
    tensors = golden.state_dict(json.loads(STORED.read_text())[case]["shapes"])
    generator, tensors = conversion.recognise(tensors)
    return tensors, generator


def _model(case, **options):
    return CASES[case](_published(case)[0], **options)


def _read(text, weights):
    return ncnn_graphs.state_dict(ncnn_files.read(text, weights, "x.param"), "x.param")


def _written(tmp_path, text, weights):
    (tmp_path / "x.param").write_bytes(text)
    (tmp_path / "x.bin").write_bytes(weights)
    return tmp_path / "x.param"


def _refusal(text, weights):
    with pytest.raises(errors.NoInputError) as caught:
        _read(text, weights)
    told = str(caught.value)
    assert told.startswith("x.param is not read as an ncnn model: ")
    assert "\n" not in told and len(told) < 500
    return told


@both
@pytest.mark.parametrize("optimised", [False, True])
def test_the_tensors_are_those_of_the_published_layout(case, optimised):
    text, weights = _model(case, optimised=optimised).files()
    tensors = _published(case)[0]
    found = _read(text, weights)
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)


@both
def test_kernels_of_16_bits_are_those_numbers(case):
    found = _read(*_model(case, half=True).files())
    for name, tensor in _published(case)[0].items():
        kept = tensor.astype(np.float16) if tensor.ndim == 4 else tensor
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], kept)


@both
def test_a_model_is_opened_with_a_card_that_names_its_numbers(case, tmp_path):
    path = _written(tmp_path, *_model(case, optimised=True).files())
    card, variables = cards.opened(path)
    tensors, generator = _published(case)
    assert card["generator"] == generator
    place = tmp_path / "x.bin"
    assert card["source"] == {"file": "x.bin", "sha256": files.sha256(place)}
    wanted = weight_files.flat(conversion.from_torch(tensors)[1])
    for name, leaf in weight_files.flat(variables).items():
        np.testing.assert_array_equal(leaf, wanted[name])


def test_the_half_with_the_numbers_points_to_the_one_with_the_graph(tmp_path):
    path = _written(tmp_path, *_model("srvggnet x4").files())
    with pytest.raises(errors.NoInputError, match=r"half of .*; give .*x\.param"):
        weight_files.read(path.with_suffix(".bin"))
    path.with_suffix(".bin").unlink()
    with pytest.raises(errors.NoInputError, match=r"x\.bin: there is no such file"):
        weight_files.read(path)


# Files that are damaged, or another network's


def _compact():
    text, weights = _model("srvggnet x4", optimised=True).files()
    return text.decode(), weights


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("7767517\n", "7767517\nx ", "second line does not count"),
        ("\nInput", "\nReLU extra 1 1 data data2\nInput", "should have 14 layers and"),
        ("PixelShuffle ", "Reorg ", "is a Reorg; read are Input, Split,"),
        ("1 1 data_0 map1", "one 1 data_0 map1", "does not count its maps"),
        ("1 1 data_0 map1", "9 9 data_0 map1", "lacks names of its maps"),
        ("4=1", "4=1,", "has an option '1,'"),
        ("4=1", "four=1", "has an option 'four=1'"),
        ("4=1", "-23304=2,1", "has an array '-23304=2,1'"),
        ("4=1", "4=1 4=1", "has an option twice"),
        ("4=1", "4=" + "9" * 500, "has an option '9{40}'"),
        ("4=1", "4=1 8=1", "have 8 bits"),
        ("6=216", "6=217", "has 217 weights, which are no 8 kernels of 3x3"),
        ("0=8 1=3", "0=0 1=3", "option 0 of its layer Convolution_1 is 0, expected"),
        ("0=8 1=3", "0=8.0 1=3", "is 8.0, expected a whole number"),
        ("6=216", "6=648", "quantised, or damaged"),
        ("6=216", "6=999999000", "its .bin ends within the weights of the layer"),
        ("1 1 data_0 map1", "1 1 nothing map1", "takes a map nothing, which no layer"),
        ("1 1 map1 map2", "1 1 map1 map1", "its map map1 is made twice"),
        ("1 1 map1 map2", "1 1 data_0 map2", r"PReLU_2 \(PReLU\) is none of SRVGG"),
        ("4=1", "4=0", r"Convolution_1 \(Convolution\) is none of"),
        ("4=1", "4=1 3=2", "Convolution_1 .* is none of"),
        ("4=1", "4=1 77=1", "Convolution_1 .* is none of"),
        ("4=1", "4=1 9=1", "Convolution_1 .* is none of"),
        ("4=1", "-23304=1,1", "Convolution_1 .* is none of"),
        ("0=1 1=4.0", "0=2 1=4.0", r"\(Interp\) is none of"),
        ("0=1 1=4.0", "0=1 1=3.0", r"\(Interp\) is none of"),
        ("0=0", "0=2", r"BinaryOp_12 \(BinaryOp\) is none of"),
    ],
)
def test_a_graph_that_is_damaged_or_anothers_is_refused(old, new, words):
    text, weights = _compact()
    assert old in text
    told = _refusal(text.replace(old, new, 1).encode(), weights)
    assert re.search(words, told), told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2=2.000000e-01", "2=3.000000e-01"),  # the share of a dense block
        ("0=2.000000e-01", "0=1.000000e-01"),  # the slope of an activation
        ("2 1 map1_1 map3_0 map4", "2 1 map3_0 map1_1 map4"),  # what is joined
    ],
)
def test_another_share_slope_or_order_is_another_network(old, new):
    text, weights = _model("rrdbnet x4, names of 2018").files()
    assert old in text.decode()
    changed = text.decode().replace(old, new, 1)
    assert "is none of RRDBNet's" in _refusal(changed.encode(), weights)


def test_a_picture_that_is_shrunk_behind_the_network_is_refused():
    model = _model("srvggnet x4")
    model.layer("Interp", [model.lines[-1][3]], "0=3 1=5.000000e-01 2=5.000000e-01")
    assert "(Interp) is none of SRVGGNetCompact's" in _refusal(*model.files())


def test_a_network_that_ends_early_is_refused():
    text, weights = _compact()
    *lines, last = text.replace("\n14 ", "\n13 ", 1).splitlines()
    assert last.startswith("BinaryOp")
    told = _refusal("\n".join(lines).encode(), weights)
    assert "its last layer is not that of SRVGGNetCompact" in told


def test_convolutions_that_make_neither_network_are_refused():
    model = ncnn_models.Model(_published("srvggnet x4")[0], optimised=True, half=False)
    model.conv("data", "body.0")
    assert "1 Convolution, 0 PReLU and 0 Interp make neither" in _refusal(
        *model.files()
    )


def test_numbers_that_are_too_few_or_too_many_are_refused():
    text, weights = _model("srvggnet x4", half=True).files()
    for end in (*range(0, 40), len(weights) - 1):
        assert "its .bin ends within" in _refusal(text, weights[:end])
    told = _refusal(text, weights + bytes(4))
    assert f"its .bin has {len(weights) + 4:,} bytes" in told


def test_quantised_numbers_are_refused_by_their_tag():
    text, weights = _compact()
    tags = {"000d4b38": "quantised", "0002c056": "quantised", "12345678": "quantised"}
    for tag, word in tags.items():
        told = _refusal(text.encode(), bytes.fromhex(tag)[::-1] + weights[4:])
        assert word in told and f"(tag {tag})" in told


def test_a_graph_of_a_megabyte_is_refused_unread():
    text = b"7767517\n1 1\n" + b"x" * 2**20
    assert "its graph has 1,048,588 bytes" in _refusal(text, b"")


def test_whatever_bytes_are_changed_it_is_read_or_refused():
    text, weights = _compact()
    numbers = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(text.encode())
        for _ in range(numbers.randint(1, 4)):
            damaged[numbers.randrange(8, len(damaged))] = numbers.randrange(9, 127)
        try:
            _read(bytes(damaged), weights)
        except errors.NoInputError:
            refused += 1
    assert refused > 200
