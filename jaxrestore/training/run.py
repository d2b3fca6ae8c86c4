"""One run inside the loop: its state, its log, its scores and its files."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore import errors, files, sharding
from jaxrestore.data import bank, inventory
from jaxrestore.evaluation import outcome, summaries
from jaxrestore.fitting import optimizers
from jaxrestore.runs import checkpoints
from jaxrestore.training import clock, compilation, inheritance, logbook, setup

IMAGES = "images.json"  # in a run's folder: what its images were when it began


class Run:
    """One run in the loop: what it is, where it is written, and how far it got."""

    def __init__(self, prepared: setup.Setup, workdir: Path, log: logbook.Logbook):
        """Begins without a state; see `begin`."""
        self.prepared = prepared
        self.workdir = workdir
        self.log = log
        self.state: Any = None
        self.waiting: list[Any] = []  # terms of steps that are not logged yet
        self.manager: Any = None  # of its checkpoints


def begin(run: Run, first: tuple[Path, int] | None) -> None:
    """Gives the run its state: that of (folder, step), or without one a new one.

    Raises `MismatchError` where it cannot go on from there.
    """
    prepared, config = run.prepared, run.prepared.config
    if first is not None:
        folder, latest = first
        if latest > config["steps"]:
            raise errors.MismatchError(
                f"{folder} is at step {latest}, beyond the {config['steps']} steps of "
                "this config (which may count epochs of fewer images); raise "
                "config.steps or config.epochs to train on"
            )
        if latest % config["steps_per_call"]:
            raise errors.MismatchError(
                f"{folder} stopped at step {latest}, which does not divide by "
                f"config.steps_per_call ({config['steps_per_call']}); set it to 1"
            )
        with checkpoints.manager(folder) as manager:
            run.state = checkpoints.restore(manager, latest, prepared.state)
        run.log.say(f"resumed {folder} at step {latest}")
    else:
        everywhere = sharding.replicated(prepared.mesh)
        start = jax.jit(
            setup.initial(prepared.recipe, config), out_shardings=everywhere
        )
        run.state = start(jax.random.key(config["seed"]))
        if config["init_from"]:
            _inherit(run, config["init_from"])


def _inherit(run, where):
    variables, words = inheritance.load(where)
    state = inheritance.inherit(run.state, variables)
    run.state = sharding.replicate(state, run.prepared.mesh)
    run.log.say(f"the generator starts from {words}")


def save(run: Run, number: int, score: float | None) -> None:
    """Writes the checkpoint of step `number`, in the background."""
    checkpoints.save(
        run.manager,
        number,
        run.state,
        restorer=run.state.ema,
        config=run.prepared.config,
        score=score,
    )


def log(run: Run, number: int, times: dict[str, float], seconds: float) -> None:
    """Fetches the terms since the last call, writes their means, looks for trouble.

    `times` are the seconds since the last call, by part, `seconds` those of the run.
    Raises `TrainingError` when updates stay non-finite.
    """
    config = run.prepared.config
    fetched = jax.device_get(run.waiting)
    run.waiting.clear()
    terms = {
        name: np.concatenate([call[name] for call in fetched]) for name in fetched[0]
    }
    # A player that rested in a step has NaN there.
    finite = {name: values[np.isfinite(values)] for name, values in terms.items()}
    scalars = {name: float(v.mean()) for name, v in finite.items() if len(v)}
    images = len(terms["train/psnr"]) * config["batch_size"]
    scalars["images_per_second"] = images / (times["data"] + times["device"])
    scalars["seconds"] = seconds
    scalars |= {f"time/{part}": spent for part, spent in times.items()}
    run.log.write(number, scalars)
    run.log.progress(number, scalars)
    for player in ("generator", "discriminator"):
        skipped = finite.get(f"{player}/skipped", np.zeros(0))
        worst = int(skipped.max(initial=0))
        if worst:
            run.log.say(f"step {number}: {player} skipped {worst} non-finite updates")
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


def evaluated(run: Run, number: int, timer: clock.Clock) -> float:
    """Scores the EMA of the generator, writes it down; returns what ranks it, in dB."""
    prepared, average = run.prepared, run.state.ema
    with timer.measure("evaluation"):
        restore = lambda degraded: prepared.restore(average, degraded)
        result = prepared.evaluator(restore)
    summary = summaries.summarize(result.rows)
    metrics = summary["metrics"]
    scalars = {"seconds": timer.total}
    for name, numbers in metrics.items():
        scalars[f"evaluation/{name}"] = numbers["restored"]
        scalars[f"evaluation/degraded_{name}"] = numbers["degraded"]
        scalars[f"evaluation/{name}_gain"] = numbers["gain"]
    run.log.write(number, {name: x for name, x in scalars.items() if x is not None})
    run.log.show(number, result.strips)
    psnr = metrics["psnr"]
    if psnr["images"]:
        run.log.say(
            f"step {number}: evaluation PSNR {psnr['restored']:.2f} dB, "
            f"gain {psnr['gain']:+.2f} dB"
            f"{summaries.of_finite(psnr, summary['images'])} ({result.seconds:.1f} s)"
        )
    score = summaries.ranking(result.rows)
    if run.state.plateau is not None:
        # What is to fall is the mean square error.
        after = optimizers.on_plateau(run.state.plateau, 10 ** (-score / 10))
        placed = sharding.replicate(after, prepared.mesh)
        run.state = run.state.replace(plateau=placed)
    return score


def write_cost(run: Run, step: compilation.Step, runs: int) -> None:
    """Leaves `cost.json`: what the program of so many runs takes to compile and hold.

    Seconds, and bytes on each device.
    """
    if jax.process_index() == 0:
        found = {
            "compile_seconds": round(step.seconds, 3),
            "step_bytes": step.memory,
            "runs": runs,
        }
        files.write_json(run.workdir / "cost.json", found)


@contextlib.contextmanager
def data_report(run: Run) -> Iterator[None]:
    """Leaves `data_report.json`, the names of what could not be read, at the end."""
    try:
        yield
    finally:
        prepared = run.prepared
        found = [x.report() for x in _photographs(prepared)]
        if jax.process_index() == 0:
            files.write_json(
                run.workdir / "data_report.json",
                {
                    "training": found,
                    "evaluation": prepared.evaluator.source.report(),
                    "notices": prepared.notices,
                },
            )


def images(prepared: setup.Setup) -> dict[str, Any]:
    """Returns what a run keeps in `IMAGES`, to know its images again."""
    training = [inventory.record(source) for source in _photographs(prepared)]
    scored = inventory.record(prepared.evaluator.source)
    return {"training": training, "evaluation": [scored]}


def _photographs(prepared):
    return [x for x, _ in prepared.sources if not isinstance(x, bank.Bank)]


def check_images(workdir: Path, found: dict[str, Any] | None) -> None:
    """Raises `MismatchError` where a run that is to go on had other images.

    A run older than the record goes on with what there is.
    """
    path = workdir / IMAGES
    if found is None or not path.is_file():
        return
    known = files.read_json(path)
    changed = [
        f"{side} {how}"
        for side in found
        for before, after in zip(known[side], found[side], strict=True)
        if (how := inventory.changes(before, after))
    ]
    if changed:
        raise errors.MismatchError(
            f"{workdir} holds a run on other images than there are now. Changed: "
            f"{'; '.join(changed)}. Bring them back as they were, or give a new folder "
            "as `fork` to go on with those that there are."
        )


def seconds_before(workdir: Path) -> float:
    """Returns the seconds that a run has taken, 0 for a new one."""
    rows = outcome.read_history(workdir / "metrics.jsonl")
    return rows[-1]["seconds"] if rows else 0.0
