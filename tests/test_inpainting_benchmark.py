import csv
import importlib
import json
import types

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.inference import restorer

SIDE = 16
PICTURES, MASKS = ("a", "b", "c"), ("left", "top")


@pytest.fixture
def bench(monkeypatch):
    """The benchmark as on a machine without its rivals."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    machine = importlib.import_module("benchmarks.machine")
    monkeypatch.setattr(machine, "peer", lambda name: None)
    return importlib.import_module("benchmarks.inpainting")


@pytest.fixture
def folders(tmp_path):
    """Pictures 24 px wide and 16 high, and masks of a quarter and of an eighth."""
    pictures, masks = tmp_path / "pictures", tmp_path / "masks"
    pictures.mkdir()
    masks.mkdir()
    for seed, name in enumerate(PICTURES):
        noise = np.random.default_rng(seed).integers(0, 256, (SIDE, 24, 3), np.uint8)
        images.encode(noise, pictures / f"{name}.png")
    lost = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    lost[0, :, :4] = lost[1, :2] = 255
    for name, mask in zip(MASKS, lost, strict=True):
        images.encode(mask, masks / f"{name}.png")
    return pictures, masks


def test_the_table_has_each_method_over_all_and_in_each_class(
    bench, folders, tmp_path, capsys
):
    output = tmp_path / "new" / "table.json"
    pictures, masks = folders
    arguments = ["--images", str(pictures), "--masks", str(masks), "--small"]
    bench.main(
        [*arguments, "--side", str(SIDE), "--pairs", "4", "--output", str(output)]
    )
    content = json.loads(output.read_text())
    methods = ["original", "mean fill", "biharmonic"]
    shown = [(row["lost"], row["method"]) for row in content["records"]]
    classes = ("all", "10-20 %", "20-30 %")
    assert shown == [(lost, method) for lost in classes for method in methods]
    assert [row["images"] for row in content["records"]] == [4] * 3 + [2] * 6
    with output.with_suffix(".csv").open() as file:
        rows = [*csv.DictReader(file)]
    pairs = [(row["image"], row["mask"]) for row in rows[::3]]
    names = [("a", "left"), ("b", "top"), ("c", "left"), ("a", "top")]
    assert pairs == [(f"{image}.png", f"{mask}.png") for image, mask in names]
    assert {row["intact_psnr"] for row in rows} == {"inf"}
    assert float(rows[3]["hole_share"]) == 0.125
    for index, method in enumerate(methods[1:], 1):
        record = content["records"][index]
        own = [float(r["restored_hole_psnr"]) for r in rows if r["method"] == method]
        assert record["scores"]["hole_psnr"]["mean"] == pytest.approx(np.mean(own))
        assert record["hole_psnr"] == f"{np.mean(own):.2f}"
    assert content["records"][0]["hole_psnr"] == "inf"
    said = capsys.readouterr().out
    assert "absent: opencv-python-headless, pypatchmatch" in said
    assert "1: a.png with left.png, 25% lost; mean fill " in said


def test_of_an_answer_the_hole_alone_counts_and_what_was_lost_is_not_shown(bench):
    target = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    lost = np.zeros((SIDE, SIDE, 1), bool)
    lost[4:12, 4:12] = True
    question = bench.Question("a", "box", target, lost)
    seen = []

    def black(picture, mask):
        seen.append((picture, mask))
        return np.zeros_like(picture)

    original, scored = bench.rows(question, {"black": black})
    ((picture, mask),) = seen
    np.testing.assert_array_equal(mask, lost)
    np.testing.assert_array_equal(picture[4:12, 4:12], 0.5)
    known = ~lost[..., 0]
    np.testing.assert_allclose(picture[known], target[known] / 255, rtol=1e-6)
    inside = target[4:12, 4:12].astype(float)
    expected = 10 * np.log10(255**2 / (inside**2).mean())
    assert scored["restored_hole_psnr"] == pytest.approx(expected, rel=1e-5)
    assert (scored["hole_share"], scored["intact_psnr"]) == (0.25, np.inf)
    # The known pixels around the box, each beside black.
    around = [target[3, 4:12], target[12, 4:12], target[4:12, 3], target[4:12, 12]]
    assert scored["restored_step"] == pytest.approx(np.mean(around), rel=1e-5)
    assert original["restored_psnr"] == np.inf and original["restored_step"] > 0


def test_rivals_are_given_8_bits_and_where_it_is_lost(bench, monkeypatch):
    asked = []

    def filled(picture, mask, *options, **named):
        asked.append((picture, mask, *options, *named.values()))
        return np.where(mask > 0, np.uint8(51), picture)

    opencv = types.SimpleNamespace(inpaint=filled, INPAINT_TELEA=1, INPAINT_NS=0)
    seeds = []
    patches = types.SimpleNamespace(inpaint=filled, set_random_seed=seeds.append)
    modules = {"cv2": opencv, "patchmatch": patches}
    monkeypatch.setattr(bench.rivals.machine, "peer", modules.get)
    fills = bench.rivals.installed()
    assert [*fills][2:] == ["Telea", "Navier-Stokes", "PatchMatch"]
    lost = np.zeros((SIDE, SIDE, 1), bool)
    lost[:4] = True
    picture = np.full((SIDE, SIDE, 3), 0.4, np.float32)
    for name in [*fills][2:]:
        result = fills[name](picture, lost)
        expected = np.where(lost, 0.2, picture)
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    for levels, mask, *_ in asked:
        assert levels.dtype == mask.dtype == np.uint8
        np.testing.assert_array_equal(levels, 102)
        np.testing.assert_array_equal(mask, 255 * lost)
    assert [options for _, _, *options in asked] == [[3, 1], [3, 0], [3]]
    assert seeds == [0]


def test_a_network_sees_the_mask_beside_the_colours_and_others_are_refused(bench):
    apply = lambda degraded: degraded[..., :3] + 0.25 * degraded[..., 3:]
    network = restorer.Restorer(apply, 1, 8, "own", ("rgb", "mask"))
    lost = np.zeros((SIDE, SIDE, 1), bool)
    lost[:4] = True
    fill = bench.of_network(network, "own")
    found = fill(np.full((SIDE, SIDE, 3), 0.5, np.float32), lost)
    # What it adds in the hole is a step, most of which is taken back.
    assert 0.5 < found[:4].min() <= found[:4].max() < 0.6
    np.testing.assert_array_equal(found[4:], np.float32(128) / 255)
    blind = restorer.Restorer(apply, 1, 1, "blind")
    with pytest.raises(errors.ConfigError, match="blind takes rgb; holes are filled"):
        bench.of_network(blind, "blind")


def test_a_method_that_is_not_there_is_refused_with_those_that_are(bench):
    with pytest.raises(
        errors.ConfigError, match=r"'Telea' is none of .*mean fill, bih"
    ):
        bench.main(["--small", "--only", "Telea"])


def test_holes_are_drawn_where_no_masks_are_given(bench):
    asked = [*bench.questions(None, None, count=2, side=SIDE)]
    assert [question.mask for question in asked] == ["drawn 0", "drawn 1"]
    assert all(0 < question.lost.mean() < 1 for question in asked)
    assert (asked[0].lost != asked[1].lost).any()
    assert {question.target.shape for question in asked} == {(SIDE, SIDE, 3)}


def test_the_prior_is_fitted_to_one_picture_and_told_its_hole(bench, monkeypatch):
    asked = {}

    def restore(degraded, **options):
        asked.update(options, shape=degraded.shape)
        return types.SimpleNamespace(images=np.full(degraded.shape, 0.25))

    monkeypatch.setattr(bench.prior.deep_image, "restore", restore)
    lost = np.eye(4, dtype=bool)[..., None]
    filled = bench.of_prior("7")(np.ones((4, 4, 3), np.float32), lost)
    assert filled.shape == (4, 4, 3) and (filled[~lost[..., 0]] == 1).all()
    assert asked["shape"] == (1, 4, 4, 3) and asked["iterations"] == 7
    np.testing.assert_array_equal(asked["mask"], lost[None].astype(np.float32))
