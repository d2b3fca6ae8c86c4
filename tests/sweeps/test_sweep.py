"""Running a study: what is done, skipped, refused, stopped and named."""

import dataclasses
import errno
import json
import operator
import signal
import threading

import jax
import pytest

from jaxrestore import assignments, errors
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.sweeps import cells, grid, progress, sweep
from jaxrestore.training import loop

METRICS = {
    "psnr": {"degraded": 24.0, "restored": 25.0, "gain": 1.0},
    "cosine": {"degraded": 0.99, "restored": 0.995, "gain": 0.005},
}
SUMMARY = {"metrics": METRICS, "images": 4}


def study(**fields):
    values = {
        "name": "s",
        "config": "configs/cnn_l1.py:demo",
        "grid": {"optimizer.generator.rate": [1e-3, 1e-4], "batch_size": [4, 8]},
        "plots": [{"kind": "line", "x": "batch_size", "y": "psnr"}],
    }
    return grid.study({**values, **fields})


class Trainer:
    """Stands for `loop.train`: writes what a run leaves, and counts."""

    def __init__(self, fails=lambda config: None):
        self.calls = []
        self._fails = fails

    def __call__(self, config, workdir, *, devices, stop=None):
        self.calls.append((workdir.name, [device.id for device in devices]))
        self._fails(config)
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "config.json").write_text(json.dumps(config))
        (workdir / "summary.json").write_text(json.dumps(SUMMARY))
        (workdir / "cost.json").write_text('{"step_bytes": 1048576}')
        lines = [
            {"step": 2, "time/data": 1.0, "time/device": 3.0, "seconds": 5.0},
            {"step": 4, "time/data": 1.0, "time/device": 1.0, "seconds": 8.0},
            {"step": 4, "evaluation/psnr": 24.5, "seconds": 9.0},
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (workdir / "metrics.jsonl").write_text(text)


class Scorer:
    """Stands for `outcome.score_under`, and counts."""

    def __init__(self):
        self.calls = []

    def __call__(self, workdir, changes, mesh):
        self.calls.append((workdir.name, dict(changes), mesh.size))
        return {**SUMMARY, "rows": []}


def run(made, output, trainer=None, scorer=None, **options):
    return sweep.run(
        made,
        output,
        train=trainer or Trainer(),
        score=scorer or Scorer(),
        **{"say": lambda text: None, "measure": lambda config: None, **options},
    )


def test_a_second_call_does_nothing(tmp_path):
    trainer, scorer = Trainer(), Scorer()
    made = study(tests={"low": {"degradation.rate": 0.15}}, seeds=2)
    records = run(made, tmp_path, trainer, scorer)
    assert len(records) == len(trainer.calls) == len(scorer.calls) == 8
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(made, tmp_path, trainer, scorer) == records
    assert len(trainer.calls) == len(scorer.calls) == 8
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert {"table.csv", "summary.md", "summary.tex", "summary.csv", "sweep.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert (tmp_path / "plots" / "s_01_line.png").stat().st_size > 1000


def test_cells_that_are_older_than_a_key_are_done_all_the_same(tmp_path):
    trainer = Trainer()
    run(study(), tmp_path, trainer)
    done = len(trainer.calls)
    for path in tmp_path.glob("*/config.json"):
        known = json.loads(path.read_text())
        del known["evaluation"]["consistency"], known["evaluation"]["samples"]
        path.write_text(json.dumps(known))
    run(study(), tmp_path, trainer)
    assert len(trainer.calls) == done > 0


def test_a_record_has_the_arm_the_scores_the_time_and_the_memory(tmp_path):
    made = study(tests={"low": {"degradation.rate": 0.15}})
    record = run(made, tmp_path)[0]
    wanted = {
        "optimizer.generator.rate": 1e-3,
        "batch_size": 4,
        "seed": 0,
        "psnr": 25.0,
        "input_psnr": 24.0,
        "gain_psnr": 1.0,
        "last_psnr": 24.5,
        "seconds": 9.0,
        "step_mebibytes": 1.0,
        "low:gain_psnr": 1.0,
        "epoch_seconds": None,
    }
    assert {key: record[key] for key in wanted} == wanted


def test_an_epoch_takes_the_median_step_of_its_half_of_the_run():
    times = [(10, 4.0), (20, 2.0), (30, 3.0), (40, 6.0), (50, 5.0), (60, 9.0)]
    lines = [{"step": s, "time/data": 1.0, "time/device": t - 1} for s, t in times]
    found = cells.epoch_seconds([*lines, {"step": 60, "evaluation/psnr": 1.0}], 3.0)
    assert found == {"epoch_seconds": 0.3 * 20, "late_epoch_seconds": 0.6 * 20}
    assert cells.epoch_seconds(lines, 0.0)["epoch_seconds"] is None
    assert cells.epoch_seconds([], 3.0)["epoch_seconds"] is None


def test_a_study_may_grow_and_only_the_new_is_done(tmp_path):
    trainer, scorer = Trainer(), Scorer()
    run(study(), tmp_path, trainer, scorer)
    larger = {"optimizer.generator.rate": [1e-3, 1e-4, 1e-5], "batch_size": [4, 8]}
    run(study(grid=larger, seeds=2), tmp_path, trainer, scorer)
    assert len(trainer.calls) == 12
    tests = {"low": {"degradation.rate": 0.15}}
    run(study(grid=larger, seeds=2, tests=tests), tmp_path, trainer, scorer)
    assert (len(trainer.calls), len(scorer.calls)) == (12, 12)
    tests["low"]["degradation.rate"] = 0.2
    run(study(grid=larger, seeds=2, tests=tests), tmp_path, trainer, scorer)
    assert (len(trainer.calls), len(scorer.calls)) == (12, 24)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"config": "configs/cnn_full.py:demo"}, "config: .*cnn_l1.* -> .*cnn_full"),
        ({"overrides": {"crop": 32}}, "overrides.crop: None -> 32"),
        ({"grid": {"batch_size": [4, 8]}}, "grid.optimizer.generator.rate"),
        ({"folds": 2}, "folds: 1 -> 2"),
        ({"budget": 50}, "budget: 0 -> 50"),
    ],
)
def test_another_study_in_the_folder_is_refused_with_the_differences(
    other, says, tmp_path
):
    run(study(), tmp_path)
    with pytest.raises(errors.MismatchError, match=says):
        run(study(**other), tmp_path)


def test_a_second_call_draws_what_an_error_left_undrawn(tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(sweep.plots, "draw", fails)
        with pytest.raises(OSError, match="no space"):
            run(study(), tmp_path)
    trainer = Trainer()
    run(study(), tmp_path, trainer)
    assert not trainer.calls
    assert (tmp_path / "plots" / "s_01_line.png").is_file()


def test_a_failed_cell_is_named_and_the_others_go_on(tmp_path):
    def fails(config):
        if config["batch_size"] == 8:
            raise errors.ConfigError("config.batch_size is too large")

    trainer = Trainer(fails)
    with pytest.raises(errors.PartialError, match=r"2 of 4 cells failed") as caught:
        run(study(), tmp_path, trainer)
    assert "batch_size=8,seed=0: config.batch_size is too large" in str(caught.value)
    assert caught.value.exit_code == 6
    assert len(trainer.calls) == 4
    failed = [path.parent.name for path in tmp_path.glob("*/failed.json")]
    assert sorted(name.split(",")[1] for name in failed) == ["batch_size=8"] * 2
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 3
    mended = Trainer()
    assert len(run(study(), tmp_path, mended)) == 4
    assert len(mended.calls) == 2
    assert not list(tmp_path.glob("*/failed.json"))


def test_a_bug_in_a_cell_is_named_with_its_kind(tmp_path):
    def fails(config):
        raise ZeroDivisionError("by nothing")

    with pytest.raises(errors.PartialError, match="a bug: ZeroDivisionError: by noth"):
        run(study(), tmp_path, Trainer(fails))


def test_a_bug_leaves_its_trace_in_the_folder_of_its_cell(tmp_path):
    def fails(config):
        if config["batch_size"] == 8:
            raise ZeroDivisionError("by nothing")

    def refuses(config):
        if config["batch_size"] == 8:
            raise errors.ConfigError("too large")

    with pytest.raises(errors.PartialError) as caught:
        run(study(), tmp_path, Trainer(fails))
    found = sorted(tmp_path.glob("*/failed.txt"))
    assert len(found) == 2
    for trace in found:
        assert "in fails\n    raise ZeroDivisionError" in trace.read_text()
        assert f"by nothing; its trace is in {trace}" in str(caught.value)
    # What the user can mend is a sentence and no trace; a mended cell has neither.
    with pytest.raises(errors.PartialError, match="seed=0: too large\n"):
        run(study(), tmp_path, Trainer(refuses))
    assert not list(tmp_path.glob("*/failed.txt"))
    with pytest.raises(errors.PartialError):
        run(study(), tmp_path, Trainer(fails))
    run(study(), tmp_path, Trainer())
    assert not list(tmp_path.glob("*/failed.*"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "out of memory; lower config.batch_size"),
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
    ],
)
def test_a_cell_that_the_machine_cannot_hold_leaves_a_sentence(
    tmp_path, error, sentence
):
    def fails(config):
        raise error

    with pytest.raises(errors.PartialError, match=sentence):
        run(study(), tmp_path, Trainer(fails))
    assert not list(tmp_path.glob("*/failed.txt"))


@pytest.mark.parametrize("name", ["sweep.json", "*/summary.json", "*/tests.json"])
def test_a_broken_file_of_a_sweep_is_told_with_its_path(tmp_path, name):
    made = study(tests={"low": {"degradation.rate": 0.15}})
    run(made, tmp_path)
    path = next(iter(sorted(tmp_path.glob(name))))
    path.write_text("{")
    with pytest.raises(errors.DamagedError, match=f"{path.name} is no JSON"):
        run(dataclasses.replace(made, seeds=2), tmp_path)


def test_a_signal_stops_the_sweep_and_the_next_call_goes_on(tmp_path):
    def fails(config):
        if config["batch_size"] == 8:
            raise errors.Interrupted("stopped", signal.SIGTERM)

    with pytest.raises(errors.Interrupted):
        run(study(), tmp_path, trainer := Trainer(fails))
    assert len(trainer.calls) == 2
    assert not list(tmp_path.glob("*/failed.json"))
    assert len(run(study(), tmp_path, trainer := Trainer())) == 4
    assert len(trainer.calls) == 3


@pytest.mark.parametrize(
    ("fields", "options", "says"),
    [
        (
            {"grid": {"batch_sice": [1]}},
            {},
            "no key 'batch_sice': did you mean 'batch_size'",
        ),
        ({"grid": {"generator.widht": [1]}}, {}, "did you mean 'width'"),
        (
            {"grid": {"batch_size": ["many"]}},
            {},
            "batch_size is 'many'; it must be a w",
        ),
        ({"grid": {"generator": ["fcn"]}}, {}, "generator is a section, which 'fcn' i"),
        ({"config": "configs/cnn_l2.py"}, {}, "no config configs/cnn_l2.py"),
        ({"plots": [{"kind": "lines"}]}, {}, "no plot 'lines'"),
        ({"plots": [{"kind": "line", "z": 1}]}, {}, "no option 'z'"),
        ({}, {"mode": "pmap"}, "mode 'pmap'"),
        ({"tests": {"t": {"data.evaluation": "{data.tarin}"}}}, {}, "{data.tarin}"),
        ({"tests": {"t": {"data.evaluation": "{data.train}"}}}, {}, "name one in"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(fields, options, says, tmp_path):
    trainer = Trainer()
    with pytest.raises(errors.ConfigError, match=says):
        run(study(**fields), tmp_path / "out", trainer, **options)
    assert not trainer.calls and not (tmp_path / "out").exists()


def test_overrides_reach_every_cell_beside_its_own_values():
    made = study(overrides={"crop": 32, "degradation.rate": [0.1, 0.2]})
    config = cells.config(made, grid.cells(made)[1])
    assert (config["batch_size"], config["crop"]) == (8, 32)
    assert config["degradation"]["rate"] == (0.1, 0.2)
    assert config["optimizer"]["generator"]["rate"] == 1e-3


def test_folds_and_seeds_become_split_and_seed():
    made = study(folds=2, seeds=2, grid={})
    found = [cells.config(made, cell) for cell in grid.cells(made)]
    assert [config["data"]["split"] for config in found] == [
        *((0, 2, 0), (1, 2, 0)),
        *((0, 2, 1), (1, 2, 1)),
    ]
    assert [config["seed"] for config in found] == [0, 0, 1, 1]


def test_a_budget_is_every_run_s_length_in_steps():
    made = study(budget=200, overrides={"epochs": 3.0, "log_every": 7})
    config = cells.config(made, grid.cells(made)[0])
    assert (config["steps"], config["epochs"], config["log_every"]) == (200, 0, 7)
    assert config["evaluation"]["every"] == config["checkpoint_every"] == 20


def test_a_test_on_other_images_takes_all_of_them(tmp_path):
    made = study(
        folds=2,
        overrides={"data.train": "/pictures"},
        tests={"train": {"data.evaluation": "{data.train}"}, "low": {"ema": 0.1}},
    )
    config = cells.config(made, grid.cells(made)[0])
    assert cells.questions(made, config) == {
        "train": {"data.split": [], "data.evaluation": "/pictures"},
        "low": {"ema": 0.1},
    }


def test_one_place_gives_each_cell_all_devices(tmp_path):
    # A run takes those that share its batches: see `setup.prepare`.
    trainer, scorer = Trainer(), Scorer()
    run(study(tests={"low": {}}), tmp_path, trainer, scorer)
    everywhere = jax.device_count()
    assert {len(devices) for _, devices in trainer.calls} == {everywhere}
    assert {size for *_, size in scorer.calls} == {everywhere}


def test_places_are_the_devices_one_by_one_or_all_together():
    assert [len(place) for place in sweep.places("each")] == [1, 1, 1, 1]
    assert [len(place) for place in sweep.places("all")] == [4]
    with pytest.raises(errors.ConfigError, match="did you mean 'each'"):
        sweep.places("eahc")


def test_several_places_train_as_many_cells_at_once(tmp_path):
    together = threading.Barrier(2, timeout=20)
    trainer = Trainer(lambda config: together.wait())
    places = [[device] for device in jax.devices()[:2]]
    assert len(run(study(), tmp_path, trainer, devices=places)) == 4
    assert {tuple(devices) for _, devices in trainer.calls} == {(0,), (1,)}


def test_a_signal_stops_all_cells_that_train_at_once(tmp_path):
    def train(config, workdir, *, devices, stop):
        signal.raise_signal(signal.SIGTERM)
        while stop.signal is None:
            pass
        raise errors.Interrupted("stopped", signal.SIGTERM)

    places = [[device] for device in jax.devices()[:2]]
    with pytest.raises(errors.Interrupted) as caught:
        run(study(), tmp_path, train, devices=places)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert not list(tmp_path.glob("*/failed.json"))


def test_groups_differ_in_rates_and_weights_alone():
    changes = [
        {},
        {"batch_size": 2},
        {"optimizer.generator.rate": 1e-2},
        {"ema": 0.5},
        {"objective.restored.l1": 0.5},
        {"optimizer.generator.beta1": 0.7},
    ]
    arms = [{"label": str(i), **change} for i, change in enumerate(changes)]
    made = study(grid={}, arms=arms, seeds=2)
    configs = [cells.config(made, cell) for cell in grid.cells(made)]
    assert cells.groups(configs) == [
        *([0, 4, 8], [1, 5, 9], [2], [3], [6], [7], [10], [11]),
    ]


class Together:
    """Stands for `loop.train_together`."""

    def __init__(self, fails=lambda config: None):
        self.calls = []
        self._train = Trainer(fails)

    def __call__(self, configs, workdirs, mode, *, devices):
        self.calls.append(([folder.name for folder in workdirs], mode, len(devices)))
        for config, workdir in zip(configs, workdirs, strict=True):
            self._train(config, workdir, devices=devices)


def test_arms_that_differ_in_scalars_train_in_one_program(tmp_path):
    alone = [{"optimizer.generator.rate": 1e-3, "batch_size": 12}]
    trainer, together = Trainer(), Together()
    made = study(arms=alone)
    records = run(made, tmp_path, trainer, together=together, mode="vmap")
    assert [name for name, _ in trainer.calls] == [records[-1]["cell"]]
    (four, *how), (eight, *_) = together.calls
    assert how == ["vmap", jax.device_count()]
    assert len(four) == len(eight) == 2
    assert all("batch_size=4," in name for name in four)


def test_of_a_group_whose_run_fails_the_others_go_on_in_turn(tmp_path):
    def fails(config):
        if config["optimizer"]["generator"]["rate"] == 1e-3:
            raise errors.TrainingError("it diverged")

    trainer, together = Trainer(fails), Together(fails)
    with pytest.raises(errors.PartialError, match="2 of 4 cells failed") as caught:
        run(study(), tmp_path, trainer, together=together, mode="map")
    assert str(caught.value).count("rate=0.001,") == 2
    assert (len(together.calls), len(trainer.calls)) == (2, 4)


def test_a_study_file_is_found_and_a_misspelt_one_named(tmp_path):
    assert sweep.load("configs/studies/figure_08.py").name == "figure_08"
    with pytest.raises(errors.ConfigError, match=r"did you mean .*figure_0"):
        sweep.load("configs/studies/figure_8.py")
    with pytest.raises(errors.ConfigError, match="`scale` is 2"):
        sweep.load("configs/studies/figure_08.py", 2.0)


def real_study(tiny_overrides, **fields):
    shared = dict(
        assignments.read(text.removeprefix("--config.")) for text in tiny_overrides
    )
    shared |= {"steps": 3, "data.leaves": 0.0}
    shared |= {"evaluation.protocol": "pixelation_group"}
    del shared["batch_size"]
    return study(
        config="configs/gan_l1.py:demo",
        grid={"batch_size": [4]},
        seeds=2,
        overrides=shared,
        **fields,
    )


@pytest.mark.slow
def test_a_real_sweep_ends_with_its_table_and_plots_and_a_second_call_does_nothing(
    tmp_path, tiny_overrides
):
    kinds = ("history", "scatter", "sheet", "gains")
    made = real_study(
        tiny_overrides,
        tests={"low": {"degradation.rate": 0.15}},
        plots=[
            {"kind": "line", "x": "seed"},
            *({"kind": kind} for kind in kinds),
            {"kind": "sets", "test": "low"},
        ],
    )
    one, said = [jax.devices()[:1]], []
    records = sweep.run(made, tmp_path, devices=one, say=said.append)
    assert [record["seed"] for record in records] == [0, 1]
    for record in records:
        assert record["low:input_psnr"] > record["input_psnr"]
        assert record["step_mebibytes"] > 0
    drawn = sorted(path.name for path in (tmp_path / "plots").glob("*.png"))
    names = ("line", *kinds, "sets")
    assert drawn == [f"s_{i:02d}_{name}.png" for i, name in enumerate(names, start=1)]
    rows = (tmp_path / "summary.md").read_text().splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:4]] for row in rows]
    assert ["BS4", "4", "2"] in cells
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert sweep.run(made, tmp_path, devices=one, say=said.append) == records
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert said[-1].startswith("s: 2 cells, 2 finished")


@pytest.mark.slow
def test_cells_at_once_and_in_one_program_end_in_the_same_bits_as_in_turn(
    tmp_path, tiny_overrides
):
    made = real_study(tiny_overrides, plots=[{"kind": "line", "x": "batch_size"}])
    rates = {"batch_size": [4], "optimizer.generator.rate": [1e-3, 1e-4]}
    made = dataclasses.replace(made, grid=rates, seeds=1)
    two, hashes = [[device] for device in jax.devices()[:2]], []
    ways = (
        ("in_turn", "loop", two[:1]),
        ("at_once", "loop", two),
        ("map", "map", two[:1]),
    )
    for name, mode, places in ways:
        output = tmp_path / name
        records = sweep.run(made, output, mode=mode, devices=places)
        folders = [output / record["cell"] for record in records]
        hashes.append([checkpoints.state_hash(folder, 3) for folder in folders])
    assert hashes[0] == hashes[1] == hashes[2]
    assert hashes[0][0] != hashes[0][1]


def test_programs_are_kept_with_the_sweep_unless_the_user_keeps_them(tmp_path):
    kept = operator.attrgetter("jax_compilation_cache_dir")
    chosen = kept(jax.config)  # the tests' own
    assert chosen
    seen = []
    note = lambda config: seen.append(kept(jax.config))
    run(study(), tmp_path / "a", Trainer(note))
    assert set(seen) == {chosen}
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        seen.clear()
        run(study(), tmp_path / "b", Trainer(note))
        assert set(seen) == {str(tmp_path / "b" / ".programs")}
        assert kept(jax.config) is None
    finally:
        jax.config.update("jax_compilation_cache_dir", chosen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation.statistics": "own"}, "config.evaluation.statistics is 'own'"),
        ({"evaluation.statistic": "eval"}, "no config.evaluation.statistic"),
    ],
)
def test_a_test_that_cannot_be_asked_is_refused_before_the_training(
    tmp_path, changes, message
):
    trainer = Trainer()
    with pytest.raises(errors.ConfigError, match=message):
        run(study(tests={"other": changes}), tmp_path / "sweep", trainer)
    assert not trainer.calls


def test_a_sweep_says_its_disk_its_cells_and_what_is_left(tmp_path, monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])

    def minutes(config):
        now[0] += 60.0 * config["batch_size"]

    size = 2**30, 2**20
    run(study(), tmp_path, Trainer(minutes), say=said.append, measure=lambda _: size)
    disk, *cells_said = said[1:6]
    assert disk.startswith("disk: up to 12.0 GiB of checkpoints, if all cells are as")
    assert disk.endswith("With `keep` generator it is up to 3.0 GiB")
    assert [line.split(":")[0] for line in cells_said] == [
        f"cell {number} of 4" for number in (1, 2, 3, 4)
    ]
    assert "left" not in cells_said[0]
    assert cells_said[1].endswith("; 12 min left, at 4 min a cell")
    assert cells_said[3].endswith("; 5 min left, at 5 min a cell")


@pytest.mark.slow
def test_the_disk_is_that_of_a_checkpoint_as_it_is_written(tiny, tmp_path):
    config = tiny(steps=1)
    loop.train(config, tmp_path)
    checkpoint = tmp_path / "checkpoints" / "1"
    found = {
        part: sum(x.stat().st_size for x in (checkpoint / part).rglob("*"))
        for part in ("state", "restorer")
    }
    whole, restorer = progress.checkpoint_bytes(config) or (0, 0)
    # Numbers of random weights do not get smaller; names and indices come on top.
    assert 0.5 * whole < found["state"] + found["restorer"] < 3 * whole + 10**6
    assert restorer < whole / 3

    checkpoints.keep_generators(tmp_path)
    assert not (checkpoint / "state").exists()
    assert checkpoints.load_restorer(tmp_path, checkpoints.best_step(tmp_path))
    assert outcome.score(tmp_path)["step"] == 1
    with pytest.raises(errors.MismatchError, match="the generator alone was kept"):
        loop.train({**config, "steps": 2}, tmp_path, fork=tmp_path / "next")


def test_keeping_the_generator_is_for_finished_cells_new_and_old(tmp_path):
    class Saving(Trainer):
        def __call__(self, config, workdir, **options):
            super().__call__(config, workdir, **options)
            for part in ("state", "restorer"):
                (workdir / "checkpoints" / "4" / part).mkdir(parents=True)

    run(study(), tmp_path, Saving())
    states = lambda: len([*tmp_path.glob("*/checkpoints/*/state")])
    assert states() == 4
    run(study(), tmp_path, Saving(), keep="generator")
    assert states() == 0 and len([*tmp_path.glob("*/checkpoints/*/restorer")]) == 4
    run(study(seeds=2), tmp_path, Saving(), keep="generator")
    assert states() == 0 and len([*tmp_path.glob("*/checkpoints/*/restorer")]) == 8
    with pytest.raises(errors.ConfigError, match="`keep` is 'best'"):
        run(study(), tmp_path, keep="best")
