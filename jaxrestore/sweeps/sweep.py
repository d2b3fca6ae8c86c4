"""Running a study: every cell once, the failed ones named, then the table and plots."""

import contextlib
import dataclasses
import json
import queue
from collections.abc import Callable, Sequence
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.experimental.compilation_cache import compilation_cache

from jaxrestore import config_files, errors, files, naming, sharding
from jaxrestore.evaluation import outcome
from jaxrestore.runs import checkpoints
from jaxrestore.sweeps import cells, grid, plots, progress, table
from jaxrestore.training import interruption, loop, recipe, rules

MODES = ("loop", "map", "vmap")
SHARES = ("each", "all")

Task = Callable[..., Any]


class _Players(NamedTuple):
    """Who trains a run, who trains several by one program, and who scores."""

    train: Task
    together: Task
    score: Task


class _Job(NamedTuple):
    """A cell that has to be trained or scored, with all that this needs."""

    cell: grid.Cell
    folder: Path
    config: dict[str, Any]
    tests: dict[str, grid.Changes]


def load(name: str, scale: float = 1.0) -> grid.Study:
    """Returns the study of a file: its `get_study(scale)`.

    A file that is not there is looked for among the package's `configs/studies`. What
    a scale below 1 leaves out, the file says. Raises `ConfigError` with the nearest
    file, for one that is no study, and for a scale that is not above 0 and at most 1.
    """
    if not 0 < scale <= 1:
        raise errors.ConfigError(f"`scale` is {scale}; it must be above 0, at most 1")
    return grid.study(config_files.study(name, scale))


def places(share: str) -> list[list[Any]]:
    """Returns where cells train: each device by itself (`each`), or `all` together.

    Raises `ConfigError` for another word.
    """
    if share not in SHARES:
        raise errors.ConfigError(f"devices {share!r}: {naming.nearest(share, SHARES)}")
    found = jax.devices()
    return [[device] for device in found] if share == "each" else [found]


def run(
    study: grid.Study,
    output: Path,
    *,
    mode: str = "loop",
    devices: Sequence[Sequence[Any]] = (),
    train: Task = loop.train,
    together: Task = loop.train_together,
    score: Task = outcome.score_under,
    say: Callable[[str], object] = print,
    keep: str = "all",
    measure: Task = progress.checkpoint_bytes,
) -> list[cells.Record]:
    """Trains and scores what of `study` is not done yet; returns the finished cells.

    `output` holds a folder a cell, `sweep.json`, the tables of `table.write` and the
    plots of `plots.draw`; the same call again goes on, and does nothing when all is
    done. In the mode `loop` each cell is a run of its own. `devices` are the places
    for them: with one (or none given: all devices) cells run in turn, each on as many
    of its devices as divide its batches; with several, as many cells run at once.
    `map` and `vmap` train the cells of each of `cells.groups` by one program, on as
    many of all devices; `map` gives each the bits that it has by itself. `keep` says
    what of the checkpoints of a finished cell stays: `all`, or the `generator`, which
    is used, scored and compared as before, but not trained on.

    Raises `ConfigError` before anything runs for a study that cannot be meant,
    `MismatchError` when `output` holds another study, `Interrupted` after a signal,
    states saved, and `PartialError` at the end when cells failed.
    """
    if mode not in MODES:
        raise errors.ConfigError(f"mode {mode!r}: {naming.nearest(mode, MODES)}")
    if keep not in progress.KEEP:
        hint = naming.nearest(keep, progress.KEEP)
        raise errors.ConfigError(f"`keep` is {keep!r}: {hint}")
    plots.check(study)
    devices = devices or [jax.devices()]
    jobs = [_job(study, cell, output) for cell in grid.cells(study)]
    changed = _claim(study, output)
    open_jobs = [job for job in jobs if not _finished(job)]
    say(
        f"{study.name}: {len(jobs)} cells, {len(jobs) - len(open_jobs)} finished; "
        f"{output}"
    )
    pending = output / ".pending"  # until table and plots show what there is
    waiting = _untrained(open_jobs)
    if waiting and (sizes := measure(waiting[0].config)):
        say(progress.disk(sizes, len(waiting), keep, output))
    if open_jobs or changed:
        pending.touch()
        places = len(devices) if mode == "loop" else 1
        told = progress.Progress(len(waiting), places, keep, train, together, say)
        players = _Players(told.train, told.together, score)
        with _programs_kept(output / ".programs"):
            _work(open_jobs, mode, devices, players, say)
    finished = [job for job in jobs if _finished(job)]
    if keep == "generator":
        for job in finished:  # also those of earlier calls
            checkpoints.keep_generators(job.folder)
    records = [cells.record(study, job.cell, job.folder) for job in finished]
    if records and pending.exists():
        table.write(output, study, records)
        folders = {job.cell.folder: job.folder for job in finished}
        for path in plots.draw(output, study, records, folders):
            say(str(path))
        pending.unlink()
    _end(jobs)
    return records


@contextlib.contextmanager
def _programs_kept(folder):
    """Cells that differ in seed, rates and weights alone are compiled once.

    A cache that the user has chosen stays in use.
    """
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore
    if before is None:
        _keep_programs(str(folder))
    try:
        yield
    finally:
        if before is None:
            _keep_programs(None)


def _keep_programs(folder):
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()  # which had chosen its folder, or none


def _job(study, cell, output):
    config = cells.config(study, cell)
    tests = cells.questions(study, config)
    _check_tests(config, tests)
    return _Job(cell, output / cell.folder, config, tests)


def _check_tests(config, tests):
    """Raises before hours of training for a test that cannot be asked after them."""
    try:
        rules.check(config)
    except errors.ConfigError:
        return  # the cell will fail by its name, and the others go on
    for changes in tests.values():
        rules.check(outcome.with_changes(config, changes))


def _finished(job):
    trained = cells.trained(job.folder, job.config)
    return trained and not cells.unanswered(job.folder, job.tests)


def _claim(study: grid.Study, output: Path) -> bool:
    """Makes `output` this study's; returns whether it is new, or was changed.

    What was asked before must be asked again: cells, tests, plots and labels may be
    added, but no cell and no override may go or become another.
    """
    path = output / "sweep.json"
    asked = json.loads(json.dumps(dataclasses.asdict(study)))
    if path.is_file():
        known = files.read_json(path)
        if known == asked:
            return False
        before = grid.study(known)
        lost = {c.folder for c in grid.cells(before)} - {
            c.folder for c in grid.cells(study)
        }
        fixed = ("name", "config", "overrides", "budget")
        if lost or any(known[name] != asked[name] for name in fixed):
            changes = "; ".join(recipe.differences(known, asked))
            raise errors.MismatchError(
                f"{output} holds another study. Changed: {changes}. A study may grow; "
                "for another one, give another folder."
            )
    output.mkdir(parents=True, exist_ok=True)
    files.write_json(path, asked)
    return True


def _work(jobs, mode, devices, players, say):
    everywhere = [device for place in devices for device in place]
    if mode != "loop":
        _train_together(_untrained(jobs), mode, everywhere, players, say)
    waiting = _untrained(jobs)
    if len(devices) > 1:
        _train_at_once(waiting, devices, players, say)
    else:
        for job in waiting:
            train = partial(players.train, job.config, job.folder, devices=everywhere)
            _attempt([job], train, say)
    for job in jobs:
        _attempt([job], partial(_score, job, players.score, everywhere), say)


def _untrained(jobs):
    return [job for job in jobs if not cells.trained(job.folder, job.config)]


def _train_together(jobs, mode, devices, players, say):
    """Trains by one program what can be; if a run fails, its group goes on in turn."""
    for indices in cells.groups([job.config for job in jobs]):
        group = [jobs[index] for index in indices]
        if len(group) > 1:
            configs = [job.config for job in group]
            folders = [job.folder for job in group]
            train = partial(players.together, configs, folders, mode, devices=devices)
            _attempt(group, train, say)


def _train_at_once(jobs, devices, players, say):
    """One thread a place; a signal, which only this thread sees, stops them all."""
    places: queue.Queue[Sequence[Any]] = queue.Queue()
    for place in devices:
        places.put(place)

    def at_a_place(job, stop):
        if stop.signal is not None:
            return
        place = places.get()
        try:
            with jax.default_device(place[0]):
                run = partial(players.train, job.config, job.folder)
                _attempt([job], partial(run, devices=place, stop=stop), say)
        finally:
            places.put(place)

    with (
        interruption.Interruption() as stop,
        futures.ThreadPoolExecutor(len(devices)) as pool,
    ):
        for done in [pool.submit(at_a_place, job, stop) for job in jobs]:
            done.result()
    if stop.signal is not None:
        raise errors.Interrupted(
            f"stopped by signal {stop.signal}; the same command goes on from there.",
            stop.signal,
        )


def _score(job, score, devices):
    if not cells.trained(job.folder, job.config):
        return  # it failed, and said so
    mesh = sharding.mesh(devices)
    for name, changes in cells.unanswered(job.folder, job.tests).items():
        found = score(job.folder, changes, mesh)
        cells.answer(job.folder, name, changes, found)


def _attempt(jobs: Sequence[_Job], task: Callable[[], object], say) -> None:
    """Does the task; an error is written down for its jobs, and the others go on."""
    names = ", ".join(job.cell.folder for job in jobs)
    try:
        task()
    except errors.Interrupted:
        raise
    except Exception as error:
        sentences = [cells.write_down(job.folder, error) for job in jobs]
        say(f"failed: {names}: {sentences[0]}")
    else:
        for job in jobs:
            if cells.trained(job.folder, job.config):
                (job.folder / "failed.json").unlink(missing_ok=True)
                (job.folder / "failed.txt").unlink(missing_ok=True)


def _end(jobs):
    failed = {}
    for job in jobs:
        path = job.folder / "failed.json"
        if path.is_file() and not _finished(job):
            failed[job.cell.folder] = files.read_json(path)["error"]
    if failed:
        lines = [f"{name}: {reason}" for name, reason in failed.items()]
        raise errors.PartialError(
            "\n  ".join([f"{len(failed)} of {len(jobs)} cells failed:", *lines])
        )
