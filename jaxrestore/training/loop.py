"""The only training loop: from a config to a folder that holds the run."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore import errors, files, sharding
from jaxrestore.data import bank, pipeline
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.training import clock, compilation, interruption, logbook, recipe, setup
from jaxrestore.training import run as runs


def train(
    config: Mapping[str, Any],
    workdir: Path,
    *,
    fork: Path | None = None,
    devices: Sequence[Any] | None = None,
    stop: interruption.Interruption | None = None,
) -> dict[str, Any]:
    """Trains until `config["steps"]`, from the latest checkpoint; returns the summary.

    `workdir` is made or resumed. With `fork` the run in `workdir` is continued in the
    new folder `fork` under the changed config. Raises `MismatchError` when `workdir`
    holds a run of another config or on other images, `ConfigError` for a fork that is
    to start from other weights, `DamagedError` when a file of the run it goes on from
    is missing or broken, `TrainingError` when updates stay non-finite, and
    `Interrupted` after a signal, the state saved. Signals are watched here unless
    `stop`, which several runs may share, does it.
    """
    folders = [workdir]
    if fork is not None:
        checkpoints.steps(workdir)  # raises where there is nothing to go on from
        _check_fork(config.get("init_from", ""), workdir)
        folders, workdir = [fork, workdir], fork
    prepared = setup.prepare(config, devices)
    _claim(workdir, config, runs.images(prepared))
    first = _latest(folders)
    if first is not None:
        _inherit_history(first[0], workdir)
    step = lambda say: compilation.compile_step(prepared, say)
    return _train([prepared], [workdir], first and [first], step, stop)[0]


def train_together(
    configs: Sequence[Mapping[str, Any]],
    workdirs: Sequence[Path],
    mode: str,
    *,
    devices: Sequence[Any] | None = None,
) -> list[dict[str, Any]]:
    """Trains runs that differ in their `recipe.numbers` alone by one program.

    They share their batches, degradations included. Folders, resuming and errors are
    those of `train`; runs go on from the latest step that all have saved, and an error
    of one stops all. Modes: see `compilation.compile_together`.
    """
    prepared = [setup.prepare(config, devices) for config in configs]
    for config, workdir in zip(configs, workdirs, strict=True):
        _claim(workdir, config, runs.images(prepared[0]))
    saved = set.intersection(*(set(checkpoints.finished(x)) for x in workdirs))
    first = [(workdir, max(saved)) for workdir in workdirs] if saved else None
    for workdir, _ in first or ():
        _inherit_history(workdir, workdir)
    step = lambda say: compilation.compile_together(prepared, mode, say)
    return _train(prepared, workdirs, first, step, None)


def _train(prepared, workdirs, first, compile_step, stop):
    """The summaries of the runs; `first` has the (folder, step) each goes on from."""
    leader, several = prepared[0], len(prepared) > 1
    watch = contextlib.nullcontext(stop) if stop else interruption.Interruption()
    with contextlib.ExitStack() as entered:
        group = []
        for one, workdir in zip(prepared, workdirs, strict=True):
            log = logbook.Logbook(
                workdir,
                step=first[0][1] if first else 0,
                steps=leader.config["steps"],
                active=jax.process_index() == 0,
                label=workdir.name if several else "",
            )
            group.append(runs.Run(one, workdir, entered.enter_context(log)))
        group[0].log.say(setup.headline(leader))
        for notice in leader.notices:
            group[0].log.say(f"note: {notice}")
        # Before anything is compiled, which takes longer than to see a mismatch.
        for index, run in enumerate(group):
            runs.begin(run, first and first[index])
        step = compile_step(group[0].log.say)
        for run in group:
            runs.write_cost(run, step, len(group))
        _fill_banks(leader, group[0])
        with watch as watching:
            _run(group, step.call, watching)
        summaries = []
        for run in group:
            run.log.say("scoring the best checkpoint")
            summaries.append(outcome.score(run.workdir, leader.mesh))
            run.log.say(outcome.verdict(summaries[-1], run.workdir))
    return summaries


def _inherit_history(folder, workdir):
    """A fork goes on in the history of the run it came from."""
    history = folder / "metrics.jsonl"
    if not history.is_file():
        raise errors.DamagedError(
            f"{history} is missing, so the run is damaged; take the file from a copy, "
            "or make an empty one to go on without the history"
        )
    if not (workdir / "metrics.jsonl").exists():
        files.write_bytes(workdir / "metrics.jsonl", history.read_bytes())


def _check_fork(wanted, workdir):
    known = checkpoints.read_config(workdir)["init_from"]
    if wanted != known:
        raise errors.ConfigError(
            f"config.init_from is {wanted!r}, but a fork goes on with the weights of "
            f"{workdir}; set it to {known!r} as there, or leave `fork` out"
        )


def _claim(workdir, config, images=None):
    """Makes `workdir` this config's, with these images, unless it is another's."""
    known = workdir / "config.json"
    config = json.loads(json.dumps(config))
    # Without a checkpoint there is nothing yet that another config could contradict.
    if known.exists() and checkpoints.finished(workdir):
        changed = list(recipe.differences(checkpoints.read_config(workdir), config))
        if changed:
            raise errors.MismatchError(
                f"{workdir} holds a run of another config. Changed: "
                f"{'; '.join(changed)}. Give another `workdir`, or a new folder as "
                "`fork` to go on from it there."
            )
        runs.check_images(workdir, images)
    if jax.process_index() == 0:
        workdir.mkdir(parents=True, exist_ok=True)
        files.write_json(known, checkpoints.versioned(config))
        files.write_json(workdir / "environment.json", outcome.environment())
        if images is not None:
            files.write_json(workdir / runs.IMAGES, images)


def _latest(folders):
    """(folder, step) of the latest checkpoint in the first folder that has one."""
    for folder in folders:
        if found := checkpoints.finished(folder):
            return folder, found[-1]
    return None


def _fill_banks(prepared, run):
    for images, share in prepared.sources:
        if isinstance(images, bank.Bank):
            drawn = int(run.state.step) * prepared.config["batch_size"] * share
            seconds = images.fill(index=int(drawn))
            run.log.say(f"painted {images.count} dead-leaves images in {seconds:.1f} s")


def _evaluated(group, number, timer):
    """The scores of all runs; of one that fails, the states are saved without any."""
    try:
        return [runs.evaluated(run, number, timer) for run in group]
    except Exception:
        for run in group:
            runs.save(run, number, None)
        raise


def _run(group, step, stop):
    """From the states of the runs to the last step, or to a signal."""
    leader = group[0].prepared
    config = leader.config
    together, steps = config["steps_per_call"], config["steps"]
    first = int(group[0].state.step)
    batches = pipeline.batches(
        leader.sources,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop=config["crop"],
        first_step=first,
        threads=config["data"]["threads"],
        preprocess=config["data"]["preprocess"],
        load_size=config["data"]["load_size"],
        colors=config["data"]["colors"],
    )
    timer = clock.Clock(spent=runs.seconds_before(group[0].workdir))
    with contextlib.ExitStack() as entered:
        entered.enter_context(contextlib.closing(batches))
        for run in group:
            run.manager = entered.enter_context(checkpoints.manager(run.workdir))
            entered.enter_context(runs.data_report(run))
        for number in range(first + together, steps + 1, together):
            with timer.measure("data"):
                images = np.stack([next(batches) for _ in range(together)])
                images = sharding.put(images, leader.mesh, axis=1)
            states, terms = step(tuple(run.state for run in group), images)
            for run, state, new in zip(group, states, terms, strict=True):
                run.state = state
                run.waiting.append(new)
            stopped = stop.signal
            last = stopped is not None or number == steps
            if last or number % config["log_every"] == 0:
                # Steps that are still being computed belong to this interval.
                jax.block_until_ready([run.waiting for run in group])
                times, seconds = timer.interval(), timer.total
                for run in group:
                    runs.log(run, number, times, seconds)
            due = number == steps or number % config["evaluation"]["every"] == 0
            # A rate that waits for evaluations must not miss one.
            waits = group[0].state.plateau is not None
            due = due and (stopped is None or waits)
            saves = last or due or number % config["checkpoint_every"] == 0
            scores = _evaluated(group, number, timer) if due else [None] * len(group)
            for run, score in zip(group, scores, strict=True):
                if saves:
                    with timer.measure("checkpoint"):
                        runs.save(run, number, score)
            if stopped is not None:
                folders = ", ".join(str(run.workdir) for run in group)
                raise errors.Interrupted(
                    f"stopped by signal {stopped}; step {number} is saved in "
                    f"{folders}. The same command goes on from there.",
                    stopped,
                )
    shares = [
        f"{part} {logbook.duration(seconds)} ({share:.0%})"
        for part, (seconds, share) in timer.shares().items()
    ]
    group[0].log.say(f"time: {', '.join(shares)}")
