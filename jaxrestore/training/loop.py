"""The only training loop: from a config to a folder that holds the run."""

import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore import checkpoints, errors, sharding
from jaxrestore.data import bank, pipeline
from jaxrestore.evaluation import evaluate, outcome
from jaxrestore.training import clock, interruption, logbook, recipe, setup


def train(
    config: Mapping[str, Any],
    workdir: Path,
    *,
    fork: Path | None = None,
    devices: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Trains until `config["steps"]`, from the latest checkpoint; returns the summary.

    `workdir` is made or resumed. With `fork` the run in `workdir` is continued in the
    new folder `fork` under the changed config. Raises `MismatchError` when `workdir`
    holds a run of another config, `TrainingError` when updates stay non-finite, and
    `Interrupted` after a signal, the state saved.
    """
    prepared = setup.prepare(config, devices)
    folders = [workdir]
    if fork is not None:
        checkpoints.steps(workdir)  # raises where there is nothing to go on from
        folders, workdir = [fork, workdir], fork
    _claim(workdir, config)
    first = _latest(folders)
    if first is not None and not (workdir / "metrics.jsonl").exists():
        shutil.copy(first[0] / "metrics.jsonl", workdir)
    with logbook.Logbook(
        workdir,
        step=first[1] if first else 0,
        steps=config["steps"],
        active=jax.process_index() == 0,
    ) as log:
        log.say(setup.headline(prepared))
        step = setup.compile_step(prepared, log.say)
        run = _first_state(prepared, first, log)
        _run(prepared, step, run, workdir, log)
        log.say("scoring the best checkpoint")
        summary = outcome.score(workdir, prepared.mesh)
        log.say(outcome.verdict(summary, workdir))
    return summary


def _claim(workdir, config):
    """Makes `workdir` this config's, unless it is another's."""
    known = workdir / "config.json"
    config = json.loads(json.dumps(config))
    # Without a checkpoint there is nothing yet that another config could contradict.
    if known.exists() and checkpoints.finished(workdir):
        changed = list(recipe.differences(json.loads(known.read_text()), config))
        if changed:
            raise errors.MismatchError(
                f"{workdir} holds a run of another config. Changed: "
                f"{'; '.join(changed)}. Give another --workdir, or --fork NEW to go on "
                "from it there."
            )
    if jax.process_index() == 0:
        workdir.mkdir(parents=True, exist_ok=True)
        outcome.write_json(known, config)
        outcome.write_json(workdir / "environment.json", outcome.environment())


def _latest(folders):
    """(folder, step) of the latest checkpoint in the first folder that has one."""
    for folder in folders:
        if found := checkpoints.finished(folder):
            return folder, found[-1]
    return None


def _first_state(prepared, first, log):
    """The state to go on from, `first` being (folder, step) or None for a new run."""
    config = prepared.config
    if first is not None:
        folder, latest = first
        if latest % config["steps_per_call"]:
            raise errors.MismatchError(
                f"{folder} stopped at step {latest}, which does not divide by "
                f"config.steps_per_call ({config['steps_per_call']}); set it to 1"
            )
        with checkpoints.manager(folder) as manager:
            run = checkpoints.restore(manager, latest, prepared.state)
        log.say(f"resumed {folder} at step {latest}")
    else:
        everywhere = sharding.replicated(prepared.mesh)
        begin = jax.jit(
            setup.initial(prepared.recipe, config), out_shardings=everywhere
        )
        run = begin(jax.random.key(config["seed"]))
    for images, share in prepared.sources:
        if isinstance(images, bank.Bank):
            drawn = int(run.step) * config["batch_size"] * share
            seconds = images.fill(index=int(drawn))
            log.say(f"painted {images.count} dead-leaves images in {seconds:.1f} s")
    return run


def _run(prepared, step, run, workdir, log):
    """From the state `run` to the last step, or to a signal."""
    config = prepared.config
    together, steps = config["steps_per_call"], config["steps"]
    first = int(run.step)
    batches = pipeline.batches(
        prepared.sources,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop=config["crop"],
        first_step=first,
        threads=config["data"]["threads"],
    )
    timer = clock.Clock(spent=_seconds_before(workdir))
    waiting = []
    with (
        interruption.Interruption() as stop,
        checkpoints.manager(workdir) as manager,
        contextlib.closing(batches),
        _data_report(prepared, workdir),
    ):
        for number in range(first + together, steps + 1, together):
            with timer.measure("data"):
                images = np.stack([next(batches) for _ in range(together)])
                images = sharding.put(images, prepared.mesh, axis=1)
            run, terms = step(run, images)
            waiting.append(terms)
            stopped = stop.signal
            last = stopped is not None or number == steps
            if last or number % config["log_every"] == 0:
                _log(config, number, waiting, timer, log)
            score = None
            due = number == steps or number % config["evaluation"]["every"] == 0
            if due and stopped is None:
                with timer.measure("evaluation"):
                    score = _evaluate(prepared, number, run, timer, log)
            if last or score is not None or number % config["checkpoint_every"] == 0:
                with timer.measure("checkpoint"):
                    checkpoints.save(
                        manager,
                        number,
                        run,
                        restorer=run.ema,
                        config=config,
                        score=score,
                    )
            if stopped is not None:
                raise errors.Interrupted(
                    f"stopped by signal {stopped}; step {number} is saved in "
                    f"{workdir}. The same command goes on from there.",
                    stopped,
                )
    shares = [
        f"{part} {logbook.duration(seconds)} ({share:.0%})"
        for part, (seconds, share) in timer.shares().items()
    ]
    log.say(f"time: {', '.join(shares)}")


def _log(config, number, waiting, timer, log):
    """Fetches the terms since the last call, writes their means, looks for trouble."""
    fetched = jax.device_get(waiting)
    waiting.clear()
    terms = {
        name: np.concatenate([call[name] for call in fetched]) for name in fetched[0]
    }
    # A player that rested in a step has NaN there.
    finite = {name: values[np.isfinite(values)] for name, values in terms.items()}
    scalars = {name: float(v.mean()) for name, v in finite.items() if len(v)}
    times = timer.interval()
    images = len(terms["train/psnr"]) * config["batch_size"]
    scalars["images_per_second"] = images / (times["data"] + times["device"])
    scalars["seconds"] = timer.total
    scalars |= {f"time/{part}": seconds for part, seconds in times.items()}
    log.write(number, scalars)
    log.progress(number, scalars)
    for player in ("generator", "discriminator"):
        skipped = finite.get(f"{player}/skipped", np.zeros(0))
        worst = int(skipped.max(initial=0))
        if worst:
            log.say(f"step {number}: {player} skipped {worst} non-finite updates")
        if worst >= config["max_bad_steps"]:
            bad = [
                name
                for name, values in terms.items()
                if name.startswith(player) and not np.isfinite(values[-1])
            ]
            raise errors.TrainingError(
                f"the {player}'s update was not finite {worst} times in a row, up to "
                f"step {number} ({', '.join(bad) or 'its gradient'}); the last "
                f"checkpoint is sound. Lower config.optimizer.{player}.rate, "
                "or look at the images of these steps."
            )


def _evaluate(prepared, number, run, timer, log):
    """Scores the averaged generator, writes it down; returns the mean PSNR in dB."""
    result = prepared.evaluator(lambda degraded: prepared.restore(run.ema, degraded))
    metrics = evaluate.summarize(result.rows)["metrics"]
    scalars = {"seconds": timer.total}
    for name, numbers in metrics.items():
        scalars[f"evaluation/{name}"] = numbers["restored"]
        scalars[f"evaluation/degraded_{name}"] = numbers["degraded"]
        scalars[f"evaluation/{name}_gain"] = numbers["gain"]
    log.write(number, {name: x for name, x in scalars.items() if x is not None})
    log.show(number, result.strips)
    psnr = metrics["psnr"]
    if None not in (psnr["gain"], psnr["restored"]):
        log.say(
            f"step {number}: evaluation PSNR {psnr['restored']:.2f} dB, "
            f"gain {psnr['gain']:+.2f} dB ({result.seconds:.1f} s)"
        )
    return float(np.mean([row["restored_psnr"] for row in result.rows]))


@contextlib.contextmanager
def _data_report(prepared, workdir):
    """Leaves `data_report.json`, the names of what could not be read, at the end."""
    try:
        yield
    finally:
        photographs = [images for images, _ in prepared.sources]
        found = [x.report() for x in photographs if not isinstance(x, bank.Bank)]
        if jax.process_index() == 0:
            outcome.write_json(
                workdir / "data_report.json",
                {"training": found, "evaluation": prepared.evaluator.source.report()},
            )


def _seconds_before(workdir):
    rows = outcome.read_history(workdir / "metrics.jsonl")
    return rows[-1]["seconds"] if rows else 0.0
