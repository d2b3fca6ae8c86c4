import colorsys
import csv
import functools
import json
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrestore import files, images, networks, sharding
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate, maps, outcome
from jaxrestore.runs import checkpoints

GENERATOR = np.random.default_rng(0)
# Within 1/4 and 3/4, so that what is added to it is not clipped.
TARGET = jnp.asarray(0.25 + GENERATOR.random((2, 32, 32, 3), np.float32) / 2)
NOTHING = {"name": "chain", "stages": ()}  # is done to the image
BUMP = np.zeros((1, 32, 32, 1), np.float32)
BUMP[:, 8:16, 20:24] = 0.1
PLACE = BUMP[0, ..., 0] > 0


def question(degradation):
    keys = batched.image_keys(jax.random.key(5), len(TARGET))
    ask = functools.partial(batched.degrade_with_damage, recipe=degradation)
    degraded, damage = jax.jit(ask)(keys, TARGET)
    return evaluate.Question([0, 1], ["a", "b"], keys, TARGET, degraded, damage)


def consistency(degradation, restored):
    """PSNR [b] and panel [b, h, w, 3] of what `restored` makes of the question."""
    asked = question(degradation)
    found = maps.consistency(degradation)(asked, restored(asked))
    return found.numbers["consistency_psnr"], np.asarray(found.panels["consistency"])


EXACT = [{"name": "eight_bit"}, {"name": "holes", "kinds": {"box": 1.0}}]


@pytest.mark.parametrize("degradation", EXACT, ids=lambda recipe: recipe["name"])
def test_the_input_itself_is_consistent_where_degrading_twice_is_as_once(degradation):
    psnr, panel = consistency(degradation, lambda asked: asked.degraded[..., :3])
    assert (psnr == np.inf).all()
    assert panel.shape == TARGET.shape and (panel == 0.5).all()


def test_the_target_is_consistent_because_its_noise_is_drawn_again():
    psnr, _ = consistency({"name": "noise", "level": 0.2}, lambda asked: asked.target)
    assert (psnr > 120).all()  # equal but for the order of float32 sums


def test_what_a_restorer_adds_is_found_where_it_is():
    psnr, panel = consistency(NOTHING, lambda asked: asked.target + BUMP)
    np.testing.assert_allclose(panel[:, PLACE], 0.5 + 4 * 0.1, atol=1e-5)
    np.testing.assert_allclose(panel[:, ~PLACE], 0.5, atol=1e-5)
    np.testing.assert_allclose(psnr, -10 * np.log10(0.1**2 * 32 / 1024), rtol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_map_of_a_smaller_input_has_the_size_of_its_target(sign):
    shrunk = {"name": "downsample", "scale": 4, "method": "area"}
    psnr, panel = consistency(shrunk, lambda asked: asked.target + sign * BUMP)
    assert panel.shape == TARGET.shape
    # The bump fills 2 x 1 of the 8 x 8 pixels that there are.
    np.testing.assert_allclose(panel[:, PLACE], 0.5 + sign * 4 * 0.1, atol=1e-5)
    np.testing.assert_allclose(panel[:, ~PLACE], 0.5, atol=1e-5)
    np.testing.assert_allclose(psnr, -10 * np.log10(0.1**2 * 2 / 64), rtol=1e-4)


def test_nothing_contradicts_what_is_invented_inside_a_hole():
    boxes = {"name": "holes", "kinds": {"box": 1.0}}
    invented = lambda asked: jnp.where(asked.damage == 1, 0.9, asked.target)
    psnr, panel = consistency(boxes, invented)
    assert (psnr == np.inf).all() and (panel == 0.5).all()
    psnr, panel = consistency(boxes, lambda asked: jnp.full_like(TARGET, 0.9))
    intact = np.broadcast_to(question(boxes).damage == 0, TARGET.shape)
    assert (psnr < 20).all()
    assert (panel[~intact] == 0.5).all() and (panel[intact] != 0.5).mean() > 0.9


# How sure the generator is


def uncertainty(sample, restored=TARGET, count=24):
    asked = question(NOTHING)
    return maps.uncertainty(sample, count=count, seed=7)(asked, restored)


def noisy(key, degraded):
    """Half the image with a deviation of 0.01, the other half with one of 0.03."""
    spread = jnp.where(jnp.arange(32) < 16, 0.01, 0.03)[:, None]
    return 0.5 + spread * jax.random.normal(key, degraded.shape)


def test_the_deviation_is_that_of_samples_with_the_stated_keys():
    found = uncertainty(noisy)
    base = jax.random.fold_in(jax.random.key(7), 2**31 - 1)
    drawn = [noisy(jax.random.fold_in(base, j), TARGET) for j in range(24)]
    for number in range(3):
        np.testing.assert_array_equal(
            found.panels[f"sample {number + 1}"], drawn[number]
        )
    assert [*found.panels][3:] == ["deviation"]
    expected = np.std(np.stack(drawn).astype(np.float64), axis=0, ddof=1).mean(-1)
    panel = np.asarray(found.panels["deviation"])
    assert panel.shape == TARGET.shape
    for channel in range(3):
        np.testing.assert_allclose(panel[..., channel], 16 * expected, rtol=1e-3)
    mean = found.numbers["samples_deviation"]
    np.testing.assert_allclose(mean, 255 * expected.mean((1, 2)), rtol=1e-4)
    # Half of 0.01 and half of 0.03, as far as 24 samples of 1024 pixels tell.
    np.testing.assert_allclose(mean, 255 * 0.02, rtol=0.03)


def test_a_generator_that_always_says_the_same_has_no_deviation():
    found = uncertainty(lambda key, degraded: degraded, count=2)
    assert [*found.panels] == ["sample 1", "sample 2", "deviation"]
    assert (found.numbers["samples_deviation"] == 0).all()
    assert np.isnan(found.numbers["samples_correlation"]).all()
    assert (found.panels["deviation"] == 0).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_correlation_tells_whether_deviation_and_error_agree(sign):
    error = np.linspace(0.01, 0.04, 32 * 32, dtype=np.float32).reshape(32, 32, 1)
    spread = error if sign == 1 else error[::-1, ::-1]
    sample = lambda key, degraded: degraded + 0.1 * spread * jax.random.normal(key)
    found = uncertainty(sample, restored=TARGET + error)
    np.testing.assert_allclose(found.numbers["samples_correlation"], sign, atol=2e-3)


def test_samples_are_clipped_as_a_file_would():
    found = uncertainty(lambda key, degraded: degraded + 5 * jax.random.uniform(key))
    assert (found.numbers["samples_deviation"] < 255).all()
    assert np.asarray(found.panels["sample 1"]).max() == 1


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15).
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 30.0, 20.0, 90.0])
    assert maps.rank_correlation(a, b) == pytest.approx(0.8)
    assert maps.rank_correlation(a, -np.exp(a)) == pytest.approx(-1)
    assert np.isnan(maps.rank_correlation(a, np.ones(4)))


def test_rank_correlation_is_scipys_with_ties_too():
    a, noise = GENERATOR.integers(0, 9, 500), GENERATOR.integers(0, 9, 500)
    expected, _ = scipy.stats.spearmanr(a, a + noise)
    found = maps.rank_correlation(a.astype(np.float32), (a + noise).astype(np.float32))
    assert found == pytest.approx(expected)
    cubed = maps.rank_correlation(a.astype(float) ** 3, (a + noise).astype(float))
    assert cubed == pytest.approx(expected)


# Where the generator looks


def test_directions_have_the_hues_that_the_report_names():
    # Right, down, left and up, by half of the longer side: full colour.
    vectors = jnp.array([[[[0, 4], [4, 0], [0, -4], [-4, 0], [0, 0]] + [[0, 0]] * 3]])
    found = maps.flow_colors(vectors.astype(jnp.float32))[0, 0]
    red, lime, cyan, violet = [1, 0, 0], [0.5, 1, 0], [0, 1, 1], [0.5, 0, 1]
    white = [1, 1, 1]
    expected = np.array([red, lime, cyan, violet, white])
    np.testing.assert_allclose(found[:5], expected, atol=1e-6)


def test_the_colours_are_those_of_the_standard_library():
    vectors = GENERATOR.normal(0, 3, (1, 6, 7, 2)).astype(np.float32)
    found = np.asarray(maps.flow_colors(jnp.asarray(vectors)))
    for row, column in np.ndindex(6, 7):
        down, right = map(float, vectors[0, row, column])
        hue = math.atan2(down, right) / (2 * math.pi) % 1
        far = min(math.hypot(down, right) / 3.5, 1)
        expected = colorsys.hsv_to_rgb(hue, far, 1)
        np.testing.assert_allclose(found[0, row, column], expected, atol=1e-5)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_third_of_a_turn_exchanges_the_channels(turn):
    angle = 0.4 + turn * 2 * np.pi / 3
    vectors = lambda angle: (
        jnp.full((1, 2, 2, 2), 0.5) * jnp.array([np.sin(angle), np.cos(angle)])
    )
    one, other = maps.flow_colors(vectors(0.4)), maps.flow_colors(vectors(angle))
    np.testing.assert_allclose(jnp.roll(one, turn, -1), other, atol=1e-5)


def test_the_panel_shows_where_each_image_looks():
    asked = question(NOTHING)
    vectors = jnp.zeros((2, 32, 32, 2)).at[1, :8, :8].set(jnp.array([0.0, 16.0]))
    found = maps.attention(lambda degraded: vectors)(asked, asked.target)
    assert found.numbers == {}
    panel = np.asarray(found.panels["attention"])
    assert panel.shape == asked.target.shape
    assert (panel[0] == 1).all() and (panel[1, 8:] == 1).all()
    np.testing.assert_allclose(
        panel[1, :8, :8], np.broadcast_to([1, 0, 0], (8, 8, 3)), atol=1e-6
    )


def test_a_generator_without_attention_has_no_panel_of_it():
    asked = question(NOTHING)
    found = maps.attention(lambda degraded: None)(asked, asked.target)
    assert found == evaluate.Found({}, {})


# At the end of a run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`run(key=value)` scores an untrained VAE, with changes of `config.evaluation`."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("a", "b", "c"):
        pixels = GENERATOR.integers(0, 256, (16, 16, 3), np.uint8)
        images.encode(pixels, folder / f"{name}.png")
    workdir = tmp_path_factory.mktemp("run")
    generator = {"name": "vae", "filters": 4, "downs": 2, "latent": 2}
    model = networks.build("Generator", generator)
    start = jax.jit(functools.partial(model.init, train=False))
    variables = start(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    evaluation = {"protocol": "rgb8", "seed": 1, "batch_size": 2}
    data = {"evaluation": str(folder), "evaluation_crop": 0, "layout": "images"}
    config = {
        "generator": generator,
        "precision": "float32",
        "crop": 16,
        "degradation": {"name": "eight_bit"},
        "data": data,
        "evaluation": evaluation,
    }
    with checkpoints.manager(workdir) as manager:
        checkpoints.save(
            manager,
            1,
            {"step": jnp.asarray(1)},
            restorer=variables,
            config=config,
            score=1.0,
        )
    files.write_json(workdir / "environment.json", {})

    def score(**changes):
        changed = {**config, "evaluation": {**evaluation, **changes}}
        files.write_json(workdir / "config.json", changed)
        summary = outcome.score(workdir, sharding.mesh(jax.devices()[:2]))
        with (workdir / "evaluation.csv").open() as file:
            rows = [*csv.DictReader(file)]
        page = (workdir / "report.html").read_text("utf-8")
        return summary, rows, re.findall(r'heads">(.*?)</div>', page)

    return score


def test_a_run_older_than_the_maps_is_scored_without_them(run):
    summary, rows, heads = run()
    columns = [*summary, *rows[0]]
    assert not [name for name in columns if name.startswith(("consis", "samples"))]
    assert len(heads) == 3 and "sample" not in heads[0]


def test_a_finished_run_has_the_maps_in_its_rows_summary_and_report(run, tmp_path):
    summary, rows, heads = run(consistency=True, samples=2)
    for column in ("consistency_psnr", "samples_deviation", "samples_correlation"):
        values = [float(row[column]) for row in rows]
        assert len(values) == 3 and np.isfinite(values).all()
        assert summary[column] == pytest.approx(np.mean(values))
    # Eight bits lose next to nothing: consistency is the PSNR itself.
    for row in rows:
        after = float(row["restored_psnr"])
        assert float(row["consistency_psnr"]) == pytest.approx(after, abs=0.05)
        assert float(row["samples_deviation"]) > 0
    assert len(heads) == 6  # two lines for each image
    names = re.findall(r"<span>(.*?)</span>", heads[0] + heads[1])
    assert names[4:] == ["consistency", "sample 1", "sample 2", "deviation"]
    json.dumps(summary, allow_nan=False)


def test_a_run_that_is_scored_on_pairs_has_no_map_of_consistency():
    asked = {"protocol": "rgb8", "consistency": True, "samples": 0}
    known = {"evaluation": asked, "degradation": {"name": "noise", "level": 0.1}}
    with_damage = outcome._probes(known, None, None)
    on_pairs = outcome._probes({**known, "degradation": None}, None, None)
    assert len(with_damage) == len(on_pairs) + 1
