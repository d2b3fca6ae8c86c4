"""The only training loop: from a config to a folder that holds the run."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrestore import checkpoints, errors, networks, sharding
from jaxrestore.data import dead_leaves, pipeline
from jaxrestore.evaluation import evaluate, outcome
from jaxrestore.training import (
    clock,
    cost,
    interruption,
    logbook,
    recipe,
    state,
    steps,
)


class Setup(NamedTuple):
    """What is known before anything is compiled."""

    config: Mapping[str, Any]
    recipe: steps.Recipe
    mesh: jax.sharding.Mesh
    sources: list[tuple[Any, float]]
    evaluator: evaluate.Evaluator
    restore: Callable[..., Any]
    shapes: state.TrainState
    batch: jax.ShapeDtypeStruct


def prepare(
    config: Mapping[str, Any], devices: list[jax.Device] | None = None
) -> Setup:
    """Returns the setup of a run on `devices` (default: all), nothing compiled yet.

    Raises `ConfigError` for a config that cannot be meant and `NoInputError` for a
    folder that is missing or empty.
    """
    mesh = sharding.mesh(devices)
    built = recipe.build(config, mesh.size)
    sources = pipeline.training_sources(config["data"], config["seed"])
    evaluator = outcome.evaluator(config, mesh)
    side, count = config["crop"], config["steps_per_call"]
    batch = jax.ShapeDtypeStruct(
        (count, config["batch_size"], side, side, 3),
        np.uint8,
        sharding=sharding.by_row(mesh, axis=1),
    )
    try:
        shapes = jax.eval_shape(_initial(built, config), _key(config))
        jax.eval_shape(steps.train_steps(built), shapes, batch)
    except (ValueError, KeyError) as error:
        raise errors.ConfigError(
            f"this config cannot run on crops of {side} px: {error}"
        ) from error
    restore = networks.restore_function(built.generator.model)
    return Setup(config, built, mesh, sources, evaluator, restore, shapes, batch)


def train(
    config: Mapping[str, Any],
    workdir: Path,
    *,
    fork: Path | None = None,
    devices: list[jax.Device] | None = None,
) -> dict[str, Any]:
    """Trains until `config["steps"]`, from the latest checkpoint; returns the summary.

    `workdir` is made or resumed. With `fork` the run in `workdir` is continued in the
    new folder `fork` under the changed config. Raises `MismatchError` when `workdir`
    holds a run of another config, `TrainingError` when updates stay non-finite, and
    `Interrupted` after a signal, the state saved.
    """
    setup = prepare(config, devices)
    source, workdir = workdir, fork or workdir
    _claim(workdir, config)
    with logbook.Logbook(
        workdir,
        step=_latest(workdir) or 0,
        steps=config["steps"],
        active=jax.process_index() == 0,
    ) as log:
        log.say(headline(setup))
        step = compile_step(setup, log.say)
        run = _start(setup, source, workdir, log)
        run = _run(setup, step, run, workdir, log)
        log.say("scoring the best checkpoint")
        summary = outcome.score(workdir, setup.mesh)
        log.say(verdict(summary, workdir))
    return summary


def headline(setup: Setup) -> str:
    """Returns the first line: devices, parameters, memory; and a GPU left unused."""
    sizes = [f"generator {state.count_parameters(setup.shapes.generator.params):,}"]
    if setup.shapes.discriminator is not None:
        count = state.count_parameters(setup.shapes.discriminator.params)
        sizes.append(f"discriminator {count:,}")
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in _numbers(setup.shapes))
    device = jax.devices()[0]
    line = (
        f"{setup.mesh.size} x {device.device_kind} ({device.platform}); parameters: "
        f"{', '.join(sizes)}; memory: state {cost.in_words(held)} of "
        f"{cost.in_words(cost.device_memory())}"
    )
    if cost.unused_gpu():
        line = (
            "an NVIDIA GPU is here, but this jax cannot use it: pip install "
            f"'jaxrestore[cuda]'\n{line}"
        )
    return line


def compile_step(setup: Setup, say: Callable[[str], object]) -> Any:
    """Returns the compiled train step; says what it costs in hours and memory."""
    everywhere = sharding.replicated(setup.mesh)
    step = jax.jit(
        steps.train_steps(setup.recipe),
        donate_argnums=0,
        out_shardings=(everywhere, everywhere),
    )
    lowered = step.lower(_placed(setup.shapes, everywhere), setup.batch)
    if jax.default_backend() == "cpu":
        parts = setup.recipe.accumulate * setup.config["steps"]
        seconds = cost.expected_seconds(lowered, parts)
        line = (
            f"no accelerator: {setup.config['steps']:,} steps should take about "
            f"{logbook.duration(seconds)} on this CPU"
        )
        if seconds > 3600:
            line += "; the argument demo (configs/gan_full.py:demo) takes minutes"
        say(line)
    started = time.perf_counter()
    compiled = lowered.compile()
    say(
        f"compiled in {logbook.duration(time.perf_counter() - started)}; a step holds "
        f"{cost.in_words(cost.step_memory(compiled))} a device"
    )
    return compiled


def verdict(summary: Mapping[str, Any], workdir: Path) -> str:
    """Returns the last line: the gain, and where the report lies."""
    psnr = summary["metrics"]["psnr"]
    if psnr["gain"] is None:
        return f"PSNR is infinite for an image; {workdir / 'report.html'}"
    return (
        f"step {summary['step']}: PSNR {psnr['degraded']:.2f} -> "
        f"{psnr['restored']:.2f} dB, gain {psnr['gain']:+.2f} dB, "
        f"{summary['share_better_than_input']:.0%} of {summary['images']} images "
        f"better than their input; {workdir / 'report.html'}"
    )


def _run(setup, step, run, workdir, log):
    """The loop itself: from the state `run` to the last step."""
    config = setup.config
    first = int(run.step)
    timer = clock.Clock()
    manager = checkpoints.manager(workdir)
    batches = pipeline.batches(
        setup.sources,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop=config["crop"],
        first_step=first,
        threads=config["data"]["threads"],
    )
    waiting = []
    together = config["steps_per_call"]
    try:
        with interruption.Interruption() as stop:
            for number in range(first + together, config["steps"] + 1, together):
                with timer.measure("data"):
                    images = np.stack([next(batches) for _ in range(together)])
                    images = sharding.put(images, setup.mesh, axis=1)
                run, terms = step(run, images)
                waiting.append(terms)
                last = number == config["steps"] or stop.signal is not None
                if number % config["log_every"] == 0 or last:
                    _log(setup, number, waiting, timer, log)
                score = None
                if number % config["evaluation"]["every"] == 0 or (
                    last and stop.signal is None
                ):
                    with timer.measure("evaluation"):
                        score = _evaluate(setup, number, run, timer, log)
                if number % config["checkpoint_every"] == 0 or last or score:
                    with timer.measure("checkpoint"):
                        checkpoints.save(
                            manager,
                            number,
                            run,
                            restorer=run.ema,
                            config=config,
                            score=score,
                        )
                if stop.signal is not None:
                    with timer.measure("checkpoint"):
                        manager.wait_until_finished()
                    raise errors.Interrupted(
                        f"stopped by signal {stop.signal}; step {number} is saved in "
                        f"{workdir}. The same command goes on from there.",
                        stop.signal,
                    )
    finally:
        batches.close()
        manager.close()
        _report_data(setup, workdir)
    shares = [
        f"{part} {logbook.duration(seconds)} ({share:.0%})"
        for part, (seconds, share) in timer.shares().items()
    ]
    log.say(f"time: {', '.join(shares)}")
    return run


def _log(setup, number, waiting, timer, log):
    """Fetches the terms since the last call, writes their means, looks for trouble."""
    config = setup.config
    terms = jax.device_get(waiting)
    waiting.clear()
    count = sum(len(term["train/psnr"]) for term in terms)
    scalars = {}
    for name in terms[0]:
        values = np.concatenate([term[name] for term in terms])
        values = values[np.isfinite(values)]
        if len(values):
            scalars[name] = float(values.mean())
    times = timer.interval()
    scalars["seconds"] = timer.total
    busy = times["data"] + times["device"]
    scalars["images_per_second"] = count * config["batch_size"] / busy
    scalars |= {f"time/{name}": seconds for name, seconds in times.items()}
    log.write(number, scalars)
    log.progress(number, scalars)
    for player in ("generator", "discriminator"):
        skipped = [
            term[f"{player}/skipped"] for term in terms if f"{player}/skipped" in term
        ]
        worst = np.nanmax(np.concatenate(skipped)) if skipped else 0
        if worst:
            log.say(f"step {number}: {player} skipped {worst:.0f} non-finite updates")
        if worst >= config["max_bad_steps"]:
            guilty = _first_non_finite(terms, player)
            raise errors.TrainingError(
                f"the {player}'s update was not finite {worst:.0f} times in a row, up "
                f"to step {number} ({guilty}); training stopped, the last checkpoint "
                "is sound. Lower config.optimizer."
                f"{player}.rate, or look at the images of these steps."
            )


def _first_non_finite(terms, player):
    names = [
        name
        for name in terms[-1]
        if name.startswith(player) and not np.isfinite(terms[-1][name]).all()
    ]
    return f"not finite: {', '.join(names)}" if names else "its gradient overflowed"


def _evaluate(setup, number, run, timer, log):
    result = setup.evaluator(lambda degraded: setup.restore(run.ema, degraded))
    summary = evaluate.summarize(result.rows)
    scalars = {"seconds": timer.total}
    for name, numbers in summary["metrics"].items():
        scalars[f"evaluation/{name}"] = numbers["restored"]
        scalars[f"evaluation/degraded_{name}"] = numbers["degraded"]
        scalars[f"evaluation/{name}_gain"] = numbers["gain"]
    scalars = {name: value for name, value in scalars.items() if value is not None}
    log.write(number, scalars)
    log.show(number, result.strips)
    psnr = summary["metrics"]["psnr"]
    if psnr["gain"] is not None:
        log.say(
            f"step {number}: evaluation PSNR {psnr['restored']:.2f} dB, "
            f"gain {psnr['gain']:+.2f} dB ({result.seconds:.1f} s)"
        )
    mean = np.mean([row["restored_psnr"] for row in result.rows])
    return float(mean)


def _claim(workdir, config):
    """Makes `workdir` this run's, unless it is another's."""
    known = workdir / "config.json"
    config = json.loads(json.dumps(config))
    if known.exists():
        changed = list(recipe.differences(json.loads(known.read_text()), config))
        if changed:
            raise errors.MismatchError(
                f"{workdir} holds a run of another config. Changed: "
                f"{'; '.join(changed)}. Give another --workdir, or --fork NEW to go on "
                "from it there."
            )
    elif jax.process_index() == 0:
        workdir.mkdir(parents=True, exist_ok=True)
        outcome.write_json(known, config)
    if jax.process_index() == 0:
        outcome.write_json(workdir / "environment.json", outcome.environment())


def _start(setup, source, workdir, log):
    """The state to go on from: this run's latest, the forked run's, or a new one."""
    everywhere = sharding.replicated(setup.mesh)
    template = _placed(setup.shapes, everywhere)
    for folder in (workdir, source):
        latest = _latest(folder)
        if latest is None:
            continue
        with checkpoints.manager(folder) as manager:
            run = checkpoints.restore(manager, latest, template)
        log.say(f"resumed {folder} at step {latest}")
        break
    else:
        start = jax.jit(_initial(setup.recipe, setup.config), out_shardings=everywhere)
        run = start(_key(setup.config))
    for bank, _ in setup.sources:
        if isinstance(bank, dead_leaves.Bank):
            seconds = bank.fill(index=int(run.step) * setup.config["batch_size"])
            log.say(f"painted {bank.count} dead-leaves images in {seconds:.1f} s")
    return run


def _report_data(setup, workdir):
    """Names what could not be read, training and evaluation, in `data_report.json`."""
    if jax.process_index():
        return
    found = [
        source.report() for source, _ in setup.sources if hasattr(source, "report")
    ]
    outcome.write_json(
        workdir / "data_report.json",
        {"training": found, "evaluation": setup.evaluator.source.report()},
    )


def _latest(workdir):
    try:
        return checkpoints.steps(workdir)[-1]
    except errors.MismatchError:
        return None


def _initial(built, config):
    return lambda key: steps.initial_state(built, key, config["crop"])


def _key(config):
    return jax.random.key(config["seed"])


def _placed(shapes, placement):
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placement),
        shapes,
    )


def _numbers(tree):
    is_number = lambda leaf: not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return [leaf for leaf in jax.tree.leaves(tree) if is_number(leaf)]
