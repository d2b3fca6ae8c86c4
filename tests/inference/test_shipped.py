import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import shipped as golden

from jaxrestore import errors, files, networks
from jaxrestore.comparing import shipped as judges
from jaxrestore.degradations import batched
from jaxrestore.inference import caution, restorer, shipped, trials
from jaxrestore.weights import conversion, weight_files

GENERATOR = {"name": "fcn", "width": 4, "blocks": 1}
TASKS = ("denoise", "inpaint", "jpeg", "photo", "pixel_shuffle", "sr_x2", "sr_x4")
METHODS = ("input", "classical", "ours")
README = Path(__file__).parents[2] / "README.md"
STORED = Path(__file__).parents[1] / "golden" / "shipped.json"


def _judge(degradation, restorers, pictures):
    """Scores that tell who was asked what."""
    level = 20.0 + len(json.dumps(degradation) + pictures) / 100
    names = ["input", *restorers]
    return {n: {"psnr": level + i, "ssim": 0.5} for i, n in enumerate(names)}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """`shelf(name, scores)` puts an untrained network where ours would lie."""
    monkeypatch.setattr(shipped, "_folder", lambda: tmp_path)
    model = networks.build("Generator", GENERATOR)
    init = lambda images: model.init(jax.random.key(0), images, train=False)
    shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, 3)))
    variables = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)

    def put(name, scores=()):
        card = {
            "generator": GENERATOR,
            "task": name,
            "scale": 1,
            "colors": "rgb",
            "inputs": 3,
            "statistics": "eval",
            "scores": list(scores),
        }
        weight_files.write(tmp_path / f"{name}.safetensors", variables, card)
        return tmp_path / f"{name}.safetensors"

    return put


@pytest.fixture
def network():
    return restorer.Restorer(lambda images: images, 1, 1, "stand_in")


def test_what_lies_on_the_shelf_is_known_by_its_task(shelf):
    assert shipped.names() == []
    with pytest.raises(errors.DamagedError, match=r"denoise\.safetensors, a file"):
        shipped.path("denoise")
    with pytest.raises(errors.ConfigError, match="did you mean 'denoise'"):
        shipped.path("denoize")
    place = shelf("jpeg")
    shelf("denoise").with_suffix(".json").unlink()
    with pytest.raises(errors.DamagedError, match=r"denoise\.json, a file of"):
        shipped.card("denoise")
    assert shipped.names() == ["denoise", "jpeg"]
    assert shipped.path("jpeg") == place
    assert shipped.card("jpeg")["task"] == "jpeg"
    assert shipped.load("jpeg").name == "jpeg"
    with pytest.raises(errors.ConfigError, match="did you mean 'denoise'"):
        shipped.load("denoising")


def test_a_task_nobody_knows_is_refused(network):
    with pytest.raises(errors.ConfigError, match="no task 'deblur'"):
        shipped.measure(network, "deblur", _judge)


def test_a_row_for_each_case_says_what_input_classical_and_ours_score(network):
    rows = shipped.measure(network, "jpeg", _judge)
    assert [row["level"] for row in rows] == [*shipped.task("jpeg").cases]
    assert [row["level"] for row in rows][:4] == [10, 20, 40, "clean"]
    assert all([*row] == ["level", *METHODS] for row in rows)


def test_what_is_judged_is_the_baseline_and_what_becomes_of_files(network):
    asked = []

    def judge(degradation, restorers, pictures):
        asked.append((degradation, pictures, dict(restorers)))
        return {}

    shipped.measure(network, "pixel_shuffle", judge)
    rates = [degradation["rate"] for degradation, _, _ in asked]
    assert rates == [0.05, 0.15, 0.4]
    assert {pictures for _, pictures, _ in asked} == {"photographs"}
    restorers = asked[0][2]
    assert restorers["classical"] is trials.classical.vector_median
    pictures = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)) / 255
    np.testing.assert_allclose(restorers["ours"](pictures), pictures, atol=1e-6)


def test_a_network_is_judged_with_its_caution_and_within_a_jpeg_s_cells():
    # It adds 4 of 255, which a file of quality 100 and its own caution refute.
    found = {}

    def judge(degradation, restorers, pictures):
        if pictures == "photographs":
            grey = np.full((1, 16, 16, 3), 128 / 255, np.float32)
            found[str(degradation)] = restorers["ours"](grey)[0, 0, 0, 0] * 255 - 128
        return {}

    plain = restorer.Restorer(lambda images: images + 4 / 255, 1, 1, "add")
    shipped.measure(plain, "jpeg", judge)
    changes = [change for damage, change in found.items() if "'jpeg'" in damage]
    assert changes[0] > 1 and changes[-1] == 0
    assert found[str(trials.CLEAN)] == 4
    careful = dataclasses.replace(plain, caution=caution.Caution(4.0, False))
    shipped.measure(careful, "jpeg", judge)
    assert set(found.values()) == {0}


def test_what_falls_below_its_least_is_named():
    scores = lambda *psnrs: {
        name: {"psnr": psnr, "ssim": 0.5}
        for name, psnr in zip(METHODS, psnrs, strict=True)
    }
    rows = [
        {"level": 15, **scores(20.0, 30.0, 29.9)},
        {"level": 25, **scores(20.0, 30.0, 30.0)},
        {"level": "clean", **scores(58.9, 58.9, 39.0)},
        {"level": "text, clean", **scores(58.9, 58.9, 40.0)},
        {"level": "text, sigma 15", **scores(26.0, 30.0, 25.0)},
    ]
    assert shipped.shortcomings("denoise", rows) == [
        "denoise at 15: 29.9 dB, less than 30.0 of classical",
        "denoise at clean: 39.0 dB, less than 40.0",
        "denoise at text, sigma 15: 25.0 dB, less than 26.0 of input",
    ]


@pytest.mark.parametrize("name", TASKS)
def test_every_case_is_of_pictures_that_there_are(name):
    for case in shipped.task(name).cases.values():
        assert case.pictures in judges.PICTURES
        assert isinstance(case.least, float) or case.least in ("input", "classical")


def test_a_jpeg_is_asked_as_most_files_are_coded():
    damages = [shipped.task("jpeg").cases[quality].damage for quality in (10, 40)]
    coded = {"name": "jpeg", "subsampling": "4:2:0"}
    assert damages == [coded | {"quality": 10}, coded | {"quality": 40}]


def test_a_noisy_input_has_the_level_asked_for_and_the_eight_bits_of_a_file():
    recipe = shipped.task("denoise").cases[25].damage
    damage = jax.jit(functools.partial(batched.degrade, recipe=recipe))
    grey = jnp.full((1, 32, 32, 3), 128 / 255)
    levels = 255 * np.asarray(damage(jax.random.split(jax.random.key(0), 1), grey))
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)
    # 3,072 draws: the deviation of their deviation is 25 / sqrt(2 * 3072) = 0.32.
    assert abs(levels.std() - 25) < 1
    assert [*shipped.task("denoise").cases][:3] == [15, 25, 50]


def test_scores_as_on_the_card_are_verified(shelf, network):
    rows = shipped.measure(network, "jpeg", _judge)
    rows[0]["ours"]["psnr"] += 0.019
    shelf("jpeg", rows)
    found, complaints = shipped.verify("jpeg", _judge)
    assert len(found) == len(rows) and complaints == []


def test_a_score_that_is_not_the_card_s_is_complained_about(shelf, network):
    rows = shipped.measure(network, "jpeg", _judge)
    rows[1]["ours"]["psnr"] += 0.021
    del rows[2]["classical"]
    shelf("jpeg", rows)
    _, complaints = shipped.verify("jpeg", _judge)
    assert len(complaints) == 3
    assert complaints[0].startswith("jpeg at 20: psnr of ours is 22.")
    assert all("jpeg at 40: " in text and "has None" in text for text in complaints[1:])


def test_weights_that_are_not_the_card_s_are_not_verified(shelf):
    place = shelf("denoise")
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    with pytest.raises(errors.MismatchError, match="SHA-256"):
        shipped.verify("denoise", _judge)


# What really ships


def test_a_network_ships_for_each_task():
    assert shipped.names() == [*TASKS]


@pytest.mark.parametrize("name", TASKS)
def test_a_shipped_network_is_small_whole_and_better_than_what_needs_none(name):
    place, card = shipped.path(name), shipped.card(name)
    assert place.stat().st_size <= 4e6
    assert card["sha256"] == files.sha256(place)
    assert card["task"] == name and card["protocol"] == shipped.PROTOCOL
    assert {"data", "steps", "degradation", "license", "source"} <= set(card)
    variables = weight_files.load(place)[1]
    facts = conversion.described(card["generator"], variables, card["statistics"])
    takes = ["rgb", "mask"] if name == "inpaint" else ["rgb"]
    assert facts.items() <= card.items() and card["takes"] == takes
    network = shipped.load(name)
    assert (network.takes, network.multiple) == ((*takes,), card["multiple"])
    assert (network.reach, network.smallest) == (card["reach"], card["smallest"])
    assert [row["level"] for row in card["scores"]] == [*shipped.task(name).cases]
    assert shipped.shortcomings(name, card["scores"]) == []
    assert (network.caution and network.caution._asdict()) == card.get("caution")


@pytest.mark.parametrize("name", TASKS)
def test_a_shipped_network_makes_of_a_picture_what_it_always_made(name):
    stored = json.loads(STORED.read_text())[name]
    network = shipped.load(name)
    restored = network.apply(jnp.asarray(golden.question(network.takes)))
    # 6e-7 with and without the compiler's optimisations; a leaky ReLU is off by 0.03.
    np.testing.assert_allclose(golden.numbers(restored), stored, rtol=0, atol=1e-5)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize(
    ("name", "sigma", "off"),
    [("denoise", 25, 1), ("denoise", 50, 2), ("photo", 25, 2), ("photo", 50, 7)],
)
def test_white_stays_white_and_black_black(name, level, sigma, off):
    noise = np.random.default_rng(0).normal(0, sigma, (128, 128, 3))
    image = np.clip(np.rint(level + noise), 0, 255).astype(np.uint8)
    restored = restorer.restore_image(shipped.load(name), image)
    assert abs(restored.mean() - level) < off  # noise at the end of the range: 10, 20


RESTORING = """
import sys
import numpy as np
from jaxrestore.inference import restorer, shipped
network = shipped.load("denoise")
restored = restorer.restore_image(network, np.full((9, 12, 3), 128, np.uint8))
assert restored.shape == (9, 12, 3)
print(*sorted({"orbax", "tensorstore"} & set(sys.modules)))
"""


def test_restoring_with_what_ships_loads_no_library_of_checkpoints():
    command = [sys.executable, "-c", RESTORING]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def _in_the_readme(task, level):
    """The row of the README for a case of a task, as it is called there."""
    if task == "pixel_shuffle":
        return f"| rate {level} |"
    if task == "jpeg":
        if isinstance(level, int):
            return f"| quality {level} |"
        kind, _, last = level.rpartition(", ")
        if last.isdigit():
            return f"| {kind}, quality {last} |"
        return f"| quality {level} |" if kind else f"| {level} |"
    if task.startswith("sr_"):
        scale = task.removeprefix("sr_")
        return f"| {scale} |" if isinstance(level, int) else f"| {level}, {scale} |"
    return f"| sigma {level} of 255 |" if isinstance(level, int) else f"| {level} |"


@pytest.mark.parametrize("task", TASKS)
def test_the_scores_of_the_cards_stand_in_the_readme(task):
    lines = README.read_text().splitlines()
    for row in shipped.card(task)["scores"]:
        label = _in_the_readme(task, row["level"])
        rows = [line for line in lines if line.startswith(label)]
        psnr = row["ours"]["psnr"]
        shown = "exact" if psnr >= 58.92 else f"{psnr:.2f}"
        assert any(f"| {shown} |" in line[len(label) - 1 :] for line in rows), label
