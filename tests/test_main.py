import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments, cwd=ROOT, python=("-m", "jaxrestore.main")):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *python, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done, time.perf_counter() - started


def slowly(*values):
    """A case of its own process, which costs seconds, for `-m slow`."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--config", "configs/gan_ful.py"], "did you mean 'configs/gan_full.py'?", 2),
        (
            ["--config=configs/gan_full.py:demo", "--config.generator.widht=3"],
            "config.generator.widht is no key: did you mean 'width'?",
            2,
        ),
        (
            ["--config.stepz=3", "--config", "configs/gan_full.py:demo"],
            "config.stepz is no key: did you mean 'steps'?",
            2,
        ),
        slowly(
            ["--config", "configs/gan_full.py:demo", "--config.steps=1e5"],
            "config.steps is 100000.0; it must be a whole number, such as 100000",
            2,
        ),
        (
            ["--config", "configs/cnn_full.py:demo", "--config.adversarial.weight=1"],
            "config.adversarial is None; it has no weight",
            2,
        ),
        slowly(["--config", "configs/gan_full.py:dmeo"], "argument 'dmeo'", 2),
        ([], "give --config", 2),
        slowly(["--config", "--dry_run"], "--config has no value; give it a recipe", 2),
        slowly(["--config", "configs/studies/figure_05.py"], "sweep as --study", 2),
        slowly(["--mode", "evaluate"], "give --workdir", 2),
        (["--mode", "evaluate", "--workdir", "nowhere"], "nowhere is no folder", 3),
        slowly(["--mode", "evalute", "--config", "configs/gan_full.py"], "evalute", 2),
        slowly(["config", "configs/gan_full.py"], "", 2),
        slowly(
            ["--config", "configs/gan_full.py:demo", "--config.batch_size=0"],
            "config.batch_size is 0; it must be at least 1",
            2,
        ),
        (
            ["--config", "configs/gan_full.py:demo", "--config.data.train=/nowhere"],
            "/nowhere",
            3,
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_a_code(
    arguments, says, code, tmp_path
):
    done, _ = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_misspelt_key_is_told_before_jax_has_loaded():
    code = (
        "import sys; from jaxrestore.cli import training\n"
        "try: training.parse(['x', '--config=configs/vae.py', '--config.stepz=1'])\n"
        "except Exception as error: print(error)\n"
        "print('jax' in sys.modules)"
    )
    done, seconds = run(python=("-c", code))
    assert "did you mean 'steps'?" in done.stdout
    assert done.stdout.endswith("False\n")
    assert seconds < 2


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, tiny_overrides):
    done, _ = run(
        *("--config", "configs/gan_l1.py:low,demo", "--dry_run"),
        *tiny_overrides,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for text in (
        "parameters: generator",
        "batch: uint8 [4, 32, 32, 3]",
        "block0/conv1/conv/kernel",
        "learning rates",
        "discriminator  █",
        "a step holds",
        "disk: a checkpoint",
        "a step takes",
    ):
        assert text in done.stdout, text
    assert not list(tmp_path.iterdir())


def test_the_main_command_runs_as_typed_and_evaluate_rewrites_its_files(
    tmp_path, tiny_overrides
):
    typed = ["--config", "configs/gan_l1.py:low,demo", *tiny_overrides]
    done, _ = run(*typed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    workdir = tmp_path / "runs" / "gan_l1-low-demo"
    first = json.loads((workdir / "summary.json").read_text())
    (workdir / "summary.json").unlink()
    (workdir / "report.html").unlink()
    done, _ = run(*("--mode", "evaluate", "--workdir", workdir), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = json.loads((workdir / "summary.json").read_text())
    assert again["metrics"] == first["metrics"]
    assert (workdir / "report.html").is_file()


def test_help_is_no_failure_and_a_reader_that_goes_away_is_no_bug():
    done, _ = run("--help")
    assert done.returncode == 0 and "--workdir" in done.stdout and not done.stderr
    code = "from jaxrestore.cli import ending; ending.run(lambda: print(1, flush=True))"
    closed = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        closed, env=environment, stdout=writer, stderr=subprocess.PIPE, timeout=120
    )
    os.close(writer)
    assert done.returncode == 141 and not done.stderr
