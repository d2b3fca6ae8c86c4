"""`jaxrestore.export`: files that restore without jaxrestore, and what is refused."""

import doctest
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import exported
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
import untrained
from jax import export as jax_export
from typer.testing import CliRunner

import jaxrestore
from jaxrestore import errors, images
from jaxrestore.cli import app
from jaxrestore.exporting import library, onnx_files
from jaxrestore.inference import restorer, shipped
from jaxrestore.weights import cards, inputs, weight_files

PAGE = (Path(__file__).parents[2] / "docs" / "exporting.md").read_text()
SCRIPTS = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
# Not to be imported by a script, and what it leaves.
ALONE = "import sys; sys.modules.update(dict.fromkeys({}))\n{}\n"
LEFT = "np.save('restored', np.asarray(restored[0]))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What both kinds of file of the network `denoise` are in, and a noisy picture."""
    home = tmp_path_factory.mktemp("exported")
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    images.encode(picture, home / "IN.png")
    for suffix in library.SUFFIXES:
        said = library.export("denoise", home / f"denoise{suffix}")
        assert said["takes"] == ["rgb"] and said["scale"] == 1
    return home


@pytest.mark.parametrize(
    ("script", "absent"),
    [(0, ["jaxrestore", "jax", "onnx"]), (1, ["jaxrestore", "flax"])],
)
def test_a_script_of_the_page_restores_without_jaxrestore(script, absent, folder):
    source = SCRIPTS[script]
    assert len(source.splitlines()) <= 30
    text = ALONE.format(absent, f"{source}\n{LEFT}")
    run = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    made = np.load(folder / "restored.npy")
    made = made if made.shape[-1] == 3 else made.transpose(1, 2, 0)
    # One tile, so that the picture is not mirrored; and all that the network changes.
    picture = images.decode(folder / "IN.png").astype(np.float32) / 255
    wanted = jaxrestore.restore(picture, "denoise", strength=1)
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    levels = np.rint(255 * made.clip(0, 1))
    np.testing.assert_array_equal(images.decode(folder / "OUT.png"), levels)


@pytest.mark.slow
@pytest.mark.parametrize("task", shipped.tasks())
def test_every_network_that_ships_gives_its_numbers(task, tmp_path):
    network = jaxrestore.Restorer.load(task)
    for suffix in library.SUFFIXES:
        library.export(task, tmp_path / f"out{suffix}")
    program = bytearray((tmp_path / "out.stablehlo").read_bytes())
    call = jax.jit(jax_export.deserialize(program).call)
    random = np.random.default_rng(0)
    for sides in ((64, 64), (33, 70)):
        image = random.random((1, *sides, inputs.channels(network.takes)), np.float32)
        if "mask" in network.takes:
            image[..., -1] = image[..., -1] > 0.7
        wanted = network.apply(jnp.asarray(image))
        made = exported.run(str(tmp_path / "out.onnx"), image)
        np.testing.assert_allclose(made, wanted, atol=1e-5)
        np.testing.assert_allclose(call(image), wanted, atol=1e-5)


def test_files_say_what_they_take_and_whose_they_are(folder):
    model = onnx.load(folder / "denoise.onnx")
    told = {entry.key: entry.value for entry in model.metadata_props}
    beside = json.loads((folder / "denoise.stablehlo.json").read_text())
    assert told["input"].startswith("float32 [batch, 3, height, width]: red")
    assert beside["input"].startswith("float32 [batch, height, width, 3]: red")
    assert "multiples of 8" in told["sides"] and "not clipped" in told["output"]
    for key in ("scale", "reach", "smallest", "takes", "generator", "source"):
        assert json.loads(told[key]) == beside[key]
    assert told["license"] == beside["license"] and "Apache-2.0" in told["license"]
    assert beside["jax"] == jax.__version__ and "six months" in beside["lifetime"]
    sides = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    ]
    assert sides == 2 * [["batch", 3, "height", "width"]]


def test_the_example_of_the_docstring_is_true(tmp_path):
    known = {"export": library.export, "folder": tmp_path}
    text = inspect.getdoc(library.export) or ""
    example = doctest.DocTestParser().get_doctest(text, known, "export", None, None)
    assert doctest.DocTestRunner().run(example).failed == 0 and example.examples


@pytest.fixture
def weights(tmp_path):
    """A file of weights of a network: `weights({"name": "fcn", ...})`."""

    def make(generator, channels=3, statistics="eval"):
        model = jaxrestore.networks.build("Generator", generator)
        side = 8 * model.multiple
        image = jax.ShapeDtypeStruct((1, side, side, channels), np.float32)
        zeros = lambda leaf: np.zeros(leaf.shape, leaf.dtype)
        variables = jax.tree.map(zeros, untrained.shapes(model, image))
        card = cards.card(generator, variables, source={}, statistics=statistics)
        if channels == 4:
            card["takes"] = ["rgb", "mask"]
        weight_files.write(tmp_path / "w.safetensors", variables, card)
        return tmp_path / "w.safetensors"

    return make


DEEPFILL = {"name": "deepfill", "width": 4}
LOCAL = {"name": "nafnet", "width": 4, "encoders": [1], "decoders": [1]}
PIX2PIX = {"name": "pix2pix_unet", "filters": 4, "downs": 2}


@pytest.mark.parametrize(
    ("generator", "channels", "suffix"),
    [
        pytest.param(DEEPFILL, 4, ".onnx", marks=pytest.mark.slow),
        ({**LOCAL, "local_statistics": 8}, 3, ".stablehlo"),
        ({**LOCAL, "local_statistics": 8}, 3, ".onnx"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_network_that_depends_on_the_size_is_refused(
    generator, channels, suffix, weights, tmp_path
):
    given = weights(generator, channels)
    with pytest.raises(errors.ConfigError, match="images of other sizes"):
        library.export(given, tmp_path / f"out{suffix}")
    assert not [*tmp_path.glob("out*")]


def test_what_a_network_itself_refuses_keeps_its_words(weights, tmp_path, monkeypatch):
    given = weights({"name": "fcn", "width": 4, "blocks": 1})

    def refused(images):
        raise ValueError("it takes no pictures of cats")

    network = restorer.Restorer(refused, 1, 1, "stand_in")
    monkeypatch.setattr(restorer, "of_card", lambda *card, name: network)
    for suffix in library.SUFFIXES:
        with pytest.raises(ValueError, match="it takes no pictures of cats"):
            library.export(given, tmp_path / f"out{suffix}")


def test_what_draws_random_numbers_is_refused_as_onnx(weights, tmp_path):
    given = weights(PIX2PIX, statistics="pix2pix")
    with pytest.raises(errors.ConfigError, match="asks for random numbers"):
        library.export(given, tmp_path / "out.onnx")


def test_weights_that_no_file_holds_are_refused(weights, tmp_path, monkeypatch):
    given = weights({"name": "fcn", "width": 4, "blocks": 1})
    monkeypatch.setattr(onnx_files, "MOST", 1000)
    with pytest.raises(errors.ConfigError, match="asks for weights of 2 GiB"):
        library.export(given, tmp_path / "out.onnx")


@pytest.mark.parametrize(
    ("what", "name", "told"),
    [
        ("denoise", "out.pb", "ends in .onnx or in .stablehlo"),
        ("denoise", "nowhere/out.onnx", "its folder does not exist"),
        ("denoise", "there.onnx", "there.onnx exists"),
        ("denoize", "out.onnx", "did you mean 'denoise'"),
    ],
)
def test_what_cannot_be_meant_is_told(what, name, told, tmp_path):
    (tmp_path / "there.onnx").touch()
    with pytest.raises(errors.ConfigError, match=told):
        library.export(what, tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "package"), [(".onnx", "onnx"), (".stablehlo", "flatbuffers")]
)
def test_a_package_that_is_missing_is_named(
    suffix, package, weights, tmp_path, monkeypatch
):
    given = weights({"name": "fcn", "width": 4, "blocks": 1})
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    with pytest.raises(errors.ConfigError, match=rf"{package}.*jaxrestore\[export\]"):
        library.export(given, tmp_path / f"out{suffix}")


def test_the_command_offers_no_options_that_it_has_not(tmp_path):
    words = ["export", "denoize", str(tmp_path / "out.onnx")]
    told = str(CliRunner().invoke(app.app, words).exception)
    assert "did you mean 'denoise'?" in told and told.endswith(
        "give its file of weights"
    )
    known = CliRunner().invoke(app.app, ["export", "--help"]).output
    assert {*re.findall(r"--[a-z-]+|`[a-z_]+`", told)} <= {*known.split()}


def test_the_command_writes_a_file_and_says_what_it_takes(weights, tmp_path):
    given = weights({"name": "srvggnet", "width": 4, "convs": 1, "scale": 2})
    words = ["export", str(given), str(tmp_path / "out.onnx")]
    result = CliRunner().invoke(app.app, words)
    assert result.exit_code == 0, result.output
    assert "output: float32 [batch, 3, 2 * height, 2 * width]" in result.output
    again = CliRunner().invoke(app.app, words)
    assert "--overwrite" in str(again.exception)
    assert CliRunner().invoke(app.app, [*words, "--overwrite"]).exit_code == 0
