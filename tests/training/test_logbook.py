import io
import os
import subprocess
import sys

import numpy as np
import pytest
import rich.console

from jaxrestore.evaluation import outcome
from jaxrestore.training import clock, logbook


def test_history_after_the_step_of_the_checkpoint_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = logbook.JsonLines(path, 0)
    for step in (10, 20, 30):
        first.write_scalars(step, {"loss": step / 10})
    first.close()
    with path.open("a") as file:
        file.write('{"step": 40, "lo')  # a kill in the middle of a line
    second = logbook.JsonLines(path, 20)
    second.write_scalars(30, {"loss": float("nan")})
    second.close()
    rows = outcome.read_history(path)
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert rows[-1]["loss"] is None


def test_a_kill_while_a_run_resumes_loses_no_history(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    first = logbook.JsonLines(path, 0)
    for step in (10, 20, 30):
        first.write_scalars(step, {"loss": step / 10})
    first.close()
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, killed)
            with pytest.raises(KeyboardInterrupt):
                logbook.JsonLines(path, 20)
        assert path.read_bytes() == before


def test_no_framework_but_ours_is_loaded_to_write_numbers():
    """tensorboardX imports torch where it finds it, and clu imports TensorFlow."""
    code = """
import importlib.abc, importlib.machinery, sys

class Found(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "tensorflow"):
            return importlib.machinery.ModuleSpec(name, self)
    def exec_module(self, module):
        raise SystemExit(f"{module.__name__} was loaded")

sys.meta_path.insert(0, Found())
from jaxrestore.training import logbook
assert "torch" not in sys.modules  # the next who asks for it gets it
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_file_is_no_history(tmp_path):
    assert outcome.read_history(tmp_path / "none.jsonl") == []


def test_without_a_terminal_there_are_plain_lines(tmp_path, capsys):
    with logbook.Logbook(tmp_path, step=0, steps=100) as log:
        log.say("a [bracket] stays")
        log.progress(50, {"generator/loss": 0.25, "train/psnr_gain": 1.5})
        log.progress(60, {"generator/loss": 0.2})
        log.progress(100, {"generator/loss": 0.1})
    printed = capsys.readouterr().out
    assert "a [bracket] stays" in printed
    assert "step 50/100  G 0.2500  gain +1.50 dB\n" in printed  # no time left yet
    assert "step 50/100  G 0.2500  gain +1.50 dB" in printed
    assert "step 60/100" not in printed  # too soon after the last line
    assert "step 100/100" in printed
    assert "\x1b" not in printed


def test_the_time_left_is_measured_since_the_first_line(tmp_path, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(logbook.time, "perf_counter", lambda: now[0])
    with logbook.Logbook(tmp_path, step=0, steps=100) as log:
        for step, seconds in ((20, 600.0), (40, 620.0), (60, 640.0)):
            now[0] = seconds  # 600 s of compiling and painting came first
            log.progress(step, {})
    first, *others = capsys.readouterr().out.splitlines()
    assert "left" not in first
    assert [line.split("left ")[1] for line in others] == ["60 s", "40 s"]


def test_tensorboard_has_the_rates_by_name_the_scores_as_pairs_and_the_config(tmp_path):
    (tmp_path / "config.json").write_text('{"ema": 0.99}')
    with logbook.Logbook(tmp_path, step=0, steps=1) as log:
        log.write(1, {"generator/rate": 0.5, "discriminator/rate": 0.5})
        log.write(1, {"evaluation/psnr": 30.0, "evaluation/degraded_psnr": 20.0})
    (file,) = (tmp_path / "tensorboard").glob("events*")
    written = file.read_bytes()
    for word in (b"learning_rate/generator", b"psnr: output and input", b'"ema": 0.99'):
        assert word in written
    assert b"generator/rate" not in written
    (row, _) = outcome.read_history(tmp_path / "metrics.jsonl")
    assert row["generator/rate"] == 0.5  # what the report reads


def test_strips_and_scalars_reach_tensorboard(tmp_path):
    with logbook.Logbook(tmp_path, step=0, steps=1) as log:
        log.write(1, {"generator/loss": 0.5})
        log.show(1, {"chelsea": np.zeros((4, 16, 3), np.uint8)})
    (file,) = (tmp_path / "tensorboard").glob("events*")
    written = file.read_bytes()
    assert b"generator/loss" in written and b"strip/chelsea" in written


def test_only_scalars_and_images_are_taken(tmp_path):
    writer = logbook.TensorBoard(tmp_path, 0)
    with pytest.raises(TypeError, match="scalars and images only"):
        writer.write_texts(1, {"a": "b"})
    writer.close()


def test_an_inactive_logbook_writes_and_prints_nothing(tmp_path, capsys):
    with logbook.Logbook(tmp_path, step=0, steps=2, active=False) as log:
        log.say("hello")
        log.write(1, {"loss": 1.0})
        log.progress(2, {"loss": 1.0})
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar(tmp_path, monkeypatch):
    screen = io.StringIO()
    terminal = rich.console.Console(file=screen, force_terminal=True, width=160)
    monkeypatch.setattr(logbook.rich.console, "Console", lambda **_: terminal)
    with logbook.Logbook(tmp_path, step=0, steps=10) as log:
        log.progress(5, {"images_per_second": 12.0, "train/psnr": 30.0})
        log._bar.refresh()
    assert "5/10" in screen.getvalue()
    assert "12.0 images/s" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3.0, "3 s"), (99.0, "99 s"), (125.0, "2 min"), (7e3, "1.9 h"), (9e5, "10 days")],
)
def test_durations_are_said_in_a_unit_that_fits(seconds, words):
    assert logbook.duration(seconds) == words


def test_the_clock_gives_the_device_what_no_part_claims(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    timer = clock.Clock(spent=100.0)
    with timer.measure("data"):
        now[0] += 2
    now[0] += 5
    with timer.measure("evaluation"):
        now[0] += 3
    assert timer.interval() == {
        "device": 5,
        "data": 2,
        "evaluation": 3,
        "checkpoint": 0,
    }
    now[0] += 10
    shares = timer.shares()
    assert shares["device"] == (15, 0.75)
    assert sum(share for _, share in shares.values()) == pytest.approx(1)
    assert timer.total == 120
