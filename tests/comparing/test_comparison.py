"""Comparing runs: whose runs are one arm, what is measured, and what is said of it."""

import csv
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import metrics as reference

from jaxrestore import errors, images, networks
from jaxrestore.comparing import comparison, runs, tables
from jaxrestore.comparing import images as compared_images
from jaxrestore.evaluation import evaluate
from jaxrestore.runs import checkpoints

SIDE = 32
TINY = {
    "crop": SIDE,
    "batch_size": 4,
    "generator.width": 4,
    "generator.blocks": 1,
    "discriminator.filters": 4,
    "discriminator.stages": 1,
    "data.evaluation_crop": SIDE,
    "data.leaves": 0.0,
}
WORSE = {"objective.restored.l1": 0.5}


def configured(folder, **changes):
    from configs import gan_full

    config = gan_full.get_config("demo")
    given = {"data.train": str(folder), "data.evaluation": str(folder), **changes}
    config.update_from_flattened_dict({**TINY, **given})
    return config.to_dict()


def written(folder, config, *, noise=0.0, lines=()):
    """A finished run: at step 4, its best, it does nothing; at step 8 noise."""
    model = networks.build("Generator", config["generator"])
    variables = model.init(
        jax.random.key(0), jnp.zeros((1, SIDE, SIDE, 3)), train=False
    )
    folder.mkdir(parents=True)
    with checkpoints.manager(folder) as manager:
        for step, score, far in ((4, 30.0, 0.0), (8, 20.0, noise)):
            moved = jax.tree.map(lambda leaf, far=far: leaf + far, variables)
            state = {"step": np.array(step)}
            saved = {"restorer": moved, "config": config, "score": score}
            checkpoints.save(manager, step, state, **saved)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text('{"parameters": {"generator": 7}}')
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Eight images, three seeds of an arm that does nothing, two of a worse one."""
    home = tmp_path_factory.mktemp("compare")
    generator = np.random.default_rng(0)
    (home / "images").mkdir()
    for index in range(8):
        picture = generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        images.encode(picture, home / "images" / f"{index}.png")
    times = [{"step": s, "time/data": 1.0, "time/device": 3.0} for s in (4, 8)]
    kl = {"step": 8, "generator/latent/kl_gaussian": 2.5}
    for seed in range(3):
        config = configured(home / "images", seed=seed)
        written(home / f"good{seed}", config, lines=times)
    for seed in range(2):
        config = configured(home / "images", seed=seed, **WORSE)
        written(
            home / f"bad{seed}", config, noise=0.02 + seed / 100, lines=[*times, kl]
        )
    return home


def places(home, *names):
    return [str(home / name) for name in names]


def fake(home, name, config):
    """A run without weights: enough to say which arm it is of."""
    folder = home / name
    (folder / "checkpoints" / "8").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text("{}")
    return str(folder)


def questions(target, degraded, damage=None):
    """Batches of two, the last one padded, as an evaluator yields them."""
    for first in range(0, len(target), 2):
        rows = [first, min(first + 1, len(target) - 1)]
        take = lambda x, rows=rows: jnp.asarray(x[rows])
        indices = [*range(first, min(first + 2, len(target)))]
        names = [f"image{i}" for i in indices]
        lost = None if damage is None else take(damage)
        yield evaluate.Question(
            indices, names, None, take(target), take(degraded), lost
        )


def pictures(count=3, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((count, SIDE, SIDE, 3), np.float32)


# What is measured


def test_measures_are_those_of_scikit_image_on_8_bit_files():
    target, degraded = pictures(), pictures(seed=1) * 1.2 - 0.1  # beyond [0, 1]
    found = compared_images.measure(questions(target, degraded), None)
    assert found.names == ["image0", "image1", "image2"]
    assert {len(values) for values in found.values.values()} == {3}
    for row in range(3):
        a, b = (compared_images.eight_bit(x[row]) / 255 for x in (degraded, target))
        both: dict[str, Any] = {"data_range": 1, "channel_axis": 2}
        gaussian = {"gaussian_weights": True, "use_sample_covariance": False}
        expected = {
            "mse": np.square(a - b).mean(),
            "nrmse": reference.normalized_root_mse(b, a),
            "ssim_skimage": reference.structural_similarity(b, a, **both),
            "ssim": reference.structural_similarity(b, a, **both, **gaussian),
            "psnr": reference.peak_signal_noise_ratio(b, a, data_range=1),
        }
        for key, value in expected.items():
            # Wang's windows stay inside; scikit-image cuts 5 px, which is the same.
            assert found.values[key][row] == pytest.approx(value, abs=2e-4), key


def test_errors_inside_and_outside_the_damage_are_apart():
    target = np.zeros((3, SIDE, SIDE, 3), np.float32)
    damage = np.zeros((3, SIDE, SIDE, 1), np.float32)
    damage[0, :4] = damage[2] = 1
    degraded = target + 0.2 * damage  # 51 levels of 255
    restore = lambda images: jnp.where(images > 0, 0.4, 0.2)
    found = compared_images.measure(questions(target, degraded, damage), restore)
    inside, outside = found.values["mse_damaged"], found.values["mse_intact"]
    assert inside == pytest.approx([0.16, np.nan, 0.16], nan_ok=True)
    assert outside == pytest.approx([0.04, 0.04, np.nan], nan_ok=True)
    given = compared_images.measure(questions(target, degraded, damage), None)
    assert given.values["mse_damaged"][0] == pytest.approx(0.04)
    assert given.values["mse_intact"][0] == 0.0


def test_without_a_known_damage_there_is_no_column_of_it():
    found = compared_images.measure(questions(pictures(), pictures()), None)
    assert not {"mse_damaged", "mse_intact"} & set(found.values)
    assert (found.values["mse"] == 0).all() and np.isinf(found.values["psnr"]).all()


def test_pictures_are_the_first_of_the_source_as_files_hold_them():
    target, degraded = pictures(), pictures(seed=1)
    found = compared_images.measure(questions(target, degraded), None, pictures=2)
    assert [*found.pictures] == ["image0", "image1"]
    restored, wanted = found.pictures["image1"]
    np.testing.assert_array_equal(restored, np.round(degraded[1] * 255))
    np.testing.assert_array_equal(wanted, np.round(target[1] * 255))


def test_what_is_not_finite_is_no_restoration():
    asked = questions(pictures(), pictures())
    with pytest.raises(errors.TrainingError, match="not finite"):
        compared_images.measure(asked, lambda images: images * jnp.nan)


def test_a_loss_is_least_for_the_best_whatever_its_direction():
    values = np.array([0.5, 1.0, 1.5])
    for key, best in (("mse", 0), ("nrmse", 0), ("mse_damaged", 0), ("mse_intact", 0)):
        assert np.argmin(compared_images.loss(key, values)) == best
    for key, best in (("psnr", 2), ("ssim", 2), ("ssim_skimage", 2), ("sharpness", 1)):
        assert np.argmin(compared_images.loss(key, values)) == best
    assert compared_images.loss("sharpness", values)[0] == 0.5
    assert compared_images.loss("sharpness", values)[2] == 0.5


# Which runs are one arm


def test_seeds_are_one_arm_and_labels_say_what_differs(home):
    given = places(home, "good1", "bad0", "good0", "bad1")
    arms, unfinished = runs.arms(given)
    assert [arm.label for arm in arms] == [
        "fcn objective.restored.l1=1",
        "fcn objective.restored.l1=0.5",
    ]
    seeds = [[run.config["seed"] for run in arm.runs] for arm in arms]
    assert seeds == [[0, 1], [0, 1]] and unfinished == []
    assert {run.step for arm in arms for run in arm.runs} == {8}
    best, _ = runs.arms(given, step="best")
    assert {run.step for arm in best for run in arm.runs} == {4}


def test_arms_of_other_networks_are_called_by_them_alone(tmp_path):
    one = configured("f")
    other = {**configured("f", **WORSE), "generator": {"name": "unet"}, "crop": 64}
    assert runs.labels([one, other]) == ["fcn", "unet"]
    many = configured("f", steps=1, log_every=1, epochs=1.0, batch_size=1)
    assert runs.labels([one, many]) == ["", ""]
    given = [fake(tmp_path, "a", one), fake(tmp_path, "b", many)]
    arms, _ = runs.arms(given)
    assert [arm.label for arm in arms] == [f"fcn {folder}" for folder in given]


def test_a_name_can_be_given_and_parts_seeds(home):
    good, bad, other = places(home, "good0", "bad0", "good1")
    arms, _ = runs.arms([f"mine={good}", bad, f"mine={other}"])
    assert [(arm.label, len(arm.runs)) for arm in arms] == [
        ("mine", 2),
        ("fcn objective.restored.l1=0.5", 1),
    ]
    arms, _ = runs.arms([f"a={good}", f"b={other}"])
    assert [arm.label for arm in arms] == ["a", "b"]


def test_a_sweep_stands_for_its_finished_cells_and_its_labels(tmp_path):
    study = {"name": "s", "config": "c", "grid": {"objective.restored.l1": [1.0, 0.5]}}
    study |= {"seeds": 2, "words": {"objective.restored.l1": "L{}"}}
    sweep = tmp_path / "sweep"
    for value in (1.0, 0.5):
        for seed in range(2):
            changes = {"objective.restored.l1": value, "seed": seed}
            name = ",".join(f"{key}={x:g}" for key, x in changes.items())
            fake(sweep, name, configured("f", **changes))
    (sweep / "sweep.json").write_text(json.dumps(study))
    (sweep / name / "summary.json").unlink()
    arms, unfinished = runs.arms([str(sweep)])
    assert [(arm.label, len(arm.runs)) for arm in arms] == [("L1", 2), ("L0.5", 1)]
    assert unfinished == [str(sweep / name)]
    named, _ = runs.arms([f"mine={sweep}"])
    assert [arm.label for arm in named] == ["mine L1", "mine L0.5"]
    # A cell is a run like any other, though there is a = in its folder's name.
    cells = [str(sweep / f"objective.restored.l1={x},seed=0") for x in ("1", "0.5")]
    assert len(runs.arms(cells)[0]) == 2
    for file in sweep.glob("*/summary.json"):
        file.unlink()
    with pytest.raises(errors.MismatchError, match="sweep without a finished run"):
        runs.arms([str(sweep)])


@pytest.mark.parametrize(
    ("names", "kind", "message"),
    [
        (["good0"], errors.ConfigError, "needs two arms"),
        (["good0", "good1"], errors.ConfigError, "needs two arms"),
        (["good0", "good0", "bad0"], errors.ConfigError, "one config and one seed"),
        (["good0", "images"], errors.MismatchError, "is no run"),
        (["good0", "nowhere"], errors.NoInputError, "is no folder that exists"),
    ],
)
def test_what_is_no_comparison_is_refused(home, names, kind, message):
    with pytest.raises(kind, match=message):
        runs.arms(places(home, *names))


def test_a_step_is_last_or_best(home):
    with pytest.raises(errors.ConfigError, match="did you mean 'last'"):
        runs.arms(places(home, "good0", "bad0"), step="lst")


def test_an_unfinished_run_and_one_name_for_two_configs_are_refused(home, tmp_path):
    good, bad = places(home, "good0", "bad0")
    with pytest.raises(errors.ConfigError, match="both be called 'x'"):
        runs.arms([f"x={good}", f"x={bad}"])
    half = fake(tmp_path, "half", configured("f"))
    (tmp_path / "half" / "summary.json").unlink()
    with pytest.raises(errors.MismatchError, match="is not finished"):
        runs.arms([good, half])


@pytest.mark.parametrize(
    "changes",
    [
        {"data.evaluation": "elsewhere"},
        {"data.evaluation_crop": 16},
        {"data.colors": "gray"},
        {"degradation.rate": 0.15},
        {"evaluation.seed": 2},
        {"data.preprocess": "resize_and_crop"},
        {"data.split": (0.9, 0)},
    ],
)
def test_runs_that_were_asked_otherwise_are_not_compared(tmp_path, changes):
    given = [
        fake(tmp_path, "a", configured("f")),
        fake(tmp_path, "b", configured("f", **changes)),
    ]
    (key,) = changes
    with pytest.raises(errors.ConfigError, match=f"different questions.*{key}: "):
        runs.arms(given)


def test_how_a_loss_weighs_and_a_network_is_scored_is_no_question():
    one = configured("f")
    other = configured("f", **{"evaluation.protocol": "gray8", "data.train": "g"})
    other["degradation"]["weight"] = {"damaged": 6.0, "intact": 1.0}
    del other["data"]["include"]  # older runs lack it
    assert runs.question(one) == runs.question(other)


def test_a_run_tells_its_sizes_its_speed_and_its_last_kl(home):
    (good, bad), _ = runs.arms(places(home, "good0", "bad1"))
    found = runs.facts(bad.runs[0])
    assert found["seed"] == 1 and found["step"] == 8
    assert found["generator_parameters"] == 7
    assert found["seconds_a_step"] == 1.0  # 4 s for 4 steps
    assert found["seconds_an_epoch"] == 2.0  # 8 images, 4 a step
    assert found["kl"] == 2.5
    # 4x4 kernels and biases: 6 to 4 channels, 4 to 8, 8 to 1.
    assert found["discriminator_parameters"] == 16 * (24 + 32 + 8) + 4 + 8 + 1
    config = bad.runs[0].config
    grey = {**config, "generator": {**config["generator"], "channels": 1}}
    found = runs.facts(bad.runs[0]._replace(config=grey))
    assert found["discriminator_parameters"] == 16 * (8 + 32 + 8) + 4 + 8 + 1
    assert runs.facts(good.runs[0])["kl"] is None
    alone = good.runs[0]._replace(config={**good.runs[0].config, "adversarial": None})
    assert runs.facts(alone)["discriminator_parameters"] is None


# The whole


@pytest.fixture(scope="module")
def found(home):
    return comparison.compare(places(home, "good0", "good1", "good2", "bad0", "bad1"))


GOOD, BAD = "fcn objective.restored.l1=1", "fcn objective.restored.l1=0.5"


def test_the_network_that_does_nothing_has_the_scores_of_its_input(found):
    good = found.document["arms"][0]
    assert found.document["images"] == 8 and good["label"] == GOOD
    for key, value in found.document["input"].items():
        assert good["measures"][key]["mean"] == pytest.approx(value)
        assert good["measures"][key]["std"] == pytest.approx(0, abs=1e-9)


def test_every_test_names_the_better_arm_first(found):
    tests = {test["measure"]: test for test in found.document["tests"]}
    assert set(tests) == set(found.document["input"])
    for key in ("mse", "psnr", "ssim", "nrmse"):
        test = tests[key]
        assert (test["better"], test["worse"]) == (GOOD, BAD)
        assert found.document["best"][key] == GOOD
        # 2 of 2**8 sign patterns, and the least p that there is six times or less.
        assert test["p"] == 2 / 256 and 2 / 256 <= test["p_holm"] <= 6 * 2 / 256
        assert (test["images_better"], test["images"]) == (8, 8)
        assert (test["seeds_better"], test["seed_pairs"]) == (6, 6)
        assert test["low"] <= test["difference"] <= test["high"]
    means = [arm["measures"]["mse"]["mean"] for arm in found.document["arms"]]
    assert tests["mse"]["difference"] == pytest.approx(means[1] - means[0])


def test_the_best_step_undoes_the_difference(home):
    same = comparison.compare(places(home, "good0", "bad0"), step="best")
    assert not any(test["established"] for test in same.document["tests"])
    assert {test["p"] for test in same.document["tests"]} == {1.0}
    text = tables.text(same.document)
    assert "MSE: no difference is established between A and B (0, 95 % 0 to 0" in text
    assert "the best step of each run" in text


def test_the_text_has_the_table_the_legend_and_the_sentences(found):
    text = tables.text(found.document)
    lines = text.splitlines()
    assert f"- A: {GOOD}" in lines and f"- B: {BAD}" in lines
    rows = [[c.strip() for c in x.strip("|").split("|")] for x in lines if x[:1] == "|"]
    assert rows[0] == ["", "input", "A", "B"]
    mse = next(row for row in rows if row[0] == "MSE")
    assert mse[2].startswith("**") and "± " in mse[2] and not mse[3].startswith("*")
    assert next(row for row in rows if row[0] == "seeds")[2:] == ["3", "2"]
    assert next(row for row in rows if row[0].startswith("KL"))[2] == "-"
    assert "- PSNR, dB: A is better than B by " in text
    assert "better on 8 of 8 images; all 6 pairs of seeds agree." in text
    assert len({len(line) for line in lines if line[:1] == "|"}) == 1


def test_all_of_it_is_written(found, tmp_path):
    comparison.write(tmp_path / "new" / "out", found)
    home = tmp_path / "new" / "out"
    assert {path.name for path in home.iterdir()} == set(comparison.FILES)
    assert json.loads((home / "comparison.json").read_text())["images"] == 8
    with (home / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * (1 + 3 + 2)
    assert {row["arm"] for row in rows} == {"input", GOOD, BAD}
    own = [float(r["mse"]) for r in rows if r["arm"] == BAD and r["seed"] == "1"]
    run = found.document["arms"][1]["runs"][1]
    assert np.mean(own) == pytest.approx(run["measures"]["mse"])
    picture = images.decode(home / "strips.png")
    assert picture.shape == (8 * SIDE, 4 * SIDE, 3)
    given, good, _, target = np.split(picture[:SIDE], 4, axis=1)
    np.testing.assert_array_equal(given, good)
    assert (given != target).any()
    assert (home / "comparison.md").read_text().startswith("8 images, the last step")


def test_every_arm_is_tested_against_its_input_too(home, found):
    against = found.document["tests_of_input"]
    pairs = {frozenset((test["better"], test["worse"])) for test in against}
    assert pairs == {frozenset((arm, "input")) for arm in (GOOD, BAD)}
    # GOOD changes nothing, and BAD is worse than doing nothing.
    psnr = {test["worse"]: test for test in against if test["measure"] == "psnr"}
    assert psnr[BAD]["better"] == "input" and psnr[BAD]["p"] == 2 / 256
    same = next(test for test in against if GOOD in (test["better"], test["worse"]))
    assert same["difference"] == pytest.approx(0, abs=1e-9)
    assert "between the input and" in tables.text(found.document)
    with pytest.raises(errors.ConfigError, match="another NAME"):
        comparison.compare([f"input={home / 'good0'}", str(home / "bad0")])


PAIR = [("a", "b")]


def test_an_image_restored_without_error_leaves_psnr_untested():
    values = {"mse": np.zeros((1, 4)), "psnr": np.full((1, 4), -np.inf)}
    worse = {"mse": np.ones((1, 4)), "psnr": np.zeros((1, 4))}
    tests = comparison._tests({"a": values, "b": worse}, PAIR)
    assert [test["measure"] for test in tests] == ["mse"]
    document = {"tests": tests, "measured_images": {"mse": 4, "psnr": 4}}
    lines = tables.sentences(document, {"a": "a", "b": "b"})
    assert lines[1] == "- PSNR, dB: not tested; it is infinite for an image."


def test_images_without_such_pixels_are_left_out_and_counted():
    first = {"mse_damaged": np.array([[1.0, np.nan, 3.0]])}
    other = {"mse_damaged": np.array([[2.0, np.nan, 5.0]])}
    (test,) = comparison._tests({"a": first, "b": other}, PAIR)
    assert test["images"] == 2 and test["difference"] == 1.5
    assert comparison._best({"a": other, "b": first}) == {"mse_damaged": "b"}
    nothing = {"mse_damaged": np.full((1, 3), np.nan)}
    assert comparison._tests({"a": nothing, "b": nothing}, PAIR) == []
    assert comparison._best({"a": nothing, "b": nothing}) == {}


SENTENCE = {
    "measure": "sharpness",
    "better": "a",
    "worse": "b",
    "difference": 0.25,
    "low": 0.125,
    "high": 0.5,
    "p_holm": 0.004,
    "established": True,
    "images_better": 9,
    "images": 10,
    "seeds_better": 1,
    "seed_pairs": 1,
}


def sentence(**changes):
    document = {"tests": [{**SENTENCE, **changes}], "measured_images": {}}
    (line,) = tables.sentences(document, {"a": "gan", "b": "vae"})
    return line


def test_sharpness_is_best_next_to_one():
    assert sentence() == (
        "- sharpness: gan is nearer to 1 than vae by 0.25 (95 % 0.125 to 0.5), "
        "p = 0.004; better on 9 of 10 images."
    )


def test_seeds_that_disagree_are_told():
    end = "of 10 images; the seeds disagree: better in 3 of 4 pairs."
    assert sentence(measure="mse", seeds_better=3, seed_pairs=4).endswith(end)
    assert sentence(seeds_better=4, seed_pairs=4).endswith(
        "; all 4 pairs of seeds agree."
    )


def test_a_p_above_the_level_establishes_nothing():
    assert sentence(established=False, p_holm=0.21, measure="mse") == (
        "- MSE: no difference is established between gan and vae (0.25, 95 % 0.125 to "
        "0.5, p = 0.21)."
    )


def test_smaller_pictures_stand_beside_white_and_a_person_is_not_shown():
    large, small = np.zeros((4, 4, 1), np.uint8), np.zeros((2, 2, 1), np.uint8)
    kept = {"a": (large, large), "astronaut": (large, large), "b": (small, small)}
    own = compared_images.Measured([], {}, kept)
    drawn = comparison._strips([own, own], 8)
    assert drawn.shape == (6, 12, 3)
    assert (drawn[4:, :6] == 0).all() and (drawn[4:, 6:] == 255).all()
    assert comparison._strips([own, own], 1).shape == (4, 12, 3)
    assert comparison._strips([own, own], 0) is None
