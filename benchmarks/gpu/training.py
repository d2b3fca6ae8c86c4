"""The main job itself, for a given time: gain, images a second, where the time goes."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.gpu import contests, resume
from jaxrestore import config_files
from jaxrestore.training import compilation, loop, setup


def rows(*, toy: bool, seconds: float) -> Iterator[contests.Row]:
    """Yields what `seconds` of steps of `gan_full` reach at 128 px in bfloat16."""
    _, config = config_files.load("configs/gan_full.py" + (":demo" if toy else ""))
    config.precision = "bfloat16"
    with tempfile.TemporaryDirectory() as folder:
        if toy:
            config.update_from_flattened_dict(resume.TOY)
            tiny = {name: str(at) for name, at in resume.pictures(Path(folder)).items()}
            config.update_from_flattened_dict(tiny)
            seconds = 1.0
        config = config.to_dict()
        step, compiling = _step_seconds(config)
        steps = min(int(seconds / step), 20 if toy else 10**6)
        every = max(steps // 4, 1)
        config |= {"steps": steps, "checkpoint_every": every, "log_every": every}
        config["evaluation"]["every"] = every
        for player in ("generator", "discriminator"):
            config["optimizer"][player]["warmup"] = steps // 20
        started = time.perf_counter()
        summary = loop.train(config, Path(folder, "run"))
        elapsed = time.perf_counter() - started
        history = Path(folder, "run", "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in history]
    logged = [row for row in logged if "images_per_second" in row]
    yield {
        "contestant": f"gan_full, {steps} steps of {config['batch_size']}",
        "PSNR gain dB": summary["metrics"]["psnr"]["gain"],
        "images/s": logged[-1]["images_per_second"],
        "images/s of the step alone": config["batch_size"] / step,
        "first call s": compiling,
        "whole run s": elapsed,
        **{k: v for k, v in logged[-1].items() if k.startswith("time/")},
    }


def _step_seconds(config: dict[str, Any]) -> tuple[float, float]:
    """Returns the seconds of a step, its batch made from uint8, and of compiling it."""
    prepared = setup.prepare(config)
    step = compilation.compile_step(prepared, lambda text: None)
    initial = setup.initial(prepared.recipe, prepared.config)
    state = (jax.jit(initial)(jax.random.key(0)),)
    images = np.random.default_rng(0).integers(0, 256, prepared.batch.shape, np.uint8)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(5):
            state, _ = step.call(state, images)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - started) / 5)
    return float(np.median(seconds[1:])), step.seconds
