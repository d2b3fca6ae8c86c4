import functools
import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import metrics as reference

from jaxrestore import errors, programs, sharding
from jaxrestore.data import sources
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate, summaries
from jaxrestore.ops import resize

GENERATOR = np.random.default_rng(0)
SIZES = [(40, 48), (40, 40), (25, 33), (40, 40), (40, 40)]
SOURCE = sources.Arrays(
    [GENERATOR.integers(0, 256, (*size, 3), np.uint8) for size in SIZES],
    [f"image{i}" for i in range(len(SIZES))],
)
ALONE = sharding.mesh(jax.devices()[:1])
IDENTITY = lambda degraded: degraded


def evaluator(**changes):
    options = {
        "degradation": {"name": "pixel_shuffle", "rate": 0.4},
        "protocol": "rgb8",
        "seed": 3,
        "batch_size": 2,
        "crop": 0,
        "mesh": sharding.mesh(jax.devices()[:2]),
        **changes,
    }
    return evaluate.Evaluator(SOURCE, **options)


def test_there_is_a_row_an_image_in_order_whatever_the_sizes():
    rows = evaluator()(IDENTITY).rows
    assert [row["image"] for row in rows] == list(SOURCE.names)


def test_few_images_wait_for_others_of_their_shape(monkeypatch):
    asked = evaluator(degradation={"name": "eight_bit"})
    found = lambda: [question.indices for question in asked.questions()]
    assert found() == [[1, 3], [0], [2], [4]]
    # Room for the first two: with the third, what waits goes on in short batches.
    monkeypatch.setattr(evaluate, "WAITING_BYTES", 3 * (40 * 48 + 40 * 40))
    assert found() == [[0], [1], [2], [3, 4]]


def test_few_programs_are_kept_whatever_the_sizes(monkeypatch):
    few = functools.partial(programs.compiled, most=2)
    monkeypatch.setattr(programs, "compiled", few)
    nothing = {"name": "eight_bit"}
    asked = evaluator(batch_size=1, mesh=ALONE, protocol="gray8", degradation=nothing)
    client, sizes = jax.devices()[0].client, [(16, 16 + n) for n in range(5)]
    arrays = [GENERATOR.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    asked.source = sources.Arrays(arrays, [str(n) for n in range(5)])
    held = []

    def restore(degraded):
        if degraded.shape[2] in (16, 18, 20):  # the first, the third, the last
            gc.collect()
            held.append(len(client.live_executables()))
        return degraded

    assert len(asked(restore).rows) == 5
    # Beside those of question, baseline and score, jax keeps small ones of slices.
    assert held[2] - held[1] <= held[1] - held[0]


def test_the_identity_gains_nothing_and_its_report_says_so():
    result = evaluator()(IDENTITY)
    for row in result.rows:
        assert row["gain_psnr"] == 0
        assert row["degraded_psnr"] == row["restored_psnr"]
    summary = summaries.summarize(result.rows)
    assert summary["share_better_than_input"] == 0
    assert summary["metrics"]["psnr"]["gain"] == 0
    assert summary["images"] == len(SIZES)


def test_scores_are_those_of_the_strips_own_pixels():
    result = evaluator(strips=9)(IDENTITY)
    assert result.panels == ("input", "restored", "target", "error")
    for row in result.rows:
        panels = np.split(result.strips[row["image"]], 4, axis=1)
        degraded, restored, target, _ = panels
        psnr = reference.peak_signal_noise_ratio(target, degraded, data_range=255)
        assert row["degraded_psnr"] == pytest.approx(psnr, abs=1e-3)
        np.testing.assert_array_equal(degraded, restored)


@pytest.mark.slow
def test_the_question_is_the_same_for_any_batch_device_and_time():
    first = evaluator()(IDENTITY).rows
    again = evaluator(batch_size=4, mesh=sharding.mesh(jax.devices()[:1]))(
        IDENTITY
    ).rows
    for one, other in zip(first, again, strict=True):
        assert one["degraded_psnr"] == pytest.approx(other["degraded_psnr"], abs=1e-5)
    other_seed = evaluator(seed=4)(IDENTITY).rows
    assert first[0]["degraded_psnr"] != other_seed[0]["degraded_psnr"]


def test_a_batch_of_one_image_is_rounded_up_to_the_devices():
    three = sharding.mesh(jax.devices()[:3])
    options = {"protocol": "gray8", "degradation": {"name": "eight_bit"}, "crop": 24}
    asked = evaluator(batch_size=1, mesh=three, **options)
    assert [len(question.target) for question in asked.questions()] == [3, 3]
    alone = evaluator(batch_size=1, mesh=ALONE, **options)(IDENTITY).rows
    assert [row["image"] for row in asked(IDENTITY).rows] == [*SOURCE.names]
    assert len(alone) == len(SIZES)


def test_padding_rows_are_not_counted_and_restore_sees_full_batches():
    seen = []

    def restore(degraded):
        seen.append(degraded.shape)
        return degraded

    rows = evaluator(batch_size=4)(restore).rows
    assert len(rows) == len(SIZES)
    assert {shape[0] for shape in seen} == {4}


def test_an_image_not_to_be_shown_is_scored_and_has_no_strip():
    result = evaluator(not_shown=frozenset({"image1"}))(IDENTITY)
    assert "image1" in [row["image"] for row in result.rows]
    assert "image1" not in result.strips
    assert len(result.strips) == len(SIZES) - 1


def test_a_perfect_restoration_is_infinite_and_the_summary_says_none():
    targets = {}

    def perfect(degraded):
        return targets["now"]

    one = evaluator(batch_size=2)
    original = one.questions

    def remember():
        for question in original():
            targets["now"] = question.target
            yield question

    one.questions = remember
    rows = one(perfect).rows
    assert all(row["restored_psnr"] == float("inf") for row in rows)
    summary = summaries.summarize(rows)
    assert summary["metrics"]["psnr"]["restored"] is None
    assert summary["metrics"]["psnr"]["gain"] is None
    assert summary["share_better_than_input"] == 1
    assert summary["metrics"]["ssim"]["restored"] == pytest.approx(1)


def test_questions_hold_every_image_once_and_say_what_is_padding():
    asked = [*evaluator(batch_size=2).questions()]
    indices = [index for question in asked for index in question.indices]
    assert sorted(indices) == [*range(len(SIZES))]
    for question in asked:
        assert question.names == [SOURCE.names[i] for i in question.indices]
        assert len(question.target) == 2 and len(question.degraded) == 2
        for index, target in zip(question.indices, question.target, strict=False):
            pixels = SOURCE[index]["image"].astype(np.float32) / 255
            np.testing.assert_array_equal(target, pixels)


def test_a_question_can_be_asked_again_from_its_keys():
    recipe = {"name": "noise", "level": 0.1}
    one = evaluator(degradation=recipe, crop=24, batch_size=5, mesh=ALONE)
    (question,) = one.questions()
    assert question.damage is None and question.keys is not None
    again = batched.degrade(question.keys, question.target, recipe=recipe)
    np.testing.assert_allclose(again, question.degraded, atol=1e-6)
    for index, key in zip(question.indices, question.keys, strict=True):
        expected = jax.random.fold_in(jax.random.key(3), index)
        assert key == expected


def test_a_question_says_which_pixels_were_lost_where_the_degradation_knows():
    boxes = {"name": "holes", "kinds": {"box": 1.0}}
    one = evaluator(degradation=boxes, crop=24, batch_size=5, mesh=ALONE)
    (question,) = one.questions()
    assert question.damage.shape == (5, 24, 24, 1)
    np.testing.assert_array_equal(question.damage, question.degraded[..., 3:])
    assert 0 < question.damage.mean() < 1


def test_a_protocol_of_holes_gets_the_damage_beside_the_images():
    boxes = {"name": "holes", "kinds": {"box": 1.0}}
    options = {"crop": 24, "batch_size": 5, "mesh": ALONE, "protocol": "inpainting"}
    one = evaluator(degradation=boxes, **options)
    (question,) = one.questions()
    # Half of the lost level is brought back; what was known stays.
    half = lambda degraded: (degraded[..., :3] + question.target) / 2
    for row in one(half).rows:
        assert row["gain_hole_psnr"] == pytest.approx(6.02, abs=0.1)
        assert row["gain_hole_l1"] < 0 < row["gain_psnr"]
    for blind in ({"name": "noise"}, None):
        with pytest.raises(errors.ConfigError, match="cannot say which they are"):
            evaluator(degradation=blind, **options)


class Pairs(list):
    def name(self, position):
        return self[position]["name"]


def test_a_pair_is_asked_without_keys_and_without_damage():
    target, damaged = GENERATOR.integers(0, 256, (2, 24, 24, 3), np.uint8)
    target_first = np.concatenate([target, damaged], -1)
    one = evaluate.Evaluator(
        Pairs([{"image": target_first, "name": "pair"}]),
        degradation=None,
        protocol="rgb8",
        seed=3,
        batch_size=1,
        crop=0,
        mesh=ALONE,
    )
    (question,) = one.questions()
    assert question.keys is None and question.damage is None
    asked = jnp.stack([question.target[0], question.degraded[0]])
    pixels = np.stack([target, damaged]).astype(np.float32) / 255
    np.testing.assert_array_equal(asked, pixels)


def test_the_crop_is_the_centre_and_a_smaller_side_stays():
    image = np.arange(10 * 6 * 3, dtype=np.uint8).reshape(10, 6, 3)
    np.testing.assert_array_equal(evaluate.centre_crop(image, 4), image[3:7, 1:5])
    np.testing.assert_array_equal(evaluate.centre_crop(image, 8), image[1:9])
    assert evaluate.centre_crop(image, 0) is image


def test_a_damaged_file_is_left_out_and_no_other_counts_twice(tmp_path):
    from jaxrestore import images

    for name in ("a", "b", "c"):
        pixels = GENERATOR.integers(0, 256, (16, 16, 3), np.uint8)
        images.encode(pixels, tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    folder = sources.Folder(tmp_path)
    one = evaluate.Evaluator(
        folder,
        degradation={"name": "pixel_shuffle"},
        protocol="rgb8",
        seed=0,
        batch_size=2,
        crop=0,
        mesh=sharding.mesh(jax.devices()[:1]),
    )
    assert [row["image"] for row in one(IDENTITY).rows] == ["a.png", "c.png"]
    assert [entry["name"] for entry in folder.report()["damaged"]] == ["b.png"]


def test_images_too_small_for_the_protocol_are_left_out_by_name():
    sides = {"large": 24, "small": 6, "tiny": 3}
    arrays = [GENERATOR.integers(0, 256, (n, n, 3), np.uint8) for n in sides.values()]
    options = {"degradation": {"name": "eight_bit"}, "mesh": ALONE, "batch_size": 1}
    one = evaluator(protocol="sr_y_x4", scale=4, **options)
    one.source = sources.Arrays(arrays, [*sides])
    with pytest.warns(errors.Notice, match=r"left out .*: small, tiny \(4x4 less a bo"):
        result = one(IDENTITY)
    assert [row["image"] for row in result.rows] == ["large"]
    assert [*result.left_out] == ["small", "tiny"]
    assert result.left_out["tiny"] == "3x3 px is smaller than the scale of 4"
    one.source = sources.Arrays(arrays[1:], ["small", "tiny"])
    with pytest.raises(errors.NoInputError, match="no evaluation image can be scored"):
        one(IDENTITY)


def test_a_network_that_fails_leaves_no_image_out():
    def broken(images):
        raise ValueError("the layers do not fit")

    with pytest.raises(ValueError, match="the layers do not fit"):
        evaluator(degradation={"name": "eight_bit"}, mesh=ALONE)(broken)


def test_a_mask_beside_the_colours_is_not_scored_and_not_shown():
    boxes = {"name": "holes", "kinds": {"box": 1.0}}
    one = evaluator(degradation=boxes, crop=24, batch_size=5, mesh=ALONE)
    seen = []

    def without_mask(degraded):
        seen.append(degraded.shape)
        return degraded[..., :3]

    result = one(without_mask)
    assert seen == [(5, 24, 24, 4)]
    assert len(result.rows) == len(SIZES)
    for row in result.rows:
        assert row["gain_psnr"] == 0 and np.isfinite(row["degraded_psnr"])
        shown = result.strips[row["image"]]
        assert shown.shape == (24, 4 * 24, 3)
        colours, target = shown[:, :24], shown[:, 48:72]
        expected = reference.peak_signal_noise_ratio(target, colours, data_range=255)
        assert row["degraded_psnr"] == pytest.approx(expected, abs=1e-3)


def test_a_smaller_input_is_scored_as_its_bicubic_enlargement():
    one = evaluator(degradation={"name": "downsample", "scale": 4}, scale=4, mesh=ALONE)
    enlarge = lambda x: resize.rescale(x, 4)
    result = one(enlarge)
    for row in result.rows:
        assert row["gain_psnr"] == pytest.approx(0, abs=1e-3)
    # Targets lose what is left of their sides: 25 x 33 become 24 x 32.
    assert result.strips["image2"].shape == (24, 4 * 32, 3)
    nearest = one(lambda x: x.repeat(4, 1).repeat(4, 2))
    assert summaries.summarize(nearest.rows)["metrics"]["psnr"]["gain"] < 0
    for one_row, other in zip(result.rows, nearest.rows, strict=True):
        assert one_row["degraded_psnr"] == other["degraded_psnr"]


def test_the_baseline_of_an_image_of_the_targets_shape_is_that_image():
    image = jnp.asarray(GENERATOR.random((2, 8, 12, 4), np.float32))
    np.testing.assert_array_equal(
        evaluate.baseline(image, image[..., :3]), image[..., :3]
    )
    small = evaluate.baseline(image[:, ::4, ::4], image[..., :3])
    np.testing.assert_array_equal(small, resize.resize(image[:, ::4, ::4, :3], 8, 12))
