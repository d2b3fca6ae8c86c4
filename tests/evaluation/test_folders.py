import csv
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from jaxrestore import errors, files, images, perceptual
from jaxrestore.evaluation import batches, folders
from jaxrestore.models import vgg

SIZE = (24, 31)  # as in the tests of the protocols: compiled once
NAMES = ("a", "b", "c")


def _picture(seed, channels=3, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8)


def _noisy(picture, amount, seed):
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _write(folder, pictures):
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        images.encode(picture, folder / name)
    return folder


@pytest.fixture
def trio(tmp_path):
    """Folders of predictions, targets and inputs; the inputs are the noisiest."""
    targets = {f"{name}.png": _picture(i) for i, name in enumerate(NAMES)}
    better = {n: _noisy(t, 5, i) for i, (n, t) in enumerate(targets.items())}
    worse = {n: _noisy(t, 40, i) for i, (n, t) in enumerate(targets.items())}
    places = {"predictions": better, "targets": targets, "inputs": worse}
    return [_write(tmp_path / name, pictures) for name, pictures in places.items()]


def _psnr(a, b):
    return skimage.metrics.peak_signal_noise_ratio(b, a, data_range=255)


def test_files_whose_partners_are_known_have_the_same_scores(trio):
    roles = ("prediction", "target", "input")
    pair = lambda n: {r: f / f"{n}.png" for r, f in zip(roles, trio, strict=True)}
    scores = folders.score_files({name: pair(name) for name in NAMES})
    assert scores == folders.score(*trio)
    lost = {"x": {**pair("a"), "target": trio[1] / "none.png"}}
    scores = folders.score_files(lost)
    assert not scores.rows and "no such file" in scores.skipped["x"]


def test_files_are_scored_against_those_of_their_name(trio):
    predictions, targets, _ = trio
    (predictions / "b.png").rename(predictions / "b.bmp")  # whatever it says it is
    scores = folders.score(predictions, targets)
    assert [row["image"] for row in scores.rows] == [*NAMES] and not scores.skipped
    for index, row in enumerate(scores.rows):
        target = _picture(index)
        expected = _psnr(_noisy(target, 5, index), target)
        assert row["restored_psnr"] == pytest.approx(expected, abs=1e-3)
        assert row["protocol"] == "rgb8" and "gain_psnr" not in row


def test_with_inputs_each_row_has_the_gain_over_them(trio):
    rows = folders.score(*trio).rows
    for index, row in enumerate(rows):
        target = _picture(index)
        before = _psnr(_noisy(target, 40, index), target)
        assert row["degraded_psnr"] == pytest.approx(before, abs=1e-3)
        gain = row["restored_psnr"] - row["degraded_psnr"]
        assert row["gain_psnr"] == pytest.approx(gain) and gain > 5
    summary = folders.summarize(rows)["rgb8"]
    psnr = summary["metrics"]["psnr"]
    gains = np.array([row["gain_psnr"] for row in rows])
    assert psnr["gain"] == pytest.approx(gains.mean())
    half = 1.96 * gains.std(ddof=1) / np.sqrt(3)
    assert psnr["ci95"] == pytest.approx([gains.mean() - half, gains.mean() + half])
    values = [row["restored_psnr"] for row in rows]
    expected = [np.mean(values), np.median(values), np.percentile(values, 5)]
    assert [psnr[key] for key in ("mean", "median", "p05")] == pytest.approx(expected)
    assert summary["images"] == 3


def test_every_protocol_gives_each_image_a_row(trio, tmp_path):
    names = folders.names(masks=False)
    scores = folders.score(trio[0], trio[1], protocols=names)
    places = [(row["image"], row["protocol"]) for row in scores.rows]
    assert places == [(image, name) for image in NAMES for name in names]
    summary = folders.summarize(scores.rows)
    means = {n: part["metrics"]["psnr"]["mean"] for n, part in summary.items()}
    low, high = re.findall(r"([\d.]+) dB under", folders.spread(summary))
    assert float(low) == pytest.approx(min(means.values()), abs=0.006)
    assert float(high) == pytest.approx(max(means.values()), abs=0.006)
    assert summary["sr_y_x4"]["fixes"].endswith("a border of 4 px cut.")
    files.write_csv(tmp_path / "all.csv", scores.rows)
    with (tmp_path / "all.csv").open() as file:
        lines = [*csv.DictReader(file)]
    assert len(lines) == len(scores.rows) and lines[0]["restored_ms_ssim"]
    assert lines[names.index("pixelation_group")]["restored_ssim"] == ""


def test_two_files_are_scored_whatever_they_are_called(trio):
    scores = folders.score(trio[0] / "a.png", trio[1] / "b.png")
    expected = _psnr(_noisy(_picture(0), 5, 0), _picture(1))
    assert scores.rows[0]["image"] == "a"
    assert scores.rows[0]["restored_psnr"] == pytest.approx(expected, abs=1e-3)


def test_equal_files_are_infinitely_good_and_json_says_null(trio):
    targets = trio[1]
    scores = folders.score(targets, targets, targets)
    assert all(row["restored_psnr"] == np.inf for row in scores.rows)
    assert all(row["gain_psnr"] == 0 for row in scores.rows)
    summary = folders.summarize(scores.rows)
    assert summary["rgb8"]["metrics"]["psnr"]["mean"] is None
    assert "infinite for an image under 1 of 1" in folders.spread(summary)
    document = folders.document(scores, targets, targets, targets)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["rows"][0]["restored_psnr"] is None
    assert document["environment"]["jax"] and document["inputs"] == str(targets)


def test_means_are_over_finite_numbers_and_medians_over_defined_ones(trio):
    predictions, targets, _ = trio
    images.encode(_picture(0), predictions / "a.png")
    rows = folders.score(*trio).rows
    psnr = folders.summarize(rows)["rgb8"]["metrics"]["psnr"]
    values = [row["restored_psnr"] for row in rows]
    assert values[0] == np.inf
    assert psnr["mean"] == pytest.approx(np.mean(values[1:]))
    assert psnr["median"] == pytest.approx(max(values[1:]))
    assert (psnr["images"], psnr["infinite"]) == (2, 1)
    assert psnr["gain"] == pytest.approx(np.mean([r["gain_psnr"] for r in rows[1:]]))
    # Inputs that are exact leave no gain, and the predictions their mean.
    rows = folders.score(trio[2], targets, targets).rows
    psnr = folders.summarize(rows)["rgb8"]["metrics"]["psnr"]
    assert psnr["gain"] is None and 10 < psnr["mean"] < 30 and psnr["images"] == 3


def test_an_image_without_a_hole_does_not_count_in_the_means_of_holes(trio, tmp_path):
    mask = np.zeros((*SIZE, 3), np.uint8)
    masks = _write(tmp_path / "masks", {f"{name}.png": mask for name in NAMES})
    mask[6:18, 7:22] = 255
    images.encode(mask, masks / "b.png")
    scores = folders.score(trio[0], trio[1], None, masks, protocols=["inpainting"])
    hole = folders.summarize(scores.rows)["inpainting"]["metrics"]["hole_psnr"]
    expected = scores.rows[1]["restored_hole_psnr"]
    assert hole["mean"] == hole["median"] == pytest.approx(expected)
    assert (hole["images"], hole["infinite"]) == (1, 0)


def test_what_cannot_be_scored_is_named_with_its_reason(trio):
    predictions, targets, _ = trio
    _write(predictions, {"a.png": _picture(0, size=(96, 124)), "z.png": _picture(0)})
    (targets / "b.png").write_text("no picture")
    scores = folders.score(predictions, targets)
    assert [row["image"] for row in scores.rows] == ["c"]
    assert scores.skipped["z"] == "it has no target"
    assert "a.png: the prediction is 124x96, its target 31x24" in scores.skipped["a"]
    assert "b.png" in scores.skipped["b"]


def test_images_too_small_for_a_protocol_are_left_to_the_others(tmp_path):
    target = {"a.png": _picture(0, size=(7, 9))}
    places = [_write(tmp_path / name, target) for name in ("one", "two")]
    scores = folders.score(*places, protocols=("gray8", "sr_y_x4"))
    assert [row["protocol"] for row in scores.rows] == ["gray8"]
    assert "9x7 less a border of 4 px" in scores.skipped["a under sr_y_x4"]
    with pytest.raises(errors.NoInputError, match="nothing was scored; 9x7 less"):
        folders.score(*places, protocols=("sr_y_x4",))


def test_a_grey_target_file_is_scored_as_grey_and_three_equal_channels_are_not(
    tmp_path,
):
    grey, noisy = _picture(0, 1), _noisy(_picture(0, 1), 20, 0)
    three = [np.repeat(picture, 3, -1) for picture in (noisy, grey)]
    ones = [_write(tmp_path / "p1", {"x.png": noisy}), tmp_path / "t1"]
    threes = [_write(tmp_path / "p3", {"x.png": three[0]}), tmp_path / "t3"]
    _write(ones[1], {"x.png": grey})
    _write(threes[1], {"x.png": three[1]})
    psnr = lambda *places: folders.score(*places, protocols=("sr_y_x2",)).rows[0][
        "restored_psnr"
    ]
    inside = slice(2, -2)
    expected = _psnr(noisy[inside, inside], grey[inside, inside])
    assert psnr(*ones) == pytest.approx(expected, abs=1e-3)
    # The same prediction in three channels, of the grey target.
    assert psnr(threes[0], ones[1]) == pytest.approx(expected, abs=1e-3)
    # Studio range: errors shrink by 219 / 255, which is 1.32 dB, but for rounding.
    assert psnr(*threes) == pytest.approx(expected + 1.32, abs=0.1)


def test_a_colour_prediction_of_a_grey_target_counts_by_its_luma(tmp_path):
    grey, colour = _picture(0, 1), _picture(1)
    places = [
        _write(tmp_path / "predictions", {"x.png": colour}),
        _write(tmp_path / "targets", {"x.png": grey}),
    ]
    luma = np.floor(colour @ np.array([0.299, 0.587, 0.114]) + 0.5)
    row = folders.score(*places).rows[0]
    expected = _psnr(luma.astype(np.uint8), grey[..., 0])
    assert row["restored_psnr"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("limits", [(1, 2**24), (2 * 24 * 31, 2**24), (2**20, 1)])
def test_batches_of_any_size_give_the_same_rows_in_order(trio, monkeypatch, limits):
    predictions, targets, _ = trio
    for index, place in enumerate((predictions, targets)):
        _write(place, {"b2.png": _picture(7 + index, size=(9, 8))})
    whole = folders.score(predictions, targets, protocols=("gray8",)).rows
    monkeypatch.setattr(batches, "BATCH_PIXELS", limits[0])
    monkeypatch.setattr(batches, "WAITING_PIXELS", limits[1])
    parts = folders.score(predictions, targets, protocols=("gray8",)).rows
    assert [row["image"] for row in parts] == ["a", "b", "b2", "c"]
    for row, other in zip(whole, parts, strict=True):
        for metric in ("restored_psnr", "restored_ssim"):
            assert row[metric] == pytest.approx(other[metric], rel=1e-5)


def test_a_protocol_compiles_once_for_a_shape_that_fills_its_batches(trio, monkeypatch):
    shapes = []
    monkeypatch.setattr(batches, "BATCH_PIXELS", 2 * SIZE[0] * SIZE[1])
    stack = folders._scored

    def remember(judge, pictures):
        shapes.append(pictures["target"].shape)
        return stack(judge, pictures)

    monkeypatch.setattr(folders, "_scored", remember)
    folders.score(trio[0], trio[1], protocols=("gray8",))
    assert shapes == [(2, *SIZE, 3)] * 2  # three images and a repeat


def test_an_unknown_protocol_is_told_with_the_nearest(trio):
    with pytest.raises(errors.ConfigError, match="did you mean 'sr_y_x4'"):
        folders.score(trio[0], trio[1], protocols=("sr_yx4",))


@pytest.fixture
def lpips():
    """LPIPS of a VGG of two narrow blocks, with random weights."""
    model = vgg.Features(convolutions=(1, 1), widths=(3, 4))
    image = jnp.zeros((1, 8, 8, 3))
    variables = jax.jit(lambda key: model.init(key, image, wanted=model.maps))(
        jax.random.key(0)
    )
    heads = [np.linspace(0.5, 1.5, width, dtype=np.float32) for width in model.widths]
    return perceptual.Lpips(perceptual.Features(model, variables), heads)


def test_lpips_is_one_more_column_of_every_protocol(trio, lpips):
    scores = folders.score(*trio, protocols=("gray8", "sr_y_x2"), lpips=lpips)
    sides = [images.decode(folder / "a.png") for folder in trio]
    prediction, target, degraded = (
        side[None].astype(np.float32) / 255 for side in sides
    )
    measure = jax.jit(lambda a, b: perceptual.lpips(lpips, a, b))
    restored = float(measure(prediction, target)[0])
    before = float(measure(degraded, target)[0])
    assert before > 2 * restored > 0
    assert len(scores.rows) == 6
    for row in scores.rows[:2]:
        assert row["restored_lpips_vgg"] == pytest.approx(restored, rel=1e-4)
        assert row["degraded_lpips_vgg"] == pytest.approx(before, rel=1e-4)
        assert row["gain_lpips_vgg"] == pytest.approx(restored - before, rel=1e-4)
    metrics = folders.summarize(scores.rows)["gray8"]["metrics"]
    assert [*metrics] == ["psnr", "ssim", "lpips_vgg"]
    gains = [row["gain_lpips_vgg"] for row in scores.rows if row["protocol"] == "gray8"]
    assert metrics["lpips_vgg"]["gain"] == pytest.approx(np.mean(gains))


def test_an_image_too_small_for_lpips_is_left_out_by_name(tmp_path, lpips):
    pictures = {"a.png": _picture(0), "b.png": _picture(1, size=(1, 40))}
    places = [_write(tmp_path / name, pictures) for name in ("one", "two")]
    scores = folders.score(*places, protocols=("pixelation_group",), lpips=lpips)
    assert [row["image"] for row in scores.rows] == ["a"]
    assert "pass larger ones" in scores.skipped["b"]
    assert scores.rows[0]["restored_lpips_vgg"] == 0


def test_masks_name_the_pixels_that_are_scored_apart(trio, tmp_path):
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[6:18, 7:22] = 255
    masks = _write(tmp_path / "masks", {f"{name}.png": mask for name in NAMES})
    scores = folders.score(*trio, masks=masks, protocols=["inpainting", "rgb8"])
    assert not scores.skipped
    for index, row in enumerate(scores.rows[::2]):
        target = _picture(index)
        better = _noisy(target, 5, index)
        expected = _psnr(better[6:18, 7:22], target[6:18, 7:22])
        assert row["restored_hole_psnr"] == pytest.approx(expected, abs=1e-3)
        assert row["gain_hole_psnr"] > 10 and row["degraded_hole_l1"] > 0
    (masks / "b.png").unlink()
    assert folders.score(*trio, masks=masks).skipped == {"b": "it has no mask"}


def test_a_protocol_of_holes_wants_masks(trio):
    with pytest.raises(errors.ConfigError, match="inpainting scores lost pixels"):
        folders.score(*trio, protocols=["inpainting"])
    assert "inpainting" in folders.names(masks=True)
    assert "inpainting" not in folders.names(masks=False)


def test_masks_give_each_image_its_share_and_the_psnr_of_what_was_known(trio, tmp_path):
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[6:18, 7:22] = 255  # 180 of 744 px
    masks = _write(tmp_path / "masks", {f"{name}.png": mask for name in NAMES})
    target = _picture(1)
    pasted = np.where(mask, _noisy(target, 5, 1), target)
    images.encode(pasted, trio[0] / "b.png")
    scores = folders.score(*trio, masks=masks, protocols=["inpainting"])
    assert [row["hole_share"] for row in scores.rows] == [180 / 744] * 3
    assert scores.rows[1]["intact_psnr"] == np.inf
    known, noisy = mask[..., 0] == 0, _noisy(_picture(0), 5, 0)
    expected = _psnr(noisy[known], _picture(0)[known])
    assert scores.rows[0]["intact_psnr"] == pytest.approx(expected, abs=1e-3)
    document = folders.document(scores, *trio, masks=masks)
    holes = document["protocols"]["inpainting"]["holes"]
    assert [part["images"] for part in holes["classes"]] == [0, 0, 3, 0, 0, 0]
    means = holes["classes"][2]["metrics"]
    assert means.keys() == document["protocols"]["inpainting"]["metrics"].keys()
    values = [row["restored_hole_psnr"] for row in scores.rows]
    assert means["hole_psnr"]["mean"] == pytest.approx(np.mean(values))
    assert (holes["outside"], holes["intact_psnr"]["infinite"]) == (0, 1)
    assert "holes" not in folders.summarize(folders.score(*trio).rows)["rgb8"]
