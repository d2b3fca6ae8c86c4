import importlib
import json
import re
import time

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture
def load(monkeypatch):
    """Imports a benchmark as on a machine without its rivals."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    for home in ("harness", "machine"):
        module = importlib.import_module(f"benchmarks.{home}")
        monkeypatch.setattr(module, "peer", lambda name: None)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


TINY = {
    "ms_ssim": ["--batch", "1", "--side", "161"],
    "pixel_shuffle": ["--batches", "2", "--sides", "16"],
    "degradations": ["--only", "noise", "pixel_shuffle"],
    "convolution_border": [],
    "convolution_gradients": [],
    "dilated_convolution": [],
    "arms": [],
    "cold_start": [],
}


SLOW = ("ms_ssim", "arms", "pixel_shuffle", "cold_start")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in TINY],
)
def test_a_benchmark_prints_a_table_and_writes_json(name, load, tmp_path, capsys):
    output = tmp_path / "new" / "result.json"
    arguments = ["--small", "--rounds", "1", "--output", str(output), *TINY[name]]
    load(name).main(arguments)
    content = json.loads(output.read_text())
    assert content["benchmark"] == name and content["small"]
    assert content["environment"]["versions"]["jax"]
    assert content["environment"]["cores"]
    assert len(content["records"]) >= 2
    assert all(record["ms"] > 0 for record in content["records"])
    printed = capsys.readouterr().out
    assert "quartiles" in printed and "absent: " in printed


@pytest.mark.slow
def test_jpeg_files_lose_little_where_they_are_kept_to(load, tmp_path):
    output = tmp_path / "result.json"
    load("jpeg_files").main(["--small", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    assert {row["chroma"] for row in rows} == {"4:4:4", "4:2:0"}
    assert all(row["its worst"] > -1 for row in rows)
    finest = [row for row in rows if row["quality"] == 100 and row["chroma"] == "4:4:4"]
    assert finest[0]["confined"] > finest[0]["free"] + 2


def test_a_network_sees_a_cut_that_is_near(load, tmp_path):
    output = tmp_path / "result.json"
    load("tile_overlaps").main(["--small", "--output", str(output)])
    (row,) = json.loads(output.read_text())["records"]
    assert row["network"] == "pixel_shuffle" and row["reach"] > row["overlap"]
    assert row["greatest"] > row["quantile"] > 0.1


@pytest.mark.slow
def test_eight_views_are_better_than_one(load, tmp_path):
    output = tmp_path / "result.json"
    load("self_ensemble").main(["--small", "--output", str(output)])
    (row,) = json.loads(output.read_text())["records"]
    assert float(row["eight"]) > float(row["one"]) > 27.86  # that of the input


def test_a_model_of_ncnn_is_scored_whole_and_in_tiles(load, tmp_path):
    output = tmp_path / "result.json"
    load("ncnn_networks").main(["--small", "--output", str(output)])
    content = json.loads(output.read_text())
    (row,) = content["records"]
    assert row["generator"] == "srvggnet" and row["options"]["convs"] == 0
    # A file has 8 bits, and tiles mirror the border.
    assert 0 < abs(float(row["ours"]) - float(row["files"])) < 0.1
    assert content["environment"]["versions"]["ncnn"] and "ncnn" not in row


@pytest.mark.slow
def test_colours_of_a_profile_lose_by_way_of_srgb(load, tmp_path):
    output = tmp_path / "result.json"
    load("color_profiles").main(["--small", "--output", str(output)])
    (row,) = json.loads(output.read_text())["records"]
    assert float(row["own"]) > float(row["converted"]) > float(row["noisy"]) + 5
    assert float(row["own in sRGB"]) > float(row["converted in sRGB"])


def test_pictures_of_many_sizes_are_timed(load, tmp_path):
    output = tmp_path / "result.json"
    load("many_sizes").main(["--small", "--output", str(output)])
    (row,) = json.loads(output.read_text())["records"]
    assert row["pictures"] == 3 and row["more memory, MB"] < 300


def test_questions_to_many_records_are_timed(load, tmp_path):
    output = tmp_path / "result.json"
    load("records").main(["--small", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    assert {"records of 90 days", "tidy", "retire"} <= {row["question"] for row in rows}
    assert all(0 < row["seconds"] < 30 for row in rows)


def test_the_memory_of_large_pictures_is_told(load, tmp_path):
    output = tmp_path / "result.json"
    load("large_pictures").main(["--small", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    assert [row["megapixels"] for row in rows] == [0.04, 0.08]
    assert all(-1 < row["beside these, MB"] < 300 for row in rows)


@pytest.mark.slow
def test_the_engine_is_timed_beside_the_loop(load, tmp_path):
    output = tmp_path / "result.json"
    load("serving").main(["--small", "--rounds", "1", "--output", str(output)])
    loop, engine = json.loads(output.read_text())["records"]
    assert (loop["contestant"], engine["contestant"]) == ("loop", "engine")
    assert loop["of the loop"] == 1 and engine["of the loop"] > 0.01
    assert all(
        row["pictures/s"] > 0 and row["others_cores"] >= 0 for row in (loop, engine)
    )


@pytest.mark.slow
def test_tiles_are_timed_alone_and_in_batches(load, tmp_path):
    output = tmp_path / "result.json"
    load("serving_batches").main(["--small", "--rounds", "1", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    assert [row["batch"] for row in rows] == [1, 2, 1, 2]
    assert {row["network"] for row in rows} == {
        "denoise, jpeg, photo, pixel_shuffle",
        "inpaint",
    }
    for row in rows:
        assert row["ms a tile"] == pytest.approx(row["ms"] / row["batch"])
        assert row["of one"] > 0 and row["differs by"] < 1e-5


def test_a_hole_with_a_cast_gets_the_border_of_the_original(load, tmp_path):
    output = tmp_path / "result.json"
    load("hole_borders").main(["--small", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    cast = [row for row in rows if row["filled with"] == "a cast"]
    assert {row["matched"] for row in cast} == {"yes", "no"}
    for row in cast:
        assert (row["step"] < 1.1 * row["of the photograph"]) == (
            row["matched"] == "yes"
        )


def test_a_missing_rival_is_named_absent(load, tmp_path, capsys):
    harness = load("harness")
    options = harness.parse(
        harness.parser(""), ["--small", "--output", str(tmp_path / "x.json")]
    )
    harness.finish("x", options, [{"a": 1.0}], columns=["a"], packages=["no-such-peer"])
    assert re.search("absent: .*no-such-peer", capsys.readouterr().out)
    versions = json.loads((tmp_path / "x.json").read_text())["environment"]["versions"]
    assert versions["no-such-peer"] == "absent"


def test_a_busy_machine_is_said_to_be_one(load, tmp_path, capsys):
    harness = load("harness")
    path = tmp_path / "x.json"
    options = harness.parse(harness.parser(""), ["--small", "--output", str(path)])
    for others, busy in ((0.0, False), (0.9, True)):
        records = [harness.Timing([1.0], others).record()]
        harness.finish("x", options, records, columns=["ms"])
        assert ("MACHINE BUSY" in capsys.readouterr().out) is busy
        assert json.loads(path.read_text())["machine_busy"] is busy


def test_contestants_run_in_turn_and_each_round_begins_with_another(load):
    order = []

    def contestant(name):
        time.sleep(0.021)  # above the 20 ms below which a contestant runs repeatedly
        order.append(name)

    contestants = {name: lambda name=name: contestant(name) for name in "abc"}
    timings = load("harness").contest(contestants, rounds=4, warmup=1)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert all(len(timing.seconds) == 4 for timing in timings.values())
    assert all(timing.median >= 0.021 for timing in timings.values())


def test_the_quartiles_of_five_rounds(load):
    timing = load("harness").Timing([5.0, 1.0, 4.0, 2.0, 3.0], 0.0)
    assert (timing.q1, timing.median, timing.q3) == (2, 3, 4)
    assert timing.record()["ms"] == 3000


def test_contestants_that_compute_something_else_are_refused(load):
    agree = load("harness").agree
    ones = np.ones(3, np.float32)
    near = {"ours": ones, "theirs": jnp.asarray(ones) + 1e-3}
    assert agree(near, tolerance=2e-3)["theirs"] == pytest.approx(1e-3, rel=1e-3)
    with pytest.raises(ValueError, match="theirs differs from ours by 1"):
        agree(near, tolerance=1e-4)
    with pytest.raises(ValueError, match="differs"):
        agree({"ours": ones, "theirs": np.full_like(ones, np.nan)}, tolerance=1)
    for other in (np.ones(4, np.float32), np.ones(3)):
        with pytest.raises(ValueError, match="theirs gives float"):
            agree({"ours": ones, "theirs": other}, tolerance=1)


def test_a_rival_with_another_formula_is_refused_or_marked(load):
    ms_ssim = load("ms_ssim")

    def contestant(loss):
        gradient = np.ones((1, 2, 2, 3), np.float32)
        loss = np.float32(loss)
        return ms_ssim.Contestant(lambda: loss, lambda: (loss, gradient), False)

    ours, other = contestant(0.5), contestant(0.6)
    notes = ms_ssim.check({"ours": ours, "torchmetrics, eager": other})
    assert not notes["ours"]
    assert notes["torchmetrics, eager"]["note"] == "other formula"
    with pytest.raises(ValueError, match="piq"):
        ms_ssim.check({"ours": ours, "piq": other})


def test_a_median_of_fewer_than_five_rounds_is_refused(load, capsys):
    harness = load("harness")
    with pytest.raises(SystemExit):
        harness.parse(harness.parser(""), ["--rounds", "3"])
    assert "5 rounds" in capsys.readouterr().err


def test_the_table_is_aligned(load):
    records = [{"name": "ours", "ms": 1.23456}, {"name": "a rival", "ms": None}]
    lines = load("harness").table(records, ["name", "ms"]).splitlines()
    assert lines == [
        "name       ms",
        "-------  ----",
        "ours     1.23",
        "a rival     -",
    ]


def test_the_speeds_of_the_machine_are_measured(load):
    harness = load("harness")
    assert harness.bandwidth(2**20) > 1e7  # bytes: any computer copies 10 MB a second
    assert harness.flops(64) > 1e6


def _course(held_out, psnr):
    stopping = importlib.import_module("jaxrestore.prior.stopping")
    records = [
        stopping.Record(50 * (n + 1), 0.0, held, held)
        for n, held in enumerate(held_out)
    ]
    return importlib.import_module("benchmarks.prior_stop").Course(records, psnr)


def test_a_rule_of_the_prior_is_judged_by_what_it_would_have_returned(load):
    prior_stop = load("prior_stop")
    course = _course([3.0, 1.0, 2.0, 2.0, 0.5], [20.0, 25.0, 26.0, 24.0, 22.0])
    rule = importlib.import_module("jaxrestore.prior.stopping").rule("held_out")
    # Two intervals of patience: the fifth is never seen.
    assert prior_stop.stopped(course, rule._replace(patience=100)) == (25.0, 200)
    assert prior_stop.stopped(course, rule._replace(patience=1000)) == (22.0, 250)
    assert prior_stop.after(course, 120) == (26.0, 150)


def test_rules_of_the_prior_are_compared_with_the_best_of_each_fit(load):
    prior_stop = load("prior_stop")
    courses = [
        _course([2.0, 1.0, 3.0], [20.0, 25.0, 24.0]),
        _course([1.0, 2.0, 3.0], [20.0, 21.0, 22.0]),
    ]
    rows = {row["rule"]: row for row in prior_stop.judged(courses, [15.0, 19.0])}
    held = rows["held_out, patience 300"]
    assert (held["mean below"], held["worst below"]) == (1.0, 2.0)
    assert (held["mean gain"], held["worst gain"]) == (5.5, 1.0)
    assert rows["fixed, 150"]["mean below"] == 0.5


@pytest.mark.slow
def test_the_prior_is_timed_beside_what_is_there(load, tmp_path):
    output = tmp_path / "result.json"
    arguments = ["--small", "--rounds", "1", "--output", str(output)]
    load("prior_speed").main(arguments)
    rows = json.loads(output.read_text())["records"]
    assert {row["contestant"] for row in rows} == {"ours"}
    assert [row["images"] for row in rows] == [1, 2]
    assert all(row["ms"] > 0 for row in rows)


@pytest.mark.slow
def test_the_prior_is_scored_by_task(load, tmp_path):
    output = tmp_path / "result.json"
    load("prior_tasks").main(["--small", "--output", str(output)])
    rows = json.loads(output.read_text())["records"]
    assert [row["task"] for row in rows] == ["denoise", "inpaint", "jpeg", "sr"]
    assert all(row["input"] > 15 and row["restored"] > 15 for row in rows)
